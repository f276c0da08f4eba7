"""Kernels and machines against double loops, scikit-learn and the conditions of convex problems."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from konvolut.classic import convex
from konvolut.classic.kernels import KERNELS, UNSIGNED, diagonal, gram, width
from konvolut.classic.machines import MACHINES, fitted, problem
from konvolut.errors import RecipeError


def clouds(k=3, n=90, d=4, seed=0, apart=1.5):
    """Overlapping clouds of rows, one a class, none of them negative."""
    dice = np.random.default_rng(seed)
    labels = np.arange(n) % k
    return np.abs(dice.normal(size=(n, d)) + apart * dice.normal(size=(k, d))[labels] + 4), labels


A, B = np.random.default_rng(0).uniform(size=(2, 7, 5))
BY_HAND = {
    "linear": lambda x, y, g: float(x @ y),
    "polynomial": lambda x, y, g: (g * float(x @ y) + 1) ** 3,
    "rbf": lambda x, y, g: np.exp(-g * sum((a - b) ** 2 for a, b in zip(x, y, strict=True))),
    "chi2": lambda x, y, g: np.exp(-g * sum((a - b) ** 2 / (a + b) for a, b in zip(x, y, strict=True) if a + b > 0)),
    "intersection": lambda x, y, g: sum(min(a, b) for a, b in zip(x, y, strict=True)),
}


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_kernel_is_its_double_loop_and_its_diagonal_is_itself(kernel):
    a = A.copy()
    a[0] = 0  # an empty histogram
    hand = [[BY_HAND[kernel](x, y, 0.7) for y in B] for x in a]
    assert np.allclose(gram(kernel, a, B, 0.7), hand, atol=1e-12)
    assert np.allclose(diagonal(kernel, a, 0.7), np.diag(gram(kernel, a, a, 0.7)), atol=1e-12)


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_gram_matrix_is_positive_semi_definite(kernel):
    rows, _ = clouds()
    assert convex.least_eigenvalue(gram(kernel, rows, rows)) >= -1e-9 * len(rows)
    assert convex.least_eigenvalue(np.array([[1.0, 2.0], [2.0, 1.0]])) == pytest.approx(-1)  # one that is not


def test_the_default_width_is_scikit_learns_scale_and_one_over_the_mean_distance():
    rows, labels = clouds()
    assert width("rbf", rows) == SVC(gamma="scale").fit(rows, labels)._gamma
    pairs = [-np.log(BY_HAND["chi2"](x, y, 1)) for i, x in enumerate(rows) for j, y in enumerate(rows) if i != j]
    assert width("chi2", rows) == pytest.approx(1 / np.mean(pairs))


@pytest.mark.parametrize("kernel", UNSIGNED)
def test_kernels_between_histograms_refuse_negative_values(kernel):
    with pytest.raises(RecipeError, match=f"kernel {kernel}: .*negative; rbf or linear work"):
        gram(kernel, A - 1, B)


@pytest.mark.parametrize("k", [2, 3, 5])
def test_an_svm_answers_as_scikit_learns_does(k):
    rows, labels = clouds(k, 120)
    others, _ = clouds(k, 60, seed=1)
    task = problem("svm", "rbf", rows, labels)
    machine = task.with_solution(task.solve(10.0))
    scaled = machine.rows(others)
    theirs = SVC(C=10, gamma=task.gamma, decision_function_shape="ovo").fit(task.rows, labels)
    signed = -theirs.decision_function(scaled)[:, None] if k == 2 else theirs.decision_function(scaled)
    assert np.allclose(machine.values(others), signed, atol=5e-3)  # the solver's tolerance, and another order
    ovr = SVC(C=10, gamma=task.gamma, decision_function_shape="ovr").fit(task.rows, labels)
    # its `predict` gives the first of classes with equally many votes, its `decision_function` the one with larger margins
    theirs = ovr.predict(scaled) if k == 2 else ovr.decision_function(scaled).argmax(1)
    assert (machine.answers(others) == theirs).mean() >= 59 / 60
    if k > 2:
        assert np.allclose(machine.scores(others), ovr.decision_function(scaled), atol=5e-3)


def test_neighbours_are_those_of_scikit_learn():
    rows, labels = clouds()
    others, _ = clouds(seed=1)
    for kernel in ("rbf", "linear"):  # under both the kernel's own distance orders rows as Euclid's does
        machine = fitted("neighbours", kernel, rows, labels, c=1)
        scaled = machine.rows(rows)
        theirs = KNeighborsClassifier(1).fit(scaled, labels).predict(machine.rows(others))
        assert np.array_equal(machine.answers(others), theirs)


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("k", [2, 4])
def test_every_machine_under_every_kernel_learns_and_another_order_answers_alike(machine, kernel, k):
    rows, labels = clouds(k, 120, apart=4)
    one, other = (fitted(machine, kernel, rows, labels, seed=seed) for seed in (0, 1))
    assert (one.answers(rows) == labels).mean() > 0.9
    assert (one.answers(rows) == other.answers(rows)).mean() > 0.98
    assert one.scores(rows[:3]).shape == (3, k)


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("machine", ["svm", "ridge", "logistic"])
@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_what_scikit_learn_solved_meets_the_conditions_and_a_fault_does_not(machine, kernel, k):
    task = problem(machine, kernel, *clouds(k))
    found = task.solve()
    left = convex.residuals(task, found)
    name = next(name for name in convex.MOST if name in left)
    assert left[name] <= convex.MOST[name]
    columns = found.columns.copy()
    row = int(np.abs(columns).sum(1).argmax())
    columns[row] *= 0.9  # planted
    wrong = convex.residuals(task, type(found)(found.c, columns, found.bias))
    assert wrong[name] > 2 * convex.MOST[name]
    if machine == "svm":
        assert -1e-9 <= left["gap"] < 0.01
        assert wrong["gap"] > left["gap"]


def test_two_pictures_have_the_margin_by_hand():
    """x = -1 and 1 under the linear kernel: w = 1, b = 0, alpha = 1/2 each, and primal = dual = 1/2."""
    similar, signs, alpha = np.array([[1.0, -1.0], [-1.0, 1.0]]), np.array([-1.0, 1.0]), np.array([0.5, 0.5])
    assert convex.kkt(similar, signs, alpha, 10.0) == 0
    assert convex.gap(similar, signs, alpha, 0.0, 10.0) == 0
    assert convex.objective(similar, signs, alpha) == 0.5
    assert convex.kkt(similar, signs, alpha * 0.8, 10.0) == pytest.approx(0.4)  # 2 (1 - 0.8)
    assert convex.gap(similar, signs, alpha * 0.8, 0.0, 10.0) > 0
    assert convex.kkt(similar, signs, np.array([0.5, 0.6]), 10.0) >= 0.1 / 10  # signs'alpha is not 0


def test_leaving_one_out_in_closed_form_is_leaving_one_out():
    rows, labels = clouds()
    similar, targets = gram("rbf", rows, rows), np.eye(3)[labels]
    closed, force = (f(similar, targets, 0.3) for f in (convex.leave_one_out, convex.leave_one_out_by_force))
    assert np.abs(closed - force).max() < 1e-9
    assert np.abs(closed - (targets - convex.hat(similar, 0.3) @ targets)).max() > 1e-3  # not the errors of the fit


def test_names_and_strengths_that_cannot_be():
    rows, labels = clouds()
    with pytest.raises(RecipeError, match="machine 'svn'; did you mean 'svm'"):
        fitted("svn", "rbf", rows, labels)
    with pytest.raises(RecipeError, match="kernel 'rfb'; did you mean 'rbf'"):
        fitted("svm", "rfb", rows, labels)
    with pytest.raises(RecipeError, match="c = -1; it is a number above 0"):
        fitted("svm", "rbf", rows, labels, c=-1)


@pytest.mark.parametrize("kernel", ["linear", "intersection"])
def test_one_c_means_the_same_whatever_the_unit_of_the_features(kernel):
    rows, labels = clouds()
    others, _ = clouds(seed=1)
    one, other = (fitted("svm", kernel, unit * rows, labels) for unit in (1, 1000))
    assert np.allclose(one.scores(others), other.scores(1000 * others), atol=1e-3)
    assert np.trace(problem("svm", kernel, rows, labels).similar) / len(rows) == pytest.approx(1)
