"""Files that were harmed on their way, and files made to do harm; the same number gives the same file."""

import struct
import zlib
from collections.abc import Callable, Sequence
from functools import cache
from io import BytesIO

import numpy as np
from jaxtyping import UInt16
from numpy import ndarray
from PIL import Image

Harm = Callable[[bytearray, np.random.Generator], None]


@cache
def originals() -> tuple[tuple[str, bytes], ...]:
    """Small whole files of every format that is read, in its usual variants: (what it is, its bytes)."""
    chance = np.random.default_rng(0)
    picture = Image.fromarray(chance.integers(0, 256, (9, 13, 3), dtype=np.uint8)).resize((40, 27))
    other, exif = picture.transpose(Image.Transpose.ROTATE_180), Image.Exif()
    exif[0x0112] = 6
    pages = {
        kind: {"save_all": True, "append_images": [other.copy()]} for kind in ("MPO", "PNG", "WEBP", "GIF", "TIFF")
    }
    deep = Image.fromarray(chance.integers(0, 65536, (27, 40), dtype=np.uint16))
    share = np.asarray(deep) / 65535
    clear = Image.merge("RGBA", [*picture.split(), other.convert("L")])
    return (
        ("baseline JPEG", encoded(picture, "JPEG", quality=85, exif=exif)),
        ("progressive JPEG", encoded(picture, "JPEG", quality=85, progressive=True)),
        ("JPEG with restarts", encoded(picture, "JPEG", quality=95, subsampling="4:4:4", restart_marker_blocks=3)),
        ("grey JPEG", encoded(picture.convert("L"), "JPEG")),
        ("CMYK JPEG", encoded(picture.convert("CMYK"), "JPEG")),
        ("MPO", encoded(picture, "MPO", **pages["MPO"])),
        ("PNG", encoded(picture, "PNG", exif=exif)),
        ("RGBA PNG", encoded(clear, "PNG")),
        ("palette PNG", encoded(picture.quantize(17), "PNG", transparency=3)),
        ("16-bit PNG", encoded(deep, "PNG")),
        ("APNG", encoded(picture, "PNG", **pages["PNG"])),
        ("lossy WebP", encoded(picture, "WEBP", exif=exif)),
        ("lossless WebP", encoded(clear, "WEBP", lossless=True)),
        ("animated WebP", encoded(picture, "WEBP", **pages["WEBP"])),
        ("BMP", encoded(picture, "BMP")),
        ("palette BMP", encoded(picture.quantize(16), "BMP")),
        ("GIF", encoded(picture, "GIF")),
        ("animated GIF", encoded(picture, "GIF", **pages["GIF"])),
        ("TIFF", encoded(picture, "TIFF", exif=exif)),
        ("LZW TIFF", encoded(clear, "TIFF", compression="tiff_lzw")),
        ("JPEG TIFF", encoded(picture, "TIFF", compression="jpeg")),
        ("16-bit TIFF", encoded(deep, "TIFF", compression="tiff_adobe_deflate")),
        ("pages of TIFF", encoded(picture.copy(), "TIFF", **pages["TIFF"])),
        ("16-bit RGB PNG", deep_png(np.stack([np.asarray(deep)] * 3, axis=-1))),
        ("fax TIFF", encoded(picture.convert("1"), "TIFF", compression="group4")),
        ("Lab TIFF", encoded(picture.convert("LAB"), "TIFF")),
        ("TIFF of inks", encoded(picture.convert("CMYK"), "TIFF", compression="packbits")),
        ("floating TIFF", encoded(Image.fromarray(np.float32(share)), "TIFF")),
        ("floating PFM", encoded(Image.fromarray(np.float32(share)), "PPM")),
        ("bitmap", encoded(picture.convert("1"), "BMP")),
        ("plain PPM", b"P3 4 3 255\n" + b" ".join(b"%d" % value for value in picture.tobytes()[:36])),
        ("PPM", encoded(picture, "PPM")),
        ("PGM", encoded(deep, "PPM")),
    )


def mutated(number: int, whole: Sequence[tuple[str, bytes]] = ()) -> tuple[str, bytes]:
    """(name, bytes) of a file that was one of `whole` (`originals`) until one to three kinds of harm came to it."""
    chance = np.random.default_rng((number, 5))
    whole = whole or originals()
    what, data = whole[number % len(whole)]
    held, names = bytearray(data), []
    for _ in range(chance.choice((1, 1, 2, 3))):
        name = sorted(HARMS)[chance.integers(len(HARMS))]
        HARMS[name](held, chance)
        names.append(name)
    return f"{number} {what}, {' and '.join(names)}", bytes(held)


