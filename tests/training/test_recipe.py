"""A recipe says what it was told, and refuses what it cannot run."""

import doctest
from dataclasses import asdict, fields

import msgspec
import pytest

from konvolut.errors import RecipeError
from konvolut.images.augment import Augment
from konvolut.training import recipe as module
from konvolut.training.recipe import Recipe, assignments, changed, read


def test_the_examples_by_hand_hold():
    assert doctest.testmod(module) == (0, 1)


def test_a_recipe_survives_its_file(tmp_path):
    file = tmp_path / "slow.toml"
    file.write_text('epochs = 3\nlr = 1\nschedule = "steps"\n[augment]\nrotate = 12.5\n')
    found = changed(Recipe(), read(file))
    assert found == Recipe(epochs=3, lr=1.0, schedule="steps", augment=Augment(rotate=12.5))
    assert msgspec.convert(asdict(found), Recipe) == found


def test_a_leaf_of_the_augmentation_goes_by_its_own_name():
    assert changed(Recipe(), assignments(["flip=true", "batch=8"])) == Recipe(batch=8, augment=Augment(flip=True))
    assert not {f.name for f in fields(Recipe)} & {
        f.name for f in fields(Augment)
    }  # or the short name would be unclear


@pytest.mark.parametrize(
    ("pairs", "gist"),
    [
        (["learning=0.1"], "no field 'learning'.*did you mean"),
        (["epoch=3"], "did you mean 'epochs'"),
        (["warmup=1.5"], "warmup = 1.5; it lies between 0 and 1"),
        (["batch=0"], "batch = 0; it lies between 1"),
        (["epochs=many"], "epochs = 'many': Expected `int`"),
        (["rotate=181"], "rotate = 181"),
        (["schedule=cosin"], "schedule = 'cosin'; did you mean 'cosine'"),
        (["balance=weight"], "balance = 'weight'; did you mean 'weights'"),
        (["ema=1.0"], "ema = 1; it lies between 0 and 0.999999"),
        (["grow=0.1"], "grow = 0.1; it lies between 0.25 and 1"),
        (["dropout=-0.5"], "dropout = -0.5; it is a share from 0 on, or -1"),
        (["drop_path=1"], "drop_path = 1; it lies between 0 and 0.99"),
        (["flip"], "write it as field=value"),
    ],
)
def test_bad_fields_are_refused_in_one_line(pairs, gist):
    with pytest.raises(RecipeError, match=gist) as error:
        changed(Recipe(), assignments(pairs))
    assert "\n" not in str(error.value)


def test_a_missing_and_a_broken_file_are_named(tmp_path):
    with pytest.raises(RecipeError, match="no such file"):
        read(tmp_path / "none.toml")
    (tmp_path / "broken.toml").write_text("lr = = 3")
    with pytest.raises(RecipeError, match="not TOML"):
        read(tmp_path / "broken.toml")
