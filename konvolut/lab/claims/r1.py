"""R1: adding layers does not always improve a net (S42)."""

from konvolut.lab.depths import COST, DEPTHS, FIXED, UNIT, arms, measure, rates
from konvolut.lab.study import Claim, Contrast, Trained
from konvolut.language import later

CLAIM = Claim(
    id="R1",
    sentence="S42",
    text=later("Adding layers does not always improve a net."),
    expected="supported",
    why=later("Beyond some depth a plain net fits even its training pictures less well: it is harder to optimise."),
)
*SHALLOWER, DEEPEST = DEPTHS

STUDY = Trained(
    claim=CLAIM,
    arms=arms("plain"),
    measure=measure,
    rates=rates("plain"),
    best=("loss", "least"),
    cost=COST,
    contrasts=(
        *(
            Contrast(
                about=f"training loss, {DEEPEST} layers over {depth}",
                value="loss",
                more=f"plain {DEEPEST}",
                less=f"plain {depth}",
                least=0.05,
            )
            for depth in SHALLOWER
        ),
        Contrast(
            about=f"validation accuracy, 20 layers over {DEEPEST}",
            value="val",
            more="plain 20",
            less=f"plain {DEEPEST}",
            least=0.01,
        ),
    ),
    fixed=FIXED,
    unit=UNIT,
)
