"""Packs: what went in comes out, whoever reads them, and nothing half-written or tampered with passes for one."""

import fcntl
import json
import os
import resource
import subprocess
import sys
import tarfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import sha256
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from untidy import album, paint, untidy

from konvolut.errors import DataError, RecipeError
from konvolut.images import shards
from konvolut.images.packing import Packed, pack
from konvolut.images.shards import Decoded, Pack, Shards
from konvolut.images.sources import open_images


def parts(opened):
    return {role: (split.names, split.labels.tolist(), split.hashes) for role, split in opened.splits.items()}


def listed(split, index):
    return split.picture(index).tolist()  # a view would keep its shard mapped


def tree(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# ---- what goes in comes out


@pytest.mark.parametrize("val", [0.0, 0.3])
def test_a_pack_is_the_folder_it_was_made_of(tmp_path, val):
    untidy(tmp_path / "set")
    packed = pack(tmp_path / "set", tmp_path / "pack", shard_size=30_000)
    assert packed.shards > 5
    one, other = open_images(tmp_path / "set", val=val), open_images(tmp_path / "pack", val=val)
    assert (one.classes, one.digest, parts(one)) == (other.classes, other.digest, parts(other))
    held = Pack(tmp_path / "pack")
    for role, split in other.splits.items():
        for i, name in enumerate(split.names):
            assert held.contents(name) == (tmp_path / "set" / name).read_bytes()
            assert (split.picture(i) == one.splits[role].picture(i)).all()


def test_a_folder_without_splits_is_carved_alike(tmp_path):
    album(tmp_path / "set", {"cat": 30, "dog": 20})
    pack(tmp_path / "set", tmp_path / "pack")
    for seed in (0, 7):
        one, other = (open_images(tmp_path / name, val=0.2, seed=seed) for name in ("set", "pack"))
        assert parts(one) == parts(other)
        assert one.digest == other.digest


def test_names_that_no_text_could_hold_come_back_byte_for_byte(tmp_path):
    names = [b"caf\xe9.png", b"two\nlines.png", b"a..b .png", "猫".encode() + b".png", b"n" * 251 + b".png"]
    try:
        for i, name in enumerate(names):
            for j, label in enumerate((b"\xff odd", "类别".encode())):
                place = paint(tmp_path / "plain.png", 2 * i + j).rename
                os.makedirs(os.path.join(os.fsencode(tmp_path / "set"), label), exist_ok=True)
                place(os.fsdecode(os.path.join(os.fsencode(tmp_path / "set"), label, name)))
    except OSError:
        pytest.skip("this file system holds no such names")
    pack(tmp_path / "set", tmp_path / "pack")
    one, other = open_images(tmp_path / "set"), open_images(tmp_path / "pack")
    assert (one.classes, parts(one), one.digest) == (other.classes, parts(other), other.digest)
    back = {os.fsencode(name) for split in other.splits.values() for name in split.names}
    assert back == {label + b"/" + name for label in (b"\xff odd", "类别".encode()) for name in names}


def test_a_table_with_any_labels_and_a_picture_in_two_classes(tmp_path):
    album(tmp_path / "p", {"a": 6})
    labels = ["a/b.c", "../up", "a/b.c", "../up", "a/b.c", "../up"]
    lines = ["path,label", *(f"p/a/{i}.png,{label}" for i, label in enumerate(labels)), "p/a/0.png,../up"]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    pack(tmp_path / "t.csv", tmp_path / "pack")
    one, other = open_images(tmp_path / "t.csv"), open_images(tmp_path / "pack")
    assert (one.classes, parts(one), one.digest) == (other.classes, parts(other), other.digest)
    assert other.classes == ("../up", "a/b.c")
    assert {path.name for path in tmp_path.iterdir()} == {"p", "t.csv", "pack"}


def test_a_pack_of_a_pack_is_the_same_file_for_file(tmp_path):
    untidy(tmp_path / "set")
    pack(tmp_path / "set", tmp_path / "one")
    pack(tmp_path / "one", tmp_path / "two")
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_opening_reads_no_picture_and_reading_notices_what_changed(tmp_path):
    untidy(tmp_path / "set")
    pack(tmp_path / "set", tmp_path / "pack")
    digest = open_images(tmp_path / "pack").digest
    tar = tmp_path / "pack" / "train-000000.tar"
    tar.write_bytes(bytes(tar.stat().st_size))
    opened = open_images(tmp_path / "pack")
    assert opened.digest == digest
    with pytest.raises(DataError, match=r"train-000000\.tar: .* is not what was packed; copy the pack again"):
        opened.splits["train"].picture(0)


def test_many_threads_share_few_open_files(tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "OPEN", 2)
    album(tmp_path / "set", {"cat": 40, "dog": 40})
    pack(tmp_path / "set", tmp_path / "pack", shard_size=1)  # one picture a shard
    pack(tmp_path / "set", tmp_path / "arrays", Decoded(2, "pad"), shard_size=1)
    for name in ("pack", "arrays"):
        split = open_images(tmp_path / name, val=0.0).splits["train"]
        before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
        with ThreadPoolExecutor(8) as threads:
            got = list(threads.map(partial(listed, split), [*range(len(split))] * 5))
        for i, values in enumerate(got):
            expected = Image.open(tmp_path / "set" / split.names[i % len(split)])
            assert values == np.asarray(expected).tolist()
        if before:
            assert len(os.listdir("/proc/self/fd")) <= before + 2


# ---- what others read in it


def test_tarfile_finds_webdatasets_members_where_the_index_says(tmp_path):
    untidy(tmp_path / "set")
    pack(tmp_path / "set", tmp_path / "pack", shard_size=30_000)
    index = json.loads((tmp_path / "pack" / "index.json").read_text())
    place, endings, keys = 0, set(), set()
    for shard in index["shards"]:
        path = tmp_path / "pack" / shard["name"]
        assert shard["sha256"] == sha256(path.read_bytes()).hexdigest()
        assert path.stat().st_size == shard["bytes"]
        assert shard["bytes"] % 10_240 == 0
        role = shard["name"].partition("-")[0]
        with tarfile.open(path, "r:") as tar:
            members = tar.getmembers()
            assert len(members) == 3 * shard["pictures"]
            for picture, number, about in zip(members[::3], members[1::3], members[2::3], strict=True):
                key, _, ending = picture.name.partition(".")
                assert (number.name, about.name) == (f"{key}.cls", f"{key}.json")
                assert (picture.offset_data, picture.size) == (index["offsets"][place], index["lengths"][place])
                assert (picture.mtime, picture.uid, picture.gid, picture.uname, picture.mode) == (0, 0, 0, "", 0o644)
                told = json.loads(tar.extractfile(about).read())
                label = int(tar.extractfile(number).read())
                data = tar.extractfile(picture).read()
                assert told == {
                    "name": index["names"][place],
                    "class": index["classes"][label],
                    "sha256": sha256(data).hexdigest(),
                }
                assert data == (tmp_path / "set" / told["name"]).read_bytes()
                assert Path(told["name"]).parts[:2] == (role, told["class"])
                kind = Image.open(BytesIO(data)).format
                assert {"jpg": "JPEG", "tif": "TIFF"}.get(ending, ending.upper()) == kind
                endings.add(ending)
                assert (role, key) not in keys
                keys.add((role, key))
                place += 1
    assert place == len(index["names"]) == 65
    assert endings >= {"jpg", "png", "gif", "webp"}


def test_the_same_pictures_give_the_same_bytes(tmp_path):
    untidy(tmp_path / "set")
    untidy(tmp_path / "again")
    for path in (tmp_path / "again").rglob("*"):
        os.utime(path, (1, 1))
    pack(tmp_path / "set", tmp_path / "one", shard_size=30_000)
    pack(tmp_path / "again", tmp_path / "two", shard_size=30_000)
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_a_shard_is_a_fair_sample(tmp_path):
    """400 of 1,000 pictures in the first shard: of each of two classes 200 +- 11 (hypergeometric, one sigma 7.7)."""
    album(tmp_path / "train", {"cat": 500, "dog": 500})
    packed = pack(tmp_path, tmp_path.parent / f"{tmp_path.name}-pack", shard_size=400 * 3072)
    index = shards.read_index(packed.path)
    assert index.shards[0].pictures == 400
    assert abs(index.labels[:400].sum() - 200) < 5 * 7.7


# ---- decoded beforehand


def test_a_decoded_pack_holds_pillows_pixels_and_divides_as_the_folder_does(tmp_path):
    album(tmp_path / "set", {"cat": 20, "dog": 20})
    packed = pack(tmp_path / "set", tmp_path / "pack", Decoded(2, "crop"))
    one, other = open_images(tmp_path / "set", val=0.2), open_images(tmp_path / "pack", val=0.2)
    for role, split in other.splits.items():
        assert split.names == one.splits[role].names
        assert split.labels.tolist() == one.splits[role].labels.tolist()
        for i, name in enumerate(split.names):
            assert (split.picture(i) == np.asarray(Image.open(tmp_path / "set" / name))).all()
    assert one.digest != other.digest  # what is trained on is not the files
    with tarfile.open(packed.path / "train-000000.tar", "r:") as tar:
        for member in tar.getmembers()[::3]:
            data = tar.extractfile(member).read()
            assert sha256(data).hexdigest() in shards.read_index(packed.path).arrays
            assert np.load(BytesIO(data), allow_pickle=False).shape == (2, 2, 3)
    assert any("decoded beforehand to 2 x 2 px, crop" in note for note in other.notes)


@pytest.mark.parametrize("size", [1, 7, 64, 224, 4096])
def test_an_array_begins_as_numpy_writes_it(size):
    file = BytesIO()
    about = {"descr": "|u1", "fortran_order": False, "shape": (size, size, 3)}
    np.lib.format.write_array_header_1_0(file, about)
    assert shards.npy_head(size) == file.getvalue()


def test_a_decoded_picture_is_a_view_and_nothing_written_to_it_reaches_the_file(tmp_path):
    untidy(tmp_path / "set")
    pack(tmp_path / "set", tmp_path / "pack", Decoded(16, "stretch"))
    before = tree(tmp_path / "pack")
    picture = open_images(tmp_path / "pack").splits["train"].picture(0)
    assert picture.shape == (16, 16, 3)
    assert not picture.flags.owndata
    picture[:] = 1
    assert tree(tmp_path / "pack") == before


def test_a_decoded_pack_that_was_changed_is_noticed(tmp_path):
    untidy(tmp_path / "set")
    pack(tmp_path / "set", tmp_path / "pack", Decoded(16, "pad"))
    tar, index = tmp_path / "pack" / "train-000000.tar", shards.read_index(tmp_path / "pack")
    for at in (8, 200):  # in the header of the first array, and in its pixels
        data = bytearray(tar.read_bytes())
        data[index.offsets[0] + at] ^= 1
        tar.write_bytes(data)
        opened = open_images(tmp_path / "pack", val=0.0)
        with pytest.raises(DataError, match="is not what was packed"):
            opened.splits["train"].picture(opened.splits["train"].names.index(index.names[0]))


# ---- packs that are not whole, or lie


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    root = tmp_path_factory.mktemp("whole")
    album(root / "set", {"cat": 6, "dog": 6})
    pack(root / "set", root / "pack", shard_size=12_000)
    pack(root / "set", root / "arrays", Decoded(2, "pad"), shard_size=12_000)
    return root


@pytest.fixture
def damaged(whole, tmp_path):
    import shutil

    for name in ("pack", "arrays"):
        shutil.copytree(whole / name, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("kind", ["pack", "arrays"])
def test_a_shard_that_is_missing_or_cut_short_is_named(damaged, kind):
    tar = damaged / kind / "train-000001.tar"
    data = tar.read_bytes()
    tar.write_bytes(data[:-512])
    with pytest.raises(DataError, match=rf"train-000001\.tar: {len(data) - 512} bytes, but the index says {len(data)}"):
        open_images(damaged / kind)
    tar.unlink()
    with pytest.raises(DataError, match=r"train-000001\.tar: this shard of the pack is missing; copy the pack again"):
        open_images(damaged / kind)
    tar.mkdir()
    with pytest.raises(DataError, match=r"train-000001\.tar: no file, but the index says"):
        open_images(damaged / kind)


@pytest.mark.parametrize("kind", ["pack", "arrays"])
def test_a_shard_that_goes_while_it_is_used_is_named(damaged, kind):
    split = open_images(damaged / kind, val=0.0).splits["train"]
    for tar in (damaged / kind).glob("*.tar"):
        os.truncate(tar, 512)
    with pytest.raises(DataError, match=r"train-00000\d\.tar: 512 bytes, but the index says"):
        split.picture(0)


def set_at(*path, value):
    def change(held):
        *way, last = path
        for step in way:
            held = held[step]
        held[last] = value

    return change


# fmt: off
LIES = {
    "offset below":   (set_at("offsets", 0, value=-1), "offsets holds a number that is below 0 or absurd"),
    "offset beyond":  (set_at("offsets", 0, value=1 << 40), "a picture lies outside its shard"),
    "offset absurd":  (set_at("offsets", 0, value=1 << 80), "below 0 or absurd"),
    "offset broken":  (set_at("offsets", 0, value=0.5), "offsets is not a list of whole numbers"),
    "length below":   (set_at("lengths", 0, value=-5), "lengths holds a number that is below 0"),
    "length beyond":  (set_at("lengths", 0, value=(1 << 62) - 1), "a picture lies outside its shard"),
    "label beyond":   (set_at("labels", 3, value=2), "label 2, but 2 classes"),
    "label true":     (set_at("labels", 3, value=True), "labels is not a list of whole numbers"),
    "name a number":  (set_at("names", 0, value=7), "names is not a list of texts"),
    "name no bytes":  (set_at("names", 0, value="\ud900"), "surrogates not allowed"),
    "names short":    (lambda held: held["names"].pop(), "its columns are not of one length"),
    "names gone":     (lambda held: held.pop("names"), "no 'names'"),
    "one name twice": (lambda held: set_at("names", 0, value=held["names"][1])(held), "one name stands for two pictures"),
    "hash short":     (set_at("hashes", 0, value="ab"), "a hash is not SHA-256"),
    "class twice":    (set_at("classes", 0, value="dog"), "one class is listed twice"),
    "classes a text": (set_at("classes", value="ab"), "classes is not a list of texts"),
    "shard above":    (set_at("shards", 0, "name", value="../set/train-000000.tar"), "is not the name of a shard"),
    "shard rooted":   (set_at("shards", 0, "name", value="/etc/passwd"), "'/etc/passwd' is not the name of a shard"),
    "shard twice":    (lambda held: held["shards"].__setitem__(0, held["shards"][1]), "listed twice|of one length"),
    "shard huge":     (set_at("shards", 0, "pictures", value=1 << 61), "its columns are not of one length"),
    "shard a number": (set_at("shards", 0, value=5), "not subscriptable"),
    "shards null":    (set_at("shards", value=None), "not iterable"),
    "decoded zero":   (set_at("decoded", value={"size": 0, "fit": "pad"}), "its columns are not of one length"),
}
# fmt: on


@pytest.mark.parametrize(("change", "message"), LIES.values(), ids=LIES)
def test_an_index_that_lies_is_told(damaged, change, message):
    path = damaged / "pack" / "index.json"
    held = json.loads(path.read_text())
    change(held)
    path.write_text(reformed(held))
    with pytest.raises(DataError, match=message) as caught:
        open_images(damaged / "pack")
    assert str(caught.value).startswith(f"{path}: ")
    assert str(caught.value).endswith("copy the pack again, or pack the data again")


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("size", 0, "decoded to 0 px"),
        ("size", 3, "an array is not of 3 x 3 px"),
        ("size", 1 << 40, "decoded to"),
        ("size", "2", "not a whole number"),
        ("fit", "bend", "decoded to 2 px, 'bend'"),
    ],
)
def test_an_index_that_lies_of_arrays_is_told(damaged, field, value, message):
    path = damaged / "arrays" / "index.json"
    held = json.loads(path.read_text())
    held["decoded"][field] = value
    path.write_text(reformed(held))
    with pytest.raises(DataError, match=message):
        open_images(damaged / "arrays")


