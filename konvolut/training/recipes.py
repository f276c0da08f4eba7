"""The recipe a net is trained by when the user names none, and why it is that; and those that go by a name."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from konvolut.errors import RecipeError, nearest
from konvolut.images.augment import Augment
from konvolut.images.imageset import ImageSet
from konvolut.training.papers import BY_THE_PAPER, by_the_paper, paper, paper_size
from konvolut.training.planned import Plan, Traits
from konvolut.training.recipe import Recipe, changed

MOST_MACS = (
    1e13  # forward, over a whole run: some ten minutes on two cores, at three times that for forward and backward
)
PASSES = {True: 32_400, False: 110_000}  # pictures seen in all, on small sets, with and without batch norm
EPOCHS = (2, 60)  # fewest and most
TRUNK_RATE = {  # of the classifier's, by where the weights come from: a run of one's own, or somebody's file
    True: 1.0,  # from the made world to digits and drawings, two seeds, validation pictures: 1 beat 0.3 and 0.1
    False: 0.1,  # usual for trunks that have seen a million photographs; none could be tried here
}
FEW = 12  # epochs: with fewer, a net without batch norm has no time for pictures that are moved far: half as far


@dataclass(frozen=True, slots=True)
class Printed:
    """What the book Dive into Deep Learning trains one of its nets at."""

    lr: float
    batch: int  # pictures a step
    size: int  # px


BOOK = {  # its PyTorch notebooks of 2023-08 (d2l-ai/d2l-zh-pytorch-slides @ 341c193b)
    "lenet@d2l": Printed(0.9, 256, 28),
    "lenet-bn@d2l": Printed(1.0, 256, 28),
    "alexnet@d2l": Printed(0.01, 128, 224),
    "vgg-11/4@d2l": Printed(0.05, 128, 224),
    "nin@d2l": Printed(0.1, 128, 224),
    "googlenet@d2l": Printed(0.1, 128, 96),
    "resnet-18@d2l": Printed(0.05, 256, 96),
}
AS_IS = ((0.0,), (1.0,))  # mean and deviation that leave values in [0, 1], as the book does
BY_THE_BOOK = "recipe d2l:"  # how the reason begins that marks a plan
FREE = {"seed", "memory"}  # fields that may differ while a recipe is still the printed one


def affordable(net: Traits, count: int) -> int:
    """Epochs over `count` pictures that MOST_MACS pays for."""
    return int(MOST_MACS / (count * max(net.macs, 1)))


def default_recipe(
    net: Traits, images: ImageSet, settings: Mapping[str, Any], timed: bool = False, parent: str = ""
) -> tuple[Recipe, list[str]]:
    """A recipe for a net with the user's `settings` in it, and the reasons for the rest, in words.

    `timed`: the epochs will be planned from a time, so nothing is said of them. `parent`: it starts from the weights of
    a "run" or of a "file". Everything here but the rate of a file's trunk was chosen on validation pictures.
    """
    count = len(images.splits["train"])
    grey, normed = net.grey, net.normed
    by_passes, by_cost = round(PASSES[normed] / count), affordable(net, count)
    epochs = settings.get("epochs", min(max(min(by_passes, by_cost), EPOCHS[0]), EPOCHS[1]))
    batch = settings.get("batch", min(128 if normed else 64, max(8, count // 16), count))
    far = 1.0 if normed or timed or epochs >= FEW else 0.5
    recipe = Recipe(
        epochs=epochs,
        batch=batch,
        augment=Augment(
            flip=images.mirrors,
            shift=0.1 * far,
            rotate=13.0 * far,
            scale=0.14 * far,
            shear=10.0 * far,
            brightness=0.0 if grey else 0.2,
            contrast=0.0 if grey else 0.2,
            saturation=0.0 if grey else 0.2,
        ),
    )
    recipe = replace(recipe, **pace(net, batch))
    reasons = []
    if parent and not {"freeze", "trunk", "head_first"} & set(settings):
        recipe = replace(recipe, head_first=True, trunk=TRUNK_RATE[parent == "run"])
        reasons.append(
            "fine-tuning: the classifier first, on features computed once; then all of it, the trunk at "
            f"{recipe.trunk:g} of the rate, which is kept if validation gains by it"
        )
    recipe = changed(recipe, dict(settings))
    if not timed and "epochs" not in settings:
        reasons.append(
            f"{epochs} epochs, {epochs * count:,} pictures in all: "
            + ("enough for a small set" if by_passes <= by_cost else "about ten minutes on two cores, at most")
        )
    if "flip" not in settings:
        reasons.append(f"mirrored left to right: {'yes' if images.mirrors else 'no'}")
    if "lr" not in settings:
        norm = "batch norm allows a large one" if normed else "without batch norm, a small one"
        reasons.append(f"learning rate {recipe.lr:.3g} at a batch of {batch}: {norm}")
    return recipe, reasons


def pace(net: Traits, batch: int) -> dict[str, Any]:
    """Learning rate in proportion to the batch (Goyal et al. 2017, section 2.1), and the first weights."""
    if net.normed:
        return {"lr": 0.2 * batch / 128, "smoothing": 0.1}
    if net.tanh:  # tanh: its slope is 1 at 0, where Xavier's scheme starts it
        return {"lr": 0.1 * batch / 64, "init": "xavier"}
    return {"lr": 0.02 * batch / 64, "clip": 1.0}


def d2l(net: str) -> Recipe:
    """The recipe by which the book Dive into Deep Learning trains `net`; nothing is set aside for validation.

    Raises RecipeError, with the nearest, for a net that the book does not train.
    """
    if net not in BOOK:
        raise RecipeError(
            f"recipe d2l: the book publishes no run of {net!r}{nearest(net, BOOK)}"
            if net
            else f"recipe d2l: it belongs to the nets of a book; --net {' | '.join(BOOK)}"
        )
    said = BOOK[net]
    return Recipe(
        epochs=10, batch=said.batch, lr=said.lr, momentum=0.0, decay=0.0, schedule="flat", warmup=0.0, init="xavier",
        val=0.0, precision="fp32",
    )  # fmt: skip


def by_the_book(found: Plan) -> Plan:
    """A plan by `d2l`'s recipe, with pictures that are scaled to [0, 1] and no further, and the reasons."""
    mean, std = AS_IS
    reasons = (
        f"{BY_THE_BOOK} plain SGD at one rate, Xavier weights, no augmentation, no validation part; values in [0, 1]",
        "otherwise than in the book: biases start at 0, pictures are resized bicubically, no short last batch",
    )
    spec = replace(found.spec, mean=mean, std=std)
    return replace(found, spec=spec, reasons=(*reasons, *found.reasons))


