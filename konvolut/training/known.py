"""What answers for pictures: the net of a run, or a net of the catalogue with somebody's weights."""

from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from konvolut.errors import ArchError, RunError, WeightsError, nearest
from konvolut.images.preprocess import InputSpec
from konvolut.nets.arch import build, classifier
from konvolut.nets.catalogue import named
from konvolut.nets.published import KINDS, Published, imagenet, of_net, resembling
from konvolut.nets.weights import load_weights
from konvolut.training.evaluate import Mirrored
from konvolut.training.parent import NOTHING, file_of, open_parent
from konvolut.training.run import Run, open_run
from konvolut.training.sizes import IMAGENET


@dataclass(frozen=True, slots=True)
class Known:
    """A net that answers, in evaluation mode, with what it takes and what its answers are called."""

    where: str
    net: nn.Module
    spec: InputSpec
    classes: tuple[str, ...]
    val: float = 0.1  # the share and the seed of the validation part it was not trained on
    seed: int = 0
    data: str = ""  # what it was trained on, and the file of names that were left out of that
    exclude: str = ""
    excluded: str | None = None  # `quarantine.digest` of those names, "" where there were none; None: nobody knows
    notes: tuple[str, ...] = ()


def of_run(run: Run, module: nn.Module | None = None) -> Known:
    """A finished run; a run of the user's own module fills `module`."""
    net = run.net(module)
    return in_place_of(run, Mirrored(net) if run.card.recipe.mirror else net)


def in_place_of(run: Run, net: nn.Module) -> Known:
    """`net`, in evaluation mode, answers for the pictures of a run, divided as they were for its training."""
    card = run.card
    data = card.data
    return Known(
        str(run.path), net, card.input, card.classes, data.get("val", 0.1), data.get("seed", 0),
        data=data["where"], exclude=data.get("exclude", ""), excluded=data.get("excluded"),
    )  # fmt: skip


def known(what: str | Path, weights: str | Path | None = None) -> Known:
    """A run folder, with other `weights` where they are named; or the name of a net, which needs `weights`.

    Such a net takes what its table says: those of torchvision's edition the middle of a picture, prepared as for the
    published weights, any other the whole of it. Its classes are those of a parent run, ImageNet's where torchvision's has
    a thousand, or else numbers from 0. `weights` may be imagenet or imagenet-v2: then the net is torchvision's edition,
    and the file is downloaded where the cache lacks it.
    Raises RunError when there is no such run or file, ArchError for an unknown net or weights that do not fit,
    WeightsError when nothing is published for the net, or it cannot be had, and for a misspelt imagenet.
    """
    if isinstance(weights, str):
        refuse_misspelt(weights)
    if isinstance(weights, str) and weights in KINDS:
        if Path(what).is_dir():
            raise RunError(
                f"{what}: --weights {weights} goes with the name of a net; a run has its own, so leave it out"
            )
        published = of_net(str(what), weights)
        return known(published.net, published.get())
    if weights is None or weights == NOTHING:
        if not Path(what).exists() and is_net(str(what)):
            raise RunError(
                f"{what}: a net that knows nothing yet; --weights FILE or imagenet would teach it, or name a run folder"
            )
        return of_run(open_run(what))
    parent, origin = open_parent(weights)
    file = file_of(parent.where)
    if not is_net(str(what)):
        mine = open_run(what)
        net = build(mine.arch())
        notes = load_weights(net, file).notes
        return replace(in_place_of(mine, net.eval()), notes=notes)
    arch = named(str(what)) if origin is None else origin.arch()
    net = build(arch)
    notes = load_weights(net, file).notes
    if origin is not None:
        return replace(of_run(origin), where=str(what), net=net.eval(), notes=notes)
    theirs = arch.name.endswith("@torchvision")
    spec = InputSpec(size=arch.input[1], channels=arch.input[0])
    if theirs and arch.input[0] == 3:
        like = resembling(arch.name, parent.sha256)
        spec = prepared(like) if like else replace(spec, mean=IMAGENET[0], std=IMAGENET[1], fit="crop")
    width = classifier(arch).spec.out  # type: ignore[attr-defined]
    classes = imagenet() if theirs and width == 1000 else tuple(map(str, range(width)))
    return Known(str(what), net.eval(), spec, classes, notes=notes)


def refuse_misspelt(weights: str) -> None:
    """Raises WeightsError for what --weights was told, where it is no file and looks like a word that --weights knows."""
    words = (*KINDS, NOTHING)
    path = Path(weights)
    if weights not in words and path.name == weights and not path.suffix and not path.exists():
        near = nearest(weights, words)
        if near.startswith("; did"):
            raise WeightsError(f"weights {weights!r}: no such file or run{near}")


def prepared(file: Published) -> InputSpec:
    """What published weights were measured on: the shorter side made `resize` px, and the middle `crop` px of that."""
    return InputSpec(size=file.crop, zoom=file.crop / file.resize, fit="crop", mean=file.mean, std=file.std)


def is_net(what: str) -> bool:
    """Is it a net's name, and no folder?"""
    if Path(what).is_dir():
        return False
    try:
        named(what)
    except ArchError:
        return False
    return True
