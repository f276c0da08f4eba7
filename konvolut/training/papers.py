"""The recipes that the papers of the listed nets print: each number as it stands there, and what here is otherwise.

Where a paper waits for the validation error to stand still before it divides the rate, the number of divisions is its
own and their places are ours, in equal parts. What a paper leaves open is as everywhere in this package.
"""

from dataclasses import replace

from konvolut.errors import RecipeError, nearest
from konvolut.images.augment import Augment
from konvolut.nets.catalogue import named
from konvolut.training.planned import Plan
from konvolut.training.recipe import Recipe

BY_THE_PAPER = "recipe paper:"  # how the reason begins that marks a plan


def cropped(short: int) -> Augment:
    """Squares of 224 px out of pictures whose short side is at most `short`, mirrored, lit as AlexNet's (section 4.1)."""
    return Augment(crop=round((224 / short) ** 2, 3), flip=True, lighting=0.1)


# Krizhevsky et al. 2012, section 5: batches of 128, momentum 0.9, decay 0.0005, N(0, 0.01), rate 0.01, divided by 10 three
# times, roughly 90 cycles; section 4.1: squares of 224 px out of 256, mirrored, and lighting.
ALEXNET = Recipe(
    epochs=90, batch=128, lr=0.01, momentum=0.9, decay=5e-4, schedule="thrice", warmup=0.0, init="gaussian",
    fit="crop", precision="fp32", augment=cropped(256),
)  # fmt: skip

# Simonyan, Zisserman 2014, section 3.1: batches of 256, momentum 0.9, decay 5e-4, rate 0.01, divided by 10 three times,
# 74 epochs; N(0, 0.01), a variance, for net A, whose weights the others began with; squares of 224 px out of 256.
VGG = replace(ALEXNET, epochs=74, batch=256)

# The authors' model for Caffe (gist d802a5849de39225bcc6): batches of 64, rate 0.01, momentum 0.9, decay 5e-4, 450,000
# steps, which are 23 times the 1.28 million pictures; Lin et al. 2013, section 4.1: the rate ends at 1 % of the first.
NIN = replace(ALEXNET, epochs=23, batch=64, schedule="steps", augment=Augment(crop=0.766, flip=True))

# He et al. 2015, section 3.4: batches of 256, rate 0.1, divided by 10 on plateaus, 600,000 steps, which are 120 times the
# 1.28 million pictures, decay 0.0001, momentum 0.9, no dropout; squares of 224 px out of short sides of 256 to 480.
RESNET = replace(ALEXNET, epochs=120, batch=256, lr=0.1, decay=1e-4, schedule="steps", init="he", augment=cropped(480))

# Section 4.2: batches of 128, rate 0.1, divided by 10 at 32,000 and 48,000 of 64,000 steps, which are 182 times the
# 45,000 pictures it trains on, 5,000 set aside; decay 0.0001, momentum 0.9; padded by 4 of 32 px and cropped, mirrored.
CIFAR = replace(RESNET, epochs=182, batch=128, augment=Augment(shift=4 / 32, flip=True))

# The same, for 110 layers: "to warm up ... (about 400 iterations)". He et al. 2016, appendix, takes it for all its nets.
WARM = replace(CIFAR, warmup=400 / 64_000)

PAPERS = {
    "alexnet": ALEXNET,
    **{f"vgg-{name}": VGG for name in ("11", "11-lrn", "13", "16c", "16", "19")},
    "nin": NIN,
    **{f"resnet-{depth}{option}": RESNET for depth in (18, 34, 50, 101, 152) for option in ("", "-a", "-c")},
    **{f"plain-{depth}": RESNET for depth in (18, 34)},
    **{f"{kind}-{depth}": CIFAR for kind in ("resnet", "plain") for depth in (20, 32, 44, 56)},
    **dict.fromkeys(("resnet-110", "resnet-1202", "plain-110", "preact-110", "preact-164", "preact-1001"), WARM),
}
SILENT = {  # why there is none
    "lenet": "the method of 1998, a diagonal of second derivatives, is none of these optimizers",
    "googlenet": "Szegedy et al. 2014, section 6, print a momentum, and 4 % less every 8 epochs, but no rate and no batch",
    "nin-cifar": "Lin et al. 2013 print batches of 128, but no rate",
}


def paper(net: str) -> Recipe:
    """The recipe that the paper of `net` prints for it.

    Raises RecipeError, with the reason or the nearest, for a net for which none is printed.
    """
    if net in SILENT:
        raise RecipeError(f"recipe paper: {net}: {SILENT[net]}; --recipe fast trains it")
    if net not in PAPERS:
        raise RecipeError(
            f"recipe paper: no paper prints one for {net!r}{nearest(net.partition('@')[0].partition('+')[0], PAPERS)}"
            if net
            else f"recipe paper: it belongs to a net of a paper; --net {' | '.join(list(PAPERS)[:8])} ..."
        )
    return PAPERS[net]


def paper_size(net: str) -> int:
    """The side, in px, of the pictures that the paper of `net` trains it on."""
    return named(net).input[1]


def by_the_paper(found: Plan) -> Plan:
    """A plan by `paper`'s recipe, with the reasons."""
    arch = named(found.name)
    reasons = (
        f"{BY_THE_PAPER} {arch.source}",
        "otherwise than in the paper: Nesterov's momentum, biases and norms do not decay, places in random crops and "
        "padding as in this package; where a plateau was waited for, the rate falls after equal parts; a warm-up climbs",
    )
    return replace(found, reasons=(*reasons, *found.reasons))
