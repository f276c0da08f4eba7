"""The claims about what came before: kernels, features, geometry, and the net that overtook them."""

import json
from dataclasses import asdict, replace
from math import isfinite

import numpy as np
import pytest
from sklearn.svm import SVC
from torch import nn

from konvolut.errors import ClaimError
from konvolut.lab.claims import a1, a2, a3, a16, a17
from konvolut.lab.material import material
from konvolut.lab.study import Ask, Setting
from konvolut.lab.verdict import exactly
from konvolut.nets.arch import facts

EXACT = {"A1": a1, "A17": a17}
TRAINED = {"A2": a2, "A3": a3, "A16": a16}
GLANCE = Setting("glance", "", 0.05)


@pytest.mark.parametrize("module", EXACT.values(), ids=EXACT)
def test_the_verdict_is_the_expected_one(module):
    checks = list(module.checks())
    assert exactly(checks).word == "exact", [(c.what, c.said, c.found) for c in checks if not c.agrees]
    assert json.loads(json.dumps([asdict(c) for c in checks]))[0]["said"] == 0  # a result is stored as JSON


def smaller(patch):
    """Fewer pictures: a fault shows on them as well."""
    problem, held = a1.problem(150), material("digits", 28, 60, 20)
    rows, others = a17.described()
    patch.setattr(a1, "problem", lambda: problem)
    patch.setattr(a17, "pictures", lambda: held)
    patch.setattr(a17, "described", lambda: (rows[:60], others[:20]))


class Hasty(SVC):
    """Stops long before the optimum."""

    def __init__(self, C, kernel, tol):
        super().__init__(C=C, kernel=kernel, tol=0.5)


class Liar(SVC):
    def predict(self, X):
        return -super().predict(X)


def hollow(patch):
    """A Gram matrix of no kernel: it has negative eigenvalues."""
    p = a1.problem()
    patch.setattr(a1, "problem", lambda: p._replace(similar=p.similar - 0.9 * np.eye(150)))


def in_training(similar, targets, charge):
    """The error on a picture that was learnt from."""
    return targets - similar @ np.linalg.solve(similar + charge * np.eye(len(similar)), targets)


def plainly_charged(rows, others):
    """Charges the squared weights and not the squared norm of the function: no theorem speaks of it."""
    mine = a17.gram("rbf", rows, np.concatenate([rows, others]))
    return np.linalg.solve(mine.T @ mine + a17.CHARGE * np.eye(mine.shape[1]), mine.T @ a17.targets())


