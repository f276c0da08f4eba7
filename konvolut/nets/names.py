"""What a net is called: BASE[/DIVISOR][+NORM[.PLACE]][@EDITION]."""

import re
from dataclasses import dataclass

from konvolut.errors import ArchError

GRAMMAR = re.compile(
    r"(?P<base>[^/+@]+)(/(?P<divisor>[0-9]+))?(\+(?P<norm>[a-z]+)(\.(?P<at>[a-z]+))?)?(@(?P<edition>[a-z0-9]+))?"
)
THEIRS = re.compile(r"(?P<family>vgg|resnet|inception_v)(?P<depth>[0-9]+)(?P<norm>_bn)?")  # resnet50, vgg16_bn


@dataclass(frozen=True, slots=True)
class Name:
    """A name taken apart; "" and 1 where a part is not there."""

    base: str
    divisor: int = 1
    norm: str = ""
    at: str = ""  # where the norm stands; "" is "output"
    edition: str = ""  # "" is the paper

    def __str__(self) -> str:
        words = (f"/{self.divisor}" if self.divisor != 1 else "", f"+{self.norm}" if self.norm else "")
        return (
            self.base
            + "".join(words)
            + (f".{self.at}" if self.at else "")
            + (f"@{self.edition}" if self.edition else "")
        )


def parsed(text: str) -> Name:
    """The parts of a name.

    >>> parsed("vgg-11/4+bn.input@d2l")
    Name(base='vgg-11', divisor=4, norm='bn', at='input', edition='d2l')
    """
    found = GRAMMAR.fullmatch(text)
    if found is None:
        raise ArchError(
            f"net {text!r} is not of the form BASE[/DIVISOR][+NORM[.PLACE]][@EDITION], like vgg-11/4+bn or resnet-50@d2l"
        )
    base, divisor, norm, at, edition = found.group("base", "divisor", "norm", "at", "edition")
    return Name(base, int(divisor or 1), norm or "", at or "", edition or "")


def ours(text: str) -> str:
    """Konvolut's name for what torchvision and timm call `text`; any other name is left as it is.

    `alexnet` and `googlenet` are the papers' here, so for those two the edition must be said.

    >>> [ours(name) for name in ("resnet50", "vgg16_bn", "inception_v3", "alexnet")]
    ['resnet-50@torchvision', 'vgg-16+bn@torchvision', 'inception-v3@torchvision', 'alexnet']
    """
    found = THEIRS.fullmatch(text)
    if found is None:
        return text
    family, depth, norm = found.group("family", "depth", "norm")
    stem = "inception-v" if family == "inception_v" else f"{family}-"
    return f"{stem}{depth}{'+bn' if norm else ''}@torchvision"
