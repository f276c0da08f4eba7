"""Which claims there are: a file each in `claims`."""

import os
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from konvolut.errors import ClaimError, nearest
from konvolut.lab import claims
from konvolut.lab.conduct import cost
from konvolut.lab.held import held
from konvolut.lab.study import Exact, Study
from konvolut.language import _

ORDER = "AVNGBRW"  # AlexNet, VGG, NiN, GoogLeNet, batch norm, ResNet, the whole: as in the notes


def found() -> dict[str, Study]:
    """Claim -> its study, in the order of the notes."""
    modules = [import_module(f"{claims.__name__}.{file.name}") for file in iter_modules(claims.__path__)]
    studies: list[Study] = [module.STUDY for module in modules]
    studies.sort(key=lambda study: (ORDER.index(study.claim.id[0]), int(study.claim.id[1:])))
    return {study.claim.id: study for study in studies}


STUDIES = found()


def study(claim: str) -> Study:
    """Raises ClaimError, with the nearest, for an id that is not there."""
    if claim.upper() not in STUDIES:
        raise ClaimError(f"no claim {claim!r}{nearest(claim.upper(), STUDIES)}")
    return STUDIES[claim.upper()]


def overview() -> list[dict[str, Any]]:
    """A line a claim: id, what it says, seconds of a quick run here, about, and its last verdict; "" where there is none."""
    rows = []
    for key, one in STUDIES.items():
        result = held(one)
        seconds = cost(one) / (1 if isinstance(one, Exact) else os.cpu_count() or 1)
        found = {"verdict": "", "here": False, "old": False}
        if result:
            found = {"verdict": result.word, "here": result.here, "old": result.old}
        rows.append({"id": key, "claim": one.claim.text, "seconds": round(max(1.0, seconds)), **found})
    return rows


def shown(row: dict[str, Any]) -> dict[str, str]:
    """A row of the overview in words."""
    notes = [_("shipped")] * (not row["here"]) + [_("old")] * row["old"]
    verdict = _(row["verdict"]) + f" ({', '.join(notes)})" * bool(notes) if row["verdict"] else "-"
    return {
        "id": row["id"], "claim": _(row["claim"]), "cost": _("{s} s").format(s=row["seconds"]), "verdict": verdict,
    }  # fmt: skip
