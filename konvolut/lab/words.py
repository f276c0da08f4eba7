"""Studies and verdicts in words."""

from dataclasses import asdict
from typing import Any

from konvolut.lab.conduct import Result
from konvolut.lab.held import Held, held
from konvolut.lab.study import Check, Contrast, Exact, Study
from konvolut.lab.verdict import Finding, Verdict
from konvolut.language import _, later

MEANING = {
    "exact": later("every number agrees"),
    "supported": later("the effect is there, and large enough to matter"),
    "contradicted": later("the effect that the sentence speaks of is not there"),
    "conditional": later("it depends"),
    "inconclusive": later("inconclusive at this scale"),
}


def plain_design(study: Study) -> dict[str, Any]:
    """For JSON."""
    claim = study.claim
    found = {
        "id": claim.id,
        "sentence": claim.sentence,
        "claim": claim.text,
        "expected": claim.expected,
        "why": claim.why,
    }
    if isinstance(study, Exact):
        return found
    contrasts = [asdict(contrast) for contrast in study.contrasts]
    return found | {
        "arms": list(study.arms), "rates": {arm: list(rates) for arm, rates in study.rates.items()}, "seeds": study.seeds,
        "fixed": study.fixed, "unit": dict(study.unit), "contrasts": contrasts, "drops": study.drops,
    }  # fmt: skip


def design(study: Study) -> str:
    """What is compared, what is held fixed, and what we expect."""
    claim = study.claim
    lines = [f"{claim.id}  {_(claim.text)}  ({claim.sentence})"]
    lines.append(_("expected: {word}. {why}").format(word=_(claim.expected), why=_(claim.why)))
    if isinstance(study, Exact):
        lines.append(_("kind: exact; counted from the tables, no training"))
        return "\n".join(lines)
    lines.append(_("arms: {arms}").format(arms=", ".join(study.arms)))
    lines.append(_("all arms share: {what}").format(what=_(study.fixed)))
    for value, unit in study.unit.items():
        lines.append(_("measured: {value}, {unit}").format(value=value, unit=unit))
    lines += [compared(contrast) for contrast in study.contrasts]
    lines.append(_("seeds: {n}, paired").format(n=study.seeds))
    for arm, rates in study.rates.items():
        lines.append(
            _("learning rates of {arm}: {rates}").format(arm=arm, rates=", ".join(f"{rate:g}" for rate in rates))
        )
    if study.drops:
        lines.append(_("a rule of the protocol it cannot keep: {rule}").format(rule=_(study.drops)))
    return "\n".join(lines)


def compared(c: Contrast) -> str:
    """A contrast in words."""
    what = f"{c.more}, {c.value}" if c.less or c.over else c.value
    if c.less:
        what = f"{c.more} - {c.less}" if c.more != c.less else f"{c.value} - {c.over}"
    if c.beyond:
        what += f" - ({c.beyond[0]} - {c.beyond[1]})"
    line = (
        _("compared: {about}: {what} is less than {least}")
        if c.absent
        else _("compared: {about}: {what} is at least {least}")
    )
    return line.format(about=c.about, what=what, least=f"{c.least:.3g}")


def told(study: Study) -> str:
    """The last verdict here or the shipped one with all its numbers, or nothing."""
    found = held(study)
    if found is None:
        return ""
    return "\n".join([origin(found), *(numbers(found.verdict) if found.verdict else ())])


def origin(found: Held) -> str:
    """The word of a stored result, where it was found, and whether that still stands."""
    line = (
        _("last verdict here: {word} ({setting})")
        if found.here
        else _("verdict shipped with Konvolut {version}: {word} ({setting})")
    )
    setting = " ".join(filter(None, (_(found.setting.tier), found.setting.data)))
    line = line.format(word=_(found.word), version=found.version, setting=setting)
    return line + (_("; old: the code has changed since") if found.old else "")


def verdict(result: Result) -> str:
    """The verdict, and every number it rests on."""
    found = result.verdict
    line = _("{id} looks {word}; {meaning}") if result.setting.tier == "glance" else _("{id}: {word}; {meaning}")
    lines = [line.format(id=result.study.claim.id, word=_(found.word), meaning=_(MEANING[found.word]))]
    lines += numbers(found)
    if found.word != result.study.claim.expected:
        lines.append(
            _("expected: {word}. {why}").format(word=_(result.study.claim.expected), why=_(result.study.claim.why))
        )
    return "\n".join(lines)


def numbers(found: Verdict) -> list[str]:
    """A line for every contrast or check."""
    return [finding(f) for f in found.findings] + [
        _("  {what}: said {said}, counted {found}").format(what=c.what, said=said(c), found=number(c.found))
        for c in found.checks
    ]


def said(check: Check) -> str:
    """What a sentence says, and to what that holds."""
    return number(check.said) + (f" ± {check.within:.2g}" if check.within else "")


def number(value: float) -> str:
    """
    >>> number(26_214_400), number(0.0), number(0.7071)
    ('26,214,400', '0', '0.707')
    """
    return f"{int(value):,}" if float(value).is_integer() else f"{value:.3g}"


def finding(found: Finding) -> str:
    d = found.difference
    line = _("  {about}: {word}; difference {mean} (95 % interval {low} to {high}, n = {n}; {detectable} is detectable)").format(
        about=found.contrast.about, word=_(found.word), mean=f"{d.mean:+.3f}", low=f"{d.low:+.3f}", high=f"{d.high:+.3f}",
        n=d.n, detectable=f"{d.detectable:.3f}",
    )  # fmt: skip
    if found.word == "inconclusive" and found.seeds:
        line += _("; {n} seeds could decide it").format(n=found.seeds)
    if not found.control:
        line += _(
            "; its control failed: a planted difference of {planted} found in {seen}, none in {imagined} of repetitions"
        ).format(planted=f"{found.planted:.3f}", seen=f"{found.seen:.0%}", imagined=f"{found.imagined:.0%}")
    return line
