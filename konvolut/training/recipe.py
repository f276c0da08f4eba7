"""Every number of a training run, and how a user writes them down."""

import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import msgspec

from konvolut.errors import RecipeError, nearest
from konvolut.images.augment import Augment
from konvolut.images.preprocess import FITS
from konvolut.training.schedule import SCHEDULES

CHOICES = {
    "fit": FITS,
    "optimizer": ("sgd", "adamw", "muon"),
    "schedule": tuple(SCHEDULES),
    "init": ("he", "xavier", "xavier normal", "gaussian", "lecun"),
    "keep": ("last", "best"),
    "memory": ("plain", "segments"),
    "norm_over": ("rank", "ranks"),
    "precision": ("auto", "fp32", "bf16"),
    "balance": ("none", "weights", "sampling"),
}
RANGES = {  # least and most
    "epochs": (1, 1e6), "batch": (1, 1e6), "lr": (0, 1e3), "momentum": (0, 1), "decay": (0, 1), "warmup": (0, 1),
    "smoothing": (0, 1), "clip": (0, 1e9), "trunk": (0, 1e3), "background": (0, 255), "val": (0, 0.5),
    "seed": (0, 2**63 - 1), "micro": (0, 1e6), "skip": (0, 1e6), "ema": (0, 0.999999), "mixup": (0, 100),
    "cutmix": (0, 100), "grow": (0.25, 1), "test_size": (0, 2048), "patience": (0, 1e6), "drop_path": (0, 0.99),
    "dropout": (-1, 0.99),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """Every number of a training run. A value out of range raises RecipeError with what would work."""

    epochs: int = 12  # times every training picture is seen
    batch: int = 64  # pictures a step
    optimizer: str = "sgd"  # sgd (Nesterov), adamw, or muon: orthogonal steps for convolutions, sgd for the rest
    lr: float = 0.1  # at the peak, for this batch; scale it with the batch yourself
    momentum: float = 0.9  # of sgd and muon; beta1 of adamw
    decay: float = 5e-4  # on weights of two axes and more: biases and norms have nothing to overfit with
    schedule: str = "triangle"  # flat, triangle, cosine, steps or thrice
    warmup: float = 0.2  # share of all steps spent climbing to lr
    smoothing: float = 0.0  # label smoothing: share of the target spread over all classes
    mixup: float = 0.0  # alpha of the Beta that shares of blended pictures are drawn from; 0: none (Zhang et al. 2018)
    cutmix: float = 0.0  # the same for a box of another picture; with mixup too, either by chance (Yun et al. 2019)
    balance: str = "none"  # of unequal classes: weights (rare ones weigh more in the loss) or sampling (are seen more)
    dropout: float = -1.0  # share dropped where the table drops, else before the classifier; -1: as the table has it
    drop_path: float = 0.0  # chance that the last residual block sits a step out, less for those before it; 0: none
    clip: float = 0.0  # largest norm of the whole gradient; 0 leaves it alone
    init: str = "he"  # of the weights: he, xavier, xavier normal, gaussian or lecun
    freeze: str = ""  # rows that stay as they are: "trunk" (all but the classifier), or the last row of them
    trunk: float = 1.0  # the learning rate of all but the classifier, as a factor of lr
    head_first: bool = False  # fit the classifier on cached features; what follows is kept if validation gains by it
    ema: float = 0.0  # decay a step of the mean of the weights, which is what is evaluated and kept; 0: none
    patience: int = 0  # epochs without a gain on validation after which training ends; 0: it goes to its end
    keep: str = "last"  # which weights the run keeps: last, or best on validation
    exclude: str = ""  # a file of names to leave out, as `konvolut check --quarantine` writes it
    fit: str = "pad"  # how a picture becomes a square: crop (its middle), pad (the whole of it) or stretch
    background: int = 255  # the grey under what is transparent, and beside what is padded
    grow: float = 1.0  # share of the side that the first half is trained at, then more, at last the whole; 1: always
    test_size: int = 0  # px at which the net is evaluated and served; 0: as trained
    mirror: bool = False  # answers are the mean over the picture and its mirror image
    val: float = 0.1  # share of the training pictures set aside for validation where the data names none
    precision: str = "auto"  # of training: bf16 where the processor multiplies it natively, else fp32
    norm_over: str = "rank"  # the pictures that batch norm sees where several processes train: a rank's, or all ranks'
    micro: int = 0  # pictures a forward pass takes, gradients added up over the batch; 0: the whole batch
    skip: int = 0  # steps that may be left out because their loss or gradient is not finite; one more stops the run
    memory: str = "plain"  # of training: segments keeps few maps and computes the others twice
    seed: int = 0
    augment: Augment = Augment()

    def __post_init__(self) -> None:
        for name, known in CHOICES.items():
            if getattr(self, name) not in known:
                raise RecipeError(f"{name} = {getattr(self, name)!r}{nearest(getattr(self, name), known)}")
        for name, (low, high) in RANGES.items():
            if not low <= getattr(self, name) <= high:
                raise RecipeError(f"{name} = {getattr(self, name):g}; it lies between {low:g} and {high:g}")
        if -1 < self.dropout < 0:
            raise RecipeError(f"dropout = {self.dropout:g}; it is a share from 0 on, or -1 for what the table has")


LEAVES = {f.name: Recipe for f in fields(Recipe) if f.name != "augment"} | {f.name: Augment for f in fields(Augment)}


def changed(recipe: Recipe, values: dict[str, Any]) -> Recipe:
    """`recipe` with the named fields set; those of its augmentation go by their own names, or in a table `augment`.

    Raises RecipeError for an unknown name (with the nearest), a wrong type, or a value out of range.
    """
    nested = values.get("augment", {})
    if not isinstance(nested, dict):
        raise RecipeError(
            f"augment = {nested!r}; it is a table of fields, and each goes by its own name: --set rotate=10"
        )
    flat = {k: v for k, v in values.items() if k != "augment"} | nested
    for name in flat:
        if name not in LEAVES:
            raise RecipeError(f"no field {name!r} in a recipe{nearest(name, LEAVES)}")
    ours = {k: v for k, v in flat.items() if LEAVES[k] is Recipe}
    its = {k: v for k, v in flat.items() if LEAVES[k] is Augment}
    try:
        return msgspec.convert({**asdict(recipe), **ours, "augment": {**asdict(recipe.augment), **its}}, Recipe)
    except msgspec.ValidationError as error:
        if isinstance(error.__cause__, RecipeError):
            raise error.__cause__ from None
        raise RecipeError(f"{', '.join(f'{k} = {v!r}' for k, v in flat.items())}: {error}") from None


def read(path: Path) -> dict[str, Any]:
    """The fields a TOML file sets."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecipeError(f"{path}: no such file; a recipe is a TOML file of fields such as lr = 0.05") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: not TOML ({error})") from None


def assignments(pairs: Sequence[str]) -> dict[str, Any]:
    """The fields that `--set field=value` names; a value is read as TOML, and as plain text where it is not.

    >>> assignments(["lr=0.05", "flip=true", "schedule=cosine"])
    {'lr': 0.05, 'flip': True, 'schedule': 'cosine'}
    """
    found: dict[str, Any] = {}
    for pair in pairs:
        name, sign, text = pair.partition("=")
        if not sign:
            raise RecipeError(f"--set {pair}: write it as field=value")
        try:
            found[name.strip()] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            found[name.strip()] = text.strip()
    return found
