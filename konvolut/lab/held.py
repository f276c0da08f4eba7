"""What a study has found before: here, or where this version of Konvolut was made."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from konvolut.errors import ClaimError
from konvolut.lab.conduct import stamp
from konvolut.lab.store import FOLDER
from konvolut.lab.study import Setting, Study
from konvolut.lab.verdict import Verdict
from konvolut.verdicts import shipped

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Held:
    """A stored result, less its measurements."""

    word: str
    verdict: Verdict | None  # None where a version stored it whose verdicts this one cannot read
    setting: Setting
    here: bool  # found on this machine, and not shipped
    old: bool  # made by other code than would run now
    version: str
    machine: Mapping[str, Any]


def held(study: Study) -> Held | None:
    """The last result here, else the shipped one; None where there is neither."""
    path = FOLDER / f"{study.claim.id}.json"
    here = path.exists()
    try:
        found = json.loads(path.read_text(encoding="utf-8")) if here else shipped().get(study.claim.id)
        if found is None:
            return None
        verdict = converted(found["verdict"], Verdict)
        setting = converted(found.get("setting", {}), Setting) or Setting()
        old = verdict is None or found.get("code") != stamp(study)
        word, version, machine = found["verdict"]["word"], found["versions"]["konvolut"], found["machine"]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ClaimError(f"{path}: not a result of lab run; remove it, or konvolut lab run {study.claim.id}") from None
    return Held(word, verdict, setting, here, old, version, machine)


def converted(raw: Any, kind: type[T]) -> T | None:
    """`raw` as a `kind`; None where it has another shape."""
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError:
        return None
