"""Every net by its name: a base, then /DIVISOR, then +NORM."""

import json
import re
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

from konvolut.errors import ArchError, nearest
from konvolut.nets.alexnet import alexnet
from konvolut.nets.arch import Arch, facts, layers
from konvolut.nets.googlenet import googlenet
from konvolut.nets.lenet import lenet
from konvolut.nets.listing import Listed
from konvolut.nets.nin import nin, nin_cifar
from konvolut.nets.resnet import resnet, resnet_cifar
from konvolut.nets.variants import narrow, with_norm
from konvolut.nets.vgg import vgg

BASES: dict[str, Callable[[], Arch]] = {
    "lenet": lenet,
    "alexnet": alexnet,
    "alexnet-ungrouped": partial(alexnet, groups=1),
    "vgg-11": partial(vgg, "A"),
    "vgg-13": partial(vgg, "B"),
    "vgg-16c": partial(vgg, "C"),
    "vgg-16": partial(vgg, "D"),
    "vgg-19": partial(vgg, "E"),
    "nin": nin,
    "nin-cifar": nin_cifar,
    "googlenet": googlenet,
    "resnet-18": partial(resnet, 18),
    "resnet-34": partial(resnet, 34),
    "resnet-34-a": partial(resnet, 34, shortcut="A"),
    "resnet-34-c": partial(resnet, 34, shortcut="C"),
    "resnet-50": partial(resnet, 50),
    "resnet-101": partial(resnet, 101),
    "resnet-152": partial(resnet, 152),
    "plain-18": partial(resnet, 18, shortcut="none"),
    "plain-34": partial(resnet, 34, shortcut="none"),
    "resnet-20": partial(resnet_cifar, 20),
    "resnet-32": partial(resnet_cifar, 32),
    "resnet-44": partial(resnet_cifar, 44),
    "resnet-56": partial(resnet_cifar, 56),
    "resnet-110": partial(resnet_cifar, 110),
    "plain-20": partial(resnet_cifar, 20, shortcut="none"),
    "plain-32": partial(resnet_cifar, 32, shortcut="none"),
    "plain-44": partial(resnet_cifar, 44, shortcut="none"),
    "plain-56": partial(resnet_cifar, 56, shortcut="none"),
    "plain-110": partial(resnet_cifar, 110, shortcut="none"),
}

STORE = Path(__file__).with_name("nets.json")  # what `listing.stored` reads

GRAMMAR = re.compile(r"(?P<base>[^/+@]+)(/(?P<divisor>[0-9]+))?(\+(?P<norm>[a-z]+))?(@(?P<edition>.+))?")


def named(name: str) -> Arch:
    """The table called `name`: "resnet-50", "vgg-11/4" (four times narrower), "vgg-16+bn".

    Raises ArchError, with the nearest, when there is no such net, divisor, norm or edition.
    """
    parts = GRAMMAR.fullmatch(name)
    if parts is None:
        raise ArchError(
            f"net {name!r} is not of the form BASE, BASE/DIVISOR, BASE+NORM or BASE/DIVISOR+NORM, like vgg-11/4+bn"
        )
    base, divisor, norm, edition = parts.group("base", "divisor", "norm", "edition")
    if base not in BASES:
        raise ArchError(f"net {base!r} is not in the catalogue{nearest(base, BASES)}")
    if edition:
        raise ArchError(
            f"net {name!r}: no such edition yet; known: the paper's own, {name.removesuffix('@' + edition)!r}"
        )
    arch = BASES[base]()
    if divisor:
        arch = narrow(arch, int(divisor))
    return with_norm(arch, norm) if norm else arch


def listed(arch: Arch) -> Listed:
    """What the list of nets says of `arch`, counted from its table."""
    rows = list(facts(arch))
    params, macs = sum(row.params for row in rows), sum(row.macs for row in rows)
    return Listed(arch.name, arch.input, params, macs, layers(arch), arch.source)


def write(path: Path = STORE) -> None:
    """Count every net of the catalogue and store the list, one net a line."""
    lines = [json.dumps(asdict(listed(make()))) for make in BASES.values()]
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")


if __name__ == "__main__":
    write()
