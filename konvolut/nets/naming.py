"""What torchvision and timm call the layers of a net: one rule for each family, read off its table."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from math import isqrt

from torch import nn

from konvolut.blocks.basic import AdaptivePool, Conv, Dense, Dropout, GlobalAvgPool, MaxPool
from konvolut.blocks.inception import Inception, Paths
from konvolut.blocks.norm import TF, Norm
from konvolut.blocks.residual import Bottleneck, Stage
from konvolut.blocks.spec import Series, chosen, parts
from konvolut.errors import ArchError
from konvolut.nets.arch import Arch, Network, sides, specs
from konvolut.nets.catalogue import TORCHVISION
from konvolut.nets.names import GRAMMAR, parsed

NAMINGS = {
    "konvolut": "the rows' names",
    "torchvision": "as in torchvision's files",
    "timm": "as in timm's files: ResNets as torchvision, the dense rows of a VGG as convolutions",
}
Pairs = Iterator[tuple[str, str]]  # their name of a layer, ours


def recognised(names: set[str]) -> str:
    """The naming of a file that holds `names`, from a few that only that naming has.

    ResNets are called alike by torchvision and timm; those are "torchvision".
    """
    if any(name.startswith(("pre_logits.fc", "head.fc.")) for name in names):
        return "timm"
    theirs = (
        r"(features|classifier)\.\d+\.(weight|bias)",  # AlexNet, VGG
        r"layer\d+\.\d+\.(conv|bn)\d\..+",
        r"inception\d+\w\.branch\d.+",
        r"(Conv2d|Mixed)_\d\w.+",
    )
    return "torchvision" if any(re.fullmatch(rule, name) for name in names for rule in theirs) else "konvolut"


def theirs(net: Network, naming: str) -> dict[str, str]:
    """Our path of every layer that holds numbers, by their name of it, in the order of their file.

    Raises ArchError when they have no such net, or one of the same names and shapes that answers otherwise.
    """
    if reason := objection(net.arch, naming):
        raise ArchError(f"{net.arch.name}: {reason}{edition(net.arch)}")
    *_, rule = FAMILIES[family(net.arch)]
    pairs = rule(net)
    return dict(pairs if naming == "torchvision" else timm(pairs))


def objection(arch: Arch, naming: str) -> str:
    """Why `arch` has no names in `naming`; "" when it has. Raises ArchError when there is no such naming."""
    chosen("naming", naming, NAMINGS)
    kind = family(arch)
    if not kind:
        return f"{naming} has no net of these rows"
    if naming == "timm" and (kind not in ("vgg", "resnet") or (kind == "vgg" and not like_vgg(arch))):
        return "timm's names are known here for ResNet and VGG only"
    norms = (TF,) if kind in ("googlenet", "inception") else ("bn",)
    for spec in (*specs(arch), *(part for head in arch.heads for row in head.rows for part in parts(row.spec))):
        norm, at, act = getattr(spec, "norm", "none"), getattr(spec, "at", "output"), getattr(spec, "act", "none")
        if norm == "lrn":
            return f"{naming}'s net has no local response norm"
        if norm != "none" and isinstance(spec, Dense):
            return f"{naming}'s net has no norm on its dense rows"
        if norm != "none" and (norm not in norms or at != "output"):
            return f"a norm {norm!r} on the {at} would have the names of {naming}'s {norms[0]!r} on the output"
        if isinstance(spec, Norm) or act not in ("relu", "none") or getattr(spec, "pre", False):
            return f"in {naming}'s net a convolution comes first, then its norm, then a ReLU"
        if getattr(spec, "shortcut", "") == "none":
            return f"{naming}'s net has shortcuts"
        if isinstance(spec, Bottleneck) and spec.strider == 1 and strides(arch):
            return (
                f"the first 1x1 of a bottleneck strides (v1), in {naming}'s the 3x3 does (v1.5): "
                "the same names and shapes, other logits"
            )
    return ""


def family(arch: Arch) -> str:
    """Which of FAMILIES has such rows; "" when none has."""
    kinds = [type(row.spec) for row in arch.rows]
    for name, (mark, others, _) in FAMILIES.items():
        if mark in kinds and set(kinds) <= {mark, *others, Dense, Dropout} and kinds[-1] is Dense:
            return name if name == "vgg" or (kinds.count(Dense) == 1 and kinds[0] is Conv) else ""
    return ""


def strides(arch: Arch) -> bool:
    return any(isinstance(row.spec, Stage) and row.spec.s > 1 for row in arch.rows)


def like_vgg(arch: Arch) -> bool:
    """Three dense rows on convolutions no larger than 3x3?"""
    kernels = [max(sides(row.spec.k)) for row in arch.rows if isinstance(row.spec, Conv)]
    return max(kernels) <= 3 and sum(isinstance(row.spec, Dense) for row in arch.rows) == 3


def edition(arch: Arch) -> str:
    """The end of an objection to `arch`: its torchvision edition, where there is one."""
    name = parsed(arch.name) if GRAMMAR.fullmatch(arch.name) else None
    if name and name.edition != "torchvision" and name.base in TORCHVISION:
        norm = "bn" if name.norm and name.base.startswith("vgg") else ""
        return f"; {replace(name, edition='torchvision', norm=norm, at='')} is the one"
    return "; the naming 'konvolut' fits every net"


def filled(module: nn.Module, path: str) -> Iterator[str]:
    """The paths of the layers under `module` that hold numbers; `path` is its own."""
    for name, layer in module.named_modules(prefix=path):
        if layer._parameters or layer._buffers:
            yield name


def flat(net: Network) -> Pairs:
    """AlexNet and VGG: every layer counted, in `features` up to the pool before the first dense row, then anew."""
    place, count = "features", 0
    for row in net.arch.rows:
        if place == "features" and isinstance(row.spec, AdaptivePool | Dense):
            place, count = "classifier", 0
        if isinstance(row.spec, AdaptivePool):
            continue  # it has a name of its own, and no numbers
        for name, layer in net.get_submodule(row.name).named_modules(prefix=row.name):
            if any(layer.children()) or isinstance(layer, nn.Flatten):
                continue
            if layer._parameters:
                yield f"{place}.{count}", name
            count += 1


def resnet(net: Network) -> Pairs:
    """conv1, bn1; then layerSTAGE.BLOCK.convN, bnN and downsample.0, .1; fc."""
    stage = 0
    for row in net.arch.rows:
        stage += isinstance(row.spec, Stage)
        for path in filled(net.get_submodule(row.name), row.name):
            if path.endswith(".dense"):
                yield "fc", path
            elif isinstance(row.spec, Conv):
                yield ("conv1" if path.endswith(".conv") else "bn1"), path
            else:
                block, way, *step = path.removeprefix(row.name + ".").split(".")
                kind = step[-1].replace("norm", "bn")
                ours = f"{kind}{int(step[0]) + 1}" if way == "body" else f"downsample.{int(kind == 'bn')}"
                yield f"layer{stage}.{block}.{ours}", path


def googlenet(net: Network) -> Pairs:
    """The stem's convolutions counted; inceptionROW.branchN, its steps counted where there are several; heads, fc."""
    stem = 0
    for row in net.arch.rows[:-1]:
        module = net.get_submodule(row.name)
        for path in filled(module, row.name):
            if not isinstance(row.spec, Inception):
                stem += path.endswith("conv")
                yield f"conv{stem}.{last(path)}", path
                continue
            ways = module.get_submodule("branches")
            way, step = path.split(".")[2:4]
            number = list(dict(ways.named_children())).index(way) + 1
            steps = f".{step}" if len(ways.get_submodule(way)._modules) > 1 else ""
            yield f"inception{row.name}.branch{number}{steps}.{last(path)}", path
    for head in net.arch.heads:
        yield from in_head(net, head.name, head.name)
    yield "fc", f"{net.arch.rows[-1].name}.dense"


