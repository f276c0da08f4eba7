"""Machines by name: kernels and labels in, one convex problem solved by scikit-learn, scores out."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from konvolut.classic.kernels import UNSIGNED, Gram, Rows, diagonal, gram, known, width
from konvolut.errors import RecipeError, nearest
from konvolut.types import Labels

MACHINES: Mapping[str, tuple[float, float, float]] = {  # the values of c worth trying; the middle one is the default
    "svm": (1.0, 10.0, 100.0),  # C: what a picture on the wrong side of its margin costs
    "ridge": (1.0, 10.0, 100.0),  # the mean of the Gram matrix's diagonal over c is what weights are charged
    "logistic": (1.0, 10.0, 100.0),  # over the mean square of a row: C, what a picture counts against the weights
    "neighbours": (1.0, 5.0, 15.0),  # how many are asked
}
TOLERANCE = 1e-5  # of the SVM's solver: its stopping rule, on the residual that `convex.kkt` measures


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Machine:
    """A fitted machine: every one answers from the kernel between a picture and the ones it keeps.

    svm, one column a pair of classes: positive speaks for the first. ridge and logistic, one column a class.
    neighbours: the columns say which class each kept row belongs to. Logistic regression under a linear kernel keeps no
    rows: its columns weigh the features themselves.
    """

    machine: str
    kernel: str
    c: float
    gamma: float
    classes: int
    mean: Float64[ndarray, "d"]  # subtracted from features before anything else
    std: Float64[ndarray, "d"]  # divides them; 1 under the kernels between histograms, which are told no other origin
    kept: Float64[ndarray, "m d"]  # rows, after that
    columns: Float64[ndarray, "m p"]
    bias: Float64[ndarray, "p"]

    def rows(self, features: Rows) -> Rows:
        return np.asarray((features - self.mean) / self.std)

    def values(self, features: Rows) -> Float64[ndarray, "n p"]:
        """Kernel against the kept rows, times the columns, plus the bias."""
        rows = self.rows(features)
        similar = gram(self.kernel, rows, self.kept, self.gamma) if len(self.kept) else rows
        return np.asarray(similar @ self.columns + self.bias)

    def scores(self, features: Rows) -> Float64[ndarray, "n k"]:
        """One number a class, the largest of the likeliest; on the machine's own scale."""
        if self.machine == "svm":
            return voted(self.values(features), self.classes)
        if self.machine == "neighbours":
            return asked(self, features)
        return self.values(features)

    def answers(self, features: Rows) -> Labels:
        return np.asarray(self.scores(features).argmax(1), np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """What a solver found, before what is not needed is dropped: the row order is that of the problem."""

    c: float
    columns: Float64[ndarray, "n p"]
    bias: Float64[ndarray, "p"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Problem:
    """Scaled features, labels and the Gram matrix, computed once: solve it for as many c and orders as you like."""

    machine: str
    kernel: str
    gamma: float
    mean: Float64[ndarray, "d"]
    std: Float64[ndarray, "d"]
    rows: Rows
    labels: Labels
    kept: Rows  # what the rows are compared with: themselves, or nothing
    similar: Float64[
        ndarray, "n m"
    ]  # the kernel of rows and kept, or the rows; one column of neighbours, who solve nothing

    @property
    def classes(self) -> int:
        return int(self.labels.max()) + 1

    def solve(self, c: float | None = None, seed: int = 0) -> Solution:
        """`seed` sets the order in which the solver is given the rows. Raises RecipeError for a c that is none."""
        c = MACHINES[self.machine][1] if c is None else c
        if not (np.isfinite(c) and c > 0):
            raise RecipeError(f"c = {c:g}; it is a number above 0")
        if self.machine == "neighbours":
            return Solution(c, np.eye(self.classes)[self.labels], np.zeros(self.classes))
        order = np.random.default_rng(seed).permutation(len(self.labels))
        labels = self.labels[order]
        if self.machine == "logistic":
            return Solution(c, *logistic(self.similar[order], labels, c, order if self.kernel != "linear" else None))
        similar = self.similar[np.ix_(order, order)]
        columns, bias = ridge(similar, labels, c) if self.machine == "ridge" else svm(similar, labels, c)
        back = np.empty_like(columns)
        back[order] = columns
        return Solution(c, back, bias)

    def with_solution(self, found: Solution) -> Machine:
        """The machine that answers by it; rows without a say are dropped."""
        counts = np.asarray(found.columns.any(1)) if len(self.kept) else np.full(len(found.columns), True)
        if not counts.any():
            counts[0] = True  # a machine that always gives its bias
        kept = self.kept[counts] if len(self.kept) else self.kept
        return Machine(
            machine=self.machine, kernel=self.kernel, c=found.c, gamma=self.gamma, classes=self.classes, mean=self.mean,
            std=self.std, kept=kept, columns=found.columns[counts], bias=found.bias,
        )  # fmt: skip


def problem(machine: str, kernel: str, features: Rows, labels: Labels) -> Problem:
    """Features (n, d) of pictures whose `labels` are 0..k-1, at least two, each of which occurs.

    Raises RecipeError for unknown names, or for negative features under a kernel between histograms.
    """
    known_machine(machine)
    known(kernel)
    features = np.asarray(features, np.float64)
    mean, std = scaling(kernel, features)
    rows = (features - mean) / std
    gamma = width(kernel, rows)
    direct = (machine, kernel) == ("logistic", "linear")
    kept = rows[:0] if direct else rows
    similar = rows if direct else gram(kernel, rows, kept[:1] if machine == "neighbours" else kept, gamma)
    return Problem(
        machine=machine, kernel=kernel, gamma=gamma, mean=mean, std=std, rows=rows, labels=labels, kept=kept,
        similar=similar,
    )  # fmt: skip


def known_machine(machine: str) -> None:
    """Raises RecipeError for an unknown name, with the nearest."""
    if machine not in MACHINES:
        raise RecipeError(f"machine {machine!r}{nearest(machine, MACHINES)}")


def fitted(machine: str, kernel: str, features: Rows, labels: Labels, c: float | None = None, seed: int = 0) -> Machine:
    """The machine called `machine` for these features (n, d) and labels (n,) from 0; see `problem` and `Problem.solve`."""
    found = problem(machine, kernel, features, labels)
    return found.with_solution(found.solve(c, seed))


def scaling(kernel: str, features: Rows) -> tuple[Float64[ndarray, "d"], Float64[ndarray, "d"]]:
    """What is subtracted from each feature, and what divides it.

    Each is centred and divided by sqrt(its variance + the mean variance): the second term keeps one that hardly varies,
    such as a pixel near the border, from being blown up. Kernels between histograms are told no other origin and take one
    factor for all. Either way a row is then of length 1 in the mean, or sums to 1: so one c means the same everywhere.
    """
    d = features.shape[1]
    if kernel in UNSIGNED:
        total = float(features.sum(1).mean())
        return np.zeros(d), np.full(d, total if total > 0 else 1.0)
    var = features.var(0)
    if not var.any():
        return features.mean(0), np.ones(d)
    std = np.sqrt(var + var.mean())
    return features.mean(0), std * np.sqrt((var / std**2).sum())


Found = tuple[Float64[ndarray, "m p"], Float64[ndarray, "p"]]  # columns and bias


def logistic(similar: Gram, labels: Labels, c: float, order: Int64[ndarray, "n"] | None) -> Found:
    """Multinomial logistic regression on the kernel's rows; `order` also shuffles what they are compared with."""
    found = LogisticRegression(C=strength(similar, c), max_iter=5000).fit(
        similar if order is None else similar[:, order], labels
    )
    weights, bias = found.coef_.T, found.intercept_
    if bias.size == 1:  # two classes: scikit-learn tells one column, for class 1
        weights, bias = np.concatenate([-weights, weights], 1) / 2, np.concatenate([-bias, bias]) / 2
    if order is not None:
        weights = weights[np.argsort(order)]
    return np.ascontiguousarray(weights), bias


def ridge(similar: Gram, labels: Labels, c: float) -> Found:
    """Kernel ridge on one-hot targets less 1/k: (K + charge I) A = targets."""
    k = int(labels.max()) + 1
    found = KernelRidge(alpha=charge(similar, c), kernel="precomputed").fit(similar, np.eye(k)[labels] - 1 / k)
    return np.asarray(found.dual_coef_), np.full(k, 1 / k)


def svm(similar: Gram, labels: Labels, c: float) -> Found:
    """One against one: a column a pair of classes, sign times alpha of every row."""
    found = SVC(C=c, kernel="precomputed", tol=TOLERANCE, cache_size=500).fit(similar, labels)
    k = int(labels.max()) + 1
    columns = np.zeros((len(labels), k * (k - 1) // 2))
    owner = labels[found.support_]
    for p, (i, j) in enumerate(combinations(range(k), 2)):
        # libsvm keeps, for a row of class i, its coefficient against j in line j - 1, or in line j where j < i
        for one, line in ((i, j - 1), (j, i)):
            columns[found.support_[owner == one], p] = found.dual_coef_[line, owner == one]
    sign = -1 if k == 2 else 1  # scikit-learn turns the sign of two classes round
    return sign * columns, sign * found.intercept_


def charge(similar: Gram, c: float) -> float:
    """What ridge adds to the diagonal of a Gram matrix: its mean over c."""
    return float(np.trace(similar)) / len(similar) / c


def strength(similar: Gram, c: float) -> float:
    """What logistic regression weighs a picture's loss with: c over the mean square of a row."""
    return c * len(similar) / max(float((similar * similar).sum()), 1e-300)


def voted(values: Float64[ndarray, "n p"], k: int) -> Float64[ndarray, "n k"]:
    """One vote a pair of classes; among equals the sum of margins decides, squeezed to less than half a vote."""
    votes, margin = np.zeros((2, len(values), k))
    for p, (i, j) in enumerate(combinations(range(k), 2)):
        first = values[:, p] >= 0
        votes[:, i] += first
        votes[:, j] += ~first
        margin[:, i] += values[:, p]
        margin[:, j] -= values[:, p]
    return np.asarray(votes + margin / (3 * (np.abs(margin) + 1)))


def asked(machine: Machine, features: Rows) -> Float64[ndarray, "n k"]:
    """The share of the nearest rows that are of each class, by the distance of the kernel's own space."""
    rows, kept = machine.rows(features), machine.kept
    far = diagonal(machine.kernel, kept, machine.gamma) - 2 * gram(machine.kernel, rows, kept, machine.gamma)
    count = min(max(1, round(machine.c)), len(kept))
    near = np.argsort(far, axis=1, kind="stable")[:, :count]
    weight = 1 - np.arange(count) / count / 100  # of equally many, the nearer ones win
    return np.asarray(np.einsum("ncj,c->nj", machine.columns[near], weight) / weight.sum())
