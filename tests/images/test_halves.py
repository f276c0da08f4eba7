"""A JPEG whose end was put on too early: whole by its markers, and half of it grey."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from konvolut.errors import DataError
from konvolut.images import decode as door
from konvolut.images.decode import decode

SMOOTH = Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8)).resize((150, 101))
END = b"\xff\xd9"


def jpeg(image: Image.Image, **options: object) -> bytes:
    file = BytesIO()
    image.save(file, "JPEG", **options)
    return file.getvalue()


@pytest.fixture(params=["simplejpeg", "Pillow"], autouse=True)
def reader(request, monkeypatch):
    if request.param == "Pillow":
        monkeypatch.setattr(door, "decode_jpeg", None)
    else:
        pytest.importorskip("simplejpeg")


@pytest.mark.parametrize("restarts", [0, 3])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("part", [1, 8])
def test_an_end_put_behind_half_a_picture_does_not_make_it_whole(mode, restarts, part):
    data = jpeg(SMOOTH.convert(mode), restart_marker_blocks=restarts)
    start = data.index(b"\xff\xda") + 20  # where the blocks begin
    for share in (0.2, 0.5, 0.8, 0.9):
        half = data[: start + int(share * (len(data) - start))] + END
        grey = np.asarray(Image.open(BytesIO(half)).convert("RGB"))[-1, -1]
        assert len(set(grey.tolist())) == 1, "Pillow alone shows grey where nothing is stored"
        with pytest.raises(DataError, match=r"^a/b: cut short; copy it again or remove it$"):
            decode(half, "a/b", shrink=lambda w, h: part)


def test_nor_does_one_behind_a_fill_byte():
    data = jpeg(SMOOTH)
    with pytest.raises(DataError, match="cut short"):
        decode(data[: len(data) * 3 // 4].rstrip(b"\xff") + b"\xff" + END, "x")


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 2}], ids=str)
def test_a_whole_picture_may_be_grey_in_that_corner(mode, options):
    image = Image.new("RGB", SMOOTH.size, (128, 128, 128))
    image.paste(SMOOTH.resize((60, 60)))
    image = Image.merge("CMYK", [image.convert("L")] * 4) if mode == "CMYK" else image.convert(mode)
    for behind in (b"", b"what a camera wrote behind the end" + END):
        data = jpeg(image, **options) + behind
        assert (decode(data, "x") == np.asarray(Image.open(BytesIO(data)).convert("RGB"))).all()


def test_the_marker_inside_a_thumbnail_is_not_the_end():
    exif = Image.Exif()
    exif[0x010E] = "a description that holds \xff\xd9"
    image = Image.new("RGB", (64, 64), (128, 128, 128))
    data = jpeg(image, exif=exif.tobytes() + END + b"more")
    assert END in data[: data.index(b"\xff\xda")]
    assert (decode(data, "x") == 128).all()
