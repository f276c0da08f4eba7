"""What each setting of a default recipe rests on: a claim of the lectures with its verdict, or a reason of its own."""

from collections.abc import Container, Iterator
from dataclasses import dataclass

from konvolut.training.planned import Traits
from konvolut.training.recipe import Recipe
from konvolut.verdicts import word


@dataclass(frozen=True, slots=True)
class Ground:
    """Why some settings are what they are."""

    what: str  # in a reader's words
    fields: tuple[str, ...]  # of the recipe; "norm" is a cell of the net's table
    claim: str  # whose verdict they rest on; "" where no claim of the lectures speaks of them
    why: str  # what follows from the claim; where it was contradicted, why the setting stands all the same

    def __str__(self) -> str:
        if not self.claim:
            return self.why
        return f"{self.claim} {word(self.claim) or 'not run yet'}: {self.why}"


GROUNDS = (
    Ground("batch norm", ("norm",), "B10", "with it a net needs fewer steps; without it, other rates and weights"),
    Ground("learning rate", ("lr",), "B12", "batch norm allows a larger one; it grows with the batch"),
    Ground("first weights", ("init",), "B1", "scaled to the layer's inputs, so that gradients reach the bottom"),
    Ground("dropout", ("dropout",), "A14", "where the net's own table has it, and nowhere else"),
    Ground(
        "light", ("brightness", "contrast", "saturation", "hue", "lighting"), "A13",
        "colour pictures are varied in light; grey ones are not, since that gained nothing on validation",
    ),
    Ground(
        "moves", ("crop", "flip", "shift", "rotate", "scale", "shear", "erase"), "A18",
        "chosen on validation pictures until its study is made",
    ),
    Ground("blends", ("mixup", "cutmix"), "", "off until asked for; no claim of the lectures speaks of it"),
    Ground("label smoothing", ("smoothing",), "G7", "chosen on validation pictures until its study is made"),
    Ground("batch", ("batch",), "B14", "chosen on validation pictures until its study is made"),
    Ground("left-out blocks", ("drop_path",), "", "off until asked for; made for nets of a hundred layers and more"),
    Ground("weight decay", ("decay",), "R7", "residual branches that do not help shrink only with it"),
    Ground("length", ("epochs", "patience"), "", "as many as the pictures need and the time pays for"),
    Ground(
        "steps", ("optimizer", "momentum", "schedule", "warmup", "clip"), "",
        "chosen on validation pictures; no claim of the lectures speaks of it",
    ),
    Ground(
        "carried weights", ("freeze", "trunk", "head_first", "keep"), "",
        "measured: fine-tuning, in the README's table",
    ),
    Ground(
        "squares", ("fit", "background"), "",
        "the whole of each picture is seen; no claim of the lectures speaks of it",
    ),
    Ground("classes", ("balance",), "", "left as they are in the data until asked for"),
    Ground(
        "answers", ("ema", "grow", "test_size", "mirror"), "",
        "off until asked for; no claim of the lectures speaks of it",
    ),
    Ground(
        "the rest", ("exclude", "val", "precision", "norm_over", "micro", "skip", "memory", "seed"), "",
        "does not aim at accuracy",
    ),
)  # fmt: skip


def lines(recipe: Recipe, net: Traits, settings: Container[str] = ()) -> Iterator[str]:
    """The claims that a recipe for `net` rests on, a line each; none for what the user's `settings` decide."""
    how = recipe.augment
    in_force = {
        "batch norm": net.normed,
        "learning rate": net.normed,
        "light": any((how.brightness, how.contrast, how.saturation, how.hue, how.lighting)),
        "moves": any((how.crop, how.flip, how.shift, how.rotate, how.scale, how.shear, how.erase)),
        "label smoothing": recipe.smoothing > 0,
        "weight decay": recipe.decay > 0,
    }
    for ground in GROUNDS:
        chosen = any(field not in settings for field in ground.fields)
        if ground.claim and chosen and in_force.get(ground.what, True):
            yield f"{ground.what}: {ground}"
