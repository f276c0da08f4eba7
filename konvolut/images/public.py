"""Public sets by name: where their files are, how they are known, and what is in them. No torch."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from konvolut import fetch
from konvolut.errors import DataError, nearest
from konvolut.fetch import Remote
from konvolut.images import arrays
from konvolut.images.division import Given
from konvolut.language import later
from konvolut.types import Labels, Pictures


@dataclass(frozen=True, slots=True)
class PublicSet:
    """A set that others publish."""

    files: tuple[Remote, ...]
    read: Callable[[Path], Given]  # from the folder that holds the files
    holds: str  # in words
    home: str  # where it is described
    licence: str

    @property
    def download(self) -> str:
        """How much there is to download, in words."""
        return fetch.megabytes(sum(file.size for file in self.files))


# fmt: off
# Names, sizes and SHA-256 are those of the list beside each set in github.com/tensorflow/datasets. A mirror's bytes are
# known by the same SHA-256, so a mirror need not be trusted.
_IDX = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"
# tensorflow_datasets/url_checksums/mnist.txt, commit 31f1255e57e519a6c004f0b097a2f5cfcf0dde7d
_MNIST = (
    (9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
    (   28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
    (1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
    (    4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
)
_MNIST_AT = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",  # the list itself
    "https://ossci-datasets.s3.amazonaws.com/mnist/",  # pytorch/vision, torchvision/datasets/mnist.py, commit 01977a187961
)
# tensorflow_datasets/url_checksums/fashion_mnist.txt, commit 333639b37af6c6fedf3610a4a2d42f1c6ef6f7d5
_FASHION = (
    (26_421_880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
    (    29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
    ( 4_422_102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
    (     5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
)
_FASHION_AT = (
    # keras-team/keras, keras/src/datasets/fashion_mnist.py, commit 75565fb8ab07; it gives the same SHA-256
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",  # the list itself
)
# tensorflow_datasets/url_checksums/cifar10.txt and cifar100.txt, commit 333639b37af6c6fedf3610a4a2d42f1c6ef6f7d5
_CIFAR_10 = "cifar-10-binary.tar.gz", 170_052_171, "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
_CIFAR_100 = "cifar-100-binary.tar.gz", 168_513_733, "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec"
_CIFAR_AT = (
    "https://www.cs.toronto.edu/~kriz/",  # the list itself
    # MindSpore's copy: for instance robinbg/MindSpore-EfficientNetV2, data_download.sh, commit 3402def7ec8e
    "https://mindspore-website.obs.cn-north-4.myhuaweicloud.com/notebook/datasets/",
)
# zalandoresearch/fashion-mnist, README.md, section Labels, commit 02cf0676df94
_CLOTHES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)
# fmt: on

SIDE = 32  # px, of CIFAR's pictures
_UNPACKED = "unpacked"  # the folder beside an archive


def given(name: str) -> Given:
    """The set called `name`, from the cache, or downloaded into it first.

    Raises DataError when there is no such set, or, naming the files and the folder they would lie in, when they cannot
    be had.
    """
    found = public(name)
    get(name)
    return found.read(where(name))


def get(name: str) -> list[Path]:
    """Download what the cache lacks of the set; returns its files. Raises DataError as `given`."""
    return fetch.fetch(public(name).files, name)


def held(name: str) -> bool:
    """Does the cache hold all of the set's files?"""
    return all(fetch.cached(file) for file in public(name).files)


def where(name: str | None = None) -> Path:
    """The cache folder, or the one in it that is for the set called `name`."""
    return fetch.cache() if name is None else public(name).files[0].path.parent


def public(name: str) -> PublicSet:
    """What is known of a set without its files. Raises DataError when there is no such set."""
    if name not in SETS:
        raise DataError(f"{name}: no public set of that name{nearest(name, SETS)}")
    return SETS[name]


def idx(folder: Path, classes: tuple[str, ...]) -> Given:
    """MNIST's four files, with its labels' names. Raises DataError when there are other labels than those."""
    found = arrays.idx(folder)
    if found.classes != tuple(map(str, range(len(classes)))):
        raise DataError(f"{folder}: labels {', '.join(found.classes)}, and there should be {len(classes)} from 0")
    return replace(found, classes=classes, notes=())


