"""The Run noun: a folder on disk, and the card that says what it is."""

import json
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from zipfile import BadZipFile

import msgspec
import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from konvolut.errors import KonvolutError, RunError
from konvolut.images import quarantine
from konvolut.images.imageset import ImageSet
from konvolut.images.preprocess import InputSpec
from konvolut.images.sources import open_images
from konvolut.nets.arch import Arch, build, digest
from konvolut.nets.tables import from_plain
from konvolut.training.checkpoint import replacing, synced
from konvolut.training.metrics import Evaluation
from konvolut.training.planned import Parent, Plan, table
from konvolut.training.recipe import Recipe

FORMAT = 1  # of the run folder; a reader refuses any other


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """Everything a run can be repeated from, and what came of it. Stored as card.json."""

    format: int = FORMAT
    net: str  # its name in the catalogue, or that of the user's own table or module
    fitted: bool  # was the table altered to suit the pictures?
    table: str  # SHA-256 of the table that was built; "" of a module
    changes: tuple[str, ...]  # what `fit` changed in the table, in words
    reasons: tuple[str, ...]  # what was chosen for the user, and why
    classes: tuple[str, ...]
    input: InputSpec
    data: dict[str, Any]  # name, where, digest, notes, counts: {"train": [..], "val": [..], "test": [..]}
    recipe: Recipe = field(default_factory=Recipe)
    versions: dict[str, str]
    machine: dict[str, Any]
    own: dict[str, Any] = field(default_factory=dict)  # the table itself, where its name does not lead to it
    module: str = ""  # the class of the user's own nn.Module
    classic: dict[str, Any] = field(default_factory=dict)  # features and machine of a run that has no net
    size: int = 0  # px it was trained at, where that is not what it takes when it answers
    parent: str = ""  # the file or the run whose weights this one started from
    parent_sha256: str = ""  # of the file with those weights
    outcome: tuple[str, ...] = ()  # what was decided while training, in words
    seconds: float = 0.0  # of training
    results: dict[str, Any] = field(default_factory=dict)  # split -> accuracy, interval, n, loss


@dataclass(frozen=True, slots=True)
class Run:
    """A finished or interrupted training: card.json, log.jsonl, weights.safetensors, evaluation.npz, report.html."""

    path: Path
    card: Card

    def log(self) -> Iterator[dict[str, Any]]:
        """An entry an epoch: epoch, lr, train_loss, train_accuracy, val_loss, val_accuracy, images_per_s, seconds, waited."""
        return (entry for entry in self.entries() if "train_loss" in entry)

    def windows(self) -> Iterator[dict[str, Any]]:
        """An entry a few steps: step, of, epoch, lr, loss, grad_norm, images_per_s, waiting (share), memory_mb."""
        return (entry for entry in self.entries() if "grad_norm" in entry)

    def entries(self) -> Iterator[dict[str, Any]]:
        """All that is logged; a last line that is still being written is not."""
        for line in (self.path / "log.jsonl").read_text().splitlines(keepends=True):
            if line.endswith("\n"):
                yield json.loads(line)

    def arch(self) -> Arch:
        """The table it was built from. Raises RunError when there is none, or this version of Konvolut builds another."""
        card = self.card
        self.wants_net()
        if card.module:
            raise RunError(
                f"{self.path}: trained from a module, {card.module}, which has no table; run.net(module) works"
            )
        arch = from_plain(card.own) if card.own else self.table_by_name()
        if digest(arch) != card.table:
            raise RunError(
                f"{self.path}: made from another table of {card.net}; Konvolut {card.versions.get('konvolut')} reads it"
            )
        return arch

    def table_by_name(self) -> Arch:
        card = self.card
        size = card.size or card.input.size
        shape = (card.input.channels, size, size)
        return table(card.net, card.fitted, shape, len(card.classes))[0]

    def plan(self, module: nn.Module | None = None) -> Plan:
        """What was planned; training it again gives the same weights. `module` is the one a module's run began with."""
        card = self.card
        if card.module and module is None:
            raise RunError(self.wants_module())
        return Plan(
            name=card.net, fitted=card.fitted, arch=None if card.module else self.arch(), module=module,
            spec=replace(card.input, size=card.size or card.input.size), recipe=card.recipe, changes=card.changes,
            reasons=card.reasons,
            parent=Parent(card.parent, card.parent_sha256) if card.parent else None,
        )  # fmt: skip

    def net(self, module: nn.Module | None = None) -> nn.Module:
        """The trained network, in evaluation mode. A run of a user's own module needs one of that class to fill."""
        self.wants_net()
        file = self.path / "weights.safetensors"
        if not file.exists():
            raise RunError(f"{self.path}: not finished, it has no weights; konvolut train --resume {self.path}")
        if self.card.module and module is None:
            raise RunError(self.wants_module())
        net = module if module is not None else build(self.arch())
        with sound(file):
            held = load_file(file)
            if module is None:
                net.load_state_dict(held)
        if module is not None:
            fill(module, held, self)
        return net.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]

    def wants_net(self) -> None:
        """Raises RunError when this is a run of `konvolut classic`, which has none."""
        if self.card.classic:
            raise RunError(
                f"{self.path}: {self.card.net}, made by konvolut classic, is no net; konvolut report {self.path} shows "
                "it, and konvolut.classic.course.opened(run) answers for pictures"
            )

    def wants_module(self) -> str:
        return f"{self.path}: trained from a module, {self.card.module}; from Python, run.net(module) fills one"

    def evaluation(self) -> Evaluation:
        """The answers stored at the end of training."""
        file = self.path / "evaluation.npz"
        if not file.exists():
            raise RunError(f"{self.path}: not finished, it has no evaluation; konvolut train --resume {self.path}")
        with sound(file), file.open("rb") as bytes_, np.load(bytes_, allow_pickle=False) as held:
            return Evaluation(
                str(held["split"]), self.card.classes, tuple(held["names"].tolist()), held["labels"], held["logits"]
            )


