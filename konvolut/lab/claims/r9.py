"""R9: a residual net is easier to train than a plain one of the same depth (S46)."""

from itertools import pairwise
from math import log2

from konvolut.lab.depths import COST, DEPTHS, FIXED, UNIT, arms, measure, rates
from konvolut.lab.study import Claim, Contrast, Trained
from konvolut.language import later

CLAIM = Claim(
    id="R9",
    sentence="S46",
    text=later("A deep residual net is easier to train than a plain one as deep, and the more so the deeper they are."),
    expected="supported",
    why=later(
        "Through the shortcuts every block hears of the loss directly; in few layers little is lost without them."
    ),
)
LEAST = log2(1.1)  # a tenth more steps
DEEP = DEPTHS[2:]  # the sentence is about deep nets; the shallow ones are what their gap is held against
GROWTH = tuple(pairwise((DEPTHS[0], DEEP[0], DEEP[-1])))


def pair(depth: int) -> tuple[str, str]:
    """The plain and the residual net of `depth` layers."""
    return f"plain {depth}", f"residual {depth}"


STUDY = Trained(
    claim=CLAIM,
    arms=arms("plain", "residual"),
    measure=measure,
    rates=rates("plain", "residual"),
    best=("doublings", "least"),
    cost=COST,
    contrasts=(
        *(
            Contrast(
                about=f"steps, {depth} layers", value="doublings", more=pair(depth)[0], less=pair(depth)[1], least=LEAST
            )
            for depth in DEEP
        ),
        *(
            Contrast(
                about=f"the gap of {deeper} layers over that of {depth}",
                value="doublings",
                more=pair(deeper)[0],
                less=pair(deeper)[1],
                beyond=pair(depth),
                least=LEAST,
            )
            for depth, deeper in GROWTH
        ),
    ),
    fixed=FIXED,
    unit=UNIT,
    advice={"supported": "--net resnet-20"},
)
