"""Lab: a sentence of the notes in, a verdict out.

Comes in: a claim's id.
Goes out: Study, Verdict.
Promises: arms differ in one thing and share seeds; every verdict has its interval, its n and its smallest effect.
"""
