"""The one door for every picture: training, prediction and the server all decode here. No torch.

Formats are told by content, never by file name. Colour profiles are not applied: values are taken as sRGB.
"""

import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path
from threading import Lock

import numpy as np
from jaxtyping import Shaped, UInt8
from numpy import ndarray
from PIL import Image, ImageFile, UnidentifiedImageError

from konvolut.errors import DataError
from konvolut.types import Picture

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM")  # Pillow's JPEG reader opens MPO too
PIXELS = 40_000_000  # the most a header may promise: 120 MB once decoded
SIDE = 30_000  # px, the longest side

_TAKEN = "JPEG, PNG, WebP, BMP, GIF, TIFF and PPM are read"
_BEGINNINGS = {
    b"\xff\xd8": "JPEG",
    b"\x89PNG": "PNG",
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"RIFF": "WebP",
}
_ORIENTATION, _BITS, _PHOTOMETRIC, _SAMPLE = 0x0112, 258, 262, 339  # tags of TIFF 6.0 and EXIF


def read(path: Path) -> Picture:
    """Decode the file at `path`. Raises DataError when it cannot be read or is not a whole picture."""
    return decode(contents(path), str(path))


def contents(path: Path) -> bytes:
    """The bytes of a file. Raises DataError when there is none, or it may not be read."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; give the path of a picture that exists") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); give a file you may open") from None


def decode(data: bytes, path: str, limit: int = PIXELS) -> UInt8[ndarray, "h w 3"]:
    """Turn one encoded image into RGB.

    Upright by its EXIF orientation; grey, palette, CMYK and 16-bit become 8-bit RGB; an alpha channel is laid on white;
    of an animation, the first frame. A 16-bit value is divided by its format's range, so nothing is clipped.
    Raises DataError, with `path`, when the bytes are not an image, are cut short, or promise more than `limit` pixels.
    """
    with _pillow(data, path), _opened(data, path, limit) as image:
        ImageFile.LOAD_TRUNCATED_IMAGES = False  # another library may have set it: half a picture is no picture
        sixteen = image.mode == "RGB" and image.format == "PNG" and data[24] == 16  # bits a channel, in its header
        image.load()
        return np.array(_upright(_on_white(image, path, sixteen), _orientation(image)), order="C")


def measure(data: bytes, path: str, limit: int = PIXELS) -> tuple[int, int]:
    """(width, height) in px as stored, from the header alone: nothing is decoded.

    Raises DataError, with `path`, when the bytes do not begin as an image, or promise more than `limit` pixels.
    """
    with _pillow(data, path), _opened(data, path, limit) as image:
        return image.size


def _opened(data: bytes, path: str, limit: int) -> Image.Image:
    image = Image.open(BytesIO(data), formats=FORMATS)
    width, height = image.size
    if width * height == 0:
        raise DataError(f"{path}: {width} x {height} px; a picture has at least one")
    if width * height > limit or max(width, height) > SIDE:
        raise DataError(
            f"{path}: {width} x {height} px; at most {limit / 1e6:g} megapixels and {SIDE} px a side are decoded,"
            " so make it smaller"
        )
    return image


@contextmanager
def _pillow(data: bytes, path: str) -> Iterator[None]:
    """Whatever Pillow warns of is silenced, and whatever it raises becomes a DataError."""
    try:
        with _silence():
            yield
    except DataError:
        raise
    except Exception as error:  # Pillow's readers raise OSError, SyntaxError, ValueError, struct.error, KeyError, ...
        raise DataError(f"{path}: {_reason(data, error)}") from None


def _reason(data: bytes, error: Exception) -> str:
    if not data:
        return "an empty file; copy it again or remove it"
    if isinstance(error, Image.DecompressionBombError):
        return f"more pixels than may be decoded; at most {PIXELS / 1e6:g} megapixels, so make it smaller"
    kind = next((kind for start, kind in _BEGINNINGS.items() if data.startswith(start)), "")
    if isinstance(error, UnidentifiedImageError) and kind:
        return f"begins as {kind} but its header is cut short or damaged; copy it again or remove it"
    if isinstance(error, UnidentifiedImageError):
        return f"not an image; {_TAKEN}"
    short = data.startswith(b"RIFF") and len(data) < 8 + int.from_bytes(data[4:8], "little")
    if short or "trunc" in str(error).lower():
        return "cut short; copy it again or remove it"
    return f"damaged ({' '.join(str(error).split()) or type(error).__name__}); save it again as PNG or JPEG"


_muted = Lock()
_inside = 0  # threads now in `_silence`
_filters = ExitStack()


@contextmanager
def _silence() -> Iterator[None]:
    """No warnings while any thread is inside.

    Warning filters belong to the process, so threads that each saved and restored them would leave them wrong: the
    first one in saves, the last one out restores.
    """
    global _inside
    with _muted:
        if _inside == 0:
            _filters.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")
        _inside += 1
    try:
        yield
    finally:
        with _muted:
            _inside -= 1
            if _inside == 0:
                _filters.close()


def _on_white(image: Image.Image, path: str, sixteen: bool) -> UInt8[ndarray, "h w 3"]:
    """A loaded image as RGB, what is transparent laid on white."""
    if image.mode.startswith("I") or image.mode == "F":
        return _deep(image, path)
    hidden = image.info.get("transparency")
    if sixteen and isinstance(hidden, tuple):
        image.info["transparency"] = tuple(value >> 8 for value in hidden)  # Pillow keeps the high bytes of the pixels
    if not image.has_transparency_data:
        return np.asarray(image.convert("RGB"))
    if image.mode in ("La", "RGBa"):
        image = image.convert("LA" if image.mode == "La" else "RGBA")
    rgba = np.asarray(image.convert("RGBA"))
    alpha = rgba[..., 3:].astype(np.uint32)
    return ((rgba[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


def _deep(image: Image.Image, path: str) -> UInt8[ndarray, "h w 3"]:
    """Grey of more than 8 bits, divided by the range of its format; 0 is black (TIFF: unless it says otherwise)."""
    values: Shaped[ndarray, "h w"] = np.asarray(image)
    tags = getattr(image, "tag_v2", {})
    if image.mode == "F":
        if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
            raise DataError(
                f"{path}: floating-point values from {values.min():g} to {values.max():g}; only 0 to 1 has a known"
                " range, so save it as 8 or 16 bit"
            )
        top = 1.0
    else:
        bits, signed = tags.get(_BITS, (16,))[0], tags.get(_SAMPLE, (1,))[0] == 2
        if bits == 32 and not signed:
            values = values.view(np.uint32)
        top = 2.0 ** (bits - signed) - 1
    grey = np.clip(values / top, 0, 1)
    if tags.get(_PHOTOMETRIC) == 0:  # white is zero
        grey = 1 - grey
    grey = np.rint(grey * 255).astype(np.uint8)
    hidden = image.info.get("transparency")
    if isinstance(hidden, int):
        grey[values == hidden] = 255
    return np.repeat(grey[..., None], 3, axis=2)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # a broken EXIF block says nothing about the pixels, which are whole
        return 1


def _upright(stored: UInt8[ndarray, "h w 3"], orientation: int) -> UInt8[ndarray, "h2 w2 3"]:
    """Undo what the camera noted. `orientation` is EXIF 2.3's tag 0x0112, 1 to 8; others mean upright."""
    rows = -1 if orientation in (3, 4, 6, 7) else 1
    columns = -1 if orientation in (2, 3, 7, 8) else 1
    turned = stored[::rows, ::columns]
    return turned.swapaxes(0, 1) if orientation in (5, 6, 7, 8) else turned
