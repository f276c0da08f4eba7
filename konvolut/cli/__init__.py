"""Cli: words in, one call, an exit status out.

Comes in: what a user typed.
Goes out: 0 done; 1 done, but something was found or skipped; 2 the user's mistake; 130 stopped.
Promises: a command is parse plus one call; its work is in a room.
"""
