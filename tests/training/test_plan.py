"""What is chosen when the user leaves it open."""

from dataclasses import replace

import numpy as np
import pytest

from konvolut.errors import ArchError, RecipeError
from konvolut.images.arrays import of_arrays
from konvolut.images.imageset import ImageSet
from konvolut.training.plan import look, plan
from konvolut.training.recipe import Recipe


def made(side: int, channels: int = 3, count: int = 40) -> ImageSet:
    noise = np.random.default_rng(0).integers(0, 256, (count, side, side, channels), dtype=np.uint8)
    labels = np.arange(count) % 4
    given = of_arrays({"train": (noise, labels)}, tuple("abcd"), ())
    return ImageSet("made", "made", given.classes, given.splits)


def test_a_look_says_size_and_colour():
    seen = look(made(30, channels=1))
    assert (seen.side, seen.grey) == (30, True)
    assert seen.mean == pytest.approx([0.5], abs=0.02)
    assert seen.std == pytest.approx([(1 / 12) ** 0.5], abs=0.02)  # of a uniform number


def test_small_pictures_keep_their_size_and_large_ones_get_one():
    assert plan(made(30)).spec.size == 32
    large = plan(made(150))
    assert (
        large.spec.size == 112
    )  # 97 px is the first whose last map is 4x4, halved five times; 112 the next multiple of 16
    assert plan(made(150), "vgg-11").spec.size == 128  # 4 x 2**5
    assert large.name == "resnet-18"
    assert any("resnet-18" in reason for reason in large.reasons)


def test_a_size_is_taken_as_it_is_and_so_is_the_table():
    planned = plan(made(30), "vgg-11", size=64)
    assert planned.spec.size == 64
    assert not planned.fitted
    with pytest.raises(ArchError, match=r"vgg-11, row pool5.*32 px is the least"):
        plan(made(30), "vgg-11", size=28)


def test_settings_win_over_the_default_recipe():
    assert plan(made(30), settings={"epochs": 2, "lr": 0.5}).recipe.lr == 0.5
    assert plan(made(30), recipe=Recipe(lr=0.25), settings={"epochs": 2}).recipe == Recipe(lr=0.25, epochs=2)


def test_a_reason_is_given_only_for_what_was_chosen():
    own = plan(made(30), settings={"epochs": 3, "lr": 0.5, "flip": False}).reasons
    assert not any(word in reason for reason in own for word in ("epochs", "learning rate", "mirrored"))
    chosen = plan(made(30), settings={"batch": 8})
    assert f"learning rate {0.2 * 8 / 128:.3g} at a batch of 8" in " ".join(chosen.reasons)
    assert f"{chosen.recipe.epochs} epochs, {chosen.recipe.epochs * 40:,} pictures in all" in " ".join(chosen.reasons)


def test_a_look_is_at_no_more_pictures_than_it_says():
    reads = []
    images = made(20, count=127)
    train = images.splits["train"]
    load = train.load
    spied = replace(train, load=lambda name, **how: (reads.append(name), load(name, **how))[1])
    look(replace(images, splits={"train": spied}), most=64)
    assert len(reads) == 64


@pytest.mark.parametrize(
    ("wish", "gist"),
    [
        ({"size": 0}, "size = 0; it is a side in px"),
        ({"size": 10**6}, "between 1 and 2048"),
        ({"minutes": float("nan")}, "minutes = nan"),
        ({"minutes": 1.0, "settings": {"epochs": 3}}, "one plans the other"),
    ],
)
def test_sizes_and_times_out_of_range_are_refused(wish, gist):
    with pytest.raises(RecipeError, match=gist):
        plan(made(30), **wish)


def test_minutes_plan_epochs_from_a_rate_measured_here():
    few, more = (plan(made(30), "lenet", minutes=m).recipe.epochs for m in (0.02, 0.2))
    assert 1 <= few < more <= 300
    with pytest.raises(RecipeError, match=r"minutes = 1e-06; an epoch of lenet"):
        plan(made(30), "lenet", minutes=1e-6)
    with pytest.raises(RecipeError, match="above 0"):
        plan(made(30), "lenet", minutes=-1.0)
