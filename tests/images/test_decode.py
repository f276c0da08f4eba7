"""The one door: what a picture says is what comes out, and what is no whole picture stays out."""

import os
import struct
import sys
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from itertools import product
from pathlib import Path
from threading import Barrier, Event, Lock, Thread

import numpy as np
import pytest
from PIL import Image, ImageFile, ImageOps

from konvolut.errors import DataError
from konvolut.images import decode as door
from konvolut.images.decode import ROOM, Header, Room, decode, describe, measure, pixels, read

NOISE = np.random.default_rng(0).integers(0, 256, (24, 40, 3), dtype=np.uint8)
LOSSLESS = {"PNG": {}, "BMP": {}, "TIFF": {}, "PPM": {}, "WEBP": {"lossless": True}}


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png(depth: int, colour: int, rows: bytes, size: tuple[int, int], *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG byte by byte, by its specification: Pillow cannot write 16-bit colour."""
    header = struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in parts
    )


@pytest.mark.parametrize("kind", LOSSLESS)
def test_a_lossless_file_gives_back_the_pixels_that_were_written(kind):
    assert (decode(encoded(Image.fromarray(NOISE), kind, **LOSSLESS[kind]), "x") == NOISE).all()


@pytest.mark.parametrize("kind", ["JPEG", "GIF", "MPO"])
def test_the_other_formats_agree_with_pillow_alone(kind):
    data = encoded(Image.fromarray(NOISE), kind)
    assert (decode(data, "x") == np.asarray(Image.open(BytesIO(data)).convert("RGB"))).all()


def test_the_content_says_what_a_file_is_and_its_name_does_not(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(encoded(Image.fromarray(NOISE), "PNG"))
    assert (read(tmp_path / "photo.jpg") == NOISE).all()


TURNED = {  # EXIF 2.3, 4.6.4 A: where the stored row 0 and column 0 are seen
    1: lambda a: a,  # top, left
    2: lambda a: a[:, ::-1],  # top, right
    3: lambda a: a[::-1, ::-1],  # bottom, right
    4: lambda a: a[::-1],  # bottom, left
    5: lambda a: a.transpose(1, 0, 2),  # left, top
    6: lambda a: a[::-1].transpose(1, 0, 2),  # right, top
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),  # right, bottom
    8: lambda a: a[:, ::-1].transpose(1, 0, 2),  # left, bottom
}


def oriented(kind: str, orientation: int, **options: object) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(Image.fromarray(NOISE), kind, exif=exif, **options)


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("kind", ["JPEG", "MPO", "PNG", "WEBP", "TIFF"])
def test_a_picture_is_turned_as_exif_says(kind, orientation):
    options = LOSSLESS.get(kind, {})
    stored = NOISE if kind in LOSSLESS else np.asarray(Image.open(BytesIO(encoded(Image.fromarray(NOISE), kind))))
    data = oriented(kind, orientation, **options)
    assert (decode(data, "x") == TURNED[orientation](stored)).all()
    assert describe(data, "x").orientation == orientation
    assert (describe(data, "x").height, describe(data, "x").width) == TURNED[orientation](stored).shape[:2]


@pytest.mark.parametrize("orientation", TURNED)
def test_a_shrunk_jpeg_is_turned_too_and_shrink_is_told_the_upright_size(orientation):
    told = []

    def half(width: int, height: int) -> float:
        told.append((width, height))
        return 2

    whole = Image.open(BytesIO(encoded(Image.fromarray(NOISE), "JPEG")))
    whole.draft(None, (20, 12))
    data = oriented("JPEG", orientation)
    assert (decode(data, "x", shrink=half) == TURNED[orientation](np.asarray(whole))).all()
    assert told == [(40, 24) if orientation < 5 else (24, 40)]


def test_pillow_turns_pictures_the_same_way():
    for orientation in TURNED:
        data = oriented("PNG", orientation)
        assert (decode(data, "x") == np.asarray(ImageOps.exif_transpose(Image.open(BytesIO(data))))).all()


def test_orientation_six_means_that_the_left_column_upwards_is_the_top_row():
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = decode(encoded(Image.fromarray(NOISE), "PNG", exif=exif), "x")
    assert (upright[0] == NOISE[::-1, 0]).all()


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_a_16_bit_ramp_keeps_its_256_levels(kind):
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    seen = decode(encoded(Image.fromarray(ramp), kind), "x")
    assert np.bincount(seen[..., 0].ravel(), minlength=256).min() > 0
    assert (seen[0, 0].tolist(), seen[255, 255].tolist()) == ([0, 0, 0], [255, 255, 255])
    assert abs(seen[..., 1] - ramp / 257).max() <= 0.5  # 65535 / 255 = 257


def test_32_bit_and_floating_point_greys_are_divided_by_their_range():
    whole = Image.fromarray(np.array([[0, 2**30, 2**31 - 1]], dtype=np.int32))
    assert decode(encoded(whole, "TIFF"), "x")[0, :, 0].tolist() == [0, 128, 255]
    share = Image.fromarray(np.array([[0, 0.2, 1]], dtype=np.float32))
    assert decode(encoded(share, "TIFF"), "x")[0, :, 0].tolist() == [0, 51, 255]
    with pytest.raises(DataError, match=r"x: floating-point values from 0 to 7; .* save it as 8 or 16 bit"):
        decode(encoded(Image.fromarray(np.array([[0, 7]], dtype=np.float32)), "TIFF"), "x")


def test_sixteen_bits_where_white_is_zero_are_turned_over():
    values = Image.fromarray(np.array([[0, 65535]], dtype=np.uint16))
    data = encoded(values, "TIFF", tiffinfo={262: 0})
    if Image.open(BytesIO(data)).tag_v2[262] != 0:  # Pillow wrote its own: patch the tag's value
        at = data.index(struct.pack("<HHI", 262, 3, 1)) + 8
        data = data[:at] + b"\0\0" + data[at + 2 :]
    assert decode(data, "x")[0, :, 0].tolist() == [255, 0]


def test_alpha_is_laid_on_white_by_hand():
    rgba = np.array([[[200, 100, 0, 255], [200, 100, 0, 0], [200, 100, 0, 51]]], dtype=np.uint8)
    seen = decode(encoded(Image.fromarray(rgba, "RGBA"), "PNG"), "x")
    assert seen[0].tolist() == [[200, 100, 0], [255, 255, 255], [244, 224, 204]]  # 51/255 = 1/5: 200/5 + 255*4/5 = 244


HIDDEN = Image.fromarray(np.array([[7, 90]], dtype=np.uint8))


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (encoded(Image.merge("LA", [HIDDEN, HIDDEN.point(lambda v: 255 * (v != 7))]), "PNG"), 90),
        (encoded(HIDDEN, "PNG", transparency=7), 90),
        (encoded(HIDDEN.convert("RGB"), "PNG", transparency=(7, 7, 7)), 90),
        (encoded(HIDDEN.convert("RGB").convert("P", palette=Image.Palette.ADAPTIVE), "GIF", transparency=0), None),
        (encoded(HIDDEN.point(lambda v: 255 * (v != 7)).convert("1"), "PNG", transparency=0), 255),
        (png(16, 0, struct.pack(">xHH", 700, 23130), (2, 1), (b"tRNS", struct.pack(">H", 700))), 90),
        (png(16, 2, struct.pack(">x6H", 9, 9, 9, *[23130] * 3), (2, 1), (b"tRNS", struct.pack(">3H", 9, 9, 9))), 90),
        (png(16, 6, struct.pack(">x8H", 9, 9, 9, 0, *[23130] * 3, 65535), (2, 1)), 90),
    ],
    ids=["LA", "L+tRNS", "RGB+tRNS", "P", "1+tRNS", "16-bit grey+tRNS", "16-bit RGB+tRNS", "16-bit RGBA"],
)
def test_a_hidden_colour_never_shows(data, shown):
    seen = decode(data, "x")[0]
    hidden = [255, 255, 255]
    if shown is None:  # which of the two has palette entry 0 is Pillow's choice
        assert sorted(seen.tolist())[1] == hidden
        assert seen.tolist() != [hidden, hidden]
    else:
        assert seen.tolist() == [hidden, [shown] * 3]


def test_ink_print_colours_become_rgb():
    cyan = Image.new("CMYK", (8, 8), (255, 0, 0, 0))
    assert decode(encoded(cyan, "TIFF"), "x")[0, 0].tolist() == [0, 255, 255]
    assert abs(decode(encoded(cyan, "JPEG", quality=95), "x")[0, 0].astype(int) - [0, 255, 255]).max() <= 3


def test_of_an_animation_the_first_frame_is_the_picture():
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    for kind, options in (("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {}), ("TIFF", {})):
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
        assert decode(data, "x")[0, 0].tolist() == [255, 0, 0], kind


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "MPO"])
def test_half_a_file_is_refused_and_never_half_grey(kind, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)  # as another library may leave it
    data = encoded(Image.fromarray(NOISE), kind)
    for part in (len(data) // 2, len(data) * 9 // 10):
        with pytest.raises(DataError, match=r"^cat/3\.jpg: .*(cut short|damaged)"):
            decode(data[:part], "cat/3.jpg")


def test_a_progressive_jpeg_cut_short_is_refused():
    data = encoded(Image.fromarray(NOISE), "JPEG", progressive=True)
    with pytest.raises(DataError, match="x: cut short; copy it again or remove it"):
        decode(data[: len(data) * 2 // 3], "x")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "an empty file; copy it again or remove it"),
        (b"hello", "not an image; JPEG, PNG, WebP, BMP, GIF, TIFF and PPM are read"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing; save it as PNG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "a PostScript drawing; save it as PNG"),
        (b"%PDF-1.7\n", "a PDF document; save its pages as PNG"),
        (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf", "an AVIF picture; save it as PNG or JPEG"),
        (b"\0\0\0\x20ftypisom\0\0\2\0isomiso2", "a video; save frames of it as PNG or JPEG"),
        (b"\n<!DOCTYPE html><title>404</title>", "a web page, perhaps a server's word .*; download it again"),
        (b"PK\3\4\x14\0", "a ZIP archive; unpack it"),
        (b"\x89PNG\r\n\x1a\n", "begins as PNG but its header is cut short or damaged; copy it again or remove it"),
    ],
    ids=["empty", "text", "svg", "postscript", "pdf", "avif", "video", "html", "zip", "bare signature"],
)
def test_what_is_no_image_is_refused_in_one_line_with_path_and_reason(data, reason):
    for ask in (decode, measure, describe):
        with pytest.raises(DataError, match=f"^a/b: {reason}$"):
            ask(data, "a/b")


def test_a_flipped_byte_in_a_png_is_noticed():
    data = bytearray(encoded(Image.fromarray(NOISE), "PNG"))
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(DataError, match=r"x: damaged .*; save it again as PNG or JPEG"):
        decode(bytes(data), "x")


def test_a_header_that_promises_too_much_is_refused_before_anything_is_decoded():
    def promise(width: int, height: int) -> bytes:
        return png(8, 0, b"", (width, height))  # not a single row follows

    with pytest.raises(DataError, match=r"x: 8000 x 5001 px; at most 40 megapixels .* so make it smaller"):
        decode(promise(8000, 5001), "x")
    with pytest.raises(DataError, match=r"x: 30001 x 1 px; at most .* 30000 px a side"):
        decode(promise(30001, 1), "x")
    with pytest.raises(DataError, match="x: more pixels than may be decoded"):
        decode(promise(60000, 60000), "x")
    assert measure(promise(8000, 5000), "x") == (8000, 5000)
    assert decode(encoded(Image.fromarray(NOISE), "PNG"), "x", limit=24 * 40).shape == (24, 40, 3)
    with pytest.raises(DataError, match=r"at most 0\.000959 megapixels"):
        decode(encoded(Image.fromarray(NOISE), "PNG"), "x", limit=24 * 40 - 1)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.png: no such file"):
        read(tmp_path / "none.png")
    with pytest.raises(DataError, match="cannot be read"):
        read(Path(tmp_path))


def test_no_warning_leaves_and_the_filters_are_as_before_when_threads_are_done():
    bomb = png(8, 0, b"", (12_000, 12_000))  # Pillow warns above 89 megapixels
    before = list(warnings.filters)

    def refuse(_: int) -> str:
        with pytest.raises(DataError) as caught:
            decode(bomb, "x")
        return str(caught.value)

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(refuse, range(64))) == {refuse(0)}
    assert list(warnings.filters) == before


def test_broken_exif_does_not_cost_the_picture():
    data = encoded(Image.fromarray(NOISE), "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert (decode(data, "x") == NOISE).all()


def test_what_comes_out_may_be_written_to():
    decode(encoded(Image.fromarray(NOISE), "PNG"), "x")[0, 0] = 0


# ---- colours, by arithmetic


def tiff(photometric: int, samples: bytes, channels: int, *more: tuple[int, int, int, int], order: str = "<") -> bytes:
    """An uncompressed TIFF of one row, by TIFF 6.0; `more` are entries (tag, type, count, value)."""
    bits = 16 if order == ">" else 8
    width = len(samples) * 8 // bits // channels
    shorts = struct.pack(f"{order}4H", *[bits] * 4)
    said = {
        256: (3, 1, width), 257: (3, 1, 1), 258: (3, channels, 8), 259: (3, 1, 1), 262: (3, 1, photometric), 273: (4, 1, 16),
        277: (3, 1, channels), 278: (3, 1, 1), 279: (4, 1, len(samples)), **{tag: entry for tag, *entry in more},
    }  # fmt: skip
    if channels < 3:  # what fits into an entry is in it
        said[258] = (3, channels, bits * (65537 if channels == 2 else 1))
    directory = b"".join(
        struct.pack(f"{order}HHI", tag, kind, count)
        + struct.pack(f"{order}I" if kind == 4 or count > 1 else f"{order}Hxx", value)
        for tag, (kind, count, value) in sorted(said.items())
    )
    mark = b"II*\0" if order == "<" else b"MM\0*"
    at = 16 + len(samples) + len(samples) % 2
    return (
        mark + struct.pack(f"{order}I", at) + shorts + samples + b"\0" * (len(samples) % 2)
        + struct.pack(f"{order}H", len(said)) + directory + bytes(4)
    )  # fmt: skip


def lab(*rgb: int) -> tuple[float, float, float]:
    """CIE L*a*b* of a colour of sRGB (IEC 61966-2-1), seen by D50 as profiles do: Bradford's matrix, then CIE 15."""
    share = np.array(rgb) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    xyz = [
        [0.4360747, 0.3850649, 0.1430804],
        [0.2225045, 0.7168786, 0.0606169],
        [0.0139322, 0.0971045, 0.7141733],
    ] @ linear
    x, y, z = (
        v ** (1 / 3) if v > (6 / 29) ** 3 else v / 3 * (29 / 6) ** 2 + 4 / 29 for v in xyz / [0.96422, 1, 0.82521]
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def test_lab_is_converted_by_its_definition():
    """TIFF 6.0, section 23: L* from 0 to 255, a* and b* as signed bytes."""
    colours = [
        (255, 255, 255),
        (0, 0, 0),
        (128, 128, 128),
        (200, 100, 50),
        (60, 120, 180),
        (90, 160, 70),
        (150, 60, 140),
    ]
    samples = b"".join(
        struct.pack("<Bbb", round(2.55 * L), round(a), round(b)) for L, a, b in (lab(*c) for c in colours)
    )
    assert abs(decode(tiff(8, samples, 3), "x")[0].astype(int) - colours).max() <= 4  # a step of a* is three of red


def test_ycbcr_by_the_formula_of_bt_601():
    told = [(76, 85, 255), (150, 44, 21), (29, 255, 107), (128, 128, 128)]
    wanted = [
        [y + 1.402 * (cr - 128), y - 0.344136 * (cb - 128) - 0.714136 * (cr - 128), y + 1.772 * (cb - 128)]
        for y, cb, cr in told
    ]
    data = tiff(6, bytes(value for pixel in told for value in pixel), 3, (530, 3, 2, 0x00010001))
    assert abs(decode(data, "x")[0] - np.clip(wanted, 0, 255)).max() <= 1


INKS = [(0, 0, 0, 0), (0, 0, 0, 255), (255, 0, 0, 0), (200, 40, 90, 30), (0, 255, 255, 64)]
PRINTED = np.array([[(255 - ink) * (255 - k) / 255 for ink in inks] for *inks, k in INKS])


def test_four_inks_by_arithmetic():
    data = tiff(5, bytes(value for inks in INKS for value in inks), 4)
    assert abs(decode(data, "x")[0] - PRINTED).max() <= 1


def cmyk(*inks: int) -> bytes:
    """A flat JPEG of four inks as Adobe writes them: upside down, and marked so."""
    return encoded(Image.new("CMYK", (16, 16), inks), "JPEG", quality=100)


@pytest.mark.parametrize(("inks", "printed"), list(zip(INKS, PRINTED, strict=True)))
def test_inks_that_adobe_turned_over_are_right(inks, printed):
    data = cmyk(*inks)
    assert b"Adobe" in data
    assert abs(decode(data, "x") - printed).max() <= 2


@pytest.mark.parametrize(("inks", "printed"), list(zip(INKS, PRINTED, strict=True)))
def test_ycck_is_cmy_as_luma_and_chroma(inks, printed):
    """Adobe TN 5116, transform 2. The marker's last byte says so; what is written turned over is turned back first."""
    y, cb, cr = Image.new("RGB", (1, 1), inks[:3]).convert("YCbCr").getpixel((0, 0))
    data = bytearray(cmyk(255 - y, 255 - cb, 255 - cr, inks[3]))
    data[data.index(b"Adobe") + 11] = 2
    assert abs(decode(bytes(data), "x") - printed).max() <= 4


def test_a_jpeg_of_rgb_without_luma_and_chroma_is_right(monkeypatch):
    """Adobe's transform 0: three channels as they are. Taken for YCbCr, this orange would be green."""
    data = encoded(Image.new("RGB", (16, 16), (250, 120, 10)), "JPEG", keep_rgb=True, quality=100)
    for fast in (door.decode_jpeg, None):
        monkeypatch.setattr(door, "decode_jpeg", fast)
        assert abs(decode(data, "x") - [250.0, 120, 10]).max() <= 1


def test_sixteen_bits_of_either_order_are_divided_by_their_range():
    values = [0, 257 * 100, 65535]
    big = tiff(1, struct.pack(">3H", *values), 1, order=">")
    assert describe(big, "x").mode == "I;16B"
    assert decode(big, "x")[0].tolist() == [[v] * 3 for v in (0, 100, 255)]
    little = encoded(Image.fromarray(np.array([values], np.uint16)), "TIFF")
    assert (decode(little, "x") == decode(big, "x")).all()


@pytest.mark.parametrize(("kind", "channels"), [(b"P5", 1), (b"P6", 3)])
@pytest.mark.parametrize("white", [1, 5, 100, 254, 255, 256, 4095, 65534, 65535])
def test_a_ppm_is_divided_by_the_white_that_its_header_says(kind, channels, white):
    luck = np.random.default_rng(2).integers(0, white + 1, (7, 5, channels), endpoint=False)
    luck[0, 0], luck[6, 4] = 0, white
    data = b"%s\n# a comment\n5 7\n%d\n" % (kind, white) + luck.astype("u1" if white < 256 else ">u2").tobytes()
    assert abs(decode(data, "x") - luck * (255 / white)).max() <= 0.5 + 1e-9
    assert (decode(data + b"more", "x") == decode(data, "x")).all()
    with pytest.raises(DataError, match=r"^x: cut short; copy it again or remove it$"):
        decode(data[:-1], "x")


def test_a_value_above_white_is_white():
    assert decode(b"P5 2 1 100\n\x64\xff", "x")[0].tolist() == [[255] * 3] * 2


def test_a_value_that_is_no_number_is_refused():
    holed = np.full((9, 9), 0.5, np.float32)
    holed[4, 4] = np.nan
    with pytest.raises(DataError, match=r"^x: values that are no numbers \(NaN\); save it as 8 or 16 bit$"):
        decode(encoded(Image.fromarray(holed), "TIFF"), "x")


# ---- what is transparent

CLEAR = (338, 3, 1, 2)  # ExtraSamples: alpha that stands beside the colours; 1: that has been multiplied into them


@pytest.mark.parametrize("background", [255, 0, 100])
@pytest.mark.parametrize(
    ("data", "grey", "alpha"),
    [
        (tiff(1, bytes((200, 51)), 2, CLEAR), 200, 51),
        (tiff(1, bytes((40, 51)), 2, (338, 3, 1, 1)), 200, 51),
        (tiff(2, bytes((200, 200, 200, 51)), 4, CLEAR), 200, 51),
        (tiff(2, bytes((40, 40, 40, 51)), 4, (338, 3, 1, 1)), 200, 51),
        (encoded(Image.merge("PA", [Image.new("P", (1, 1), 200), Image.new("L", (1, 1), 51)]), "TIFF"), None, 51),
        (encoded(Image.new("RGBA", (1, 1), (200, 200, 200, 51)), "WEBP", lossless=True, exact=True), 200, 51),
        (png(8, 3, b"\0\0", (1, 1), (b"PLTE", bytes((200,) * 3)), (b"tRNS", bytes((51,)))), 200, 51),
        (png(8, 4, bytes((0, 200, 51)), (1, 1)), 200, 51),
        (png(16, 4, struct.pack(">xHH", 200 * 257, 51 * 257), (1, 1)), 200, 51),
    ],
    ids=["LA", "La", "RGBA", "RGBa", "PA", "WebP", "P+tRNS", "PNG LA", "PNG LA 16"],
)
def test_alpha_lets_its_share_of_the_background_through(data, grey, alpha, background):
    """51 / 255 is a fifth: a fifth of the colour and four of the background."""
    if grey is None:
        grey = Image.open(BytesIO(data)).convert("RGBA").getpixel((0, 0))[0]
    wanted = (grey * alpha + background * (255 - alpha)) / 255
    assert abs(decode(data, "x", background=background) - wanted).max() <= 0.5


def test_what_is_opaque_knows_no_background():
    assert (decode(encoded(Image.fromarray(NOISE), "PNG"), "x", background=0) == NOISE).all()


# ---- headers


def test_a_header_is_described_and_no_pixel_decoded():
    exif = b"MM\0*\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0"  # one entry: orientation 6
    broken = (b"IDAT", b"not deflated")
    header = struct.pack(">IIBBBBB", 40, 24, 8, 2, 0, 0, 0)

    def of(*chunks: tuple[bytes, bytes]) -> bytes:
        return b"\x89PNG\r\n\x1a\n" + b"".join(
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
            for name, body in ((b"IHDR", header), *chunks, (b"IEND", b""))
        )

    assert describe(of((b"eXIf", exif), broken), "x") == Header("PNG", "RGB", 24, 40, 6, 1)
    assert describe(of(broken, (b"eXIf", exif)), "x") == Header("PNG", "RGB", 40, 24, 1, 1)
    rows = zlib.compress(b"".join(b"\0" + row.tobytes() for row in NOISE))
    assert (decode(of((b"IDAT", rows), (b"eXIf", exif)), "x") == TURNED[6](NOISE)).all()


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF", "MPO"])
def test_more_than_one_frame_is_seen_in_the_header(kind):
    first, *others = (Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue"))
    assert describe(encoded(first, kind, save_all=True, append_images=others), "x").frames == 2
    assert describe(encoded(Image.new("RGB", (8, 8)), kind), "x").frames == 1


@pytest.mark.parametrize(
    ("data", "header"),
    [
        (encoded(Image.fromarray(NOISE), "JPEG"), Header("JPEG", "RGB", 40, 24, 1, 1)),
        (encoded(Image.fromarray(NOISE).convert("CMYK"), "JPEG"), Header("JPEG", "CMYK", 40, 24, 1, 1)),
        (encoded(Image.fromarray(NOISE).convert("L"), "PNG"), Header("PNG", "L", 40, 24, 1, 1)),
        (encoded(Image.fromarray(NOISE), "PPM"), Header("PPM", "RGB", 40, 24, 1, 1)),
        (encoded(Image.fromarray(np.zeros((3, 2), np.uint16)), "PNG"), Header("PNG", "I;16", 2, 3, 1, 1)),
    ],
)
def test_a_header_says_format_mode_and_size(data, header):
    assert describe(data, "x") == header


# ---- HEIC


def heic(**options: object) -> bytes:
    registered = pytest.importorskip("pillow_heif")
    flat = Image.new("RGB", (64, 48), (200, 100, 50))
    flat.paste((20, 20, 220), (0, 0, 32, 48))
    file = BytesIO()
    registered.from_pillow(flat).save(file, quality=95, **options)
    return file.getvalue()


def test_heic_is_read_where_its_extra_is_installed():
    seen = decode(heic(), "x").astype(int)
    assert seen.shape == (48, 64, 3)
    assert abs(seen[24, 8] - [20, 20, 220]).max() <= 6
    assert abs(seen[24, 56] - [200, 100, 50]).max() <= 6
    assert describe(heic(), "x") == Header("HEIF", "RGB", 64, 48, 1, 1)
    with pytest.raises(DataError, match=r"x: 64 x 48 px; at most 0\.003 megapixels"):
        decode(heic(), "x", limit=3000)


def test_heic_is_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    seen = decode(heic(exif=exif.tobytes()), "x").astype(int)
    assert seen.shape == (64, 48, 3)
    assert abs(seen[8, 24] - [20, 20, 220]).max() <= 6  # what is stored at the left is seen at the top


@pytest.mark.parametrize("part", [0.3, 0.6, 0.95])
def test_heic_that_is_cut_short_is_refused(part):
    data = heic()
    with pytest.raises(DataError, match=r"^x: "):
        decode(data[: int(len(data) * part)], "x")


def test_heic_without_its_extra_is_refused_with_what_to_install(monkeypatch):
    data = heic()
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    for ask in (decode, describe, measure):
        with pytest.raises(
            DataError, match=r"^x: a HEIC picture; pip install 'konvolut\[heic\]' reads it, or save it as"
        ):
            ask(data, "x")


# ---- the limits


def test_the_most_megapixels_are_a_setting(monkeypatch):
    data = encoded(Image.fromarray(NOISE), "PNG")
    monkeypatch.setenv("KONVOLUT_MEGAPIXELS", "0.00096")
    assert decode(data, "x").shape == (24, 40, 3)
    monkeypatch.setenv("KONVOLUT_MEGAPIXELS", "0.00095")
    with pytest.raises(DataError, match=r"^x: 40 x 24 px; at most 0\.00095 megapixels"):
        decode(data, "x")
    monkeypatch.setenv("KONVOLUT_MEGAPIXELS", "100")
    assert measure(png(8, 0, b"", (10_000, 10_000)), "x") == (10_000, 10_000)
    monkeypatch.delenv("KONVOLUT_MEGAPIXELS")
    assert pixels() == 40_000_000


@pytest.mark.parametrize("said", ["", "many", "0", "-1", "nan", "inf", "179"])
def test_a_setting_that_is_no_number_of_megapixels_is_refused(monkeypatch, said):
    monkeypatch.setenv("KONVOLUT_MEGAPIXELS", said)
    with pytest.raises(
        DataError, match=f"^KONVOLUT_MEGAPIXELS={said}: it is a number of megapixels, above 0 and at most 178$"
    ):
        decode(encoded(Image.fromarray(NOISE), "PNG"), "x")


def test_a_file_that_is_far_too_large_is_not_read(tmp_path):
    with (tmp_path / "x.tif").open("wb") as file:
        file.write(b"II*\0")
        os.truncate(file.fileno(), 3 << 30)  # no byte of it takes room
    with pytest.raises(DataError, match=r"x\.tif: 3\.2 GB; files of at most 1 GiB are read"):
        read(tmp_path / "x.tif")


def test_too_little_memory_is_said_to_be_that(monkeypatch):
    def short(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Image.Image, "convert", short)
    with pytest.raises(DataError, match=r"^x: needs more memory than there is to decode it; make it smaller$"):
        decode(encoded(Image.fromarray(NOISE), "PNG"), "x")


# ---- JPEG, by either library and at parts of its size


@pytest.mark.parametrize("factor", [1, 2, 4, 8])
@pytest.mark.parametrize("progressive", [False, True], ids=["baseline", "progressive"])
@pytest.mark.parametrize("sampling", ["4:4:4", "4:2:2", "4:2:0", "grey"])
def test_both_libraries_give_the_same_picture_to_the_bit(factor, progressive, sampling, monkeypatch):
    pytest.importorskip("simplejpeg")
    luck = np.random.default_rng(3)
    how = {} if sampling == "grey" else {"subsampling": sampling}
    for width, height, orientation in product((1, 7, 16, 33, 100), (1, 9, 31, 65), (1, 6)):
        blocks = luck.integers(0, 256, (height, width, 3), dtype=np.uint8)
        image = Image.fromarray(blocks).resize((width, height), box=(0, 0, (width + 1) / 2, (height + 1) / 2))
        exif = Image.Exif()
        exif[0x0112] = orientation
        image = image.convert("L") if sampling == "grey" else image
        data = encoded(image, "JPEG", quality=88, progressive=progressive, exif=exif, **how)
        with monkeypatch.context() as patch:
            calls = []
            fast = door.decode_jpeg
            patch.setattr(door, "decode_jpeg", lambda *a, **k: calls.append(1) or fast(*a, **k))  # noqa: B023
            one = decode(data, "x", shrink=lambda w, h: factor)
            patch.setattr(door, "decode_jpeg", None)
            other = decode(data, "x", shrink=lambda w, h: factor)
        assert calls
        assert one.shape == other.shape
        assert (one == other).all()
        part = max(p for p in (1, 2, 4, 8) if p <= min(factor, width, height))
        sides = (-(-height // part), -(-width // part), 3)
        assert one.shape == (sides if orientation == 1 else (sides[1], sides[0], 3))


@pytest.mark.parametrize("factor", [1, 1.99, 2, 3.99, 4, 7.9, 8, 100])
def test_a_shrunk_picture_is_never_smaller_than_it_will_be_made(factor):
    for width, height in ((800, 600), (601, 799), (33, 500), (5, 3)):
        data = encoded(Image.new("RGB", (width, height)), "JPEG")
        high, wide, _ = decode(data, "x", shrink=lambda w, h: factor).shape
        assert wide >= width / factor
        assert high >= height / factor


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "BMP", "PPM"])
def test_formats_without_parts_come_whole(kind):
    assert (decode(encoded(Image.fromarray(NOISE), kind, **LOSSLESS[kind]), "x", shrink=lambda w, h: 8) == NOISE).all()


# ---- the room that threads share


def test_threads_wait_until_there_is_room_and_all_get_their_turn():
    room, lock, inside, most = Room(lambda: 10), Lock(), [], []

    def take(count: int) -> None:
        with room.taken(count):
            with lock:
                inside.append(count)
                most.append(sum(inside) if len(inside) > 1 else 0)  # one may be larger than the room
            with lock:
                inside.remove(count)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(take, [3, 7, 1, 10, 4, 25, 2, 6] * 40, timeout=60))
    assert len(most) == 320
    assert max(most) <= 10


def test_what_does_not_fit_waits_for_what_is_inside():
    room, inside, entered = Room(lambda: 10), Event(), Event()

    def second() -> None:
        inside.set()
        with room.taken(4):
            entered.set()

    with room.taken(6), room.taken(1):
        waiting = Thread(target=second)
        waiting.start()
        assert inside.wait(60)
        assert not entered.wait(0.1)
    assert entered.wait(60)
    waiting.join(60)


def test_one_that_is_larger_than_the_room_gets_in_alone_and_others_wait():
    room, entered = Room(lambda: 10), Event()

    def small() -> None:
        with room.taken(1):
            entered.set()

    with room.taken(1000):
        waiting = Thread(target=small)
        waiting.start()
        assert not entered.wait(0.1)
    assert entered.wait(60)
    waiting.join(60)


def test_three_that_fit_are_inside_together():
    room, together = Room(lambda: 9), Barrier(3, timeout=60)

    def take(_: int) -> int:
        with room.taken(3):
            return together.wait()

    with ThreadPoolExecutor(3) as pool:
        assert sorted(pool.map(take, range(3))) == [0, 1, 2]


def test_room_is_given_back_by_what_could_not_be_decoded(monkeypatch):
    monkeypatch.setenv("KONVOLUT_MEGAPIXELS", "0.00096")  # room for one such picture
    data = encoded(Image.fromarray(NOISE), "PNG")
    bad = [data[: len(data) * 9 // 10], data[:-40], encoded(Image.fromarray(NOISE), "JPEG")[:600]]

    def refused(n: int) -> bool:
        try:
            decode(data if n % 4 == 3 else bad[n % 4], "x")
        except DataError:
            return True
        return False

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(refused, range(200), timeout=60)) == [n % 4 != 3 for n in range(200)]
    assert ROOM._taken == 0
