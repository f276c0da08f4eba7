"""The one door for every picture: training, prediction and the server all decode here. No torch.

Formats are told by content, never by file name. Colour profiles are not applied: values are taken as sRGB.
"""

import os
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from threading import Condition, Lock
from typing import cast

import numpy as np
from jaxtyping import Shaped, UInt8
from numpy import ndarray
from PIL import Image, ImageFile, UnidentifiedImageError

from konvolut.errors import DataError
from konvolut.images import kinds
from konvolut.images.imageset import Shrink
from konvolut.types import Picture

try:  # the extra `fast`: the same numbers as Pillow's, to the bit, in three quarters of the time
    from simplejpeg import decode_jpeg
except ImportError:
    decode_jpeg = None

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM")  # Pillow's JPEG reader opens MPO too
MEGAPIXELS = 40.0  # the most a header may promise, where KONVOLUT_MEGAPIXELS does not say: 120 MB once decoded
HIGHEST = 178.0  # what Pillow opens at all
SIDE = 30_000  # px, the longest side
LARGEST = 1 << 30  # bytes of a file
SCANS = 100  # of a JPEG: encoders write about ten, and each goes over the whole picture
BAND = 1 << 20  # pixels that are converted at a time

_ORIENTATION, _BITS, _PHOTOMETRIC, _SAMPLE = 0x0112, 258, 262, 339  # tags of TIFF 6.0 and EXIF


def pixels() -> int:
    """The most pixels a picture may have. Raises DataError when KONVOLUT_MEGAPIXELS is no such number."""
    said = os.environ.get("KONVOLUT_MEGAPIXELS")
    try:
        found = MEGAPIXELS if said is None else float(said)
    except ValueError:
        found = -1.0
    if not 0 < found <= HIGHEST:
        raise DataError(f"KONVOLUT_MEGAPIXELS={said}: it is a number of megapixels, above 0 and at most {HIGHEST:g}")
    return round(1e6 * found)


def read(path: Path, shrink: Shrink | None = None, background: int = 255) -> Picture:
    """Decode the file at `path`. Raises DataError when it cannot be read or is not a whole picture."""
    return decode(contents(path), str(path), shrink=shrink, background=background)


def contents(path: Path) -> bytes:
    """The bytes of a file. Raises DataError when there is none, or it may not be read."""
    try:
        found = path.stat()
        if not S_ISREG(found.st_mode) and not S_ISDIR(found.st_mode):  # a pipe would be waited for
            raise DataError(f"{path}: no file that holds a picture; give the path of one")
        if (size := found.st_size) > LARGEST:
            raise DataError(f"{path}: {size / 1e9:.1f} GB; files of at most 1 GiB are read, so save the picture alone")
        return path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; give the path of a picture that exists") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); give a file you may open") from None