FAULTS = {  # what is planted, and the verdict that must follow
    "A1 hasty": (lambda patch: patch.setattr(a1, "SVC", Hasty), "conditional"),
    "A1 hollow": (hollow, "conditional"),
    # without its activation the net is a linear one, whose penalised problem has no second valley
    "A1 linear": (lambda patch: patch.setattr(nn, "Tanh", nn.Identity), "conditional"),
    "A17 in training": (lambda patch: patch.setattr(a17, "leave_one_out", in_training), "contradicted"),
    "A17 charge": (lambda patch: patch.setattr(a17, "over_all", plainly_charged), "contradicted"),
    "A17 liar": (lambda patch: patch.setattr(a17, "SVC", Liar), "contradicted"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_changes_the_verdict(fault, monkeypatch):
    plant, word = FAULTS[fault]
    smaller(monkeypatch)
    plant(monkeypatch)
    assert exactly(list(EXACT[fault.split()[0]].checks())).word == word


def test_the_hollow_matrix_is_what_is_caught(monkeypatch):
    smaller(monkeypatch)
    hollow(monkeypatch)
    first = next(a1.checks())
    assert not first.agrees
    assert first.found == pytest.approx(np.linalg.eigvalsh(a1.problem().similar)[0])


def test_the_gram_matrix_is_sorted_by_class():
    similar = a17.gram_sorted()
    labels = np.sort(a17.pictures().train_labels)
    same = labels[:, None] == labels
    assert np.allclose(similar, similar.T)
    assert np.allclose(similar.diagonal(), 1)
    assert similar[same].mean() > 1.5 * similar[~same].mean()


def test_the_nearest_support_pictures_are_those_of_the_least_distance():
    near = a17.nearest_support(3, 4)
    assert near.pictures.shape == (3, 28, 28, 1)
    assert near.supports.shape == (12, 28, 28, 1)
    rows, others = a17.described()
    distance = ((others[:3, None] - rows) ** 2).sum(2)
    expected = np.exp(-distance / (rows.shape[1] * rows.var()))  # scikit-learn's "scale"
    held = a17.pictures().train
    for t in range(3):
        assert (np.diff(near.similar[t]) <= 0).all()
        for m in range(4):
            place = next(i for i in range(len(held)) if (held[i] == near.supports[4 * t + m]).all())
            assert near.similar[t, m] == pytest.approx(expected[t, place])


def test_a_table_of_sums_is_explained_by_its_rows_and_columns():
    rows, columns = np.array([0.0, 3.0, 6.0]), np.array([0.0, 1.0])
    # sums of squares by hand: 2 * (9 + 0 + 9) = 36 and 3 * (1/4 + 1/4) = 1.5
    assert a2.shares(rows[:, None] + columns) == pytest.approx((36 / 37.5, 1.5 / 37.5))
    assert a2.shares(np.array([[1.0, -1.0], [-1.0, 1.0]])) == pytest.approx((0, 0))  # all of it is between the two
    assert a2.shares(np.ones((2, 2))) == (0, 0)


def test_drawn_pictures_are_spread_over_the_classes():
    labels = np.repeat([0, 1, 2], [50, 30, 4])
    some = a3.balanced(labels, 20, seed=1)
    assert len(set(some.tolist())) == 20
    assert np.bincount(labels[some]).tolist() == [8, 8, 4]
    assert (some == a3.balanced(labels, 20, seed=1)).all()
    assert (some != a3.balanced(labels, 20, seed=2)).any()
    assert set(labels[a3.balanced(labels, 1, seed=0)]) == {0, 1, 2}


def test_one_half_chooses_and_the_other_judges():
    found = a3.halves(np.array([1, 1, 1, 1]), np.array([1, 1, 1, 0]))
    assert found == {"chooses": 1.0, "accuracy": 0.5}
    assert a3.best([found, {"chooses": 0.5, "accuracy": 1.0}]) is found


def test_the_net_has_as_many_numbers_as_its_table_says():
    layers = {fact.name: fact.params for fact in facts(a3.net()) if fact.params}
    assert list(layers.values()) == [9 * 8 + 8, 9 * 8 * 16 + 16, 9 * 16 * 32 + 32, 3 * 3 * 32 * 10 + 10]


@pytest.mark.parametrize("arm", a3.NETS)
def test_the_nets_of_a3_differ_in_their_pictures_and_epochs(arm, monkeypatch):
    seen = []
    monkeypatch.setattr(
        a3, "learnt", lambda arch, held, recipe, seed: seen.append((arch, len(held.train), recipe)) or {}
    )
    a3.measure(Ask(arm, 0, 0.03))
    ((arch, pictures, recipe),) = seen
    n, epochs = {
        "net 100": (100, 32), "net 300": (300, 24), "net 1000": (1000, 12), "net 3000": (3000, 8),
        "net 3000 at 1/8": (3000, 1), "net 3000 at 1/4": (3000, 2), "net 3000 at 1/2": (3000, 4),
    }[arm]  # fmt: skip
    assert (arch, pictures, recipe) == (a3.net(), n, replace(a3.RECIPE, epochs=epochs, lr=0.03))


def test_clutter_lies_behind_the_shape_and_changes_nothing_else():
    clean, cluttered = (a16.scenes(Ask("geometry 100 clean", 0), 100, clutter) for clutter in (0.0, 1.0))
    assert (clean.train_labels == cluttered.train_labels).all()
    dark, light = int(clean.train.min()), int(clean.train.max())
    assert set(np.unique(clean.train[0])) != {dark, light}  # an edge is a ramp
    shape = clean.train == light
    assert (cluttered.train[shape] == light).all()
    assert (cluttered.train[~shape] >= clean.train[~shape]).all()
    assert (cluttered.train != clean.train).any(axis=(1, 2, 3)).mean() > 0.9


def test_other_pictures_have_no_dial_for_clutter():
    with pytest.raises(ClaimError, match="A16 draws its own shapes, with and without clutter, and cannot ask digits"):
        a16.scenes(Ask("net 100 clean", 0, 0.0, Setting("quick", "digits")), 100, 0.0)


def test_points_are_turned_from_x_to_y():
    assert a16.turned(np.array([[1.0, 0.0]]), np.pi / 2) == pytest.approx(np.array([[0.0, 1.0]]))


def test_a_paired_fit_finds_every_rotation_and_more_starts_find_no_fewer():
    found = [a16.recovered(seed) for seed in range(2)]
    assert [tally["paired"] for tally in found] == [1.0] * 2
    assert all(tally["not paired"] <= tally["best of four starts"] for tally in found)


def briefly(ask, size, train, val):
    held = material("digits", size, round(train * ask.setting.share), val)
    return replace(held, val=held.val[:60], val_labels=held.val_labels[:60])


@pytest.mark.parametrize(("key", "arm"), [(key, arm) for key, m in TRAINED.items() for arm in m.STUDY.arms])
def test_every_arm_measures_what_is_compared(key, arm, monkeypatch):
    module = TRAINED[key]
    if hasattr(module, "asked"):
        monkeypatch.setattr(module, "asked", briefly)
    if hasattr(module, "EPOCHS"):
        monkeypatch.setattr(module, "EPOCHS", dict.fromkeys(module.EPOCHS, 1))
    study = module.STUDY
    found = study.measure(Ask(arm, 0, study.rates.get(arm, (0.0,))[0], GLANCE))
    read = {c.value for c in study.contrasts if c.more == arm} | {
        c.over for c in study.contrasts if c.less == arm and c.over
    }
    assert {*study.unit, *read, *filter(None, study.best[:1])} <= set(found)
    assert all(isfinite(value) for value in found.values())
