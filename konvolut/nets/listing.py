"""What `konvolut nets` prints: facts stored beside this file, so that a list of nets loads no torch."""

import json
from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Listed:
    """A net of the catalogue and the figures that tell it from the others, at the input its paper has."""

    name: str
    input: tuple[int, ...]  # channels, height, width
    params: int  # numbers it learns
    macs: int  # multiply-accumulates of its convolutions and dense layers, for one picture
    layers: int  # with weights, on the longest way through
    source: str


def stored() -> list[Listed]:
    """Every net of the catalogue, in its order; `python -m konvolut.nets.catalogue` counts the tables again."""
    text = files("konvolut.nets").joinpath("nets.json").read_text(encoding="utf-8")
    return [Listed(**{**entry, "input": tuple(entry["input"])}) for entry in json.loads(text)]
