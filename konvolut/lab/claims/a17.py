"""A17: a kernel is a similarity, and there are theorems about it (S2)."""

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from sklearn.svm import SVC

from konvolut.classic.convex import hat, least_eigenvalue, leave_one_out, leave_one_out_by_force
from konvolut.classic.features import fitted
from konvolut.classic.kernels import KERNELS, Gram, Rows, gram
from konvolut.lab.material import Material, material
from konvolut.lab.study import Check, Claim, Exact
from konvolut.language import later
from konvolut.types import Pictures

CLAIM = Claim(
    id="A17",
    sentence="S2",
    text=later("A kernel says how alike two pictures are, and there are theorems about the answers it leads to."),
    expected="exact",
    why=later("The solution is a sum over training pictures, and leaving one out has a closed form or a bound."),
)
ROWS, OTHERS = 200, 60  # pictures learnt from; pictures that are only answered
CHARGE = 0.1  # of kernel ridge, on the squared norm of the function
C = 10.0  # of the support vector machine


class Near(NamedTuple):
    """Pictures, and the support pictures that each is most like."""

    pictures: Pictures  # (t, h, w, c)
    supports: Pictures  # (t * m, h, w, c): the m of the first picture, then those of the second, ...
    similar: Float64[ndarray, "t m"]  # by the kernel: 1 is the same picture


@cache
def pictures() -> Material:
    return material("digits", 28, ROWS, OTHERS)


@cache
def described() -> tuple[Rows, Rows]:
    """HOG of the pictures learnt from, and of the others."""
    held = pictures()
    extract = fitted("hog", held.train)
    return extract(held.train), extract(held.val)


def targets() -> Float64[ndarray, "n k"]:
    return np.asarray(np.eye(10)[pictures().train_labels])


def over_all(rows: Rows, others: Rows) -> Float64[ndarray, "m k"]:
    """Kernel ridge on `rows` whose function may lean on the others too: the weights of all, the best there are.

    Least of |targets - K c|^2 + charge c'Gc, K the kernel of `rows` against all and G that of all against all.
    """
    every = np.concatenate([rows, others])
    full = gram("rbf", every, every)
    mine = full[: len(rows)]
    found, *_ = np.linalg.lstsq(mine.T @ mine + CHARGE * full, mine.T @ targets(), rcond=1e-14)
    return np.asarray(found)


def outside(rows: Rows) -> float:
    """Linear ridge solved for its weights, a number a feature: the share of them that no sum of `rows` reaches."""
    weights = np.linalg.solve(rows.T @ rows + CHARGE * np.eye(rows.shape[1]), rows.T @ targets())
    within, *_ = np.linalg.lstsq(rows.T, weights, rcond=None)
    return float(np.linalg.norm(rows.T @ within - weights) / np.linalg.norm(weights))


def left_out(similar: Gram, signs: Float64[ndarray, "n"]) -> tuple[ndarray, ndarray]:
    """Of a two-class machine: which rows it is wrong about when they are left out, and which are support vectors."""
    machine = SVC(C=C, kernel="precomputed", tol=1e-6)
    support = np.isin(np.arange(len(signs)), machine.fit(similar, signs).support_)
    wrong = np.zeros(len(signs), bool)
    for i in range(len(signs)):
        rest = np.arange(len(signs)) != i
        machine.fit(similar[np.ix_(rest, rest)], signs[rest])
        wrong[i] = machine.predict(similar[i : i + 1, rest])[0] != signs[i]
    return wrong, support


def checks() -> Iterator[Check]:
    rows, others = described()
    for kernel in KERNELS:
        low = least_eigenvalue(gram(kernel, rows, rows)) / float(np.abs(gram(kernel, rows, rows)).max())
        yield Check(f"{kernel}: least eigenvalue of the Gram matrix, as far as below 0", 0, min(0.0, low), 1e-9)
    weights = over_all(rows, others)
    share = np.linalg.norm(weights[len(rows) :]) / np.linalg.norm(weights)
    yield Check("representer theorem, rbf: share of the weights on pictures not learnt from", 0, float(share), 1e-6)
    yield Check("representer theorem, linear: share of the weights outside the pictures' span", 0, outside(rows), 1e-9)
    similar = gram("rbf", rows, rows)
    short, long = (way(similar, targets(), CHARGE) for way in (leave_one_out, leave_one_out_by_force))
    yield Check("kernel ridge, one left out: closed form less brute force", 0, float(np.abs(short - long).max()), 1e-9)
    fitting = np.abs(targets() - hat(similar, CHARGE) @ targets())
    eased = float((np.abs(long) < fitting - 1e-9).sum())
    yield Check("kernel ridge: errors that are smaller when the picture is left out", 0, eased)
    wrong, support = left_out(gram("linear", rows, rows), np.where(pictures().train_labels % 2, 1.0, -1.0))
    yield Check(
        "linear SVM, one left out: wrong about a picture that is no support vector", 0, int((wrong & ~support).sum())
    )
    beyond = max(0, int(wrong.sum()) - int(support.sum()))
    yield Check("linear SVM, one left out: errors beyond the number of support vectors", 0, beyond)


def gram_sorted(kernel: str = "rbf") -> Gram:
    """How alike every two of the pictures learnt from are, those of a class side by side: (n, n)."""
    rows = described()[0][np.argsort(pictures().train_labels, kind="stable")]
    return gram(kernel, rows, rows)


def nearest_support(count: int = 6, each: int = 5) -> Near:
    """The first `count` other pictures, and of the support pictures the `each` that each is most like."""
    held, (rows, others) = pictures(), described()
    machine = SVC(C=C, kernel="precomputed", tol=1e-6).fit(gram("rbf", rows, rows), held.train_labels)
    across = gram("rbf", others[:count], rows)[:, machine.support_]
    nearest = np.argsort(-across, axis=1, kind="stable")[:, :each]
    supports = held.train[machine.support_[nearest.ravel()]]
    return Near(held.val[:count], supports, np.take_along_axis(across, nearest, 1))


STUDY = Exact(claim=CLAIM, checks=checks)
