"""What a file is by its first bytes; each kind by the least file that its own specification would know."""

import gzip
import struct
import tarfile
import zipfile
from io import BytesIO

import pytest

from konvolut.images import kinds


def box(name: bytes, body: bytes) -> bytes:
    """A box of ISO/IEC 14496-12: its size with these eight bytes, its name, its body."""
    return struct.pack(">I", 8 + len(body)) + name + body


def ftyp(brand: bytes, *others: bytes) -> bytes:
    """A file's first box: major brand, minor version, compatible brands."""
    return box(b"ftyp", brand + bytes(4) + b"".join(others))


def archive() -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as held:
        held.writestr("cat.png", b"x")
    return file.getvalue()


def tar() -> bytes:
    file = BytesIO()
    with tarfile.open(fileobj=file, mode="w") as held:
        held.addfile(tarfile.TarInfo("cat.png"))
    return file.getvalue()


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"\xff\xd8\xff\xe0", "JPEG"),  # ITU-T T.81, B.1.1.3: start of image, then a marker
        (b"\x89PNG\r\n\x1a\n", "PNG"),  # PNG, 5.2
        (b"GIF87a", "GIF"),
        (b"GIF89a", "GIF"),
        (b"BM\x46\0\0\0", "BMP"),
        (b"II*\0\x08\0\0\0", "TIFF"),  # TIFF 6.0, section 2
        (b"MM\0*\0\0\0\x08", "TIFF"),
        (b"II+\0\x08\0\0\0", "TIFF"),  # BigTIFF
        (b"MM\0+\0\x08\0\0", "TIFF"),
        (b"RIFF\x1a\0\0\0WEBPVP8L", "WebP"),
        *((b"P%d 1 1\n" % n, "PPM") for n in range(1, 7)),  # netpbm: bitmaps, greymaps, pixmaps, plain and raw
        (b"Pf\n1 1\n", "PPM"),
        (b"", ""),
        (b"\xff", ""),
        (b"RIFF\x1a\0\0\0WAVEfmt ", ""),
        (b"P7\nWIDTH 1\n", ""),
        (b"P6x", ""),
        (b"Pinot", ""),
        (b"hello", ""),
    ],
)
def test_a_format_that_is_read_is_told_by_its_first_bytes(start, kind):
    assert kinds.picture(start) == kind


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"%PDF-1.7\n", "a PDF document; save its pages as PNG"),
        (b"%!PS-Adobe-3.0\n", "a PostScript drawing; save it as PNG"),
        (b"\xc5\xd0\xd3\xc6" + bytes(26), "an EPS drawing; save it as PNG"),  # with a preview: Adobe TN 5002
        (box(b"jP  ", b"\r\n\x87\n"), "a JPEG 2000 picture; save it as PNG or JPEG"),  # ITU-T T.800, I.5.1
        (b"\xff\x4f\xff\x51", "a JPEG 2000 picture; save it as PNG or JPEG"),
        (box(b"JXL ", b"\r\n\x87\n"), "a JPEG XL picture; save it as PNG or JPEG"),  # ISO/IEC 18181-2
        (b"\xff\x0a\0", "a JPEG XL picture; save it as PNG or JPEG"),
        (b"8BPS\0\1", "a Photoshop document; export it as PNG or JPEG"),
        (struct.pack("<HHH", 0, 1, 1), "an icon; save it as PNG"),
        (archive(), "a ZIP archive; unpack it"),
        (gzip.compress(b"", mtime=0), "a gzip archive; unpack it"),
        (b"Rar!\x1a\x07\0", "a RAR archive; unpack it"),
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it"),
        (tar(), "a tar archive; unpack it"),
        (b"\x1aE\xdf\xa3", "a video; save frames of it as PNG or JPEG"),  # EBML: Matroska, WebM
        (b"RIFF\0\0\0\0AVI LIST", "a video; save frames of it as PNG or JPEG"),
        (ftyp(b"isom", b"mp41"), "a video; save frames of it as PNG or JPEG"),
        (ftyp(b"qt  "), "a video; save frames of it as PNG or JPEG"),
        (ftyp(b"avif", b"mif1", b"miaf"), "an AVIF picture; save it as PNG or JPEG"),
        (ftyp(b"avis", b"avif"), "an AVIF picture; save it as PNG or JPEG"),
        (ftyp(b"mif1", b"avif", b"miaf"), "an AVIF picture; save it as PNG or JPEG"),
        (ftyp(b"heic", b"mif1"), "a HEIC picture; pip install 'konvolut[heic]' reads it, or save it as PNG or JPEG"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "a pointer to a large file; git lfs pull brings the picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing; save it as PNG"),
        (b"<?xml version='1.0'?>\n<!-- by hand -->\n<SVG>", "an SVG drawing; save it as PNG"),
        (b"\xef\xbb\xbf<html lang='de'>", "a web page, perhaps a server's word that it had no picture; download it again"),
        (b"<!DOCTYPE html>", "a web page, perhaps a server's word that it had no picture; download it again"),
        (b"", "an empty file; copy it again or remove it"),
        (bytes(600), "not an image; JPEG, PNG, WebP, BMP, GIF, TIFF and PPM are read"),
        (b"{}", "not an image; JPEG, PNG, WebP, BMP, GIF, TIFF and PPM are read"),
        (b"<svgx>", "not an image; JPEG, PNG, WebP, BMP, GIF, TIFF and PPM are read"),
    ],
)  # fmt: skip
def test_what_is_no_picture_here_is_called_by_its_name_with_what_would_work(data, what):
    assert kinds.refusal(data) == what
    assert not kinds.picture(data)


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"])
def test_heic_is_every_brand_of_its_standard_and_no_avif(brand):
    """ISO/IEC 23008-12, annex B; mif1 and msf1 are of both, and the compatible brands tell."""
    assert kinds.is_heic(ftyp(brand, b"mif1", b"heic"))
    assert not kinds.is_heic(ftyp(brand, b"mif1", b"avif"))
    assert not kinds.is_heic(b"\0" + ftyp(brand))


def test_avif_behind_the_first_box_does_not_count():
    assert kinds.is_heic(ftyp(b"heic", b"mif1") + b"avif")