def test_an_index_that_is_cut_short_or_of_another_version_is_told(damaged):
    path = damaged / "pack" / "index.json"
    text = path.read_text()
    beginning = '{\n"format": "konvolut pack '
    for changed in (
        text[:-30],
        text[:60],
        beginning + '1", "x": ' + "[" * 100_000,
        beginning + '1", "n": ' + "9" * 9999,
    ):
        path.write_text(changed)
        with pytest.raises(DataError, match=r"index\.json: cut short or damaged; copy the pack again"):
            open_images(damaged / "pack")
    path.write_text(text.replace("konvolut pack 1", "konvolut pack 2"))
    with pytest.raises(DataError, match="not of the format 'konvolut pack 1', which is read here; pack the data again"):
        open_images(damaged / "pack")


def test_another_index_json_makes_no_pack_and_a_pipe_of_that_name_is_not_waited_for(tmp_path):
    album(tmp_path, {"cat": 3, "dog": 3})
    (tmp_path / "index.json").write_text('{"format": "mine"}')
    assert open_images(tmp_path).classes == ("cat", "dog")
    (tmp_path / "index.json").unlink()
    os.mkfifo(tmp_path / "index.json")
    assert open_images(tmp_path).classes == ("cat", "dog")


def reformed(held: dict) -> str:
    """JSON that still begins as a pack's index does."""
    return "{\n" + ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in held.items()) + "\n}\n"


