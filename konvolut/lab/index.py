"""Which claims there are."""

from konvolut.errors import ClaimError, nearest
from konvolut.lab.claims import a9, a15, n1
from konvolut.lab.conduct import last, total
from konvolut.lab.study import Exact, Study
from konvolut.language import _

STUDIES: dict[str, Study] = {s.claim.id: s for s in (a9.STUDY, a15.STUDY, n1.STUDY)}


def study(claim: str) -> Study:
    """Raises ClaimError, with the nearest, for an id that is not there."""
    if claim.upper() not in STUDIES:
        raise ClaimError(f"no claim {claim!r}{nearest(claim.upper(), STUDIES)}")
    return STUDIES[claim.upper()]


def overview() -> list[dict[str, str]]:
    """A line a claim: id, what it says, what a run costs, the last verdict here."""
    rows = []
    for key, found in sorted(STUDIES.items()):
        held = last(key)
        rows.append(
            {
                "id": key,
                "claim": _(found.claim.text),
                "kind": _("exact") if isinstance(found, Exact) else _("{n} trainings").format(n=total(found, None)),
                "verdict": _(held["verdict"]["word"]) if held else _("not run here"),
            }
        )
    return rows
