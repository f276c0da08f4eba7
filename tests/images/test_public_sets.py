"""Public sets: from a server on this machine into the cache, and read as their formats say."""

import gzip
import io
import re
import tarfile
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from serving import site
from small_sets import IDX, quartet, serve

from konvolut import fetch
from konvolut.errors import DataError
from konvolut.fetch import Remote
from konvolut.images import public
from konvolut.images.public import SETS


@pytest.fixture(autouse=True)
def room(tmp_path, monkeypatch):
    monkeypatch.setenv("KONVOLUT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(fetch, "PAUSE", 0.0)
    return tmp_path / "cache"


@pytest.fixture
def web():
    with site() as running:
        yield running


def tarball(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", mtime=0) as packed, tarfile.open(fileobj=packed, mode="w") as tar:
        for name, body in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            tar.addfile(info, io.BytesIO(body))
    return out.getvalue()


def picture(seed: int) -> bytes:
    return np.random.default_rng(seed).integers(0, 256, 3072, dtype=np.uint8).tobytes()


def cifar10() -> bytes:
    """Two pictures in each batch of ten classes' binary version: the label, then red, green and blue."""
    batches = [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]
    held = {
        f"cifar-10-batches-bin/{name}": b"".join(bytes([(2 * i + k) % 10]) + picture(2 * i + k) for k in (0, 1))
        for i, name in enumerate(batches)
    }
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    return tarball(held | {"cifar-10-batches-bin/batches.meta.txt": ("\n".join(names) + "\n\n").encode()})


def cifar100(fine: tuple[int, ...] = (0, 1, 2)) -> bytes:
    """Three classes of which the coarse one is always 7."""
    held = {
        f"cifar-100-binary/{name}": b"".join(bytes([7, n]) + picture(n) for n in fine)
        for name in ("train.bin", "test.bin")
    }
    return tarball(held | {"cifar-100-binary/fine_label_names.txt": b"apple\nbear\ncan\n"})


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_idx_sets_have_their_pictures_and_their_classes_names(web, monkeypatch, name):
    files, pictures, labels = quartet()
    serve(web, monkeypatch, name, files, cut=32_768)
    given = public.given(name)
    assert {role: len(split) for role, split in given.splits.items()} == {"train": 30, "test": 10}
    assert (given.splits["train"].labels == labels).all()
    assert (given.splits["train"].picture(17) == pictures[17][..., None]).all()
    assert (given.classes[0], given.classes[9]) == {
        "mnist": ("0", "9"),
        "fashion-mnist": ("T-shirt/top", "Ankle boot"),
    }[name]
    asked = len(web.asked)
    public.given(name)
    assert len(web.asked) == asked
    assert public.held(name)


def test_cifar10_is_read_from_its_binary_version(web, monkeypatch, room):
    serve(web, monkeypatch, "cifar10", {"cifar-10-binary.tar.gz": cifar10()})
    assert not public.held("cifar10")
    given = public.given("cifar10")
    assert given.classes[:2] == ("airplane", "automobile")
    assert len(given.classes) == 10
    assert given.splits["train"].labels.tolist() == list(range(10))
    assert given.splits["test"].labels.tolist() == [0, 1]
    planes = np.frombuffer(picture(3), np.uint8).reshape(3, 32, 32)
    found = given.splits["train"].picture(3)
    assert all((found[..., channel] == planes[channel]).all() for channel in range(3))
    assert (room / "cifar10" / "unpacked" / "cifar-10-batches-bin" / "test_batch.bin").stat().st_size == 2 * 3073


def test_cifar100_has_its_fine_labels(web, monkeypatch):
    serve(web, monkeypatch, "cifar100", {"cifar-100-binary.tar.gz": cifar100()})
    given = public.given("cifar100")
    assert given.classes == ("apple", "bear", "can")
    assert given.splits["train"].labels.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (tarball({"cifar-100-binary/train.bin": b""}), "cannot be read"),
        (cifar100(fine=(0, 3)), r"labels of train that have no name in fine_label_names\.txt"),
        (tarball({"../evil": b"x"}), "leaves the folder"),
        (b"no archive", "cannot be unpacked"),
    ],
)
def test_a_cifar_archive_that_is_not_one_is_refused(web, monkeypatch, room, body, reason):
    serve(web, monkeypatch, "cifar100", {"cifar-100-binary.tar.gz": body})
    with pytest.raises(DataError, match=reason):
        public.given("cifar100")
    assert not (room / "evil").exists()


def test_a_file_of_cifar_that_is_cut_is_refused(web, monkeypatch, room):
    serve(web, monkeypatch, "cifar100", {"cifar-100-binary.tar.gz": cifar100()})
    public.given("cifar100")
    train = room / "cifar100" / "unpacked" / "cifar-100-binary" / "train.bin"
    train.write_bytes(train.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"cannot be read.*remove .*unpacked, and it is unpacked again"):
        public.given("cifar100")


def test_idx_labels_that_are_not_the_sets_are_refused(web, monkeypatch):
    serve(web, monkeypatch, "mnist", quartet(classes=9)[0])
    with pytest.raises(DataError, match="there should be 10 from 0"):
        public.given("mnist")


def test_without_a_network_all_that_is_missing_is_named(monkeypatch, room):
    files, *_ = quartet()
    monkeypatch.setitem(
        SETS,
        "mnist",
        replace(
            SETS["mnist"],
            files=tuple(
                Remote(f"mnist/{file}", (f"http://127.0.0.1:9/{file}",), sha256(body).hexdigest(), len(body))
                for file, body in files.items()
            ),
        ),
    )
    folder = public.where("mnist")
    assert folder == room / "mnist"
    folder.mkdir(parents=True)
    (folder / IDX[0]).write_bytes(files[IDX[0]])
    with pytest.raises(DataError) as error:
        public.given("mnist")
    assert all(file in str(error.value) for file in IDX[1:])
    assert IDX[0] not in str(error.value)
    assert str(error.value).endswith(f"put them into {folder}")
    for file in IDX[1:]:  # and putting them there is all there is to do
        (folder / file).write_bytes(files[file])
    assert len(public.given("mnist").splits["train"]) == 30


def test_a_name_that_is_none_is_refused():
    with pytest.raises(DataError, match="did you mean 'cifar10'"):
        public.given("cifar-10")


def test_addresses_are_whole_and_every_source_is_cited():
    """Guards against a slip of the hand: 64 digits each, no hash twice, two addresses a file, the first one encrypted."""
    files = [file for one in SETS.values() for file in one.files]
    assert len({file.sha256 for file in files}) == len(files) == 10
    assert all(re.fullmatch("[0-9a-f]{64}", file.sha256) for file in files)
    assert all(len(file.urls) == 2 and file.urls[0].startswith("https://") for file in files)
    assert all(url.endswith(file.path.name) for file in files for url in file.urls)
    source = Path(public.__file__).read_text(encoding="utf-8")
    assert len(re.findall(r"commit [0-9a-f]{12}", source)) >= 6


def test_sizes_are_those_of_the_formats():
    """An IDX file is 16 bytes and the pixels before it is packed, and CIFAR's archive is of 60,000 records."""
    assert [file.size for file in SETS["mnist"].files if "labels" in file.name] == [28_881, 4_542]
    assert all(file.size < 60_000 * 784 + 16 for file in (*SETS["mnist"].files, *SETS["fashion-mnist"].files))
    assert all(SETS[name].files[0].size < 60_000 * 3_074 for name in ("cifar10", "cifar100"))
