"""From differences with intervals to one of five words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import sqrt
from statistics import fmean

import numpy as np

from konvolut.lab.stats import POWER, Difference, around, needed, reach
from konvolut.lab.study import Check, Contrast, Measurement, Trained
from konvolut.language import later

WORDS = (later("exact"), later("supported"), later("contradicted"), later("conditional"), later("inconclusive"))
MISTAKEN = 1 / 16  # of the repetitions without an effect; of 4 seeds one pattern of signs in 16 is all plus
PLANTED = 1.5  # of what is detectable, or of the least that matters: the effect that the control plants


@dataclass(frozen=True, slots=True)
class Finding:
    """One contrast and what came of it."""

    contrast: Contrast
    difference: Difference
    word: str  # supported, contradicted or inconclusive
    differences: tuple[float, ...]  # seed by seed
    seeds: int | None  # that could decide it; None when no sensible number could
    planted: float  # an effect of this size, planted into the study's own spread, ...
    seen: float  # ... was called supported in this share of its repetitions, ...
    imagined: float  # ... and the same spread without an effect in this share

    @property
    def control(self) -> bool:
        """Does the machine find what was planted, and nothing where nothing was?"""
        return self.seen >= POWER and self.imagined <= MISTAKEN


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
    findings = []
    for c in contrasts:
        found = finding(c, [c.difference(by_seed[seed]) for seed in sorted(by_seed)])
        blind = any(blindfold(c, values) for values in by_seed.values()) or not found.control
        findings.append(replace(found, word="inconclusive", seeds=None) if blind else found)
    words = {f.word for f in findings}
    if "inconclusive" in words and words != {"supported", "contradicted", "inconclusive"}:
        return Verdict("inconclusive", "", tuple(findings))
    if len(words) == 1:
        return Verdict(words.pop(), "", tuple(findings))
    return Verdict("conditional", "; ".join(f"{f.contrast.about}: {f.word}" for f in findings), tuple(findings))


def called(differences: Sequence[float], mean: float, effect: float, least: float) -> float:
    """The share of repetitions of a study that would call `effect` supported, its spread being that of `differences`.

    A repetition gives each seed's deviation from the mean a sign anew: where arms do not differ, swapping two of them at a
    seed changes its sign and nothing else. All 2^n of them up to 10 seeds, 1,000 by fixed dice beyond.
    """
    n = len(differences)
    dice = np.random.default_rng(0)
    signs = list(product((-1, 1), repeat=n)) if n <= 10 else dice.choice((-1, 1), (1000, n))
    drawn = np.asarray(signs) * (np.array(differences) - mean) + effect
    centres, reaches = drawn.mean(1), reach(n) * drawn.std(1, ddof=1) / sqrt(n)
    words = [decide(Difference(m, m - r, m + r, n, 0.0), least) for m, r in zip(centres, reaches, strict=True)]
    return words.count("supported") / len(words)


def blindfold(contrast: Contrast, values: Mapping[str, Mapping[str, float]]) -> bool:
    """Has one seed both arms of a pair at their caps ("doublings capped")? Then their difference says nothing."""
    capped = f"{contrast.value} capped"
    pairs = [(contrast.more, contrast.less), *([contrast.beyond] if contrast.beyond else [])]
    return any(less and values[more].get(capped) and values[less].get(capped) for more, less in pairs)


def finding(contrast: Contrast, differences: Sequence[float]) -> Finding:
    """The word for these differences, and whether the machine finds an effect planted into their own spread."""
    found, least = around(differences), contrast.least
    planted = PLANTED * max(found.detectable, least)
    seen, imagined = (called(differences, found.mean, effect, least) for effect in (planted, 0.0))
    word = decide(found, least)
    if contrast.absent:
        word = {"supported": "contradicted", "contradicted": "supported"}.get(word, word)
    return Finding(contrast, found, word, tuple(differences), needed(found, least), planted, seen, imagined)