# ---- written whole, or not at all

CHILD = """
import os, signal, sys
from konvolut.images.packing import pack
from konvolut.images.shards import Decoded
data, out, count, size = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
left = count or 1 << 30
def hook(event, args):  # what the process does to files, as CPython announces it
    global left
    if event in ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.listdir") and out in str(args[0]):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
def tell(what, done, of):  # half a shard is written
    global left
    left -= what == "packing"
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
if count:
    sys.addaudithook(hook)
pack(data, out, Decoded(size, "pad") if size else None, 12_000, tell=tell)
"""


def killed_over_and_over(root: Path, counts: list[int], size: int) -> None:
    album(root / "set" / "train", {"cat": 12, "dog": 12})
    album(root / "set" / "test", {"cat": 3, "dog": 3}, first=90)
    pack(root / "set", root / "whole", Decoded(size, "pad") if size else None, 12_000)

    def run(count: int) -> int:
        words = [sys.executable, "-c", CHILD, str(root / "set"), str(root / "pack"), str(count), str(size)]
        return subprocess.run(words, check=False).returncode

    for count in counts:
        assert run(count) == -9
        assert not (root / "pack").exists()
    assert run(0) == 0
    assert tree(root / "pack") == tree(root / "whole")
    assert {path.name for path in root.iterdir()} == {"set", "whole", "pack"}


