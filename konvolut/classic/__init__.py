"""Classic: what came before, features made by hand and a machine that solves one convex problem.

Comes in: pictures of one size and their labels.
Goes out: features, a fitted machine, a Run.
Promises: the same seed gives the same answers; that the problem was solved is checked, in float64, and told.
"""
