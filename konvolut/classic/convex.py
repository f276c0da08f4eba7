"""Was the convex problem solved? Residuals, gaps and theorems, in float64 and without the solver."""

from itertools import combinations

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from konvolut.classic.kernels import Gram
from konvolut.classic.machines import Problem, Solution, charge, strength

SAMPLE = 1000  # pictures whose Gram matrix is told the eigenvalues of
MOST = {  # what a solved problem may leave of each residual
    "kkt": 1e-3,  # the tolerance that is usual; ours is smaller, but the solver keeps kernels in float32
    "gradient": 1e-4,  # the logistic solver's stopping rule, per picture and unit of c
    "representer": 1e-8,
}
WIDEST = 0.05  # relative duality gap that a solved problem may leave

Vector = Float64[ndarray, "n"]


def kkt(gram: Gram, signs: Vector, alpha: Vector, c: float) -> float:
    """How far a dual solution of a two-class SVM is from the conditions of Karush, Kuhn and Tucker.

    The dual: least of alpha'Q alpha / 2 - sum alpha, Q = signs signs' gram, with 0 <= alpha <= c and signs'alpha = 0.
    The largest of: m - M, by which the best pair still could be improved (Fan, Chen and Lin 2005, eq. 6, which solvers
    stop at); |signs'alpha| / c; and how far alpha leaves [0, c], over c.
    """
    pull = -signs * (signs * (gram @ (signs * alpha)) - 1)
    low, high = alpha <= 1e-12 * c, alpha >= c * (1 - 1e-12)
    up = np.where(signs > 0, ~high, ~low)  # these may still grow along their sign ...
    down = np.where(signs > 0, ~low, ~high)  # ... and these shrink
    gain = pull[up].max() - pull[down].min() if up.any() and down.any() else 0.0
    outside = max(float(-alpha.min()), float(alpha.max() - c)) / c
    return float(max(gain, abs(float(signs @ alpha)) / c, outside, 0.0))


def objective(gram: Gram, signs: Vector, alpha: Vector) -> float:
    """The dual objective, sum alpha - alpha'Q alpha / 2: the largest is sought."""
    weighed = signs * alpha
    return float(alpha.sum() - weighed @ gram @ weighed / 2)


def gap(gram: Gram, signs: Vector, alpha: Vector, bias: float, c: float) -> float:
    """Primal less dual objective, over the primal: 0 at the solution, and above it elsewhere."""
    weighed = signs * alpha
    inner = gram @ weighed
    square = float(weighed @ inner)
    primal = square / 2 + c * float(np.maximum(0, 1 - signs * (inner + bias)).sum())
    dual = float(alpha.sum()) - square / 2
    return (primal - dual) / max(abs(primal), 1e-300)


def least_eigenvalue(gram: Gram) -> float:
    """Of a symmetric matrix; a kernel's Gram matrix has none below 0, but for rounding."""
    return float(np.linalg.eigvalsh((gram + gram.T) / 2)[0])


def hat(gram: Gram, charge: float) -> Gram:
    """What kernel ridge turns targets into: K (K + charge I)^-1."""
    return np.asarray(np.linalg.solve(gram + charge * np.eye(len(gram)), gram).T)


def leave_one_out(gram: Gram, targets: Float64[ndarray, "n k"], charge: float) -> Float64[ndarray, "n k"]:
    """Errors of kernel ridge on each row when it is left out, in closed form: (y - Hy) / (1 - h) row by row."""
    smoother = hat(gram, charge)
    return np.asarray((targets - smoother @ targets) / (1 - np.diag(smoother))[:, None])


def leave_one_out_by_force(gram: Gram, targets: Float64[ndarray, "n k"], charge: float) -> Float64[ndarray, "n k"]:
    """The same by solving it anew for every row that is left out."""
    found = np.empty_like(targets)
    for i in range(len(gram)):
        rest = np.arange(len(gram)) != i
        weights = np.linalg.solve(gram[np.ix_(rest, rest)] + charge * np.eye(len(gram) - 1), targets[rest])
        found[i] = targets[i] - gram[i, rest] @ weights
    return found


def representer(gram: Gram, weights: Float64[ndarray, "n k"], targets: Float64[ndarray, "n k"], charge: float) -> float:
    """How far dual weights are from (K + charge I) A = targets, over the targets: the representer theorem's solution."""
    left = gram @ weights + charge * weights - targets
    return float(np.linalg.norm(left) / np.linalg.norm(targets))


def pair(problem: Problem, found: Solution, p: int, i: int, j: int) -> tuple[Gram, Vector, Vector]:
    """Gram matrix, signs and alpha of the two-class problem in column `p` of an SVM: class i against class j."""
    place = np.flatnonzero((problem.labels == i) | (problem.labels == j))
    signs = np.where(problem.labels[place] == i, 1.0, -1.0)
    return problem.similar[np.ix_(place, place)], signs, signs * found.columns[place, p]


def residuals(problem: Problem, found: Solution) -> dict[str, float]:
    """What is left of the conditions of the solution: of an SVM the worst pair's kkt and gap; of ridge representer.

    Of logistic regression the largest part of the gradient, per picture and unit of c. Nothing of neighbours.
    """
    if problem.machine == "svm":
        worst = {"kkt": 0.0, "gap": 0.0}
        for p, (i, j) in enumerate(combinations(range(problem.classes), 2)):
            similar, signs, alpha = pair(problem, found, p, i, j)
            worst["kkt"] = max(worst["kkt"], kkt(similar, signs, alpha, found.c))
            worst["gap"] = max(worst["gap"], gap(similar, signs, alpha, float(found.bias[p]), found.c))
        return worst
    targets = np.eye(problem.classes)[problem.labels]
    if problem.machine == "ridge":
        charged = charge(problem.similar, found.c)
        return {
            "representer": representer(problem.similar, found.columns, targets - 1 / problem.classes, charged),
        }
    if problem.machine == "logistic":
        values = problem.similar @ found.columns + found.bias
        chance = np.exp(values - values.max(1, keepdims=True))
        wrong = chance / chance.sum(1, keepdims=True) - targets
        weights = found.columns * (2 if problem.classes == 2 else 1)  # two classes: one column, told as two halves
        pull = np.concatenate(
            [problem.similar.T @ wrong + weights / strength(problem.similar, found.c), wrong.sum(0, keepdims=True)]
        )
        return {"gradient": float(np.abs(pull).max()) / len(targets)}
    return {}


def objectives(problem: Problem, found: Solution) -> Vector:
    """The dual objective of every pair of classes of an SVM."""
    several = enumerate(combinations(range(problem.classes), 2))
    return np.array([objective(*pair(problem, found, p, i, j)) for p, (i, j) in several])


def semidefinite(problem: Problem) -> float:
    """The least eigenvalue of the Gram matrix of at most SAMPLE rows, over the mean of its diagonal."""
    place = np.arange(0, len(problem.rows), -(-len(problem.rows) // SAMPLE))
    similar = problem.similar[np.ix_(place, place)]
    return least_eigenvalue(similar) / max(float(np.diag(similar).mean()), 1e-300)
