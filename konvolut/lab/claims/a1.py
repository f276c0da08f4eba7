"""A1: a kernel machine is a convex problem (S2).

Both machines read the leading components of HOG vectors. On all 1,296 numbers of the vectors, more than there are pictures,
the net too ended at one objective from five starts: that it may end elsewhere does not say that it always does.
"""

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float64
from numpy import ndarray
from scipy.optimize import minimize
from sklearn.svm import SVC
from torch import nn
from torch.nn.functional import softplus

from konvolut.classic.convex import gap, kkt, least_eigenvalue, objective
from konvolut.classic.features import fitted
from konvolut.classic.kernels import Gram, Rows, gram
from konvolut.lab.material import material
from konvolut.lab.study import Check, Claim, Exact
from konvolut.language import later

CLAIM = Claim(
    id="A1",
    sentence="S2",
    text=later(
        "A kernel machine is a convex problem: wherever the search for its answer starts, it ends at the same one."
    ),
    expected="exact",
    why=later(
        "A Gram matrix has no negative eigenvalue, so the objective has one lowest value; a net's may have several."
    ),
)
C = 10.0  # what a picture on the wrong side of its margin costs
COMPONENTS = 20  # of the HOG vectors
TRIES = 5  # orders of the pictures, or starts
TOLERANCE = 1e-6  # the solver's stopping rule: far below its default, so that what is left is rounding
NET = (3, 4, 1e-3)  # starts, hidden units and what squared weights are charged


class Problem(NamedTuple):
    """Even digits against odd ones."""

    rows: Rows  # leading components of the HOG vectors of the pictures to learn from, with a variance of 1 in all
    others: Rows  # of pictures that are only answered
    signs: Float64[ndarray, "n"]  # +1 odd, -1 even
    similar: Gram  # of `rows`
    across: Gram  # of `others` against `rows`


class End(NamedTuple):
    """Where a search came to rest."""

    objective: float
    slope: float  # how far from the conditions of an optimum
    answers: Bool[ndarray, "m"]


@cache
def problem(n: int = 400) -> Problem:
    held = material("digits", 28, n, 200)
    extract = fitted("hog", held.train)
    every = extract(np.concatenate([held.train, held.val]))
    every -= every[:n].mean(0)
    every = every @ np.linalg.svd(every[:n], full_matrices=False)[2][:COMPONENTS].T
    every /= every[:n].std()
    rows, others = every[:n], every[n:]
    signs = np.where(held.train_labels % 2, 1.0, -1.0)
    return Problem(rows, others, signs, gram("rbf", rows, rows), gram("rbf", others, rows))


def in_order(p: Problem, seed: int) -> tuple[End, float]:
    """The support vector machine, told the pictures in an order of their own; with its relative duality gap."""
    order = np.random.default_rng(seed).permutation(len(p.signs))
    found = SVC(C=C, kernel="precomputed", tol=TOLERANCE).fit(p.similar[np.ix_(order, order)], p.signs[order])
    alpha = np.zeros(len(p.signs))
    alpha[order[found.support_]] = np.abs(found.dual_coef_[0])
    bias = float(found.intercept_[0])
    end = End(
        objective(p.similar, p.signs, alpha),
        kkt(p.similar, p.signs, alpha, C),
        p.across @ (p.signs * alpha) + bias > 0,
    )
    return end, gap(p.similar, p.signs, alpha, bias, C)


def from_start(p: Problem, seed: int) -> End:
    """The dual of the machine without a bias, which leaves a box to search in, from a random point of that box."""
    curve = p.signs[:, None] * p.similar * p.signs
    start = C * np.random.default_rng(seed).random(len(p.signs))
    found = minimize(
        lambda alpha: (alpha @ curve @ alpha / 2 - alpha.sum(), curve @ alpha - 1), start, jac=True, method="L-BFGS-B",
        bounds=[(0, C)] * len(start), options={"maxiter": 10_000, "maxfun": 10_000, "ftol": 1e-15, "gtol": TOLERANCE},
    )  # fmt: skip
    alpha, slope = found.x, curve @ found.x - 1
    free = np.where(alpha <= 0, np.minimum(slope, 0), np.where(alpha >= C, np.maximum(slope, 0), slope))
    return End(-float(found.fun), float(np.abs(free).max()), p.across @ (p.signs * alpha) > 0)


def net(p: Problem, seed: int) -> End:
    """A perceptron with one hidden layer on the same rows: logistic loss, squared weights charged, all rows at once."""
    _, hidden, charge = NET
    rows, others, signs = (torch.from_numpy(a) for a in (p.rows, p.others, p.signs))
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(rows.shape[1], hidden), nn.Tanh(), nn.Linear(hidden, 1)).double()
    weights = [w for w in model.parameters() if w.ndim == 2]
    search = torch.optim.LBFGS(
        model.parameters(), max_iter=400, tolerance_grad=1e-6, tolerance_change=1e-12, history_size=20,
        line_search_fn="strong_wolfe",
    )  # fmt: skip

    def loss() -> torch.Tensor:
        search.zero_grad()
        value = softplus(-signs * model(rows)[:, 0]).mean()
        for weight in weights:
            value = value + charge * weight.square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    search.step(loss)  # type: ignore[no-untyped-call]
    value = float(loss().detach())
    slope = max(float(w.grad.abs().max()) for w in model.parameters() if w.grad is not None)
    with torch.no_grad():
        answers = (model(others)[:, 0] > 0).numpy()
    return End(value, slope, answers)


def spread(ends: list[End]) -> float:
    """The largest objective less the smallest, over the largest."""
    values = [end.objective for end in ends]
    return (max(values) - min(values)) / max(abs(v) for v in values)


def alike(ends: list[End]) -> float:
    """% of the answers that all give alike."""
    answers = np.stack([end.answers for end in ends])
    return 100 * float((answers == answers[0]).all(0).mean())


def checks() -> Iterator[Check]:
    p = problem()
    svm = "kernel machine"
    yield Check(
        "Gram matrix: its least eigenvalue, as far as below 0", 0, min(0.0, least_eigenvalue(p.similar)), 1e-9, svm
    )
    ordered = [in_order(p, seed) for seed in range(TRIES)]
    yield Check("five orders: largest relative duality gap", 0, max(g for _, g in ordered), 1e-5, svm)
    for name, ends in (
        ("five orders", [end for end, _ in ordered]),
        ("five starts, no bias", [from_start(p, seed) for seed in range(TRIES)]),
    ):
        yield Check(f"{name}: largest residual of the optimum's conditions", 0, max(e.slope for e in ends), 1e-4, svm)
        yield Check(f"{name}: relative spread of the objective", 0, spread(ends), 1e-6, svm)
        yield Check(f"{name}: % of 200 answers that all give alike", 100, alike(ends), about=svm)
    ends, other = [net(p, seed) for seed in range(NET[0])], "perceptron with a hidden layer"
    yield Check(
        "three starts of a perceptron: largest slope where they end", 0, max(e.slope for e in ends), 1e-4, other
    )
    yield Check(
        "three starts of a perceptron: they end at one objective, to 1 in 1,000 (1 yes, 0 no)",
        0, float(spread(ends) < 1e-3), about=other,
    )  # fmt: skip


STUDY = Exact(claim=CLAIM, checks=checks)