@pytest.mark.parametrize(("counts", "size"), [([3, 9, 5, 21], 0), ([14, 6], 4)])
def test_killed_anywhere_it_ends_with_the_bytes_of_an_undisturbed_pack(tmp_path, counts, size):
    killed_over_and_over(tmp_path, counts, size)


@pytest.mark.slow
@pytest.mark.parametrize("size", [0, 4])
def test_killed_at_every_step_it_ends_with_the_bytes_of_an_undisturbed_pack(tmp_path, size):
    for count in range(1, 43):
        killed_over_and_over(tmp_path / str(count), [count], size)


def test_whole_shards_are_kept_and_broken_ones_are_made_again(tmp_path):
    album(tmp_path / "set", {"cat": 12, "dog": 12})
    made = pack(tmp_path / "set", tmp_path / "pack", shard_size=12_000)
    expected = tree(made.path)
    (made.path / "index.json").unlink()
    made.path.rename(tmp_path / "pack.part")
    first = tmp_path / "pack.part" / "train-000000.tar"
    first.write_bytes(first.read_bytes()[:-1] + b"x")
    again = pack(tmp_path / "set", tmp_path / "pack", shard_size=12_000)
    assert (again.kept, again.shards) == (made.shards - 1, made.shards)
    assert tree(tmp_path / "pack") == expected


