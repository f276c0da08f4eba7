"""Harmed files and bombs: a whole picture or one line that refuses it, whichever way they are decoded."""

import json
import os
import subprocess
import sys
from collections import Counter
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import pytest
from hostile import bombs, encoded, mutated, originals, slow_jpeg
from PIL import Image

from konvolut.errors import DataError
from konvolut.images import decode as door
from konvolut.images.decode import SCANS, decode, describe
from konvolut.images.worker import inspected

HERE = Path(__file__).parent


def verdicts(data: bytes, path: str) -> dict[str, list[str]]:
    """In a child: what comes of a file by either JPEG library, whole and shrunk; [why not, "" or the picture's hash]."""
    fast, found = door.decode_jpeg, {}
    for way, library, factor in (
        ("whole", fast, 1), ("whole by Pillow", None, 1), ("shrunk", fast, 4), ("shrunk by Pillow", None, 4),
    ):  # fmt: skip
        door.decode_jpeg = library
        try:
            picture = decode(data, path, shrink=lambda width, height: factor)  # noqa: B023
            found[way] = ["", sha256(f"{picture.shape} {picture.dtype}".encode() + picture.tobytes()).hexdigest()]
        except DataError as error:
            found[way] = [str(error), ""]
    door.decode_jpeg = fast
    try:
        describe(data, path)
        found["header"] = ["", ""]
    except DataError as error:
        found["header"] = [str(error), ""]
    return found


def looked_at(numbers: range, monkeypatch: pytest.MonkeyPatch) -> Counter[bool]:
    """How many of the mutated files of those numbers are whole pictures, and how many are refused."""
    monkeypatch.setenv("PYTHONPATH", f"{HERE}:{HERE.parent}")
    names = [str(number) for number in numbers]
    results = inspected(
        names, lambda number: mutated(int(number))[1], "test_hostile:verdicts", called=lambda number: f"a/{number}.jpg"
    )
    seen: Counter[bool] = Counter()
    for number, found in zip(numbers, results, strict=True):
        name = mutated(number)[0]
        assert isinstance(found, dict), (name, found)  # a crash, more than 10 s or more than 1 GiB would be a DataError
        header, _ = found.pop("header")
        assert len({why for why, _ in found.values()}) == 1, (name, found)
        assert found["whole"] == found["whole by Pillow"], name
        assert found["shrunk"] == found["shrunk by Pillow"], name
        why = found["whole"][0]
        assert not why or (why.startswith(f"a/{number}.jpg: ") and why.isprintable()), (name, why)
        assert not header or why, (name, header)  # what decodes can be described
        seen[not why] += 1
    return seen


def test_whole_files_are_accepted_every_way():
    for name, data in originals():
        assert {why for why, _ in verdicts(data, "x").values()} == {""}, name


def test_the_same_number_gives_the_same_file_and_different_ones_differ():
    some = [mutated(number) for number in range(200)]
    assert some == [mutated(number) for number in range(200)]
    assert len({data for _, data in some}) > 190


def test_harmed_files_are_pictures_or_refused_whichever_way_they_are_decoded(monkeypatch):
    seen = looked_at(range(300), monkeypatch)
    assert min(seen[True], seen[False]) > 50


@pytest.mark.slow
def test_ten_thousand_harmed_files_are_pictures_or_refused_whichever_way_they_are_decoded(monkeypatch):
    seen = looked_at(range(10_000), monkeypatch)
    assert seen.total() == 10_000
    assert min(seen.values()) > 2000


def test_harmed_heic_files_are_pictures_or_refused(monkeypatch):
    """By themselves: who has not installed the extra has the same numbers for all others."""
    heif = pytest.importorskip("pillow_heif")
    file = BytesIO()
    heif.from_pillow(Image.radial_gradient("L").resize((64, 48)).convert("RGB")).save(file, quality=60)
    whole = [("HEIC", file.getvalue())]
    monkeypatch.setenv("PYTHONPATH", f"{HERE}:{HERE.parent}")
    results = inspected(map(str, range(200)), lambda n: mutated(int(n), whole)[1], "test_hostile:verdicts")
    for number, found in enumerate(results):
        assert isinstance(found, dict), (mutated(number, whole)[0], found)
        (why,) = {why for way, (why, _) in found.items() if way != "header"}
        assert not why or (why.startswith(f"{number}: ") and why.isprintable())


