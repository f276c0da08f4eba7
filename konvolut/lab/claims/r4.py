"""R4: residual nets are never worse for being deeper (S43)."""

from itertools import pairwise

from konvolut.lab.depths import COST, DEPTHS, FIXED, UNIT, arms, measure, rates
from konvolut.lab.study import Claim, Contrast, Trained
from konvolut.language import later

CLAIM = Claim(
    id="R4",
    sentence="S43",
    text=later("A deeper residual net contains the shallower one, so it is never worse."),
    expected="supported",
    why=later("Containing it bounds the best training loss only, but with shortcuts the optimiser also comes near it."),
)

STUDY = Trained(
    claim=CLAIM,
    arms=arms("residual"),
    measure=measure,
    rates=rates("residual"),
    best=("loss", "least"),
    cost=COST,
    contrasts=tuple(
        Contrast(
            about=f"training loss, {deeper} layers worse than {depth}",
            value="loss",
            more=f"residual {deeper}",
            less=f"residual {depth}",
            absent=True,
            least=0.05,
        )
        for depth, deeper in (*pairwise(DEPTHS), (DEPTHS[0], DEPTHS[-1]))
    ),
    fixed=FIXED,
    unit=UNIT,
    drops=later("validation accuracy is shown but not judged: a point of it takes some forty seeds"),
)