def test_what_an_unfinished_pack_holds_of_other_data_is_not_kept(tmp_path):
    album(tmp_path / "old", {"cat": 20, "dog": 20})
    album(tmp_path / "set", {"cat": 12, "dog": 12}, first=1000)
    pack(tmp_path / "old", tmp_path / "pack", shard_size=12_000).path.rename(tmp_path / "pack.part")
    assert pack(tmp_path / "set", tmp_path / "pack", shard_size=12_000).kept == 0
    pack(tmp_path / "set", tmp_path / "fresh", shard_size=12_000)
    assert tree(tmp_path / "pack") == tree(tmp_path / "fresh")


def test_a_full_disk_is_told_in_one_line_and_leaves_no_pack(tmp_path):
    album(tmp_path / "set", {"cat": 12, "dog": 12})
    code = (
        "import resource, sys; from konvolut.images.packing import pack; from konvolut.errors import DataError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))\n"
        "try:\n    pack(sys.argv[1], sys.argv[2])\n"
        "except DataError as error:\n    print(error)\n"
    )
    words = [sys.executable, "-c", code, str(tmp_path / "set"), str(tmp_path / "pack")]
    told = subprocess.run(words, capture_output=True, text=True, check=True)
    assert told.stderr == ""
    assert told.stdout.count("\n") == 1
    assert "train-000000.tar: cannot be written (File too large); make room" in told.stdout
    assert not (tmp_path / "pack").exists()
    assert list((tmp_path / "pack.part").iterdir()) == []
    with pytest.raises(DataError):
        open_images(tmp_path / "pack.part")
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 30_000
    assert pack(tmp_path / "set", tmp_path / "pack").pictures == {"train": 24}


