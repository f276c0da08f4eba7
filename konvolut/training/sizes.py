"""What the pictures themselves say: their size, their colours, and so the input of a net where nobody names one."""

from dataclasses import dataclass
from statistics import fmean

import numpy as np

from konvolut.errors import ArchError
from konvolut.images.imageset import ImageSet
from konvolut.nets.arch import Arch, has_batch_norm
from konvolut.nets.fit import unaltered_side
from konvolut.nets.published import resembling
from konvolut.training.planned import of_arch, table
from konvolut.training.recipes import affordable
from konvolut.training.run import Run
from konvolut.types import Picture

SMALL = 40  # px: pictures up to here are trained at their own size
LEAST = 16  # px: and ones smaller than this are enlarged
LEAST_REDUCED = 20  # px: no picture that is larger is made smaller than this to save time ...
FEWEST = {True: 5, False: 8}  # ... so that there is time for this many epochs, with and without batch norm
UNALTERED = 64  # px: the least at which a table made for larger pictures is tried with its weights
IMAGENET = (
    (0.485, 0.456, 0.406),
    (0.229, 0.224, 0.225),
)  # mean, deviation: torchvision's, for the weights it publishes

Scale = tuple[tuple[float, ...], tuple[float, ...]]  # mean, standard deviation


@dataclass(frozen=True, slots=True)
class Look:
    """What a glance at some training pictures says."""

    side: int  # px, the median of their longer sides
    grey: bool  # every pixel of every picture
    mean: tuple[float, ...]  # one a channel, of values in [0, 1]
    std: tuple[float, ...]


def look(images: ImageSet, most: int = 64) -> Look:
    """Glance at up to `most` training pictures, spread evenly over the split."""
    split = images.splits["train"]
    sides, some = [], []
    for i in range(0, len(split), -(-len(split) // most)):
        picture = split.picture(i)
        sides.append(max(picture.shape[:2]))
        every = -(-sides[-1] // 128)  # thinned at once: most photographs do not fit into memory together
        some.append(picture[::every, ::every].copy())
    grey = all(is_grey(picture) for picture in some)
    pixels = np.concatenate([(p[..., :1] if grey else p).reshape(-1, 1 if grey else p.shape[2]) for p in some])
    mean, std = pixels.mean(0) / 255, pixels.std(0) / 255
    return Look(
        int(np.median(sides)),
        grey,
        tuple(round(float(m), 3) for m in mean),
        tuple(round(max(float(s), 0.02), 3) for s in std),
    )


def is_grey(picture: Picture) -> bool:
    return picture.shape[2] == 1 or bool((picture == picture[..., :1]).all())


def own_scale(seen: Look, channels: int) -> Scale:
    """Mean and deviation of the pictures looked at, for a net that takes `channels`."""
    if len(seen.mean) in (1, channels):
        return seen.mean, seen.std
    return (round(fmean(seen.mean), 3),), (round(fmean(seen.std), 3),)


def parent_scale(
    run: Run | None, arch: Arch, own: Scale, sha256: str = ""
) -> tuple[tuple[float, ...], tuple[float, ...], str]:
    """Mean and deviation that somebody's weights expect, and whose they are. `sha256` is that of a file of weights."""
    if run is not None:
        return run.card.input.mean, run.card.input.std, f"as in {run.path}"
    if arch.name.endswith("@torchvision") and arch.input[0] == 3:
        file = resembling(arch.name, sha256)
        scale = (file.mean, file.std) if file else IMAGENET
        return *scale, "as in the training of the published weights"
    return *own, "the pictures' own"


def parent_size(run: Run | None, arch: Arch, seen: Look, channels: int) -> tuple[int, str]:
    """The side, in px, that suits somebody's weights."""
    if run is not None:
        return run.card.input.size, f"as in {run.path}"
    least = unaltered_side(arch, channels, least=min(UNALTERED, arch.input[1]))
    return least, f"the least that {arch.name} takes as its paper prints it"


def own_size(net: Arch, seen: Look, channels: int, images: ImageSet) -> tuple[int, str]:
    """The side, in px, that pictures are trained at when the user names none, and why."""
    size = max(4 * -(-seen.side // 4), LEAST)
    if seen.side > SMALL:
        least = unaltered_side(net, channels)
        if least < size:
            return least, f"the least that {net.name} takes as its paper prints it"
        return size, "the pictures' own"
    if seen.side < LEAST:
        return size, f"the pictures of {seen.side} px are enlarged"
    count, classes = len(images.splits["train"]), len(images.classes)
    sides = (size, size + 4, *range(size - 4, LEAST_REDUCED - 1, -4))  # a larger one may be cheaper: a pool more stays

    def epochs(side: int) -> int:
        try:
            return affordable(of_arch(table(net, True, (channels, side, side), classes)[0]), count)
        except ArchError:
            return 0

    paid = {side: epochs(side) for side in sides}
    enough = FEWEST[has_batch_norm(net)]
    side = next((side for side in sides if paid[side] >= enough), max(sides, key=lambda side: paid[side]))
    if side == size:
        return size, "the pictures' own"
    return (
        side,
        f"at their own {size} px {net.name} cannot see every picture {enough} times in ten minutes on two cores",
    )
