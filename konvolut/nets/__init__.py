"""Nets: papers in, tables out, and from a table a network and the facts about it.

Comes in: a name, or a table of rows.
Goes out: Arch, Fact, a network.
Promises: a table holds what its paper prints; where it departs, `differs` says so.
"""