def test_what_is_there_already_stays_as_it_is(tmp_path):
    album(tmp_path / "set", {"cat": 4, "dog": 4})
    out = tmp_path / "pack"
    made = pack(tmp_path / "set", out)
    before = tree(out)
    again = pack(tmp_path / "set", out)
    assert isinstance(again, Packed)
    assert again.kept == again.shards == made.shards
    for how in ({"decoded": Decoded(2, "pad")}, {"shard_size": 5}):
        with pytest.raises(DataError, match="a pack of other data, or in another form; give another name"):
            pack(tmp_path / "set", out, **how)
    paint(tmp_path / "set" / "cat" / "new.png", 99)
    with pytest.raises(DataError, match="a pack of other data, or in another form"):
        pack(tmp_path / "set", out)
    assert tree(out) == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for name in ("mine", "file", "set"):
        with pytest.raises(DataError, match=r"already there, and not a pack|lies in"):
            pack(tmp_path / "set", tmp_path / name)
    (tmp_path / "mine").rename(tmp_path / "other.part")
    with pytest.raises(DataError, match=r"notes\.txt: not of an unfinished pack; move it away"):
        pack(tmp_path / "set", tmp_path / "other")
    assert (tmp_path / "other.part" / "notes.txt").read_text() == "mine"
    (tmp_path / "bare").mkdir()
    assert pack(tmp_path / "set", tmp_path / "bare").path == tmp_path / "bare"


