"""A2: with good features it hardly matters which learner follows (S4)."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from konvolut.classic.features import fitted
from konvolut.classic.machines import fitted as fitted_machine
from konvolut.lab.claims.a3 import balanced, best, halves
from konvolut.lab.material import asked
from konvolut.lab.study import Ask, Claim, Contrast, Trained
from konvolut.language import later

CLAIM = Claim(
    id="A2",
    sentence="S4",
    text=later("Features matter most: with good ones it hardly matters which learner follows."),
    expected="conditional",
    why=later("Good features leave less for the learner to do; on raw pixels the kernel decides."),
)
FEATURES = ("raw", "pca", "patches", "words", "hog")
LEARNERS = {  # name -> machine, kernel, and the values of c it chooses from
    "ridge": ("ridge", "linear", (0.1, 1.0, 10.0, 100.0)),
    "logistic": ("logistic", "linear", (0.01, 0.1, 1.0)),
    "linear svm": ("svm", "linear", (0.01, 0.1, 1.0)),
    "rbf svm": ("svm", "rbf", (1.0, 10.0)),
    "neighbours": ("neighbours", "linear", (1.0, 5.0, 15.0)),
}
PICTURES = 800  # to learn from, of three times as many


def shares(table: Float64[ndarray, "rows columns"]) -> tuple[float, float]:
    """How much of a table's variance its rows explain, and how much its columns: a two-way analysis, an entry a cell."""
    centred = table - table.mean()
    total = float((centred**2).sum())
    if total == 0:
        return 0.0, 0.0
    rows, columns = table.shape
    return (
        columns * float((centred.mean(1) ** 2).sum()) / total,
        rows * float((centred.mean(0) ** 2).sum()) / total,
    )


def spread(
    judged: Float64[ndarray, "rows columns"], chosen: Float64[ndarray, "rows columns"]
) -> Float64[ndarray, "rows"]:
    """How far the best learner of each row judges above the worst, both named by the other half of the pictures: naming them
    by what is judged would find a distance between equals.
    """
    rows = np.arange(len(judged))
    return np.asarray(judged[rows, chosen.argmax(1)] - judged[rows, chosen.argmin(1)])


def measure(ask: Ask) -> Mapping[str, float]:
    """Every learner on every features: what either explains of the accuracy, and how far the learners lie apart."""
    held = asked(ask, 28, 3 * PICTURES, 1000)
    some = balanced(held.train_labels, len(held.train) // 3, ask.seed)
    pictures, labels = held.train[some], held.train_labels[some]
    judged, chosen = np.empty((2, len(FEATURES), len(LEARNERS)))
    for i, name in enumerate(FEATURES):
        extract = fitted(name, pictures, ask.seed)
        rows, others = extract(pictures), extract(held.val)
        for j, (kind, kernel, costs) in enumerate(LEARNERS.values()):
            tried = [fitted_machine(kind, kernel, rows, labels, c).answers(others) for c in costs]
            found = best([halves(answers, held.val_labels) for answers in tried])
            judged[i, j], chosen[i, j] = found["accuracy"], found["chooses"]
    apart, best_one = spread(judged, chosen), chosen.mean(1).argmax()
    weighing = [name != "neighbours" for name in LEARNERS]
    by_features, by_learners = shares(judged)
    values = {
        f"{name}, {learner}": judged[i, j] for i, name in enumerate(FEATURES) for j, learner in enumerate(LEARNERS)
    }
    values |= {f"apart on {name}": apart[i] for i, name in enumerate(FEATURES)}
    values |= {
        "apart on the best": apart[best_one],
        "apart without neighbours": spread(judged[:, weighing], chosen[:, weighing])[best_one],
    }
    values |= {"features": by_features, "learners": by_learners}
    return {name: float(value) for name, value in values.items()}


STUDY = Trained(
    claim=CLAIM,
    arms=("every pair",),
    measure=measure,
    cost=13.0,
    contrasts=(
        Contrast(
            about="what features explain, over what learners explain",
            value="features",
            more="every pair",
            less="every pair",
            over="learners",
            least=0.1,
        ),
        Contrast(
            about="learners lie further apart on raw pixels than on the best features",
            value="apart on raw",
            more="every pair",
            less="every pair",
            over="apart on the best",
            least=0.01,
        ),
        Contrast(
            about="on the best features no learner is a point behind another, nearest neighbours among them",
            value="apart on the best",
            more="every pair",
            absent=True,
            least=0.01,
        ),
        Contrast(
            about="on the best features none of the four that weigh features is a point behind another",
            value="apart without neighbours",
            more="every pair",
            absent=True,
            least=0.01,
        ),
    ),
    fixed=later(
        "800 digits at 28 px, drawn anew for each seed, as many of each class; features centred, with one scale for all; "
        "each learner at the best of two to four strengths; half of 800 validation pictures chooses, the other half judges"
    ),
    unit={
        "features": "share of the variance of the 25 accuracies that the features explain",
        "learners": "share of the variance of the 25 accuracies that the learners explain",
        **{
            f"apart on {name}": f"best learner less worst on {name}: share of pictures"
            for name in (*FEATURES, "the best")
        },
        "apart without neighbours": "best less worst on the best features, of those that weigh them: share of pictures",
    },
)
