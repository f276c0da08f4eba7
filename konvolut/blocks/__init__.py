"""Blocks: one line of a paper's table in, one module out.

Comes in: a spec (a frozen dataclass whose fields are the paper's columns) and the shape it takes.
Goes out: a Row, an nn.Module.
Promises: a spec knows nothing of the net it stands in; shapes are checked under test.
"""
