"""A small folder as people have them: odd names, every mode and format, duplicates, and files that are no pictures."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64
from numpy import ndarray
from PIL import Image

Inside = Callable[[Float64[ndarray, "h w"], Float64[ndarray, "h w"]], Bool[ndarray, "h w"]]

# fmt: off
CLASSES: dict[str, tuple[tuple[int, int, int], Inside]] = {  # name -> its colour, and its shape in a frame of +-1
    "BARS":       ((40, 60, 200), lambda x, y: np.sin(9 * y) > 0),
    "green plus": ((20, 150, 60), lambda x, y: np.minimum(abs(x), abs(y)) < 0.25),
    "red_disc":   ((210, 30, 30), lambda x, y: x * x + y * y < 0.5),
    "黄色方框":    ((200, 160, 0), lambda x, y: abs(np.maximum(abs(x), abs(y)) - 0.6) < 0.18),
}
# fmt: on
SHAPES = ((32, 32), (20, 20), (48, 31), (64, 64), (200, 50), (27, 90), (120, 120), (33, 35))  # px, height and width


def untidy(root: Path, per_class: int = 12, seed: int = 0) -> Path:
    """Make `root`/train and `root`/test; returns `root`. The same arguments give the same pictures.

    Four classes that differ in colour and shape, `per_class` distinct pictures each to train on and a third of that
    (at least two) to test. Beside them: one exact copy, one picture in a nested folder, a hidden folder, Thumbs.db and
    notes.txt.
    """
    for role, count in (("train", per_class), ("test", max(2, per_class // 3))):
        for number, name in enumerate(CLASSES):
            folder = root / role / name
            folder.mkdir(parents=True)
            for i in range(count):
                chance = np.random.default_rng((seed, role == "test", number, i))
                file, data = WRITERS[(i + number) % len(WRITERS)](*_scene(name, i, chance))
                place = folder / "more of them" if i == 1 else folder
                place.mkdir(exist_ok=True)
                (place / f"{i} {file}").write_bytes(data)
    first = sorted((root / "train" / "red_disc").glob("0 *"))[0]
    (first.parent / f"copy of {first.name}").write_bytes(first.read_bytes())
    (first.parent / "Thumbs.db").write_bytes(b"no picture")
    (first.parent / "notes.txt").write_text("These are discs.\n")
    (root / "train" / ".cache").mkdir()
    (root / "train" / ".cache" / first.name).write_bytes(first.read_bytes())
    return root


def paint(path: Path, value: int) -> Path:
    """A picture of 2 x 2 px whose colour is `value` in base 256, so that no two are alike."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (2, 2), tuple(value.to_bytes(3, "big"))).save(path, "PNG")
    return path


def album(root: Path, counts: dict[str, int], first: int = 0) -> Path:
    """A tidy folder, `root`/CLASS/0.png, 1.png, ...: as many distinct pictures of each class as `counts` says."""
    value = first
    for name, count in counts.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            paint(root / name / f"{i}.png", value)
            value += 1
    return root


def _scene(name: str, i: int, chance: np.random.Generator) -> tuple[Image.Image, Image.Image]:
    """One picture in RGB on a light ground, and the mask of its shape, of equal size."""
    height, width = SHAPES[(i + int(chance.integers(len(SHAPES)))) % len(SHAPES)]
    colour, inside = CLASSES[name]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j] + chance.uniform(-0.15, 0.15, (2, 1, 1))
    mask = inside(x, y)
    ground = chance.integers(190, 250, 3) + chance.integers(-8, 9, (height, width, 3))
    ink = np.array(colour) + chance.integers(-20, 21, 3)
    values = np.where(mask[..., None], ink, ground).clip(0, 255).astype(np.uint8)
    return Image.fromarray(values), Image.fromarray(mask.astype(np.uint8) * 255)


def _cut_out(scene: Image.Image, mask: Image.Image) -> Image.Image:
    """The shape alone; below its transparent ground lies black, which must never show."""
    cut = Image.composite(scene, Image.new("RGB", scene.size), mask)
    cut.putalpha(mask)
    return cut


def _deep(scene: Image.Image) -> Image.Image:
    return Image.fromarray(np.asarray(scene.convert("L")).astype(np.uint16) * 257)


def _encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def _sideways(scene: Image.Image) -> bytes:
    """Stored turned left, with the note (EXIF orientation 6) to turn it right again."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return _encoded(scene.transpose(Image.Transpose.ROTATE_90), "JPEG", quality=90, exif=exif)


def _indexed(scene: Image.Image, mask: Image.Image) -> bytes:
    """Fifteen colours, and a sixteenth (black) that is transparent."""
    image = scene.quantize(15)
    image.putpalette([*(image.getpalette() or ())[:45], 0, 0, 0])
    image.paste(15, mask=mask.point(lambda value: 255 - value))
    return _encoded(image, "PNG", transparency=15)


# fmt: off
WRITERS: tuple[Callable[[Image.Image, Image.Image], tuple[str, bytes]], ...] = (
    lambda scene, mask: ("photo.JPG",     _encoded(scene, "JPEG", quality=90)),
    lambda scene, mask: ("rgb.png",       _encoded(scene, "PNG")),
    lambda scene, mask: ("cut.png",       _encoded(_cut_out(scene, mask), "PNG")),
    lambda scene, mask: ("cut grey.png",  _encoded(_cut_out(scene, mask).convert("LA"), "PNG")),
    lambda scene, mask: ("indexed.png",   _indexed(scene, mask)),
    lambda scene, mask: ("grey.jpeg",     _encoded(scene.convert("L"), "JPEG", quality=90)),
    lambda scene, mask: ("ink.png",       _encoded(mask.point(lambda value: 255 - value).convert("1"), "PNG")),
    lambda scene, mask: ("deep.png",      _encoded(_deep(scene), "PNG")),
    lambda scene, mask: ("sideways.jpg",  _sideways(scene)),
    lambda scene, mask: ("frame.gif",     _encoded(scene, "GIF")),
    lambda scene, mask: ("web.webp",      _encoded(scene, "WEBP", quality=90)),
    lambda scene, mask: ("really a.jpg",  _encoded(scene, "PNG")),
)
# fmt: on
