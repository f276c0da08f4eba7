"""Runs a study: its measurements in parallel, one torch thread each, and the result on disk."""

import inspect
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from joblib import Parallel, delayed

from konvolut.errors import ClaimError, nearest
from konvolut.images.sources import open_images
from konvolut.lab.store import FOLDER, keep, kept, key, place
from konvolut.lab.study import QUICK, TIERS, Ask, Exact, Measurement, Setting, Study, Trained
from konvolut.lab.verdict import Verdict, exactly, judge, settled
from konvolut.training.run import machine, versions, write

GLANCE = 60.0  # seconds a glance may take
CLAIMS = "konvolut.lab.claims."  # the package of the studies
LEAST_SHARE = 0.1  # of the pictures: with fewer a glance shows nothing


@dataclass(frozen=True, slots=True)
class Result:
    """A verdict and everything it was made from. Stored as runs/lab/ID.json."""

    study: Study
    verdict: Verdict
    measurements: tuple[Measurement, ...]
    setting: Setting = QUICK

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "id": self.study.claim.id,
            "verdict": asdict(self.verdict),
            "setting": asdict(self.setting),
            "measurements": [asdict(m) for m in self.measurements],
            "code": stamp(self.study),
            "versions": versions(),
            "machine": machine("cpu"),
        }


def setting_of(study: Study, tier: str, data: str | None, jobs: int | None = None) -> Setting:
    """What a tier means for a study. Raises ClaimError for an unknown tier."""
    if tier not in TIERS:
        raise ClaimError(f"tier {tier!r}{nearest(tier, TIERS)}")
    if isinstance(study, Exact):
        return Setting(tier)
    where = data or (study.full if tier == "full" else study.data)
    if tier != "glance":
        return Setting(tier, where)
    work = study.cost * len(study.asks(TIERS[tier], QUICK)) / (jobs or os.cpu_count() or 1)
    return Setting(tier, where, max(LEAST_SHARE, min(1.0, GLANCE / work)))


def conduct(
    study: Study, seeds: int | None = None, jobs: int | None = None, setting: Setting | None = None
) -> Iterator[Measurement | Result]:
    """Every measurement as it is made, or as it was made before, then the result.

    Raises ClaimError for fewer than 3 seeds, DataError when the pictures are not there.
    """
    if isinstance(study, Exact):
        if seeds is not None:
            raise ClaimError(f"{study.claim.id}: it is arithmetic, and has no seeds")
        yield Result(study, exactly(list(study.checks())), (), setting or QUICK)
        return
    setting = setting or Setting("quick", study.data)
    n = count(study, seeds, setting.tier)
    places = {ask: place(name_of(study, ask)) for ask in study.asks(n, setting)}
    found, missing = [], []
    for ask, path in places.items():
        if held := kept(path):
            found.append(Measurement(ask.arm, ask.seed, held["values"], ask.rate, held["seconds"]))
            yield found[-1]
        else:
            missing.append(ask)
    work = (delayed(measured)(study, ask, places[ask]) for ask in missing)
    for measurement in Parallel(n_jobs=jobs or os.cpu_count(), return_as="generator")(work):
        found.append(measurement)
        yield measurement
    order = {(ask.arm, ask.rate, ask.seed): number for number, ask in enumerate(places)}
    found.sort(key=lambda m: order[m.arm, m.rate, m.seed])
    yield Result(study, judge(study.contrasts, settled(study, found)), tuple(found), setting)


def source_of(study: Study) -> str:
    """SHA-256 of the file that measures, or that checks, and of other studies' files that it takes functions from."""
    does = study.checks if isinstance(study, Exact) else study.measure
    taken = (v for v in vars(inspect.getmodule(does)).values() if str(getattr(v, "__module__", "")).startswith(CLAIMS))
    files = sorted({inspect.getfile(does), *(inspect.getfile(one) for one in taken if inspect.isfunction(one))})
    return sha256(b"".join(Path(file).read_bytes() for file in files)).hexdigest()


def stamp(study: Study) -> str:
    """What changes when a result may no longer be what would be found now."""
    return key(source=source_of(study))


def name_of(study: Trained, ask: Ask) -> str:
    """The name a measurement is stored under: it changes with what measures, the pictures and the code that decides.

    Studies that measure with one function share what it has found: R1, R4 and R9 train their nets once.
    """
    pictures = digest_of(ask.setting.data or study.data)
    return key(
        measure=study.measure.__qualname__, source=source_of(study), pictures=pictures, arm=ask.arm, seed=ask.seed, rate=ask.rate,
        share=ask.setting.share,
    )  # fmt: skip


@cache
def digest_of(where: str) -> str:
    return open_images(where, val=0.0).digest


def measured(study: Trained, ask: Ask, path: Path) -> Measurement:
    """One arm at one seed, on one thread: as many of these run at once as there are cores."""
    torch.set_num_threads(1)
    start = perf_counter()
    values = dict(study.measure(ask))
    seconds = perf_counter() - start
    keep(path, {"values": values, "seconds": seconds})
    return Measurement(ask.arm, ask.seed, values, ask.rate, seconds)


def count(study: Trained, seeds: int | None, tier: str = "quick") -> int:
    """Seeds an arm. Raises ClaimError for fewer than 3: two points have no spread worth an interval."""
    n = (TIERS[tier] or study.seeds) if seeds is None else seeds
    if n < 3:
        raise ClaimError(f"{study.claim.id}: {n} seeds; at least 3 are needed for an interval")
    return n


def total(study: Study, seeds: int | None, tier: str = "quick") -> int:
    """Measurements a run makes."""
    return 0 if isinstance(study, Exact) else len(study.asks(count(study, seeds, tier), QUICK))


def cost(study: Study) -> float:
    """What a quick run costs, on one thread, about."""
    return 1.0 if isinstance(study, Exact) else study.cost * total(study, None)


def save(result: Result) -> Path:
    """Store it as the claim's result; a glance, and what was asked of other pictures, lie beside that and never become it."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    study, setting = result.study, result.setting
    parts = [study.claim.id]
    if isinstance(study, Trained) and setting.tier == "glance":
        parts.append("glance")
    if isinstance(study, Trained) and setting.data not in ("", study.data, study.full):
        parts.append(sha256(setting.data.encode()).hexdigest()[:8])
    path = FOLDER / f"{'-'.join(parts)}.json"
    write(path, json.dumps(result.plain(), indent=1, ensure_ascii=False).encode())
    return path


def run_claim(
    claim: str, seeds: int | None = None, jobs: int | None = None, tier: str = "quick", data: str | None = None
) -> Result:
    """Run the study of a claim ("A15") and return its result. Raises ClaimError for an unknown one."""
    from konvolut.lab.index import study  # the index knows the claims, and the claims know this file's nouns

    found = study(claim)
    *_, result = conduct(found, seeds, jobs, setting_of(found, tier, data, jobs))
    assert isinstance(result, Result)
    return result
