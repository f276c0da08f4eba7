"""What the laboratory found, as this version ships it: each claim's verdict, less its single measurements.

`verdicts.json` is written by `scripts/verdicts` from the results under docs/lab/results. No torch, no numpy.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("verdicts.json")


@cache
def shipped() -> Mapping[str, Mapping[str, Any]]:
    """Claim -> its result, as `lab run` stores one."""
    held: dict[str, Mapping[str, Any]] = json.loads(FILE.read_text(encoding="utf-8"))
    return held


def word(claim: str) -> str:
    """exact, supported, contradicted, conditional or inconclusive; nothing for a claim that has not been run."""
    held = shipped().get(claim)
    return str(held["verdict"]["word"]) if held else ""
