"""A made world with dials: ten shapes, drawn by signed distances, each factor of a picture under a dial of its own.

A shape is a function of (x, y) in a unit frame: negative inside, and near its edge the distance to it. Union is min,
intersection max, and taking away is the max with what is taken negated. Every number a picture needs is hashed from
(seed, the picture's number, the factor), and a dial multiplies what was rolled: turning one dial moves its factor and
no other, and a picture is the same one however many are asked for.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial

import numpy as np
from jaxtyping import Float64, Int64, UInt8
from numpy import ndarray

from konvolut.errors import DataError
from konvolut.images.dice import Stream, dice
from konvolut.types import Labels, Pictures

Field = Float64[ndarray, "n h w"]  # one number a pixel

MIRRORS = True  # the mirror image of each shape is a rotation of it
SIDES = (16, 96)  # px: below, the shapes lose their corners; above, they gain nothing
RADIUS = 0.3  # of the side: the unit of the shapes' frame where `scale` is 0
STROKES = 6  # of clutter where `clutter` is 1
BLOCK = 2**16  # px drawn at a time: arrays of half a MiB, which stay in the cache


@dataclass(frozen=True, kw_only=True, slots=True)
class Dials:
    """How much each factor varies from picture to picture: 0 = not at all, 1 = as said. DataError outside [0, 1]."""

    colour: float = 0.0  # 1 = any two hues, light on dark or dark on light, with down to 1/4 of the contrast
    place: float = 0.0  # share of the room that the shape's size leaves free: 1 = anywhere inside the picture
    scale: float = 0.0  # 1 = from 1/sqrt(2) to sqrt(2) times the size
    rotation: float = 0.0  # 1 = any of +-180 degrees about the shape's centroid
    light: float = 0.0  # 1 = a gain from 0.4 to 1, and a shade across the picture that takes up to 0.6 more
    blur: float = 0.0  # 1 = a Gaussian with a sigma of up to 1/16 of the side
    texture: float = 0.0  # 1 = crossed gratings on the shape and others on the ground, adding up to +-0.4 of white
    clutter: float = 0.0  # 1 = six strokes behind the shape, each 0.3 to 0.9 of the way to its colour

    def __post_init__(self) -> None:
        for dial in fields(self):
            value = getattr(self, dial.name)
            if not 0 <= value <= 1:
                raise DataError(f"drawn: {dial.name} = {value}; a dial is between 0 and 1")


DIALS = tuple(dial.name for dial in fields(Dials))  # their order numbers the streams: add at the end

# fmt: off
LEVELS = {  # at hard the default net has room both ways (bench/results/drawn-hard.json)
    "easy":   Dials(colour=0.2, place=0.3, scale=0.3, rotation=0.05, light=0.2, blur=0.1, texture=0.1,  clutter=0.0),
    "medium": Dials(colour=0.5, place=0.6, scale=0.6, rotation=0.2,  light=0.5, blur=0.3, texture=0.3,  clutter=0.3),
    "hard":   Dials(colour=0.65, place=1.0, scale=1.0, rotation=1.0, light=0.7, blur=0.35, texture=0.18, clutter=1.0),
}
# fmt: on


def draw(
    count: int, side: int = 32, seed: int = 0, dials: Dials = LEVELS["medium"], start: int = 0
) -> tuple[Pictures, Labels]:
    """Pictures `start` to `start + count - 1` of a seed, uint8 RGB (count, side, side, 3), and their classes.

    Picture i is a function of (i, seed, side, dials) alone, and its class is i modulo the number of classes. Another
    side shows the same scene, sampled finer or coarser. DataError for a side outside 16..96 px or a negative number.
    """
    blocks = _blocks(count, side, seed, dials, start)
    pictures = np.empty((count, side, side, 3), dtype=np.uint8)
    for block in blocks:
        pictures[block.index - start] = _bytes(block.picture())
    return pictures, np.arange(start, start + count, dtype=np.int64) % len(CLASSES)


def masks(
    count: int, side: int = 32, seed: int = 0, dials: Dials = LEVELS["medium"], start: int = 0
) -> UInt8[ndarray, "n h w"]:
    """The share of each pixel, 0..255, that the shape covers in the pictures `draw` makes of the same arguments.

    The blur is left out: this is what stands in the scene, not what a lens makes of it. Raises as `draw` does.
    """
    blocks = _blocks(count, side, seed, dials, start)
    covered = np.empty((count, side, side), dtype=np.uint8)
    for block in blocks:
        covered[block.index - start] = _bytes(block.coverage())
    return covered


# ---- the shapes: (x, y) to the right and up, centroid at the origin, all of it within 1 of there ----


def _both(one: Field, other: Field) -> Field:
    return np.asarray(np.maximum(one, other))


def _either(one: Field, other: Field) -> Field:
    return np.asarray(np.minimum(one, other))


def _wall(x: Field, y: Field, degrees: float, distance: float) -> Field:
    """The half plane behind a wall that stands `distance` from the origin in that direction."""
    return x * float(np.cos(np.radians(degrees))) + y * float(np.sin(np.radians(degrees))) - distance


def _box(x: Field, y: Field, width: float, height: float) -> Field:
    return _both(abs(x) - width, abs(y) - height)


def _disc(x: Field, y: Field, radius: float) -> Field:
    return np.asarray(np.sqrt(x * x + y * y) - radius)


def _star(x: Field, y: Field) -> Field:
    """What lies behind at least four of the five lines of a pentagram: the second largest distance decides."""
    first = second = np.full(x.shape, -np.inf)
    for degrees in (18.0, 90.0, 162.0, 234.0, 306.0):
        wall = _wall(x, y, degrees, 0.309)  # its tips are 0.309 / cos(72 degrees) = 1 away
        first, second = _both(first, wall), _both(second, _either(first, wall))
    return second


def _heart(x: Field, y: Field) -> Field:
    """A square on its corner, half its diagonal 0.72, and a disc on the middle of each upper side."""
    x, y = abs(x), y + 0.2256
    return _either((x + abs(y) - 0.72) * 0.5**0.5, _disc(x - 0.36, y - 0.36, 0.72 * 0.5**0.5))


def _arrow(x: Field, y: Field) -> Field:
    y = y + 0.0391
    return _either(_both(_wall(abs(x), y, 40.0, 0.6), 0.1 - y), _box(x, y + 0.37, 0.24, 0.5))


SHAPES: dict[str, Callable[[Field, Field], Field]] = {
    "disc": partial(_disc, radius=0.85),
    "ring": lambda x, y: abs(_disc(x, y, 0.7)) - 0.2,
    "square": partial(_box, width=0.7, height=0.7),
    "triangle": lambda x, y: _both(_wall(abs(x), y, 30.0, 0.5), -y - 0.5),  # |x| folds two walls into one
    "star": _star,
    "cross": lambda x, y: _either(_box(x, y, 0.95, 0.28), _box(x, y, 0.28, 0.95)),
    "crescent": lambda x, y: _both(_disc(x - 0.3027, y, 0.75), -_disc(x - 0.6194, y, 0.6)),
    "heart": _heart,
    "arrow": _arrow,
    "bow": lambda x, y: _both(abs(x) - 0.77, (abs(y) - 0.75 * abs(x) - 0.05) / 1.25),
}
CLASSES: tuple[str, ...] = tuple(SHAPES)  # no one is another one turned, mirrored or resized


# ---- the scene ----


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    """Pictures drawn together. Positions are in sides: (0, 0) is the top left corner, (1, 1) the bottom right."""

    index: Int64[ndarray, "n"]
    side: int
    seed: int
    dials: Dials

    def rolls(self, dial: str, count: int) -> Float64[ndarray, "count n 1 1"]:
        """`count` uniform numbers in [0, 1) for each picture; each dial has 32 streams to itself."""
        streams = Stream.DRAWN + 32 * DIALS.index(dial) + np.arange(count)
        return dice(self.seed, 0, self.index[:, None, None], streams[:, None, None, None])

    def grid(self) -> tuple[Float64[ndarray, "1 1 w"], Float64[ndarray, "1 h 1"]]:
        """Where the middles of the pixels are: x and y."""
        middles = (np.arange(self.side) + 0.5) / self.side
        return middles[None, None, :], middles[None, :, None]

    def coverage(self) -> Field:
        """The share of each pixel that the shape covers: its edge is a ramp one pixel wide."""
        (size,), (turn,) = self.rolls("scale", 1), self.rolls("rotation", 1)
        radius = RADIUS * 2 ** (self.dials.scale * (size - 0.5))
        across, down = 0.5 + self.dials.place * (2 * self.rolls("place", 2) - 1) * (0.5 - radius)
        angle = 2 * np.pi * self.dials.rotation * (turn - 0.5)
        x, y = self.grid()
        right, up = (x - across) / radius, (down - y) / radius
        u = right * np.cos(angle) + up * np.sin(angle)
        v = up * np.cos(angle) - right * np.sin(angle)
        distance = np.empty(u.shape)
        for label, shape in enumerate(SHAPES.values()):
            mine = self.index % len(SHAPES) == label
            distance[mine] = shape(u[mine], v[mine])
        return np.asarray(np.clip(0.5 - distance * radius * self.side, 0, 1))

    def clutter(self) -> Field:
        """How far each pixel of the ground has gone towards the shape's colour: strokes, the later over the earlier."""
        x, y = self.grid()
        ground = np.zeros((len(self.index), self.side, self.side))
        rolls = self.rolls("clutter", 5 * STROKES).reshape(STROKES, 5, len(self.index), 1, 1)
        for number, (across, down, turn, length, ink) in enumerate(rolls):
            there = min(max(self.dials.clutter * STROKES - number, 0.0), 1.0)  # the last stroke fades in
            if there == 0:
                break
            right, below = np.cos(2 * np.pi * turn), np.sin(2 * np.pi * turn)
            along = (x - across) * right + (y - down) * below
            beside = (y - down) * right - (x - across) * below
            beyond = np.maximum(np.abs(along) - 0.02 - 0.2 * length, 0)
            distance = np.sqrt(beyond * beyond + beside * beside) - 0.035
            covered = there * np.clip(0.5 - distance * self.side, 0, 1)
            ground += covered * (0.3 + 0.6 * ink - ground)
        return ground

    def grating(self, rolls: Float64[ndarray, "6 n 1 1"]) -> Field:
        """Two crossed gratings of 2.5 to 6 periods a side, in [-1, 1]."""
        x, y = self.grid()
        total = np.zeros((len(self.index), self.side, self.side))
        for turn, pitch, phase in (rolls[:3], rolls[3:]):
            periods = 2.5 + 3.5 * pitch
            right, below = periods * np.cos(2 * np.pi * turn), periods * np.sin(2 * np.pi * turn)
            total += np.sin(2 * np.pi * (right * x + below * y + phase))
        return total / 2

    def colours(self) -> tuple[Float64[ndarray, "n 3"], Float64[ndarray, "n 3"]]:
        """Of shape and ground: without the dial, sand on blue."""
        dial = self.dials.colour
        warm, cold, middle, contrast, swap = self.rolls("colour", 5)[:, :, 0, 0]
        half = 0.2 * (1 - 0.75 * dial * contrast) * np.where(swap < dial / 2, -1, 1)
        lightness = 0.6 + 0.2 * dial * (middle - 0.5)
        shape = _oklch(lightness + half, 0.1, 80 + 360 * dial * (warm - 0.5))
        return shape, _oklch(lightness - half, 0.1, 260 + 360 * dial * (cold - 0.5))

    def light(self) -> Field:
        """What multiplies each pixel: never above 1, so that nothing is clipped by it."""
        gain, shade, turn = self.rolls("light", 3)
        x, y = self.grid()
        ramp = ((x - 0.5) * np.cos(2 * np.pi * turn) + (y - 0.5) * np.sin(2 * np.pi * turn)) / np.sqrt(2) + 0.5
        return np.asarray((1 - 0.6 * self.dials.light * gain) * (1 - 0.6 * self.dials.light * shade * ramp))

    def blur(self) -> Float64[ndarray, "n s s"]:
        """Heat flow on a line with insulated ends, as a matrix: a Gaussian that keeps the mean.

        Insulated ends make the cosines its eigenvectors, so it is their transform, a decay and the way back.
        """
        (amount,) = self.rolls("blur", 1)
        wave = np.arange(self.side)
        cosines = np.cos(np.pi * wave[:, None] * (wave + 0.5) / self.side) * np.sqrt(2 / self.side)
        cosines[0] /= np.sqrt(2)
        decay = np.exp(-((np.pi * wave * self.dials.blur * amount / 16) ** 2) / 2)  # (n, 1, s)
        return np.asarray((cosines.T * decay) @ cosines)

    def picture(self) -> Float64[ndarray, "n h w 3"]:
        """Ground, clutter, shape, texture; then light; then the lens. Values in [0, 1]."""
        cover, rolls = self.coverage(), self.rolls("texture", 12)
        mix = cover + (1 - cover) * self.clutter() if self.dials.clutter else cover
        grain: Field | float = 0.0
        if self.dials.texture:
            grain = cover * self.grating(rolls[:6]) + (1 - cover) * self.grating(rolls[6:])
            grain = 0.4 * self.dials.texture * grain
        light, (shape, ground) = self.light(), self.colours()
        seen = np.empty((3, *cover.shape))
        for channel in range(3):
            far, near = ground[:, channel, None, None], shape[:, channel, None, None]
            seen[channel] = np.clip(far + mix * (near - far) + grain, 0, 1) * light
        if self.dials.blur:
            lens = self.blur()
            seen = lens @ seen @ lens  # rows, then columns: the matrix is symmetric
        return np.moveaxis(seen, 0, -1)