def _place(held: bytearray, chance: np.random.Generator, within: int | None = None) -> int:
    return int(chance.integers(max(1, min(within or len(held), len(held)))))


def _piece(held: bytearray, chance: np.random.Generator) -> slice:
    start = _place(held, chance)
    return slice(start, start + int(chance.integers(1, 33)))


def _bits(held: bytearray, chance: np.random.Generator) -> None:
    for _ in range(chance.integers(1, 9)):
        if held:
            held[_place(held, chance)] ^= 1 << int(chance.integers(8))


def _header(held: bytearray, chance: np.random.Generator) -> None:
    for _ in range(chance.integers(1, 4)):
        if held:
            held[_place(held, chance, 64)] = int(chance.choice((0, 1, 127, 128, 254, 255, chance.integers(256))))


def _cut(held: bytearray, chance: np.random.Generator) -> None:
    del held[_place(held, chance) :]


def _cut_but_ended(held: bytearray, chance: np.random.Generator) -> None:
    end = held[-12:]  # of a PNG its last chunk, of a JPEG its end marker
    del held[_place(held, chance) :]
    held += end


def _lost(held: bytearray, chance: np.random.Generator) -> None:
    del held[_piece(held, chance)]


def _doubled(held: bytearray, chance: np.random.Generator) -> None:
    piece = _piece(held, chance)
    held[piece.start : piece.start] = held[piece]


def _swapped(held: bytearray, chance: np.random.Generator) -> None:
    one, other = sorted((_piece(held, chance), _piece(held, chance)), key=lambda piece: piece.start)
    if one.stop <= other.start:
        held[one.start : other.stop] = held[other] + held[one.stop : other.start] + held[one]


def _flat(held: bytearray, chance: np.random.Generator) -> None:
    piece = _piece(held, chance)
    held[piece] = bytes([int(chance.choice((0, 255)))]) * len(held[piece])


def _junk(held: bytearray, chance: np.random.Generator) -> None:
    at = _place(held, chance)
    held[at:at] = chance.bytes(int(chance.integers(1, 33)))


def _behind(held: bytearray, chance: np.random.Generator) -> None:
    held += chance.bytes(int(chance.integers(1, 200)))


def _mended(held: bytearray, chance: np.random.Generator) -> None:
    """A PNG whose checksums hide the harm in one of its chunks; any other file just gets some flipped bits."""
    parts = _chunks(held)
    if not parts:
        return _bits(held, chance)
    which = int(chance.integers(len(parts)))
    name, body = parts[which]
    changed = bytearray(body) or bytearray(b"\0")
    _bits(changed, chance)
    parts[which] = (name, bytes(changed))
    held[:] = png(*parts)
    return None


def _rearranged(held: bytearray, chance: np.random.Generator) -> None:
    """A PNG of which two chunks changed places; of any other file, two pieces."""
    parts = _chunks(held)
    if not parts:
        return _swapped(held, chance)
    one, other = chance.integers(len(parts), size=2).tolist()
    parts[one], parts[other] = parts[other], parts[one]
    held[:] = png(*parts)
    return None


def _chunks(held: bytearray) -> list[tuple[bytes, bytes]]:
    """What a PNG holds before its end, (name, body) each; nothing where it is none, or no whole one."""
    found, at = [], 8
    while held.startswith(b"\x89PNG") and at + 12 <= len(held):
        end = at + 8 + int.from_bytes(held[at : at + 4], "big")
        name = bytes(held[at + 4 : at + 8])
        if end + 4 > len(held) or name == b"IEND":
            break
        found.append((name, bytes(held[at + 8 : end])))
        at = end + 4
    return found


HARMS: dict[str, Harm] = {
    "bits flipped": _bits, "header edited": _header, "cut": _cut, "cut but ended": _cut_but_ended, "a piece lost": _lost,
    "a piece doubled": _doubled, "pieces swapped": _swapped, "a piece made flat": _flat, "junk put in": _junk,
    "junk put behind": _behind, "harm under a good checksum": _mended, "parts rearranged": _rearranged,
}  # fmt: skip


# ---- bombs: small files that ask for much


