"""Filters and maps as pictures."""

from dataclasses import dataclass
from io import BytesIO

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor, nn

from konvolut.errors import ArchError
from konvolut.nets.features import evaluating, rows, tapped
from konvolut.types import Picture, Shape

TILE = 84  # px, the side of a picture in a grid: nine stand in one line of a page
FILTERS = 96  # pictures of filters at most: AlexNet has as many
MAPS = 27  # pictures of maps of one row at most: three lines of a page
ROWS = 4  # rows that are looked at when none is named


@dataclass(frozen=True, slots=True)
class Map:
    """One map of a row, as a picture."""

    channel: int
    mean: float  # of its values for this picture
    largest: float
    picture: Picture


def first_filters(net: nn.Module) -> Float[Tensor, "out c kh kw"]:
    """The kernels of the first convolution; c is the number of input maps that each one sees: of its group, if grouped.

    Raises ArchError when the net has no convolution.
    """
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            return module.weight.detach()
    raise ArchError("this net has no convolution, so it has no filters to look at")


def filter_pictures(filters: Float[Tensor, "out c kh kw"]) -> list[Picture]:
    """Each filter with a contrast of its own: zero is mid grey (128), its largest weight either way is 1 or 255.

    Three channels are shown as red, green and blue, one as grey; the mean stands for any other number.
    """
    shown = filters if filters.shape[1] in (1, 3) else filters.mean(1, keepdim=True)
    peak = shown.abs().amax((1, 2, 3), keepdim=True)
    scaled = 128 + 127 * shown / peak.clamp_min(torch.finfo(shown.dtype).tiny)
    bytes_ = scaled.round().byte().permute(0, 2, 3, 1).contiguous().cpu().numpy()
    return list(bytes_)


def map_pictures(maps: Float[Tensor, "c h w"], most: int = MAPS) -> list[Map]:
    """The `most` active maps, by falling mean of absolute values; equal ones by channel.

    Each has a contrast of its own: black is 0, or its least value where that is below 0; white is its largest.
    """
    activity = maps.abs().mean((1, 2))
    order = torch.argsort(activity, descending=True, stable=True)[:most]
    found = []
    for channel in order.tolist():
        one = maps[channel].float()
        low, high = min(0.0, float(one.min())), float(one.max())
        grey = (one - low) * (255 / (high - low) if high > low else 0.0)
        picture = grey.round().byte().contiguous().cpu().numpy()[..., None]
        found.append(Map(channel, float(one.mean()), high, picture))
    return found


def map_rows(net: nn.Module, batch: Float[Tensor, "n c h w"]) -> dict[str, Shape]:
    """The rows that give maps of more than one pixel, in the order of passing, and the shape of each: (c, h, w)."""
    with evaluating(net), tapped(net, rows(net)) as held, torch.no_grad():
        net(batch)
    return {name: tuple(gives.shape[1:]) for name, gives in held.items() if is_map(gives)}


def is_map(gives: Tensor) -> bool:
    return gives.ndim == 4 and gives.shape[2:].numel() > 1


def spread(names: list[str], count: int = ROWS) -> list[str]:
    """At most `count` of `names`, the first and the last among them and the others evenly between.

    >>> spread(["a", "b", "c", "d", "e", "f", "g"], 3)
    ['a', 'd', 'g']
    """
    if len(names) <= count:
        return names
    return [names[round(i * (len(names) - 1) / (count - 1))] for i in range(count)]


def tile(picture: Picture) -> bytes:
    """A PNG of one picture with a longest side of 84 px; pixels of a smaller one become squares.

    >>> Image.open(BytesIO(tile(np.zeros((5, 5, 3), dtype=np.uint8)))).size
    (84, 84)
    """
    height, width = picture.shape[:2]
    longest = max(height, width)
    image = Image.fromarray(np.ascontiguousarray(picture[..., 0] if picture.shape[2] == 1 else picture))
    if longest < TILE:  # whole multiples first, so that the squares keep sharp edges at any size
        times = -(-TILE // longest)
        image = image.resize((width * times, height * times), Image.Resampling.NEAREST)
    size = (max(1, round(width * TILE / longest)), max(1, round(height * TILE / longest)))
    return png(image.resize(size, Image.Resampling.BOX))


def png(image: Image.Image) -> bytes:
    held = BytesIO()
    image.save(held, "PNG")
    return held.getvalue()