def _blocks(count: int, side: int, seed: int, dials: Dials, start: int) -> list[_Block]:
    for name, value in (("count", count), ("seed", seed), ("start", start)):
        if value < 0:
            raise DataError(f"drawn: {name} = {value}; it is 0 or more")
    if not SIDES[0] <= side <= SIDES[1]:
        raise DataError(f"drawn: side = {side} px; the shapes are legible from {SIDES[0]} to {SIDES[1]} px")
    ends = range(start, start + count, max(1, BLOCK // side**2))
    return [_Block(np.arange(a, min(a + ends.step, ends.stop)), side, seed, dials) for a in ends]


def _bytes(values: Float64[ndarray, "..."]) -> UInt8[ndarray, "..."]:
    return np.asarray((np.clip(values, 0, 1) * 255 + 0.5).astype(np.uint8))


def _oklch(lightness: Float64[ndarray, "n"], chroma: float, hue: Float64[ndarray, "n"]) -> Float64[ndarray, "n 3"]:
    """sRGB in [0, 1] of a perceived lightness, chroma and hue (degrees). Ottosson 2020, "A perceptual color space"."""
    a, b = chroma * np.cos(np.radians(hue)), chroma * np.sin(np.radians(hue))
    # fmt: off
    cones = np.stack([
        lightness + 0.3963377774 * a + 0.2158037573 * b,
        lightness - 0.1055613458 * a - 0.0638541728 * b,
        lightness - 0.0894841775 * a - 1.2914855480 * b,
    ], axis=-1) ** 3
    linear = cones @ np.array([
        [ 4.0767416621, -1.2684380046, -0.0041960863],
        [-3.3077115913,  2.6097574011, -0.7034186147],
        [ 0.2309699292, -0.3413193965,  1.7076147010],
    ])
    # fmt: on
    linear = np.clip(linear, 0, 1)  # a few of the strongest colours lie just outside what sRGB can show
    return np.asarray(np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055))
