"""Which pictures excite a channel most, and where in them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from konvolut.errors import ArchError
from konvolut.images.batches import in_order
from konvolut.images.preprocess import InputSpec
from konvolut.lens.field import Box, box, field
from konvolut.nets.features import features
from konvolut.types import Pictures


@dataclass(frozen=True, slots=True)
class Patch:
    """The place of one picture that excites a channel most."""

    index: int  # of the picture
    value: float  # of the channel there
    box: Box  # what that place sees, as far as it lies in the picture


def exciting(
    net: nn.Module, pictures: Pictures, spec: InputSpec, wanted: Mapping[str, Sequence[int]], top: int = 9
) -> dict[tuple[str, int], list[Patch]]:
    """For each channel in wanted[row], the `top` pictures with its largest values, each at its maximum; largest first.

    A picture where the channel stays at 0 or below excites nothing and is left out. Equal values go by index.
    `pictures` are of the net's size (`images.batches.hold`). Raises ArchError for an unknown row, a row without maps
    or a channel that it does not have.
    """
    peaks: dict[str, list[tuple[Tensor, Tensor]]] = {row: [] for row in wanted}
    width = {}
    for batch in in_order(pictures, spec):
        for row, maps in features(net, batch, tuple(wanted)).items():
            check(row, maps, wanted[row])
            width[row] = maps.shape[3]
            largest = maps[:, list(wanted[row])].flatten(2).max(2)  # (n, channels) twice
            peaks[row].append((largest.values, largest.indices))
    found = {}
    for row, pairs in peaks.items():
        values, places = (torch.cat(parts) for parts in zip(*pairs, strict=True))
        fields = field(net, row)
        for column, channel in enumerate(wanted[row]):
            order = torch.argsort(values[:, column], descending=True, stable=True)[:top]
            found[row, channel] = [
                Patch(i, float(values[i, column]), box(fields, divmod(int(places[i, column]), width[row]), spec.size))
                for i in order.tolist()
                if values[i, column] > 0
            ]
    return found


def check(row: str, maps: Tensor, channels: Sequence[int]) -> None:
    """Raises ArchError unless `row` gives maps, and has all these channels."""
    if maps.ndim != 4:
        raise ArchError(f"row {row!r} gives {maps.shape[1]} numbers and no maps; take an earlier row")
    for channel in channels:
        if not 0 <= channel < maps.shape[1]:
            raise ArchError(f"row {row!r} has no channel {channel}; it has {maps.shape[1]}, from 0")
