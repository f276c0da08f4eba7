"""Every net by its name: an edition of a base, then /DIVISOR, then +NORM."""

import json
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

from konvolut.errors import ArchError, nearest
from konvolut.nets import alexnet, googlenet, inception, lenet, nin, preact, resnet, vgg
from konvolut.nets.arch import Arch, facts, layers
from konvolut.nets.listing import Listed
from konvolut.nets.names import ours, parsed
from konvolut.nets.variants import narrow, with_norm

DEPTHS = tuple(resnet.TABLE_1)
CIFAR = (20, 32, 44, 56, 110)
COLUMNS = {name: column for column, (_, name, _) in vgg.COLUMNS.items()}

PAPERS: dict[str, Callable[[], Arch]] = {
    "lenet": lenet.lenet,
    "alexnet": alexnet.alexnet,
    "alexnet-ungrouped": partial(alexnet.alexnet, groups=1),
    **{name: partial(vgg.vgg, column=column) for name, column in COLUMNS.items()},
    "nin": nin.nin,
    "nin-cifar": nin.nin_cifar,
    "googlenet": googlenet.googlenet,
    **{f"resnet-{depth}": partial(resnet.resnet, depth) for depth in DEPTHS},
    **{f"resnet-{d}-{o.lower()}": partial(resnet.resnet, d, shortcut=o) for d in DEPTHS for o in "AC"},
    **{f"plain-{depth}": partial(resnet.resnet, depth, shortcut="none") for depth in (18, 34)},
    **{f"resnet-{depth}": partial(resnet.resnet_cifar, depth) for depth in (*CIFAR, 1202)},
    **{f"plain-{depth}": partial(resnet.resnet_cifar, depth, shortcut="none") for depth in CIFAR},
    **{f"preact-{depth}": partial(preact.preact, depth) for depth in (18, 34, 50)},
    **{f"preact-{depth}": partial(preact.preact_cifar, depth) for depth in (110, 164, 1001)},
}
D2L: dict[str, Callable[[], Arch]] = {  # the book Dive into Deep Learning
    "lenet": lenet.lenet_d2l,
    "lenet-bn": lenet.lenet_bn_d2l,
    "alexnet": alexnet.alexnet_d2l,
    **{name: partial(vgg.vgg_d2l, COLUMNS[name]) for name in ("vgg-11", "vgg-13", "vgg-16", "vgg-19")},
    "nin": nin.nin_d2l,
    "googlenet": googlenet.googlenet_d2l,
    **{f"resnet-{depth}": partial(resnet.resnet_d2l, depth) for depth in (18, 34)},
}
TORCHVISION: dict[str, Callable[[], Arch]] = {  # what published weights fit
    "alexnet": alexnet.alexnet_torchvision,
    **{name: partial(vgg.vgg_torchvision, COLUMNS[name]) for name in ("vgg-11", "vgg-13", "vgg-16", "vgg-19")},
    "googlenet": googlenet.googlenet_torchvision,
    "inception-v3": inception.inception_v3,
    **{f"resnet-{depth}": partial(resnet.resnet_torchvision, depth) for depth in DEPTHS},
}
EDITIONS = {"": PAPERS, "d2l": D2L, "torchvision": TORCHVISION}
CATALOGUE = [  # every name without divisor and norm
    base + (f"@{edition}" if edition else "") for edition, bases in EDITIONS.items() for base in bases
]

STORE = Path(__file__).with_name("nets.json")  # what `listing.stored` reads


def named(text: str) -> Arch:
    """The table called `text`: "resnet-50", "vgg-11/4@d2l" (the book's, four times narrower), "vgg-16+bn"; the names of
    torchvision and timm, such as "resnet50", too.

    An edition's convolutions keep the biases they have when a norm follows; the papers' lose them.
    Raises ArchError, with the nearest, when there is no such net, divisor, norm or edition.
    """
    name = parsed(ours(text))
    if name.edition not in EDITIONS:
        raise ArchError(f"net {text!r}: no edition {name.edition!r}{nearest(name.edition, filter(None, EDITIONS))}")
    bases = EDITIONS[name.edition]
    if name.base not in bases:
        others = [
            base + f"@{edition}" * bool(edition)
            for edition, known in EDITIONS.items()
            for base in known
            if base == name.base
        ]
        if others:
            which = f"edition @{name.edition}" if name.edition else "edition of a paper"
            raise ArchError(f"net {name.base!r} has no {which}; there is {', '.join(others)}")
        raise ArchError(f"net {text!r} is not in the catalogue{nearest(str(name), CATALOGUE)}")
    arch = narrow(bases[name.base](), name.divisor)
    if not name.norm:
        return arch
    return with_norm(arch, name.norm, name.at or "output", bias=bool(name.edition))


def listed(arch: Arch) -> Listed:
    """What the list of nets says of `arch`, counted from its table."""
    rows = list(facts(arch))
    params, macs = sum(row.params for row in rows), sum(row.macs for row in rows)
    return Listed(arch.name, arch.input, params, macs, layers(arch), arch.source)


def write(path: Path = STORE) -> None:
    """Count every net of the catalogue and store the list, one net a line."""
    lines = [json.dumps(asdict(listed(named(name)))) for name in CATALOGUE]
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")


if __name__ == "__main__":
    write()
