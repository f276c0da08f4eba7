"""R6: with residual blocks very deep nets can be trained, even of 1000 layers (S46)."""

from collections.abc import Mapping
from dataclasses import replace
from math import log, log10

from konvolut.blocks.spec import Spec
from konvolut.lab.gauges import DIVERGED, first, losses
from konvolut.lab.material import asked, training
from konvolut.lab.study import Ask, Claim, Contrast, Trained
from konvolut.language import later
from konvolut.lens.gradients import norms
from konvolut.nets.arch import Arch
from konvolut.nets.preact import preact_cifar
from konvolut.nets.variants import hidden
from konvolut.training.recipe import Recipe

CLAIM = Claim(
    id="R6",
    sentence="S46",
    text=later("With residual blocks very deep nets can be trained, even of a thousand layers."),
    expected="supported",
    why=later(
        "With norm and activation inside the branch, a thousand blocks still hand the loss on to the first layer."
    ),
)
KINDS = {"residual": "B", "plain": "none"}  # kind -> shortcut of its blocks
DEPTHS = (119, 1001)  # 9n + 2 layers, n = 13 and 111
WIDTHS = (16, 32, 64)  # a quarter of the paper's: the 3x3 convolutions have 4, 8 and 16 maps
RECIPE = Recipe(epochs=10, batch=64, lr=0.1, precision="fp32")
PX, PICTURES = 7, 1000
LEAST, STILL = 0.8, 0.1  # nats: from ln 10 to 1.5, and what a loss may wander without having fallen
LARGEST = 1e38  # norm of a gradient that fp32 can hold; one that is no number overflowed


def net(arm: str) -> Arch:
    """He's pre-activation net ("residual 1001"), or the same layers without the shortcuts ("plain 1001")."""
    kind, depth = arm.split(" ")

    def joined(spec: Spec) -> Spec:
        return replace(spec, shortcut=KINDS[kind]) if hasattr(spec, "shortcut") else spec

    return hidden(preact_cifar(int(depth), widths=WIDTHS, input=(1, PX, PX)), joined)


def measure(ask: Ask) -> Mapping[str, float]:
    """How far the training loss has fallen below that of a guess, and the first layer's gradient before the first step."""
    held = asked(ask, PX, PICTURES)
    course = training(net(ask.arm), held, RECIPE, ask.seed)
    (found,) = norms(course.net.train(), *first(held, RECIPE.batch), at=("conv1",))
    gradient, last = found.weight_gradient, losses(course)[1]
    assert gradient is not None
    return {
        "fall": log(held.classes) - last if last < DIVERGED else 0.0,
        "gradient": log10(max(gradient, 1 / LARGEST) if gradient < LARGEST else LARGEST),
    }


STUDY = Trained(
    claim=CLAIM,
    arms=tuple(f"{kind} {depth}" for depth in DEPTHS for kind in KINDS),
    measure=measure,
    contrasts=(
        *(
            Contrast(
                about=f"{depth} layers with shortcuts: the loss falls",
                value="fall",
                more=f"residual {depth}",
                least=LEAST,
            )
            for depth in DEPTHS
        ),
        *(
            Contrast(
                about=f"{depth} layers: it falls further than without",
                value="fall",
                more=f"residual {depth}",
                less=f"plain {depth}",
                least=LEAST,
            )
            for depth in DEPTHS
        ),
        Contrast(
            about="1001 layers without shortcuts: the loss falls",
            value="fall",
            more="plain 1001",
            absent=True,
            least=STILL,
        ),
    ),
    fixed=later(
        "119 and 1001 layers in bottlenecks of 4, 8 and 16 maps, norm and activation before each convolution, 1,000 digits at "
        "7 px, batch 64, rate 0.1, 10 epochs (160 steps)"
    ),
    unit={
        "fall": "how far the training loss of the last 16 steps lies below ln(classes), nats; 0 where it is no number",
        "gradient": "log10 of the norm of the first layer's gradient before the first step; 38 where fp32 cannot hold it",
    },
    seeds=3,
    cost=25.0,
    drops=later("one learning rate for both kinds; three seeds"),
)
