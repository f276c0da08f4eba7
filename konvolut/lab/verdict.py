"""From differences with intervals to one of five words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from konvolut.lab.stats import Difference, paired
from konvolut.lab.study import Check, Contrast, Measurement
from konvolut.language import later

WORDS = (later("exact"), later("supported"), later("contradicted"), later("conditional"), later("inconclusive"))


@dataclass(frozen=True, slots=True)
class Finding:
    """One contrast and what came of it."""

    contrast: Contrast
    difference: Difference
    word: str  # supported, contradicted or inconclusive


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


def judge(contrasts: Sequence[Contrast], measurements: Sequence[Measurement]) -> Verdict:
    """Pair the arms seed by seed and decide every contrast; where the decided ones disagree it is *conditional*."""
    held: Mapping[tuple[str, int], Measurement] = {(m.arm, m.seed): m for m in measurements}
    seeds = sorted({m.seed for m in measurements})
    findings = []
    for c in contrasts:
        more, less = ([held[arm, seed].values[c.value] for seed in seeds] for arm in (c.more, c.less))
        difference = paired(more, less)
        findings.append(Finding(c, difference, decide(difference, c.least)))
    words = {f.word for f in findings}
    if "inconclusive" in words and words != {"supported", "contradicted", "inconclusive"}:
        return Verdict("inconclusive", "", tuple(findings))
    if len(words) == 1:
        return Verdict(words.pop(), "", tuple(findings))
    return Verdict("conditional", "; ".join(f"{f.contrast.about}: {f.word}" for f in findings), tuple(findings))
