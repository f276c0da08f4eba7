"""Receptive fields by arithmetic: which pixels of the input a place of a map sees."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import nn

from konvolut.blocks.inception import Branches
from konvolut.blocks.lenet import SparseConv2d, Subsample2d
from konvolut.blocks.residual import PreResidual, Residual, ZeroPad
from konvolut.nets.features import part

Box = tuple[int, int, int, int]  # px of the net's input: top, left, bottom, right; the last two are not inside
WIDE = (nn.Linear, nn.Flatten)  # see all of the map


@dataclass(frozen=True, slots=True)
class Field:
    """What the places of a map see of the input, along one axis: place i sees `size` px from start + i * stride on."""

    size: int = 1  # px
    stride: int = 1  # px of the input between neighbouring places
    start: int = 0  # px; below 0 where the window begins in the padding

    def after(self, k: int, s: int, p: int, d: int = 1) -> "Field":
        """Seen through one more window: k wide, every s places, p of padding, d apart."""
        return Field(self.size + (k - 1) * d * self.stride, self.stride * s, self.start - p * self.stride)


def field(net: nn.Module, row: str) -> tuple[Field, Field] | None:
    """The receptive field of the part called `row`, along the height and along the width; None: all of the picture.

    By arithmetic along chains, branches and shortcuts, of which the widest counts; a layer that sees a whole map, and a
    composite module of a kind that is not known here, is taken to see all. Raises ArchError, with the nearest, for an
    unknown row.
    """
    part(net, row)
    down, along = (through(net, Field(), axis, row.split(".")) for axis in (0, 1))
    return None if down is None or along is None else (down, along)


def through(
    module: nn.Module, seen: Field | None, axis: int, path: Sequence[str] = (), places: int = 0
) -> Field | None:
    """`seen` behind `module`, or behind the part of it that `path` leads to; None: all of the picture.

    axis: 0 is the height, 1 the width. places: the side of the map that goes in, where it is known; an adaptive pool
    that does nothing to such a map, or shares it out evenly, is then a window like any other.
    """
    if seen is None or isinstance(module, WIDE):
        return None
    if isinstance(module, nn.Sequential):
        for name, child in module.named_children():
            if path and name == path[0]:
                return through(child, seen, axis, path[1:], places)
            seen, places = through(child, seen, axis, (), places), 0
        return seen
    if isinstance(module, Branches):
        if len(path) > 1:
            return through(module.branches[path[1]], seen, axis, path[2:])
        return widest([through(branch, seen, axis) for branch in module.branches.values()])
    if isinstance(module, Residual):
        if isinstance(module, PreResidual):
            seen = through(module.pre, seen, axis)
            if path and path[0] == "pre":
                return seen
        if path and path[0] in ("body", "shortcut"):
            return through(module.body if path[0] == "body" else module.shortcut, seen, axis, path[1:])
        return widest([through(module.body, seen, axis), through(module.shortcut, seen, axis)])
    return behind(module, seen, axis, places)


def behind(layer: nn.Module, seen: Field, axis: int, places: int) -> Field | None:
    """`seen` behind one layer."""
    if isinstance(layer, nn.AdaptiveAvgPool2d):
        sides = layer.output_size
        side = sides[axis] if isinstance(sides, tuple) else sides
        if not side or side == 1 or places % side or not places:
            return None
        return seen.after(places // side, places // side, 0)
    if isinstance(layer, ZeroPad):
        return seen.after(1, layer.s, 0)
    if isinstance(layer, Subsample2d):
        return seen.after(layer.k, layer.k, 0)
    if isinstance(layer, SparseConv2d):
        return seen.after(layer.weight.shape[-1], 1, 0)
    if isinstance(layer, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
        k, s, p, d = (
            value if isinstance(value, int) else value[axis]
            for value in (layer.kernel_size, layer.stride, layer.padding, getattr(layer, "dilation", 1))
            if not isinstance(value, str)
        )
        return seen.after(k, s, p, d)
    return None if list(layer.children()) else seen  # a layer without parts or window works on each place alone


def widest(ways: Sequence[Field | None]) -> Field | None:
    """The union of what parallel ways see; they stride alike, or their maps could not be joined."""
    known = [way for way in ways if way is not None]
    if len(known) < len(ways):
        return None
    start = min(way.start for way in known)
    return replace(known[0], start=start, size=max(way.start + way.size for way in known) - start)


def box(fields: tuple[Field, Field] | None, place: tuple[int, int], side: int) -> Box:
    """What the place (row, column) of a map sees of a picture of `side` px; without fields, all of it."""
    if fields is None:
        return (0, 0, side, side)
    starts = [field.start + at * field.stride for field, at in zip(fields, place, strict=True)]
    ends = [start + field.size for field, start in zip(fields, starts, strict=True)]
    top, left = (min(max(0, start), side - 1) for start in starts)
    bottom, right = (max(min(side, end), 1) for end in ends)
    return (top, left, bottom, right)
