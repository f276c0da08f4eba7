"""One fit from start to end: features, the machine's strength, the checks that it was solved, and a run folder."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from safetensors.numpy import load_file, save

from konvolut.classic.convex import MOST, SAMPLE, WIDEST, objectives, residuals, semidefinite
from konvolut.classic.features import FEATURES, Extract, cached, fitted
from konvolut.classic.kernels import KERNELS, UNSIGNED, known
from konvolut.classic.machines import MACHINES, Machine, Problem, Solution, known_machine, problem
from konvolut.errors import RecipeError, RunError, nearest
from konvolut.images.batches import hold
from konvolut.images.imageset import ImageSet, Split
from konvolut.images.preprocess import InputSpec
from konvolut.language import _
from konvolut.training.metrics import Evaluation
from konvolut.training.run import (
    Card,
    Run,
    claim,
    described,
    free_folder,
    machine,
    save_evaluation,
    sound,
    versions,
    write,
)
from konvolut.types import Labels, Logits, Pictures

LARGEST = 10_000  # training pictures: the Gram matrix of so many takes 0.8 GB
ROUNDING = 1e-9  # how far below 0, over the mean of the diagonal, an eigenvalue may come out that is not
SCALES = np.geomspace(0.1, 100, 61)  # of scores, from which the one is chosen that suits the validation pictures


@dataclass(frozen=True, kw_only=True, slots=True)
class Pipeline:
    """What to fit, by name. Raises RecipeError for what cannot be."""

    features: str = "hog"
    kernel: str = "rbf"
    machine: str = "svm"
    c: float | None = None  # how hard the machine tries; None chooses it on the validation pictures
    seed: int = 0  # of what features learn, and of the order the solver is given

    def __post_init__(self) -> None:
        if self.features not in FEATURES:
            raise RecipeError(f"features {self.features!r}{nearest(self.features, FEATURES)}")
        known(self.kernel)
        known_machine(self.machine)
        if self.kernel in UNSIGNED and FEATURES[self.features].signed:
            fine = ", ".join(name for name, feature in FEATURES.items() if not feature.signed)
            others = ", ".join(name for name in KERNELS if name not in UNSIGNED)
            raise RecipeError(
                f"kernel {self.kernel}: it compares histograms, and features {self.features} can be negative; "
                f"it takes {fine}; {self.features} go with {others}"
            )
        if self.c is not None and not (np.isfinite(self.c) and self.c > 0):
            raise RecipeError(f"c = {self.c:g}; it is a number above 0")
        if self.seed < 0:
            raise RecipeError(f"seed = {self.seed}; it is a whole number, at least 0")

    @property
    def name(self) -> str:
        return f"{self.features} {self.kernel} {self.machine}"


@dataclass(frozen=True, slots=True, eq=False)
class Classic:
    """Pictures of one size in, logits out."""

    extract: Extract
    machine: Machine
    scale: float = 1.0  # of scores, so that they can be read as logits

    def logits(self, features: Float64[ndarray, "n d"]) -> Logits:
        return np.asarray(self.scale * self.machine.scores(features), np.float32)

    def __call__(self, pictures: Pictures) -> Logits:
        """(n, size, size, c) uint8 -> (n, k)."""
        return self.logits(self.extract(pictures))


class Course:
    """A fit on disk. Iterate it: what is being done comes out, in words; afterwards `run` is the finished run.

    Nothing is written before everything has been fitted and checked.
    """

    def __init__(
        self, images: ImageSet, pipeline: Pipeline, spec: InputSpec, out: str | Path | None = None,
        reasons: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        self.images, self.pipeline, self.reasons = images, pipeline, list(reasons)
        self.spec = replace(spec, mean=(0.0,), std=(1.0,))  # features take values in [0, 1] as they are
        self.out = free_folder(out, f"{images.name}-{pipeline.name.replace(' ', '-')}")
        self.splits = {role: split for role, split in images.splits.items() if role != "test"}
        if len(images.splits["train"]) > LARGEST:
            self.splits["train"] = fewer(images.splits["train"], LARGEST)
            self.reasons.append(
                f"{LARGEST:,} of {len(images.splits['train']):,} training pictures, as evenly from the classes as can "
                "be: a Gram matrix grows with their square"
            )
        self.tried: dict[str, float] = {}  # c -> validation accuracy
        self.checks: dict[str, float] = {}
        self.solved = True  # did every check come out as it must?
        self.run: Run | None = None

    def __iter__(self) -> Iterator[str]:
        start = perf_counter()
        yield _("reading pictures")
        held = {role: hold(split, self.spec) for role, split in self.splits.items()}
        yield _("{name}: features").format(name=self.pipeline.features)
        extract = fitted(self.pipeline.features, held["train"], self.pipeline.seed)
        features = {role: cached(extract, pictures) for role, pictures in held.items()}
        yield _("{name}: kernel").format(name=self.pipeline.kernel)
        asked = problem(self.pipeline.machine, self.pipeline.kernel, features["train"], self.splits["train"].labels)
        found = None
        for c in self.candidates():
            yield _("{name}: c = {c}").format(name=self.pipeline.machine, c=f"{c:g}")
            found = self.better(found, asked.solve(c, self.pipeline.seed), asked, features.get("val"))
        assert found is not None
        solution, fit = found
        self.explain(solution.c)
        scale = self.scale(fit, features)
        seconds = perf_counter() - start
        yield _("checking that it was solved")
        outcome = self.check(asked, solution, fit, features.get("val", features["train"]))
        yield _("answering")
        self.finish(Classic(extract, fit, scale), features, seconds, outcome, len(asked.rows))

    def candidates(self) -> tuple[float, ...]:
        if self.pipeline.c is not None:
            return (self.pipeline.c,)
        several = MACHINES[self.pipeline.machine]
        return several if "val" in self.splits else several[1:2]

    def better(
        self,
        best: tuple[Solution, Machine] | None,
        found: Solution,
        asked: Problem,
        val: Float64[ndarray, "n d"] | None,
    ) -> tuple[Solution, Machine]:
        """The better of two on the validation pictures; of equals the first, whose c is smaller."""
        fit = asked.with_solution(found)
        if val is None:
            return found, fit
        accuracy = float((fit.answers(val) == self.splits["val"].labels).mean())
        ahead = max(self.tried.values(), default=-1.0)
        self.tried[f"{found.c:g}"] = accuracy
        return best if best is not None and accuracy <= ahead else (found, fit)

    def explain(self, c: float) -> None:
        """Why it is this c, in words for the card."""
        if self.pipeline.c is not None:
            return
        if self.tried:
            told = ", ".join(f"{100 * accuracy:.2f} % with {c}" for c, accuracy in self.tried.items())
            self.reasons.append(f"c {c:g}: the best on the validation pictures ({told})")
        else:
            self.reasons.append(f"c {c:g}: the usual one; there are no validation pictures to choose by")

    def scale(self, fit: Machine, features: dict[str, Float64[ndarray, "n d"]]) -> float:
        """The factor that makes scores the best logits, by the loss on the validation pictures; 1 without any."""
        if "val" not in features:
            return 1.0
        scores, labels = fit.scores(features["val"]), self.splits["val"].labels
        scale = float(min(SCALES, key=lambda scale: loss(scale * scores, labels)))
        self.reasons.append(f"scores times {scale:.3g}: read as logits, they then suit the validation pictures best")
        return scale

    def check(
        self, asked: Problem, found: Solution, fit: Machine, features: Float64[ndarray, "n d"]
    ) -> tuple[str, ...]:
        """Is the problem convex, and is it solved? Fills `checks` and `solved`; in words."""
        if asked.machine == "neighbours":
            return ("nothing was solved: the neighbours are asked as they are",)
        lines = []
        left = residuals(asked, found)
        again = asked.solve(found.c, self.pipeline.seed + 1)
        same = float((asked.with_solution(again).answers(features) == fit.answers(features)).mean())
        self.checks = {**left, "agreement": same}
        names = {"kkt": "KKT residual", "gradient": "gradient", "representer": "representer residual"}
        for name, most in MOST.items():
            if name in left:
                more = f", relative duality gap {left['gap']:.1e}" if "gap" in left else ""
                word = "solved" if left[name] <= most and left.get("gap", 0) <= WIDEST else "not solved to the end"
                self.solved &= word == "solved"
                lines.append(f"{word}: {names[name]} {left[name]:.1e} (at most {most:.0e} is asked){more}")
        told = f"the pictures in another order: {100 * same:.2f} % of the answers are the same"
        if asked.machine == "svm":
            one, other = objectives(asked, found), objectives(asked, again)
            self.checks["objectives"] = float((np.abs(one - other) / np.abs(one)).max())
            told += f", and the objectives differ by at most {self.checks['objectives']:.1e} of themselves"
        lines.append(told)
        if asked.machine != "logistic":
            least = semidefinite(asked)
            self.checks["least eigenvalue"] = least
            self.solved &= least >= -ROUNDING
            whose = f"of {min(SAMPLE, len(asked.rows)):,} pictures" if len(asked.rows) > SAMPLE else "of all pictures"
            lines.append(
                f"convex: the Gram matrix {whose} is positive semi-definite; least eigenvalue {least:.1e} of its mean "
                "diagonal" if least >= -ROUNDING else
                f"not convex: the Gram matrix has an eigenvalue of {least:.1e} times its mean diagonal"
            )  # fmt: skip
        return tuple(lines)

    def finish(
        self, fit: Classic, features: dict[str, Float64[ndarray, "n d"]], seconds: float, outcome: tuple[str, ...],
        count: int,
    ) -> None:  # fmt: skip
        """Answer for the test pictures, once, and write the run folder."""
        images, kept = self.images, {}
        for role in [r for r in ("val", "test") if r in images.splits] or ["train"]:
            split = self.splits.get(role, images.splits[role])
            rows = features[role] if role in features else cached(fit.extract, hold(split, self.spec))
            kept[role] = Evaluation(role, images.classes, split.names, split.labels, fit.logits(rows))
        about: dict[str, Any] = {
            "features": self.pipeline.features, "kernel": self.pipeline.kernel, "machine": self.pipeline.machine,
            "c": fit.machine.c, "chosen": self.pipeline.c is None, "seed": self.pipeline.seed,
            "dimensions": features["train"].shape[1], "pictures": count, "kept": len(fit.machine.kept),
            "gamma": fit.machine.gamma, "scale": fit.scale, "tried": self.tried, "checks": self.checks,
            "solved": self.solved,
        }  # fmt: skip
        packages = {name: version(name) for name in ("scikit-learn", "scikit-image")}
        card = Card(
            net=self.pipeline.name, fitted=False, table="", changes=(), reasons=tuple(self.reasons),
            classes=images.classes, input=self.spec, data=described(images), versions=versions() | packages,
            machine=machine("cpu"), classic=about, outcome=outcome, seconds=seconds,
            results={role: result(found) for role, found in kept.items()},
        )  # fmt: skip
        self.run = run = Run(self.out, card)
        claim(run)
        write(run.path / "weights.safetensors", save(arrays(fit)))
        save_evaluation(run, list(kept.values())[-1])
        right = fit.machine.answers(features["train"]) == self.splits["train"].labels
        entry = {"epoch": 1, "train_accuracy": float(right.mean()), "seconds": seconds}
        if "val" in kept:
            entry |= {"val_accuracy": kept["val"].accuracy, "val_loss": kept["val"].tally.loss}
        (run.path / "log.jsonl").write_text(json.dumps(entry) + "\n")


def fewer(split: Split, most: int) -> Split:
    """`most` pictures, as many of each class as of the others where there are so many, chosen by content."""
    order = np.argsort(np.array(split.hashes), kind="stable")
    rank = np.empty(len(split), np.int64)  # how many of its class come before
    for label in np.unique(split.labels):
        mine = order[split.labels[order] == label]
        rank[mine] = np.arange(len(mine))
    return split.part(sorted(order[np.argsort(rank[order], kind="stable")][:most].tolist()))


def loss(logits: Float64[ndarray, "n k"], labels: Labels) -> float:
    """Mean negative log-likelihood, nats."""
    top = logits.max(1, keepdims=True)
    log_sum = top[:, 0] + np.log(np.exp(logits - top).sum(1))
    return float((log_sum - logits[np.arange(len(labels)), labels]).mean())


def result(found: Evaluation) -> dict[str, Any]:
    return {
        "accuracy": found.accuracy,
        "interval": list(found.interval),
        "n": len(found.labels),
        "loss": found.tally.loss,
    }


FIELDS = ("mean", "std", "kept", "columns", "bias")  # of a Machine, that are arrays


def arrays(fit: Classic) -> dict[str, ndarray]:
    """Everything that was learnt, under the names it has in weights.safetensors."""
    held = {f"features.{name}": array for name, array in fit.extract.arrays.items()}
    held |= {f"machine.{name}": getattr(fit.machine, name) for name in FIELDS}
    return {name: np.ascontiguousarray(array) for name, array in held.items()}


def opened(run: Run) -> Classic:
    """What a run of `konvolut classic` answers with. Raises RunError when it is another's, or damaged."""
    about, file = run.card.classic, run.path / "weights.safetensors"
    if not about:
        raise RunError(f"{run.path}: a net, not made by konvolut classic; run.net() opens it")
    if not file.exists():
        raise RunError(f"{run.path}: it has no weights; run konvolut classic again")
    with sound(file):
        held = load_file(file)
        found = Machine(
            machine=about["machine"], kernel=about["kernel"], c=about["c"], gamma=about["gamma"],
            classes=len(run.card.classes), **{name: held[f"machine.{name}"] for name in FIELDS},
        )  # fmt: skip
        learnt = {name.removeprefix("features."): array for name, array in held.items() if name.startswith("features.")}
    return Classic(Extract(about["features"], learnt), found, about["scale"])