@cache
def bombs() -> dict[str, bytes]:
    """Sixteen of them; what is promised is either beyond the limits or just within them."""
    small = Image.new("RGB", (8, 8))
    rows = zlib.compress(bytes(6300 * (1 + 3 * 6300)), 9)
    clear = zlib.compress(bytes(6300 * (1 + 4 * 6300)), 9)
    much = zlib.compress(bytes(200_000_000), 9)
    inside = struct.pack(">IIBBBBB", 6300, 6300, 8, 2, 0, 0, 0)
    tiny, row = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0), zlib.compress(bytes(4))
    gif, webp = encoded(small, "GIF"), encoded(small, "WEBP", lossless=True)
    jpeg, bmp = encoded(small, "JPEG"), encoded(small, "BMP")
    frame = struct.pack(">IIIIIHHBB", 0, 1, 1, 0, 0, 1, 1, 0, 0)
    picture = gif[13 + 3 * 2 ** ((gif[10] & 7) + 1) : -1]  # what follows the palette, less the trailer
    at = jpeg.index(b"\xff\xc0") + 5
    within = bytearray(bmp)
    within[18:26] = struct.pack("<ii", 6300, 6300)
    # fmt: off
    return {
        "PNG of 60000 x 60000": png((b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 1, 0, 0, 0, 0)), (b"IDAT", row)),
        "PNG of 6300 x 6300": png((b"IHDR", inside), (b"IDAT", rows)),
        "RGBA PNG of 6300 x 6300": png((b"IHDR", inside[:9] + b"\6" + inside[10:]), (b"IDAT", clear)),
        "PNG with much text": png((b"IHDR", tiny), (b"zTXt", b"Comment\0\0" + much), (b"IDAT", row)),
        "PNG with much profile": png((b"IHDR", tiny), (b"iCCP", b"icc\0\0" + much), (b"IDAT", row)),
        "APNG of 100,000 frames": png(
            (b"IHDR", tiny), (b"acTL", struct.pack(">II", 100_000, 0)), (b"fcTL", frame), (b"IDAT", row),
            *[(b"fcTL", frame)] * 100_000,
        ),
        "GIF of 65535 x 65535": gif[:6] + b"\xff" * 4 + gif[10:],
        "GIF of 100,000 frames": gif[:-1] + picture * 100_000 + b";",
        "WebP of 16384 x 16384": webp[:21] + b"\xff" * 3 + bytes([webp[24] | 0x0F]) + webp[25:],
        "BMP of 6300 x 6300, less its rows": bytes(within),
        "BMP of 2 ** 31 rows": bmp[:22] + b"\0\0\0\x80" + bmp[26:],
        "PPM of 99999 x 99999": b"P6 99999 99999 255\n" + bytes(64),
        "JPEG of 65500 x 65500": jpeg[:at] + struct.pack(">HH", 65500, 65500) + jpeg[at + 4 :],
        "TIFF whose tag has 2 ** 31 values": tiff((256, 4, 1, 8), (257, 4, 1, 8), (273, 4, 2**31 - 1, 8), (279, 4, 1, 8)),
        "TIFF whose pages go round": pages(3),
        "TIFF of 6300 x 6300, deflated": encoded(Image.new("RGB", (6300, 6300)), "TIFF", compression="tiff_adobe_deflate"),
    }
    # fmt: on


def slow_jpeg(scans: int = 4000) -> bytes:
    """A progressive JPEG of 6144 x 6144 px that tells the same nothing again and again: minutes in 72 kB."""
    data = encoded(Image.new("L", (64, 64)), "JPEG", progressive=True)
    at = data.index(b"\xff\xc2") + 5
    data = data[:at] + struct.pack(">HH", 6144, 6144) + data[at + 4 :]
    scan = b"\xff\xda\0\x08\1\1\0\1\x3f\0" + b"\x7f" * 8
    return data[:-2] + scan * scans + data[-2:]


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of those chunks, by its specification."""
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in (*chunks, (b"IEND", b""))
    )


def deep_png(values: UInt16[ndarray, "h w 3"]) -> bytes:
    """A PNG of 16-bit colour, which Pillow does not write, with some text and a hidden colour."""
    height, width, _ = values.shape
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    rows = zlib.compress(b"".join(b"\0" + row.astype(">u2").tobytes() for row in values))
    text = b"Comment\0\0" + zlib.compress(b"words " * 40)
    return png((b"IHDR", header), (b"tRNS", bytes(6)), (b"zTXt", text), (b"IDAT", rows))


def tiff(*tags: tuple[int, int, int, int], following: int = 0) -> bytes:
    """A TIFF of one directory of (tag, type, count, value), by its specification."""
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return b"II*\0" + struct.pack("<I", 8) + directory + struct.pack("<I", following) + bytes(64)


def pages(count: int) -> bytes:
    """A TIFF of `count` grey pages of 1 x 1 px, the last of which is followed by the first."""
    size = 2 + 12 * 8 + 4
    data = b"II*\0" + struct.pack("<I", 8)
    for page in range(count):
        tags = [(256, 1), (257, 1), (258, 8), (259, 1), (262, 1), (273, 8 + count * size), (278, 1), (279, 1)]
        data += struct.pack("<H", 8) + b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
        data += struct.pack("<I", 8 + size * ((page + 1) % count))
    return data + b"\x80"
