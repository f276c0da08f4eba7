"""What a file is, by its first bytes and never by its name; and of what is no picture here, what to do. No torch."""

import re

READ = "JPEG, PNG, WebP, BMP, GIF, TIFF and PPM are read"
_PICTURES = {
    b"\xff\xd8": "JPEG", b"\x89PNG": "PNG", b"GIF8": "GIF", b"BM": "BMP", b"II*\0": "TIFF", b"MM\0*": "TIFF",
    b"II+\0": "TIFF", b"MM\0+": "TIFF",  # BigTIFF
}  # fmt: skip
_OTHERS = (  # where they begin, with what, what that is, and what would work
    (0, b"%PDF", "a PDF document", "save its pages as PNG"),
    (0, b"%!PS", "a PostScript drawing", "save it as PNG"),
    (0, b"\xc5\xd0\xd3\xc6", "an EPS drawing", "save it as PNG"),
    (0, b"\0\0\0\x0cjP  ", "a JPEG 2000 picture", "save it as PNG or JPEG"),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 picture", "save it as PNG or JPEG"),
    (0, b"\0\0\0\x0cJXL ", "a JPEG XL picture", "save it as PNG or JPEG"),
    (0, b"\xff\x0a", "a JPEG XL picture", "save it as PNG or JPEG"),
    (0, b"8BPS", "a Photoshop document", "export it as PNG or JPEG"),
    (0, b"\0\0\1\0", "an icon", "save it as PNG"),
    (0, b"PK\3\4", "a ZIP archive", "unpack it"),
    (0, b"\x1f\x8b", "a gzip archive", "unpack it"),
    (0, b"Rar!", "a RAR archive", "unpack it"),
    (0, b"7z\xbc\xaf", "a 7z archive", "unpack it"),
    (257, b"ustar", "a tar archive", "unpack it"),
    (0, b"\x1aE\xdf\xa3", "a video", "save frames of it as PNG or JPEG"),
    (8, b"AVI ", "a video", "save frames of it as PNG or JPEG"),
    (0, b"version https://git-lfs", "a pointer to a large file", "git lfs pull brings the picture"),
)
_HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_MARKUP = re.compile(rb"<(svg|!doctype html|html)\b", re.IGNORECASE)
HEIC = "a HEIC picture; pip install 'konvolut[heic]' reads it, or save it as PNG or JPEG"


def picture(data: bytes) -> str:
    """The format the bytes begin as, where it is one that is read; "" where it is none."""
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WebP"
    if data[:1] == b"P" and data[1:2] in b"123456Ff" and data[2:3].isspace():
        return "PPM"
    return next((kind for start, kind in _PICTURES.items() if data.startswith(start)), "")


def is_heic(data: bytes) -> bool:
    return data[4:8] == b"ftyp" and data[8:12] in _HEIC and b"avif" not in data[8 : min(64, _box(data))]


def refusal(data: bytes) -> str:
    """Of bytes that are no picture here: what they are, and what would work."""
    if not data:
        return "an empty file; copy it again or remove it"
    for at, start, what, works in _OTHERS:
        if data.startswith(start, at):
            return f"{what}; {works}"
    if data[4:8] == b"ftyp":
        if is_heic(data):
            return HEIC
        if data[8:12] in (b"avif", b"avis", b"mif1"):
            return "an AVIF picture; save it as PNG or JPEG"
        return "a video; save frames of it as PNG or JPEG"
    if found := _MARKUP.search(data[:1024]):
        if found[1].lower() == b"svg":
            return "an SVG drawing; save it as PNG"
        return "a web page, perhaps a server's word that it had no picture; download it again"
    return f"not an image; {READ}"


def _box(data: bytes) -> int:
    return int.from_bytes(data[:4], "big")