def decode(
    data: bytes, path: str, limit: int | None = None, *, shrink: Shrink | None = None, background: int = 255
) -> UInt8[ndarray, "h w 3"]:
    """Turn one encoded image into RGB.

    Upright by its EXIF orientation; grey, palette, CMYK and 16-bit become 8-bit RGB; an alpha channel is laid on the
    grey `background`; of an animation, the first frame. A 16-bit value is divided by its format's range, so nothing is
    clipped. `shrink`, asked by how many times the caller will make the upright picture smaller at least, lets a JPEG
    come back as a half, a quarter or an eighth of its size. Threads wait for one another when together they would hold
    more pixels than one picture may have.
    Raises DataError, with `path`, when the bytes are not an image, are cut short, or promise more than `limit` pixels.
    """
    with _pillow(data, path), _opened(data, path, limit) as image:
        part = _part(image, shrink)
        jpeg = image.format in ("JPEG", "MPO")
        if jpeg and (scans := _scans(data, image)) > SCANS:
            raise DataError(f"{path}: a JPEG of {scans} scans; at most {SCANS} are decoded, so save it again")
        held = 2 if image.format == "WEBP" else 1  # Pillow's reader keeps the canvas twice more
        room = ROOM.taken(held * image.size[0] * image.size[1] // part**2)
        with room, closing(image):  # an error that is still looked at would hold its pixels
            found = _by_simplejpeg(data, image, part)
            if found is None:
                found = _by_hand(data, image, path)
            if found is None:
                found = _by_pillow(data, image, part, path, background)
            if jpeg and _ends_early(data, found, part):
                raise DataError(f"{path}: cut short; copy it again or remove it")
            turn = _orientation(image)
            return found if turn == 1 else np.array(_upright(found, turn), order="C")


@dataclass(frozen=True, slots=True)
class Header:
    """What a picture's header says of it."""

    format: str  # "JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "MPO" or "HEIF"
    mode: str  # of the values as stored, in Pillow's words: "RGB", "CMYK", "I;16", ...
    width: int  # px, upright
    height: int
    orientation: int  # EXIF's: 1 is upright as stored
    frames: int  # 1, or 2 where there are more: counting them all may take as long as decoding


def describe(data: bytes, path: str, limit: int | None = None) -> Header:
    """What the header says; no pixel is decoded. Raises DataError as `measure` does."""
    with _pillow(data, path), _opened(data, path, limit) as image:
        turn = 1 if image.format == "PNG" and "exif" not in image.info else _orientation(image)  # it would decode first
        width, height = image.size[::-1] if turn >= 5 and image.format != "TIFF" else image.size  # Pillow turns TIFF's
        kind, mode = image.format or "", image.mode  # as the first frame has it
        return Header(kind, mode, width, height, turn, _frames(image))


def measure(data: bytes, path: str, limit: int | None = None) -> tuple[int, int]:
    """(width, height) in px as stored, from the header alone: nothing is decoded.

    Raises DataError, with `path`, when the bytes do not begin as an image, or promise more than `limit` pixels.
    """
    with _pillow(data, path), _opened(data, path, limit) as image:
        return image.size


class Room:
    """A number of pixels that all threads share while they decode."""

    def __init__(self, whole: Callable[[], int]) -> None:
        self._whole, self._taken, self._change = whole, 0, Condition()

    @contextmanager
    def taken(self, count: int) -> Iterator[None]:
        """Wait until `count` fit; one that is larger than all the room waits until it is alone."""
        with self._change:
            whole = self._whole()
            self._change.wait_for(lambda: self._taken == 0 or self._taken + count <= whole)
            self._taken += count
        try:
            yield
        finally:
            with self._change:
                self._taken -= count
                self._change.notify_all()


ROOM = Room(pixels)


def _opened(data: bytes, path: str, limit: int | None) -> Image.Image:
    formats: tuple[str, ...] = FORMATS
    if kinds.is_heic(data):
        try:
            from pillow_heif import register_heif_opener
        except ImportError:
            raise DataError(f"{path}: {kinds.HEIC}") from None
        register_heif_opener()
        formats = ("HEIF",)
    ImageFile.LOAD_TRUNCATED_IMAGES = False  # another library may have set it: half a picture is no picture
    image = Image.open(BytesIO(data), formats=formats)
    width, height = image.size
    limit = pixels() if limit is None else limit
    if width * height == 0:
        raise DataError(f"{path}: {width} x {height} px; a picture has at least one")
    if width * height > limit or max(width, height) > SIDE:
        raise DataError(
            f"{path}: {width} x {height} px; at most {limit / 1e6:g} megapixels and {SIDE} px a side are decoded,"
            " so make it smaller"
        )
    return image


def _part(image: Image.Image, shrink: Shrink | None) -> int:
    """1, or 2, 4 or 8: a JPEG's decoder gives that part of each side for less than the whole would cost."""
    if shrink is None or image.format not in ("JPEG", "MPO"):
        return 1
    width, height = image.size
    factor = min(shrink(height, width) if _orientation(image) >= 5 else shrink(width, height), width, height)
    return next(part for part in (8, 4, 2, 1) if factor >= part or part == 1)


def _by_simplejpeg(data: bytes, image: Image.Image, part: int) -> UInt8[ndarray, "h w 3"] | None:
    """Plain JPEG files; None for any other, and where anything is amiss: then Pillow has the word."""
    plain = image.format == "JPEG" and (
        image.mode == "L" or (image.mode == "RGB" and image.info.get("adobe_transform", 1) == 1)
    )
    if decode_jpeg is None or not plain:
        return None
    width, height = (-(-side // part) for side in image.size)
    try:
        found: UInt8[ndarray, "h w 3"] = decode_jpeg(data, "RGB", min_height=height, min_width=width, min_factor=part)
    except ValueError:
        return None
    return found if found.shape == (height, width, 3) else None


def _by_hand(data: bytes, image: Image.Image, path: str) -> UInt8[ndarray, "h w 3"] | None:
    """PGM and PPM whose white is neither 255 nor 65535; None for any other. Pillow needs a second for a megapixel."""
    if image.format != "PPM" or data[:2] not in (b"P5", b"P6"):
        return None
    codec, _, start, told = cast(ImageFile.ImageFile, image).tile[0]
    if codec != "ppm":
        return None
    white, channels = cast(tuple[str, int], told)[1], 1 if data[:2] == b"P5" else 3
    kind = np.dtype(">u2" if white > 255 else "u1")
    width, height = image.size
    if len(data) - start < width * height * channels * kind.itemsize:
        raise DataError(f"{path}: cut short; copy it again or remove it")
    values = np.frombuffer(data, kind, width * height * channels, start).reshape(height, width, channels)
    found = np.empty((height, width, 3), np.uint8)
    rows = max(1, BAND // width)
    for top in range(0, height, rows):
        found[top : top + rows] = np.rint(np.minimum(values[top : top + rows] / white, 1) * 255)
    return found


def _by_pillow(data: bytes, image: Image.Image, part: int, path: str, background: int) -> UInt8[ndarray, "h w 3"]:
    if part > 1:
        image.draft(None, (image.size[0] // part, image.size[1] // part))
    sixteen = image.mode == "RGB" and image.format == "PNG" and data[24] == 16  # bits a channel, in its header
    image.load()
    hidden = image.info.get("transparency")
    if sixteen and isinstance(hidden, tuple):
        image.info["transparency"] = tuple(value >> 8 for value in hidden)  # Pillow keeps the high bytes of the pixels
    deep = image.mode.startswith("I") or image.mode == "F"
    convert = _deep(image, path, background) if deep else _coloured(image, background)
    width, height = image.size
    found = np.empty((height, width, 3), np.uint8)
    rows = max(1, BAND // width)
    for top in range(0, height, rows):  # what is converted takes several times its room: a band at a time
        end = min(top + rows, height)
        found[top:end] = convert(image if rows >= height else image.crop((0, top, width, end)))
    return found


_SCAN = re.compile(rb"\xff\xda")  # in 58 kB it finds them in 19 us; bytes.count takes 50
_MARKER = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")  # not a stuffed byte or a restart
_JUNK = b"".join(bytes(range(1, 255, 3)) + bytes((0xFF, 0xD0 + n)) for n in range(8))  # and every restart


def _ends_early(data: bytes, found: UInt8[ndarray, "h w 3"], part: int) -> bool:
    """Does a JPEG end in order before its last blocks are told? A decoder leaves those a middle grey and says nothing.

    Only a corner of that grey is looked into: what is put before the end marker changes the picture where blocks are
    still to come, and nowhere else.
    """
    if not _grey_corner(found, part):
        return False
    small = _eighth(data)
    if not set(small[-1, -1:].ravel().tolist()) <= {127, 128}:  # the same at whatever size `found` has
        return False
    marker = next((marker for marker in _markers(data) if marker[0][-1] == 0xD9), None)
    if marker is None:
        return False
    longer = b"".join((data[: marker.start()], _JUNK, data[marker.start() :]))
    return not np.array_equal(small, _eighth(longer))


def _grey_corner(found: UInt8[ndarray, "h w 3"], part: int) -> bool:
    """May the last block of a picture decoded at a `part` of its size have gone untold? Nearly every picture: no.

    By luma, as colours of whole blocks may reach over; 64 is what four inks give, each at a half.
    """
    block = 8 // part
    rows, columns = (max(1, min(block // 2, (side - 1) % block)) for side in found.shape[:2])
    red, green, blue = found[-1, -1].tolist()
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    grey = 128 if abs(luma - 128) <= 3 else 64
    if abs(luma - grey) > 3:
        return False
    return bool((np.abs(found[-rows:, -columns:] @ np.array([0.299, 0.587, 0.114]) - grey) <= 3).all())


def _scans(data: bytes, image: Image.Image) -> int:
    """How often a JPEG goes over its picture; 0 where that cannot take long, and is not worth counting."""
    if len(data) * image.size[0] * image.size[1] < 1e11 or len(_SCAN.findall(data)) <= SCANS:  # about 2 s
        return 0
    return sum(marker[0][-1] == 0xDA for marker in _markers(data))


def _markers(data: bytes) -> Iterator[re.Match[bytes]]:
    """The markers of a JPEG, to the end of its first picture; what their segments hold is passed over."""
    at = 2
    while (marker := _MARKER.search(data, at)) is not None:
        yield marker
        if marker[0][-1] == 0xD9:
            return
        at = marker.end() + int.from_bytes(data[marker.end() : marker.end() + 2], "big")


def _eighth(data: bytes) -> UInt8[ndarray, "..."]:
    with Image.open(BytesIO(data), formats=("JPEG",)) as image:
        image.draft(None, (max(1, image.size[0] // 8), max(1, image.size[1] // 8)))
        return np.array(image)


@contextmanager
def _pillow(data: bytes, path: str) -> Iterator[None]:
    """Whatever Pillow warns of is silenced, and whatever it raises becomes a DataError."""
    try:
        with _silence():
            yield
    except DataError:
        raise
    except MemoryError:
        raise DataError(f"{path}: needs more memory than there is to decode it; make it smaller") from None
    except Exception as error:  # Pillow's readers raise OSError, SyntaxError, ValueError, struct.error, KeyError, ...
        raise DataError(f"{path}: {_reason(data, error)}") from None


def _reason(data: bytes, error: Exception) -> str:
    if isinstance(error, Image.DecompressionBombError):
        return f"more pixels than may be decoded; at most {pixels() / 1e6:g} megapixels, so make it smaller"
    kind = kinds.picture(data)
    if isinstance(error, UnidentifiedImageError) and not kind:
        return kinds.refusal(data)
    if isinstance(error, UnidentifiedImageError):
        return f"begins as {kind} but its header is cut short or damaged; copy it again or remove it"
    short = kind == "WebP" and len(data) < 8 + int.from_bytes(data[4:8], "little")
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


Convert = Callable[[Image.Image], UInt8[ndarray, "rows w 3"]]


def _coloured(image: Image.Image, background: int) -> Convert:
    """From a loaded image, or a band of it, to RGB; what is transparent is laid on the background."""
    if not image.has_transparency_data:
        return lambda band: np.asarray(band.convert("RGB"))

    def laid(band: Image.Image) -> UInt8[ndarray, "rows w 3"]:
        if band.mode in ("La", "RGBa"):
            band = band.convert("LA" if band.mode == "La" else "RGBA")
        rgba = np.asarray(band.convert("RGBA"))
        alpha = rgba[..., 3:].astype(np.uint32)
        return ((rgba[..., :3] * alpha + background * (255 - alpha) + 127) // 255).astype(np.uint8)

    return laid


def _deep(image: Image.Image, path: str, background: int) -> Convert:
    """Grey of more than 8 bits, divided by the range of its format; 0 is black (TIFF: unless it says otherwise)."""
    tags, signed, top = getattr(image, "tag_v2", {}), True, 1.0
    bits = 0
    if image.mode == "F":
        low, high = cast(tuple[float, float], image.getextrema())
        if not (low >= 0 and high <= 1):
            raise DataError(
                f"{path}: floating-point values from {low:g} to {high:g}; only 0 to 1 has a known"
                " range, so save it as 8 or 16 bit"
            )
    else:
        bits, signed = tags.get(_BITS, (16,))[0], tags.get(_SAMPLE, (1,))[0] == 2
        top = 2.0 ** (bits - signed) - 1
    hidden = image.info.get("transparency")

    def divided(band: Image.Image) -> UInt8[ndarray, "rows w 3"]:
        values: Shaped[ndarray, "rows w"] = np.asarray(band)
        if band.mode == "F" and np.isnan(values).any():  # the extremes do not tell
            raise DataError(f"{path}: values that are no numbers (NaN); save it as 8 or 16 bit")
        if bits == 32 and not signed:
            values = values.view(np.uint32)
        grey = np.clip(values / top, 0, 1)
        if tags.get(_PHOTOMETRIC) == 0:  # white is zero
            grey = 1 - grey
        found = np.rint(grey * 255).astype(np.uint8)
        if isinstance(hidden, int):
            found[values == hidden] = background
        return np.repeat(found[..., None], 3, axis=2)

    return divided


def _frames(image: Image.Image) -> int:
    try:
        return 2 if getattr(image, "is_animated", False) else 1
    except Exception:  # what follows a whole first frame and is broken is not a second one
        return 1


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