def is_by_the_book(found: Plan) -> bool:
    """Was it planned by `by_the_book`? Its reasons say so, also on the card of a stopped run."""
    return whose(found) is NAMED["d2l"]


def book_size(net: str) -> int:
    """The side, in px, of the pictures that the book trains `net` on."""
    return BOOK[net].size


@dataclass(frozen=True, slots=True)
class Named:
    """A recipe that goes by a name, and what belongs to it that no field of a recipe says."""

    recipe: Callable[[str], Recipe]  # of a net; raises RecipeError where there is none for it
    size: Callable[[str], int]  # px, of the pictures of a net
    planned: Callable[[Plan], Plan]  # a plan by it, with its reasons
    mark: str  # how the first of those begins


FAST = "fast"  # the name of what `default_recipe` chooses: time to accuracy on small sets and small machines
NAMED = {
    "d2l": Named(d2l, book_size, by_the_book, BY_THE_BOOK),
    "paper": Named(paper, paper_size, by_the_paper, BY_THE_PAPER),
}


def whose(found: Plan) -> Named | None:
    """The named recipe that a plan was made by, None where it was none. Its reasons say so, also on a run's card."""
    marks = (one for one in NAMED.values() for reason in found.reasons if reason.startswith(one.mark))
    return next(marks, None)


def departures(found: Plan) -> str:
    """In what a plan that began by a named recipe is another, in words; nothing where it is as printed."""
    by = whose(found)
    assert by is not None, "only a plan by a named recipe departs from it"
    own, theirs = ({**asdict(r), **asdict(r.augment)} for r in (found.recipe, by.recipe(found.name)))
    apart = [f"{k} = {own[k]}, not {theirs[k]}" for k in own if own[k] != theirs[k] and k not in {*FREE, "augment"}]
    if found.spec.size != by.size(found.name):
        apart.append(f"size = {found.spec.size}, not {by.size(found.name)}")
    if found.parent:
        apart.append(f"its weights came from {found.parent.where}")
    return ", ".join(apart)
