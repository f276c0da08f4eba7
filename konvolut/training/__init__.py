"""Training: batches, a network and a recipe in, a run folder out.

Comes in: ImageSet, Arch, Recipe.
Goes out: Run, Evaluation.
Promises: the same seed gives the same run, to the bit; a split named test is read once, at the end.
"""
