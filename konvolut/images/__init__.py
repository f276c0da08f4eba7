"""Images: files in, batches of numbers out.

Comes in: a folder, a table, an array file, or the name of a set.
Goes out: ImageSet, InputSpec, Batches.
Promises: one door for every picture; what is drawn at random depends on (seed, epoch, index, stream) and on nothing else.
"""