def inception(net: Network) -> Pairs:
    """Conv2d_ROW_KxK; Mixed_ROW.branchWAY, its convolutions counted from 1 where there are several; heads; fc."""
    for row in net.arch.rows:
        module = net.get_submodule(row.name)
        if isinstance(row.spec, Conv):
            height, width = sides(row.spec.k)
            place = f"Conv2d_{row.name.removeprefix('conv')}_{height}x{width}"
            yield from ((f"{place}.{last(path)}", path) for path in filled(module, row.name))
        elif isinstance(row.spec, Paths):
            for way, steps in row.spec.paths:
                several = sum(isinstance(step, Conv | Paths) for step in steps) > 1
                for path in filled(module.get_submodule(f"branches.{way}"), f"{row.name}.branches.{way}"):
                    step, *inner = path.removeprefix(f"{row.name}.branches.{way}.").split(".")
                    number = f"_{int(step) + 1}" if several else ""
                    split = inner[1] if inner[0] == "branches" else ""  # "a" or "b", beside each other
                    name = "_pool" if way == "pool" else way
                    yield f"Mixed_{row.name}.branch{name}{number}{split}.{last(path)}", path
        elif isinstance(row.spec, Dense):
            yield row.name, f"{row.name}.dense"
        for head in net.arch.heads:
            if head.after == row.name:
                yield from in_head(net, head.name, "AuxLogits")


