"""Pictures small enough for a page."""

from io import BytesIO

import numpy as np
from PIL import Image

from konvolut.errors import KonvolutError
from konvolut.images.augment import Dice, augment
from konvolut.images.batches import Batches, hold, unit
from konvolut.images.crops import Crops
from konvolut.images.imageset import ImageSet
from konvolut.training.run import Card
from konvolut.types import Picture, Pictures

SIDE = 96  # px, the longest side of a thumbnail
TINY = 64  # px; a picture below it is enlarged pixel by pixel, so that its pixels can be seen


def thumbnail(picture: Picture, side: int = SIDE) -> bytes:
    """A PNG of one picture with a longest side of `side` px, or the largest whole multiple below that of a tiny one.

    >>> Image.open(BytesIO(thumbnail(np.zeros((28, 28, 1), dtype=np.uint8)))).size
    (84, 84)
    """
    height, width = picture.shape[:2]
    image = Image.fromarray(np.ascontiguousarray(picture[..., 0] if picture.shape[2] == 1 else picture))
    longest = max(height, width)
    if longest < TINY:
        times = side // longest
        image = image.resize((width * times, height * times), Image.Resampling.NEAREST)
    elif longest > side:
        size = (max(1, round(width * side / longest)), max(1, round(height * side / longest)))
        image = image.resize(size, Image.Resampling.LANCZOS)
    held = BytesIO()
    image.save(held, "PNG", optimize=True)
    return held.getvalue()


def found(images: ImageSet | None, role: str, name: str) -> bytes | None:
    """The thumbnail of the picture called `name`, or None when there are no pictures or this one cannot be read.

    `role` is looked in first; a validation part carved from training is found where it was carved from.
    """
    for split in () if images is None else (images.splits.get(role), *images.splits.values()):
        if split is not None and name in split.names:
            try:
                return thumbnail(split.load(name))
            except (KonvolutError, OSError):
                return None
    return None


def augmented_again(images: ImageSet, card: Card, count: int) -> Pictures | None:
    """The first `count` training pictures of the first epoch as the net saw them, from the dice of the run.

    None with `lighting`, which needs the colours of the whole set, and when a picture cannot be read.
    """
    how, split, spec = card.recipe.augment, images.splits["train"], card.input
    if how.lighting:
        return None
    batches = Batches(Crops(split, spec, how.crop, card.recipe.seed), split.labels, spec, 1, card.recipe.seed, how)
    index = batches.order(0)[:count]
    try:
        if how.crop:
            return batches.first(count)
        held = hold(split.part(index.tolist()), spec)
    except (KonvolutError, OSError):
        return None
    shown = augment(unit(held), how, Dice(card.recipe.seed, 0, index), None)  # (n, c, h, w) in [0, 1]
    whole = shown.mul(255).round().clamp(0, 255).byte().permute(0, 2, 3, 1)
    return np.ascontiguousarray(whole.numpy())
