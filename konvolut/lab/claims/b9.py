"""B9: Xavier's weights normalise at the start only, batch norm throughout (S40)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import log2
from statistics import fmean, pstdev

from torch import Tensor, nn

from konvolut.blocks.basic import Conv, Dense, MaxPool
from konvolut.blocks.spec import Row
from konvolut.errors import RunError
from konvolut.lab.gauges import first, spreads, steps_of, validation
from konvolut.lab.material import asked, training
from konvolut.lab.study import Ask, Claim, Contrast, Trained
from konvolut.language import later
from konvolut.nets.arch import Arch
from konvolut.nets.variants import with_activation, with_norm
from konvolut.training.loop import Step, Training
from konvolut.training.recipe import Recipe

CLAIM = Claim(
    id="B9",
    sentence="S40",
    text=later(
        "Xavier's weights and batch norm are one idea, to keep the spread of what layers give; the weights do so at the "
        "start only, batch norm throughout training."
    ),
    expected="supported",
    why=later("First weights bind nothing that follows; batch norm divides by the spread of every batch."),
)
ACTS = ("tanh", "relu")  # Xavier's scale is derived for the first, not for the second
WAYS = ("xavier", "once", "bn")  # "once": each layer's spread is made 1 on the first batch, and then left alone
LAYERS = 8
RECIPE = Recipe(epochs=4, batch=50, lr=0.01, init="xavier", schedule="flat", warmup=0.0, decay=0.0, precision="fp32")
RATES = (0.01, 0.03, 0.1)
LOOKS = (10, 100)  # steps after which the spreads are taken, beside the start and the end
SEEN = 128  # pictures they are taken over
FAR = 10.0  # doublings: the drift of a training whose loss ceased to be a number


def net(act: str, way: str) -> Arch:
    """Eight convolutions of one width with a pool half-way, and a dense layer."""
    convs = [Row(f"conv{number}", Conv(16, 3, p=1, bias=False)) for number in range(1, LAYERS + 1)]
    half = LAYERS // 2
    rows = (
        Row("pool0", MaxPool(2, 2)),
        *convs[:half],
        Row("pool", MaxPool(2, 2)),
        *convs[half:],
        Row("fc", Dense(10, act="none")),
    )
    arch = with_activation(Arch("eight convolutions", "this study", (1, 14, 14), rows), act)
    return with_norm(arch, "bn") if way == "bn" else arch


def before(way: str) -> list[str]:
    """The parts whose output the activations take, from the bottom up."""
    return [f"conv{number}.{'norm' if way == 'bn' else 'conv'}" for number in range(1, LAYERS + 1)]


def normalise(model: nn.Module, batch: Tensor, at: Sequence[str]) -> None:
    """Divide the weights of each layer `at`, bottom first, by the spread of what it gives for `batch`: that becomes 1."""
    for name in at:
        weight = model.get_submodule(name).weight
        assert isinstance(weight, Tensor), "a convolution has weights"
        weight.data /= spreads(model, batch, [name])[name]


def looked(model: nn.Module, batch: Tensor, at: Sequence[str]) -> list[float]:
    """log2 of the spread of each part `at`, in training mode, so that batch norm divides by that of this very batch; its
    running values are put back.
    """
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    found = spreads(model.train(), batch, at)
    model.load_state_dict(before, strict=False)
    return [log2(max(found[name], 1e-30)) for name in at]


def drift(course: Training, batch: Tensor, at: Sequence[str], start: Sequence[float]) -> float:
    """Doublings by which the spread of a part `at` comes to lie from where it did at the `start`: the furthest of the
    looks, on average over the parts; FAR where the loss ceases to be a number.
    """
    furthest = [0.0] * len(at)
    looks = (*LOOKS, steps_of(course))
    try:
        for event in course.events():
            if isinstance(event, Step) and event.number + 1 in looks:
                now = looked(course.net, batch, at)
                furthest = [max(f, abs(n - s)) for f, n, s in zip(furthest, now, start, strict=True)]
    except RunError:
        return FAR
    return min(fmean(furthest), FAR)


def measure(ask: Ask) -> Mapping[str, float]:
    """How unequal the spreads of layers are before the first step, how far they drift from there, and the accuracy."""
    act, way = ask.arm.split(" ")
    held = asked(ask, 14, 2000)
    recipe = replace(RECIPE, lr=ask.rate or RECIPE.lr)
    course = training(net(act, way), held, recipe, ask.seed)
    batch, at = first(held, SEEN)[0], before(way)
    if way == "once":
        normalise(course.net, batch, at)
    start = looked(course.net, batch, at)
    far = drift(course, batch, at, start)
    return {"uneven": pstdev(start), "drift": far, "val": validation(course.net, held)}


def against(act: str, way: str, words: str) -> Contrast:
    return Contrast(about=words, value="drift", more=f"{act} {way}", less=f"{act} bn", least=LEAST)


NAMES = {"tanh": "tanh", "relu": "ReLU"}
LEAST = 0.5  # doublings, so a spread that is 1.4 times another

STUDY = Trained(
    claim=CLAIM,
    arms=tuple(f"{act} {way}" for act in ACTS for way in WAYS),
    measure=measure,
    contrasts=(
        *(
            Contrast(
                about=f"no less even at the start, {NAMES[act]}",
                value="uneven",
                more=f"{act} xavier",
                less=f"{act} bn",
                absent=True,
                least=LEAST,
            )
            for act in ACTS
        ),
        *(against(act, "xavier", f"drift, {NAMES[act]}") for act in ACTS),
        *(against(act, "once", f"drift, normalised on the first batch, {NAMES[act]}") for act in ACTS),
    ),
    fixed=later(
        "eight convolutions of 16 maps without biases, Xavier's weights, 2,000 digits at 14 px, batch 50, 160 steps of SGD "
        "with momentum 0.9, no decay, three learning rates an arm, the best of them on 500 validation pictures"
    ),
    rates={f"{act} {way}": RATES for act in ACTS for way in WAYS},
    best=("val", "most"),
    cost=1.0,
    unit={
        "uneven": "standard deviation, over eight layers, of log2 of the spread of what their activations take, before the "
        "first step",
        "drift": "doublings by which that spread moves away from where it began, the furthest of 10, 100 and 160 steps, mean "
        "over layers",
        "val": "share of the validation pictures that are right",
    },
)
