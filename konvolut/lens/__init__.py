"""Lens: looks, and changes nothing.

Comes in: a table, a run and its evaluation.
Goes out: Ledger, pictures, report.html.
Promises: what it shows can be read without the network, in light and dark, in English and Chinese.
"""
