"""Runs a study: its measurements in parallel, one torch thread each, and the result on disk."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from joblib import Parallel, delayed

from konvolut.errors import ClaimError
from konvolut.lab.study import Exact, Measurement, Study, Trained
from konvolut.lab.verdict import Verdict, exactly, judge
from konvolut.training.run import machine, versions, write

FOLDER = Path("runs") / "lab"


@dataclass(frozen=True, slots=True)
class Result:
    """A verdict and everything it was made from. Stored as runs/lab/ID.json."""

    study: Study
    verdict: Verdict
    measurements: tuple[Measurement, ...]

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "id": self.study.claim.id,
            "verdict": asdict(self.verdict),
            "measurements": [asdict(m) for m in self.measurements],
            "versions": versions(),
            "machine": machine("cpu"),
        }


def conduct(study: Study, seeds: int | None = None, jobs: int | None = None) -> Iterator[Measurement | Result]:
    """Every measurement as it is made, then the result. Raises ClaimError for fewer than 3 seeds."""
    if isinstance(study, Exact):
        yield Result(study, exactly(list(study.checks())), ())
        return
    n = count(study, seeds)
    work = (delayed(measured)(study, arm, seed) for seed in range(n) for arm in study.arms)
    found = []
    for measurement in Parallel(n_jobs=jobs or os.cpu_count(), return_as="generator")(work):
        found.append(measurement)
        yield measurement
    yield Result(study, judge(study.contrasts, study.settle(found)), tuple(found))


def measured(study: Trained, arm: str, seed: int) -> Measurement:
    """One arm at one seed, on one thread: as many of these run at once as there are cores."""
    torch.set_num_threads(1)
    return Measurement(arm, seed, dict(study.measure(arm, seed)))


def count(study: Trained, seeds: int | None) -> int:
    """Seeds an arm. Raises ClaimError for fewer than 3: two points have no spread worth an interval."""
    n = study.seeds if seeds is None else seeds
    if n < 3:
        raise ClaimError(f"{study.claim.id}: {n} seeds; at least 3 are needed for an interval")
    return n


def total(study: Study, seeds: int | None) -> int:
    """Measurements a run makes."""
    return 0 if isinstance(study, Exact) else len(study.arms) * count(study, seeds)


def save(result: Result) -> Path:
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{result.study.claim.id}.json"
    write(path, json.dumps(result.plain(), indent=1, ensure_ascii=False).encode())
    return path


def last(claim: str) -> Mapping[str, Any] | None:
    """The stored result of a claim, if it has been run here."""
    path = FOLDER / f"{claim}.json"
    held: Mapping[str, Any] | None = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    return held


def run_claim(claim: str, seeds: int | None = None, jobs: int | None = None) -> Result:
    """Run the study of a claim ("A15") and return its result. Raises ClaimError for an unknown one."""
    from konvolut.lab.index import study  # the index knows the claims, and the claims know this file's nouns

    *_, result = conduct(study(claim), seeds, jobs)
    assert isinstance(result, Result)
    return result
