"""From differences with intervals to one of five words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from konvolut.lab.stats import Difference, around, needed
from konvolut.lab.study import Check, Contrast, Measurement, Trained
from konvolut.language import later

WORDS = (later("exact"), later("supported"), later("contradicted"), later("conditional"), later("inconclusive"))
PLANTED = 1.5  # of what is detectable, or of the least that matters: the effect that the control plants


@dataclass(frozen=True, slots=True)
class Finding:
    """One contrast and what came of it."""

    contrast: Contrast
    difference: Difference
    word: str  # supported, contradicted or inconclusive
    differences: tuple[float, ...]  # seed by seed
    seeds: int | None  # that could decide it; None when no sensible number could
    planted: float  # an effect of this size, planted into the same spread, ...
    control: bool  # ... was called supported, and the same spread without effect was not


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a study says of its claim."""

    word: str  # one of WORDS
    condition: str  # when it holds, and when not; empty unless conditional
    findings: tuple[Finding, ...] = ()
    checks: tuple[Check, ...] = ()


def exactly(checks: Sequence[Check]) -> Verdict:
    """*exact* when every number agrees; *conditional* when all numbers about one condition do and those about another
    do not; else *contradicted*.
    """
    assert checks, "an exact study compares at least one number"
    by_condition: dict[str, bool] = {}
    for check in checks:
        by_condition[check.about] = by_condition.get(check.about, True) and check.agrees
    words = {about: "exact" if agrees else "contradicted" for about, agrees in by_condition.items()}
    if len(set(words.values())) == 1:
        return Verdict(words.popitem()[1], "", checks=tuple(checks))
    condition = "; ".join(f"{about}: {word}" for about, word in words.items())
    return Verdict("conditional", condition, checks=tuple(checks))


def decide(difference: Difference, least: float) -> str:
    """*supported*: the whole interval lies above 0 and the mean reaches `least`.

    *contradicted*: the whole interval lies below `least`, so the effect the sentence speaks of is not there.
    Else *inconclusive*: more seeds could still decide either way.
    """
    if difference.low > 0 and difference.mean >= least:
        return "supported"
    return "contradicted" if difference.high < least else "inconclusive"


def settled(study: Trained, found: Sequence[Measurement]) -> list[Measurement]:
    """Each arm at its best rate: the one whose mean over the seeds is the least or the most of `study.best`."""
    value, which = study.best
    kept = []
    for arm in dict.fromkeys(m.arm for m in found):
        by_rate: dict[float, list[Measurement]] = {}
        for m in found:
            if m.arm == arm:
                by_rate.setdefault(m.rate, []).append(m)
        if len(by_rate) == 1:
            (best,) = by_rate
        else:
            means = {rate: fmean(m.values[value] for m in ms) for rate, ms in by_rate.items()}
            best = (min if which == "least" else max)(means, key=means.__getitem__)
        kept += by_rate[best]
    return kept


def judge(contrasts: Sequence[Contrast], measurements: Sequence[Measurement]) -> Verdict:
    """Pair the arms seed by seed and decide every contrast; where the decided ones disagree it is *conditional*."""
    by_seed: dict[int, dict[str, Mapping[str, float]]] = {}
    for m in measurements:
        by_seed.setdefault(m.seed, {})[m.arm] = m.values
    findings = [finding(c, [c.difference(by_seed[seed]) for seed in sorted(by_seed)]) for c in contrasts]
    words = {f.word for f in findings}
    if "inconclusive" in words and words != {"supported", "contradicted", "inconclusive"}:
        return Verdict("inconclusive", "", tuple(findings))
    if len(words) == 1:
        return Verdict(words.pop(), "", tuple(findings))
    return Verdict("conditional", "; ".join(f"{f.contrast.about}: {f.word}" for f in findings), tuple(findings))


def finding(contrast: Contrast, differences: Sequence[float]) -> Finding:
    """The word for these differences, and whether the machine finds an effect planted into their own spread."""
    found, least = around(differences), contrast.least
    planted = PLANTED * max(found.detectable, least)
    centred = [d - found.mean for d in differences]
    with_effect, without = around([d + planted for d in centred]), around(centred)
    control = decide(with_effect, least) == "supported" and decide(without, least) != "supported"
    word = decide(found, least)
    if contrast.absent:
        word = {"supported": "contradicted", "contradicted": "supported"}.get(word, word)
    return Finding(contrast, found, word, tuple(differences), needed(found, least), planted, control)