def open_run(path: str | Path) -> Run:
    """Read a run folder. Raises RunError when it is none, or of another version."""
    file = Path(path) / "card.json"
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise RunError(f"{path}: no run folder, it has no card.json; konvolut train makes one") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise RunError(f"{file}: not a card ({error})") from None
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        made = raw.get("format") if isinstance(raw, dict) else None
        raise RunError(f"{path}: a run folder of format {made}; this version reads {FORMAT}, train again")
    try:
        return Run(Path(path), msgspec.convert(raw, Card))
    except (msgspec.ValidationError, KonvolutError) as error:
        raise RunError(f"{file}: not a card of this version ({error})") from None


def fill(module: nn.Module, held: dict[str, torch.Tensor], run: Run) -> None:
    """Put a run's weights into a module. Raises RunError, with the first name that differs, when they are not its own."""
    shapes = [{name: tuple(tensor.shape) for name, tensor in of.items()} for of in (module.state_dict(), held)]
    for name in (*shapes[0], *shapes[1]):
        wants, has = (of.get(name, "missing") for of in shapes)
        if wants != has:
            raise RunError(
                f"{run.path}: not weights of this {type(module).__name__}: {name} is {has} there, {wants} in it"
            )
    module.load_state_dict(held)


def save_card(run: Run) -> None:
    write(run.path / "card.json", plain(run.card))


def claim(run: Run) -> None:
    """Make the folder of a new run with its card. Raises RunError when another run has come first."""
    run.path.mkdir(parents=True, exist_ok=True)
    try:
        with (run.path / "card.json").open("xb") as file:
            file.write(plain(run.card))
        synced(run.path / "card.json")
        synced(run.path)
    except FileExistsError:
        raise RunError(f"{run.path}: another run has just begun there; another --out, or the same line again") from None


def plain(card: Card) -> bytes:
    text = json.dumps(asdict(card), indent=1, ensure_ascii=False)
    return text.encode(errors="surrogateescape")  # a folder's name need not be UTF-8


@contextmanager
def sound(file: Path) -> Iterator[None]:
    """Turns what readers raise on a damaged file into one line that names it."""
    try:
        yield
    except (SafetensorError, UnpicklingError, BadZipFile, ValueError, KeyError, RuntimeError, EOFError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RunError(f"{file}: damaged ({reason}); restore it, or train again") from None


def save_weights(run: Run, net: nn.Module) -> None:
    """The net's state dict as safetensors; nothing in it can be executed."""
    own = {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in net.state_dict().items()}
    with replacing(run.path / "weights.safetensors") as part:
        save_file(own, part)  # clones: safetensors refuses tensors that share their memory, as tied layers do


def save_evaluation(run: Run, found: Evaluation) -> None:
    with replacing(run.path / "evaluation.npz") as part, part.open("wb") as file:
        np.savez(file, split=found.split, names=np.array(found.names), labels=found.labels, logits=found.logits)


def write(path: Path, data: bytes) -> None:
    """Whole or not at all: a reader never sees half a file."""
    with replacing(path) as part:
        part.write_bytes(data)


def free_folder(out: str | Path | None, stem: str) -> Path:
    """Where a new run may live: `out` if it is missing or empty, else the next of runs/STEM-1, runs/STEM-2, ..."""
    if out is None:
        return next(p for n in range(1, 1_000_000) if not (p := Path("runs") / f"{stem}-{n}").exists())
    path = Path(out)
    if path.is_dir() and any(path.iterdir()):
        raise RunError(f"{path}: not empty, and nothing is overwritten; another --out, or --resume {path}")
    if path.exists() and not path.is_dir():
        raise RunError(f"{path}: a file; --out names a folder that is missing or empty")
    return path


def described(images: ImageSet) -> dict[str, Any]:
    """What a card says of the pictures."""
    return {
        "name": images.name,
        "where": images.where,
        "digest": images.digest,
        "val": images.val,
        "seed": images.seed,
        "exclude": images.exclude,
        "excluded": quarantine.digest(quarantine.read(Path(images.exclude))) if images.exclude else "",
        "notes": list(images.notes),
        "counts": {role: split.counts(len(images.classes)) for role, split in images.splits.items()},
    }


def opened_again(card: Card, where: str | None = None) -> ImageSet:
    """The set a run was trained on, divided as then; `where` it lies now. Raises DataError when it cannot be opened."""
    held = card.data
    return open_images(where or held["where"], held["val"], held["seed"], held.get("exclude") or None)


def versions() -> dict[str, str]:
    return {"python": platform.python_version()} | {
        name: version(name) for name in ("konvolut", "torch", "numpy", "pillow")
    }


def machine(device: str) -> dict[str, Any]:
    """What the figures of a run were measured on."""
    return {
        "system": platform.platform(),
        "processor": torch.cpu.get_capabilities().get("cpu_name", platform.processor()),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else device,
    }