def test_two_do_not_write_the_same_pack_at_once(tmp_path):
    album(tmp_path / "set", {"cat": 4, "dog": 4})
    (tmp_path / "pack.part").mkdir()
    handle = os.open(tmp_path / "pack.part", os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    with pytest.raises(DataError, match=r"pack\.part: another pack is being written there; wait"):
        pack(tmp_path / "set", tmp_path / "pack")
    os.close(handle)
    pack(tmp_path / "set", tmp_path / "pack")


def test_a_picture_that_cannot_be_packed_stops_it_with_a_way_out(tmp_path):
    album(tmp_path / "set", {"cat": 4, "dog": 4})
    bad = tmp_path / "set" / "dog" / "9.jpg"
    bad.write_bytes(b"no picture")
    way = rf"or leave it out: `konvolut check {tmp_path / 'set'} --quarantine FILE`, then --exclude FILE$"
    with pytest.raises(DataError, match=rf"dog.9\.jpg: not an image.*; {way}"):
        pack(tmp_path / "set", tmp_path / "pack")
    noise = np.random.default_rng(0).integers(0, 256, (30, 30, 3), dtype=np.uint8)
    Image.fromarray(noise).save(bad, "PNG")
    bad.write_bytes(bad.read_bytes()[:900])
    with pytest.raises(DataError, match=rf"dog.9\.jpg: cut short.*; {way}"):
        pack(tmp_path / "set", tmp_path / "pack", Decoded(4, "pad"))
    assert not (tmp_path / "pack").exists()
    (tmp_path / "list").write_text("dog/9.jpg\n")
    packed = pack(tmp_path / "set", tmp_path / "pack", Decoded(4, "pad"), exclude=tmp_path / "list")
    assert packed.pictures == {"train": 8}
    assert f"left out by {tmp_path / 'list'}: 1" in packed.notes


def test_a_picture_that_changes_while_it_is_packed_is_noticed(tmp_path):
    album(tmp_path / "set", {"cat": 4, "dog": 4})

    def meddle(what, done, of):
        if what == "reading" and done == of:
            paint(tmp_path / "set" / "cat" / "0.png", 77)

    with pytest.raises(DataError, match=r"cat.0\.png: changed while it was packed; run the same command again"):
        pack(tmp_path / "set", tmp_path / "pack", tell=meddle)
    assert not (tmp_path / "pack").exists()


def test_what_needs_no_packing_is_refused(tmp_path):
    with pytest.raises(DataError, match="drawn: its pictures are arrays already"):
        pack("drawn", tmp_path / "pack")
    album(tmp_path / "set", {"cat": 4, "dog": 4})
    pack(tmp_path / "set", tmp_path / "arrays", Decoded(2, "pad"))
    with pytest.raises(DataError, match="its pictures are arrays already, and need no packing"):
        pack(tmp_path / "arrays", tmp_path / "pack")
    with pytest.raises(DataError, match=r"lies in .*, which would then hold it too"):
        pack(tmp_path / "set", tmp_path / "set" / "cat" / "pack")


# ---- orders over shards


def laid(*sizes: int, window: int = 50) -> Shards:
    edges = np.cumsum([0, *sizes])
    shuffled = np.random.default_rng(0).permutation(edges[-1])
    return Shards(tuple(shuffled[a:b] for a, b in pairwise(edges)), window)


@pytest.mark.parametrize("world", [1, 2, 3, 7, 16, 500])
def test_every_rank_reads_as_many_and_together_they_read_everything(world):
    held = laid(100, 100, 100, 37)
    orders = [held.order(3, 5, rank, world) for rank in range(world)]
    assert {len(order) for order in orders} == {-(-337 // world)}
    counts = np.bincount(np.concatenate(orders), minlength=337)
    assert counts.min() == 1
    assert counts.sum() - 337 < world


def test_an_order_is_a_function_of_seed_and_epoch_and_of_nothing_else():
    held = laid(100, 100, 100, 37)
    late = held.order(0, 9, 2, 4).tolist()  # asked first
    for epoch in range(9):
        held.order(0, epoch, 1, 4)
    assert laid(100, 100, 100, 37).order(0, 9, 2, 4).tolist() == late
    seen = {tuple(held.order(seed, epoch).tolist()) for seed in range(3) for epoch in range(3)}
    assert len(seen) == 9
    assert len({tuple(held.order(0, 0, rank, 4).tolist()) for rank in range(4)}) == 4


def test_a_rank_reads_few_shards_one_after_the_other_and_shuffles_within_a_window():
    held = laid(*[100] * 12)
    shard = {int(i): number for number, part in enumerate(held.parts) for i in part}
    for rank in range(3):
        order = held.order(1, 1, rank, 3)
        assert len({shard[int(i)] for i in order}) == 4  # 400 pictures, of whole shards
        for start in range(0, 400, 50):
            (only,) = {shard[int(i)] for i in order[start : start + 50]}
            assert set(held.parts[only].tolist()) >= set(order[start : start + 50].tolist())
    first = [held.order(0, epoch)[0] for epoch in range(40)]
    assert len(set(first)) > 30


@pytest.mark.parametrize(("rank", "world"), [(-1, 2), (2, 2), (0, 0)])
def test_a_rank_that_is_not_there_is_refused(rank, world):
    with pytest.raises(RecipeError, match=f"rank = {rank} of {world}; ranks count from 0"):
        laid(5).order(0, 0, rank, world)


def test_the_shards_of_a_split_are_those_its_pictures_lie_in(tmp_path):
    untidy(tmp_path / "set")
    pack(tmp_path / "set", tmp_path / "pack", shard_size=30_000)
    split = open_images(tmp_path / "pack").splits["train"]  # less what was carved
    held = Pack(tmp_path / "pack").shards(split)
    assert sorted(np.concatenate(held.parts).tolist()) == list(range(len(split)))
    tars = []
    for path in sorted((tmp_path / "pack").glob("train-*.tar")):
        with tarfile.open(path, "r:") as tar:
            told = [json.loads(tar.extractfile(m).read())["name"] for m in tar if m.name.endswith(".json")]
        tars.append([split.names.index(name) for name in told if name in split.names])
    assert [part.tolist() for part in held.parts] == [tar for tar in tars if tar]