# ---- bombs

REFUSED = {  # by what they promise; the others hold what they promise
    "PNG of 60000 x 60000": "more pixels than may be decoded", "PNG with much text": "damaged",
    "PNG with much profile": "damaged", "GIF of 65535 x 65535": "more pixels than may be decoded",
    "WebP of 16384 x 16384": "more pixels than may be decoded", "BMP of 6300 x 6300, less its rows": "cut short",
    "BMP of 2 ** 31 rows": "more pixels than may be decoded", "PPM of 99999 x 99999": "more pixels than may be decoded",
    "JPEG of 65500 x 65500": "more pixels than may be decoded", "TIFF whose tag has 2 ** 31 values": "begins as TIFF",
}  # fmt: skip


HELD = {  # height and width of what the others hold
    "APNG of 100,000 frames": (1, 1), "GIF of 100,000 frames": (8, 8), "TIFF whose pages go round": (1, 1),
    "PNG of 6300 x 6300": (6300, 6300), "RGBA PNG of 6300 x 6300": (6300, 6300),
    "TIFF of 6300 x 6300, deflated": (6300, 6300),
}  # fmt: skip


@pytest.mark.parametrize("name", [*REFUSED, *HELD])
def test_a_bomb_is_refused_for_what_it_promises_or_is_the_picture_that_it_holds(name):
    data = bombs()[name]
    if name in REFUSED:
        with pytest.raises(DataError) as caught:
            decode(data, "a/b")
        assert str(caught.value).startswith(f"a/b: {REFUSED[name]}")
    else:
        header = describe(data, "a/b")
        assert (header.height, header.width) == HELD[name]
        assert header.frames == 1 + (HELD[name] < (9, 9))
        assert decode(data, "a/b").shape == (*HELD[name], 3)


def test_there_are_fourteen_bombs():
    assert len(bombs()) >= 14
    assert bombs().keys() == REFUSED.keys() | HELD.keys()


PROGRAM = """
import json, resource, sys, threading
from concurrent.futures import ThreadPoolExecutor
from hostile import bombs
from konvolut.errors import DataError
from konvolut.images.decode import decode

every = [*bombs().items()] * 2
threading.stack_size(1 << 20)  # sixteen of the usual 8 MiB would be an eighth of the room
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
together = threading.Barrier(16)

def verdict(number):
    name, data = every[number]
    if number < 16:
        together.wait(60)
    try:
        return name, list(decode(data, name).shape)
    except DataError as error:
        return name, str(error)

with ThreadPoolExecutor(16) as pool:
    print(json.dumps(list(pool.map(verdict, range(len(every))))))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS holds there")
def test_sixteen_bombs_at_once_in_one_gibibyte_kill_nothing():
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert len(seen) == 2 * len(bombs()) >= 28
    for name, verdict in seen:
        if isinstance(verdict, str):
            assert verdict.startswith(f"{name}: "), verdict
            assert verdict.isprintable()
            assert name in REFUSED or "memory" in verdict, verdict
        else:
            assert name not in REFUSED
            assert verdict[2] == 3


# ---- a JPEG that goes over its picture again and again


def test_a_jpeg_of_thousands_of_scans_is_refused_before_it_is_decoded(monkeypatch):
    for fast in (door.decode_jpeg, None):
        monkeypatch.setattr(door, "decode_jpeg", fast)
        with pytest.raises(
            DataError, match=rf"^x: a JPEG of 40\d\d scans; at most {SCANS} are decoded, so save it again$"
        ):
            decode(slow_jpeg(4000), "x")
    assert decode(slow_jpeg(5), "x").shape == (6144, 6144, 3)


def test_what_looks_like_scans_behind_the_end_or_in_a_comment_does_not_count():
    image = Image.new("L", (3000, 3000), 99)
    data = encoded(image, "JPEG", comment=b"\xff\xda" * 2 * SCANS) + b"\xff\xda" * 2 * SCANS
    assert (decode(data, "x") == decode(encoded(image, "JPEG"), "x")).all()
