"""Which claims there are: a file each in `claims`."""

import os
from importlib import import_module
from pkgutil import iter_modules

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


def overview() -> list[dict[str, str]]:
    """A line a claim: id, what it says, what a run costs, the last verdict here."""
    rows = []
    for key, one in STUDIES.items():
        seconds = cost(one) / (1 if isinstance(one, Exact) else os.cpu_count() or 1)
        rows.append(
            {
                "id": key,
                "claim": _(one.claim.text),
                "cost": _("{s} s").format(s=f"{max(1, seconds):.0f}"),
                "verdict": standing(one),
            }
        )
    return rows


def standing(study: Study) -> str:
    """Its last verdict here, or the shipped one; and whether that is old."""
    result = held(study)
    if result is None:
        return "-"
    notes = [_("shipped")] * (not result.here) + [_("old")] * result.old
    return _(result.word) + f" ({', '.join(notes)})" * bool(notes)