def cifar(folder: Path, archive: str, inside: str, train: tuple[str, ...], test: str, names: str, labels: int) -> Given:
    """CIFAR's binary version: `labels` bytes, of which the last one counts, then 32 x 32 red, green and blue values.

    The archive is unpacked beside itself at the first use. Raises DataError when a file is missing or not of whole
    records, or a label has no name.
    """
    place = fetch.unpack(folder / archive, folder / _UNPACKED) / inside
    again = f"remove {folder / _UNPACKED}, and it is unpacked again"
    try:
        classes = tuple(
            line.strip() for line in (place / names).read_text(encoding="ascii").splitlines() if line.strip()
        )
        roles = {
            role: _records(b"".join((place / file).read_bytes() for file in files), labels)
            for role, files in (("train", train), ("test", (test,)))
        }
    except (OSError, ValueError) as error:
        raise DataError(f"{place}: cannot be read ({' '.join(str(error).split())}); {again}") from None
    for role, (_, numbers) in roles.items():
        if not len(numbers) or numbers.max() >= len(classes):
            raise DataError(f"{place}: labels of {role} that have no name in {names}; {again}")
    return arrays.of_arrays(roles, classes)


def _records(data: bytes, labels: int) -> tuple[Pictures, Labels]:
    """Pictures (n, 32, 32, 3) and the last label of each. Raises ValueError when `data` ends within a record."""
    rows = np.frombuffer(data, np.uint8).reshape(-1, labels + 3 * SIDE * SIDE)
    pictures = rows[:, labels:].reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)  # (n, h, w, c)
    return np.ascontiguousarray(pictures), rows[:, labels - 1].astype(np.int64)


def _four(name: str, known: tuple[tuple[int, str], ...], at: tuple[str, ...]) -> tuple[Remote, ...]:
    return tuple(
        Remote(f"{name}/{file}", tuple(folder + file for folder in at), sha256, size)
        for file, (size, sha256) in zip(_IDX, known, strict=True)
    )


def _one(name: str, file: str, size: int, sha256: str) -> tuple[Remote, ...]:
    return (Remote(f"{name}/{file}", tuple(folder + file for folder in _CIFAR_AT), sha256, size),)


SETS: dict[str, PublicSet] = {
    "mnist": PublicSet(
        _four("mnist", _MNIST, _MNIST_AT),
        partial(idx, classes=tuple("0123456789")),
        later("60,000 + 10,000 grey digits, 28 x 28 px, 10 classes"),
        "http://yann.lecun.com/exdb/mnist/",
        "CC BY-SA 3.0",  # keras-team/keras, keras/src/datasets/mnist.py, commit 0c07bd6503f2: its section License
    ),
    "fashion-mnist": PublicSet(
        _four("fashion-mnist", _FASHION, _FASHION_AT),
        partial(idx, classes=_CLOTHES),
        later("60,000 + 10,000 grey clothes, 28 x 28 px, 10 classes"),
        "https://github.com/zalandoresearch/fashion-mnist",
        "MIT",  # its LICENSE, and keras' fashion_mnist.py as above
    ),
    "cifar10": PublicSet(
        _one("cifar10", *_CIFAR_10),
        partial(
            cifar,
            archive=_CIFAR_10[0],
            inside="cifar-10-batches-bin",
            train=tuple(f"data_batch_{i}.bin" for i in range(1, 6)),
            test="test_batch.bin",
            names="batches.meta.txt",
            labels=1,
        ),
        later("50,000 + 10,000 colour pictures, 32 x 32 px, 10 classes"),
        "https://www.cs.toronto.edu/~kriz/cifar.html",
        later("none stated"),  # that page asks for a citation of Krizhevsky 2009, and names no licence
    ),
    "cifar100": PublicSet(
        _one("cifar100", *_CIFAR_100),
        partial(
            cifar,
            archive=_CIFAR_100[0],
            inside="cifar-100-binary",
            train=("train.bin",),
            test="test.bin",
            names="fine_label_names.txt",
            labels=2,  # coarse, then fine
        ),
        later("50,000 + 10,000 colour pictures, 32 x 32 px, 100 classes"),
        "https://www.cs.toronto.edu/~kriz/cifar.html",
        later("none stated"),
    ),
}
