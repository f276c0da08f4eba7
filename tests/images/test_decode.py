"""The one door: what a picture says is what comes out, and what is no whole picture stays out."""

import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile, ImageOps

from konvolut.errors import DataError
from konvolut.images.decode import decode, measure, read

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


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_as_exif_says_and_as_pillow_turns_it(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.fromarray(NOISE), "PNG", exif=exif)
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
    for door in (decode, measure):
        with pytest.raises(DataError, match=f"^a/b: {reason}$"):
            door(data, "a/b")


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
