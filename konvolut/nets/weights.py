"""Other people's weights into a net, and ours out of one, in their names or in our own."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from konvolut.errors import ArchError
from konvolut.nets.arch import Network, classifier, facts, last_with_width, size
from konvolut.nets.catalogue import TORCHVISION, named
from konvolut.nets.naming import as_convolution, edition, objection, recognised, renumbered, theirs
from konvolut.nets.variants import with_classes
from konvolut.nets.weights_file import read, write

COUNTER = ".num_batches_tracked"  # of a batch norm; files from before 2018 have none, and evaluation needs none
HEADS = re.compile(r"(heads\.[^.]+|aux\d|AuxLogits)\..+")  # an auxiliary head, in any naming
SHOWN = 3  # names in an error; the rest is a number


@dataclass(frozen=True, slots=True)
class Loaded:
    """What came of loading a file: which naming it had, what the net took from it, and what it did not."""

    file: str
    naming: str  # one of naming.NAMINGS
    inside: str  # the key the weights stood under in the file; "" when they are the file
    loaded: tuple[str, ...]  # names in the net's state dict
    kept: tuple[str, ...]  # those left as they were
    notes: tuple[str, ...]  # what was left out or kept, and why, in words

    def __str__(self) -> str:
        inside = f", under {self.inside!r}" if self.inside else ""
        return f"{self.file}: {len(self.loaded)} tensors in {self.naming}'s names{inside}" + "".join(
            f"; {note}" for note in self.notes
        )


def load_weights(net: nn.Module, file: str | Path) -> Loaded:
    """Fill `net` with the weights in a `.safetensors`, `.pt` or `.pth` file, named as by torchvision, timm or Konvolut.

    A classifier of another number of classes, and auxiliary heads that only one of the two has, are left out and said.
    Nothing is changed when it fails. Raises WeightsError when the file cannot be read, ArchError when it does not fit.
    """
    state, inside = read(file)
    return put(of_a_table(net), state, str(file), inside)


def state_dict(net: nn.Module, naming: str = "konvolut") -> dict[str, Tensor]:
    """The numbers of `net` by name, in the order of that naming's files; the tensors are the net's own.

    Raises ArchError when that naming has no such net.
    """
    own = net.state_dict()
    found = {name: own[ours] for name, ours in asked(of_a_table(net), naming).items()}
    if naming == "timm":
        return {name: shaped(tensor, found) if convolved(name) else tensor for name, tensor in found.items()}
    return found


def save_weights(net: nn.Module, file: str | Path, naming: str = "konvolut") -> Path:
    """Store the numbers of `net` as the suffix of `file` says, under the names of `naming`.

    Raises ArchError as `state_dict` does, WeightsError when there is such a file or the suffix is of no format.
    """
    return write(state_dict(net, naming), file, {"net": of_a_table(net).arch.name, "naming": naming})


def of_a_table(net: nn.Module) -> Network:
    """`net` itself. Raises ArchError when it was not built from a table: only a table says how others name its rows."""
    if isinstance(net, Network):
        return net
    raise ArchError(
        f"{type(net).__name__} was not built from a table; its own load_state_dict and state_dict would work"
    )


def put(net: Network, state: Mapping[str, Tensor], where: str = "weights", inside: str = "") -> Loaded:
    """Fill `net` from `state`, in whichever naming it is; `where` is for messages. As `load_weights`."""
    naming = recognised(set(state))
    own = net.state_dict()
    if naming != "konvolut" and (reason := objection(net.arch, naming)):
        raise ArchError(f"{where} has {naming}'s names; {net.arch.name}: {reason}{fitting(state) or edition(net.arch)}")
    names = asked(net, naming, set(state))
    notes = same_names(net, names, state, where, naming)
    pairs = {}
    for name, ours in names.items():
        if name in state:
            alike_but_shape = naming == "timm" and convolved(name) and state[name].numel() == own[ours].numel()
            pairs[ours] = state[name].flatten(1) if alike_but_shape else state[name]
    fresh, words = other_classes(net, own, pairs)
    for name, ours in names.items():
        if ours in pairs and ours not in fresh:
            alike(own[ours], pairs[ours], f"{where}, {name}", f"{net.arch.name} ({ours})", state)
    taken = tuple(ours for ours in own if ours in pairs and ours not in fresh)
    with torch.no_grad():
        for ours in taken:
            own[ours].copy_(pairs[ours])
    kept = tuple(ours for ours in own if ours not in taken)
    return Loaded(where, naming, inside, taken, kept, (*notes, *words, *broken(own, taken)))


def asked(net: Network, naming: str, names: set[str] | None = None) -> dict[str, str]:
    """The names of `naming` that `net` has something for, and ours; counted as in `names`, where a file counts anew."""
    if naming == "konvolut":
        return {name: name for name in net.state_dict()}
    layers = theirs(net, naming)
    if names is not None:
        layers = renumbered(layers, names)
    return {
        f"{name}.{field}": f"{path}.{field}"
        for name, path in layers.items()
        for field in net.get_submodule(path).state_dict()
    }


def same_names(
    net: Network, names: Mapping[str, str], state: Mapping[str, Tensor], where: str, naming: str
) -> tuple[str, ...]:
    """What to say of auxiliary heads that one side lacks. Raises ArchError when any other name has no partner."""
    missing = [name for name in names if name not in state and not name.endswith(COUNTER)]
    strange = [name for name in state if name not in names]
    notes = []
    for head in net.arch.heads:
        of = {name for name, ours in names.items() if ours.startswith(f"heads.{head.name}.")}
        if not of & set(state):
            notes.append(f"{head.name}: not in the file; kept as initialised")
            missing = [name for name in missing if name not in of]
    ours_too = {found[1] for name in names if (found := HEADS.fullmatch(name))}
    beyond = [name for name in strange if (found := HEADS.fullmatch(name)) and found[1] not in ours_too]
    if beyond:
        heads = dict.fromkeys(name.removeprefix("heads.").split(".")[0] for name in beyond)
        notes.append(f"{', '.join(heads)}: in the file, but {net.arch.name} has no such head; left out")
    strange = [name for name in strange if name not in beyond]
    if missing or strange:
        lacks = f"; it lacks {several(missing)}" if missing else ""
        beside = f"; {net.arch.name} has nothing for {several(strange)}" if strange else ""
        raise ArchError(f"{where} does not fit {net.arch.name}{lacks}{beside}{fitting(state)}")
    return tuple(notes)


def other_classes(
    net: Network, own: Mapping[str, Tensor], pairs: Mapping[str, Tensor]
) -> tuple[set[str], tuple[str, ...]]:
    """The names in classifiers that the file has for another number of classes, and what to say of them."""
    last = {f"heads.{head.name}.{last_with_width(head.rows).name}" for head in net.arch.heads}
    fresh: set[str] = set()
    words = []
    for row in (classifier(net.arch).name, *sorted(last)):
        names = [name for name in own if name.startswith(f"{row}.") and name in pairs]
        weights = [name for name in names if own[name].ndim > 1]
        if not weights or all(own[name].shape == pairs[name].shape for name in names):
            continue
        first, final = own[weights[0]], weights[-1]
        if first.shape[1:] == pairs[weights[0]].shape[1:]:  # it sees the same things; it only tells others apart
            fresh |= {name for name in own if name.startswith(f"{row}.")}
            words.append(
                f"{row}: {len(pairs[final])} classes in the file, {len(own[final])} in the net; kept as initialised"
            )
    return fresh, tuple(words)


def alike(mine: Tensor, other: Tensor, where: str, of: str, state: Mapping[str, Tensor]) -> None:
    """Raises ArchError unless the two have one shape and one kind of number."""
    if mine.shape != other.shape:
        raise ArchError(f"{where}: {shape(other)} in the file, {shape(mine)} in {of}{fitting(state)}")
    if mine.is_floating_point() != other.is_floating_point():
        raise ArchError(
            f"{where}: numbers of type {other.dtype} in the file, {mine.dtype} in {of}".replace("torch.", "")
        )


def fitting(state: Mapping[str, Tensor]) -> str:
    """The end of an error: the torchvision editions that learn as many numbers as the trunk in `state` has."""
    if recognised(set(state)) == "konvolut":
        return ""
    trunk = [t for n, t in state.items() if not HEADS.fullmatch(n) and not n.endswith((COUNTER, "_mean", "_var"))]
    classes = len(trunk[-1]) if trunk and trunk[-1].ndim == 1 else 0
    if classes < 2:
        return ""
    known = [f"{base}{norm}@torchvision" for base in TORCHVISION for norm in ("", "+bn")[: 1 + base.startswith("vgg")]]
    count = sum(tensor.numel() for tensor in trunk)
    fits = [n for n in known if sum(f.params for f in facts(with_classes(named(n), classes))) == count]
    return f"; it fits {' and '.join(fits)}" if fits else ""


def broken(own: Mapping[str, Tensor], names: Iterable[str]) -> tuple[str, ...]:
    """What to say when numbers that were loaded are not finite."""
    bad = [name for name in names if own[name].is_floating_point() and not own[name].isfinite().all()]
    return (f"not finite: {several(bad)}",) if bad else ()


def convolved(name: str) -> bool:
    """Is it the weight of a dense row that timm's VGG keeps as a convolution?"""
    return re.fullmatch(r"pre_logits\.fc\d\.weight", name) is not None


def shaped(dense: Tensor, names: Mapping[str, Tensor]) -> Tensor:
    """A dense weight (out, c*h*w) as the convolution (out, c, h, w) that reads the last maps of a VGG, h = w."""
    maps = [len(tensor) for name, tensor in names.items() if name.startswith("features.") and tensor.ndim][-1]
    if dense is names["pre_logits.fc1.weight"]:
        return dense.view(dense.shape[0], *as_convolution(dense.shape[1], maps))
    return dense[:, :, None, None]


def several(names: list[str]) -> str:
    """The first few names, and how many there are."""
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def shape(tensor: Tensor) -> str:
    return size(tuple(tensor.shape)) or "one number"