def in_head(net: Network, head: str, place: str) -> Pairs:
    for path in filled(net.get_submodule(f"heads.{head}"), f"heads.{head}"):
        row = path.split(".")[2]
        yield f"{place}.{row}" if path.endswith(".dense") else f"{place}.{row}.{last(path)}", path


def last(path: str) -> str:
    """ "conv" or "bn", as theirs are called."""
    return path.rsplit(".", 1)[1].replace("norm", "bn")


def timm(pairs: Pairs) -> Pairs:
    """ResNet as it is; of a VGG the dense rows are pre_logits.fc1, pre_logits.fc2, head.fc."""
    dense = iter(("pre_logits.fc1", "pre_logits.fc2", "head.fc"))
    for name, path in pairs:
        yield (next(dense) if name.startswith("classifier.") else name), path


def renumbered(layers: dict[str, str], names: set[str]) -> dict[str, str]:
    """`layers` of an AlexNet or VGG, counted as in the file that holds `names`.

    Their count includes pools and dropouts, which a table may have lost on its way to small pictures; where the file
    has as many layers with numbers, they are the same ones in the same order.
    """
    changed = dict(layers)
    for place in ("features", "classifier"):
        ours = [name for name in layers if name.startswith(f"{place}.")]
        counts = {int(found[1]) for name in names if (found := re.fullmatch(rf"{place}\.(\d+)\.\w+", name))}
        if len(ours) == len(counts):
            swap = dict(zip(ours, (f"{place}.{count}" for count in sorted(counts)), strict=True))
            changed = {swap.get(name, name): path for name, path in changed.items()}
    return changed


def as_convolution(inputs: int, maps: int) -> tuple[int, int, int]:
    """The kernel that reads `inputs` numbers from `maps` maps at once: (maps, side, side)."""
    side = isqrt(inputs // maps)
    return maps, side, side


Rule = Callable[[Network], Pairs]
FAMILIES: dict[str, tuple[type, tuple[type, ...], Rule]] = {  # the row that tells it, the rows beside it, its rule
    "resnet": (Stage, (Conv, MaxPool, Norm, GlobalAvgPool), resnet),
    "googlenet": (Inception, (Conv, MaxPool, Norm, Series, GlobalAvgPool), googlenet),
    "inception": (Paths, (Conv, MaxPool, GlobalAvgPool), inception),
    "vgg": (Conv, (MaxPool, AdaptivePool), flat),
}
