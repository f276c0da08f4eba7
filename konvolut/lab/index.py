"""Which claims there are."""

from konvolut.errors import ClaimError, nearest
from konvolut.lab.claims import a9, a15, b5, b7, g2, g3, g4, g5, n1, n2, n3, n4, n5, n8, r2, r3, r10, r12, v1, v4, v6
from konvolut.lab.conduct import last, total
from konvolut.lab.study import Exact, Study
from konvolut.language import _

MODULES = (a9, a15, v1, v4, v6, n1, n2, n3, n4, n5, n8, g2, g3, g4, g5, b5, b7, r2, r3, r10, r12)  # the notes' order
STUDIES: dict[str, Study] = {module.STUDY.claim.id: module.STUDY for module in MODULES}


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
