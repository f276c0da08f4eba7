"""The result of a study as one self-contained page: the verdict, every seed, what was compared and how."""

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from scipy.stats import sem
from scipy.stats import t as student

from konvolut.figures import Page, Spec, forest, points
from konvolut.lab.conduct import Result
from konvolut.lab.stats import LEVEL
from konvolut.lab.study import Exact, Measurement, Trained
from konvolut.lab.verdict import Finding, settled
from konvolut.lab.words import MEANING, number, said
from konvolut.language import both


def write_page(result: Result, path: Path) -> Path:
    """Write `path` whole or not at all; returns it."""
    claim, verdict = result.study.claim, result.verdict
    page = Page(
        both("{id}: {text}", id=claim.id, text=both(claim.text)),
        both("a claim of the lectures, sentence {s}", s=claim.sentence),
    )
    page.headline(both(verdict.word), both(MEANING[verdict.word]))
    page.text(both("expected: {word}. {why}", word=both(claim.expected), why=both(claim.why)))
    if isinstance(result.study, Exact):
        rows = [(check.what, said(check), number(check.found)) for check in verdict.checks]
        page.section(both("Number by number"))
        page.table((both("what"), both("said"), both("counted")), rows, both("Each number of the sentence, and ours."))
    else:
        measured(page, result, result.study)
    return page.write(path)


def measured(page: Page, result: Result, study: Trained) -> None:
    """Every seed of every arm, then the paired differences the verdict rests on."""
    page.section(both("What was measured"))
    page.text(both("all arms share: {what}", what=both(study.fixed)))
    compared = settled(study, result.measurements)
    for value, unit in study.unit.items():
        chart = points(
            [{"arm": m.arm, "value": m.values[value]} for m in compared], means(compared, value), "arm", "value", title=value,
        )  # fmt: skip
        page.figure(
            chart, caption=both("{unit}. Small dots: single seeds; line: 95 % interval of the mean.", unit=unit)
        )
    page.section(both("What the verdict rests on"))
    page.figure(
        differences(result.verdict.findings),
        caption=both("Ticks: single seeds; line: 95 % interval; a hollow dot: it does not decide."),
    )
    rows = [
        (
            f.contrast.about, both(f.word), f"{f.difference.mean:+.3f}", f"{f.difference.low:+.3f} … {f.difference.high:+.3f}",
            f"{f.contrast.least:.3f}", f"{f.difference.detectable:.3f}", str(f.difference.n),
        )
        for f in result.verdict.findings
    ]  # fmt: skip
    heads = (
        both("compared"), both("verdict"), both("difference"), both("95 % interval"), both("smallest that matters"),
        both("smallest detectable"), "n",
    )  # fmt: skip
    page.table(heads, rows, both("Differences are paired: both arms at the same seed."))


def differences(findings: Sequence[Finding]) -> Spec:
    """Every contrast's difference with its interval and its seeds, as multiples of the least that matters."""
    rows = []
    for f in findings:
        least, d = f.contrast.least or 1.0, f.difference
        scaled = {"mean": d.mean / least, "lower": d.low / least, "upper": d.high / least}
        singles = [difference / least for difference in f.differences]
        rows.append({"about": f.contrast.about, "singles": singles, "decided": f.word != "inconclusive", **scaled})
    return forest(rows, title=both("difference, in units of the smallest that matters"), beyond=both("it matters"))


def means(found: list[Measurement], value: str) -> list[dict[str, float | str]]:
    """An arm's mean and its own 95 % interval; the paired interval of a difference is narrower."""
    rows: list[dict[str, float | str]] = []
    for arm in dict.fromkeys(m.arm for m in found):
        numbers = [m.values[value] for m in found if m.arm == arm]
        reach = float(student.ppf((1 + LEVEL) / 2, len(numbers) - 1) * sem(numbers))
        rows.append(
            {"arm": arm, "mean": fmean(numbers), "lower": fmean(numbers) - reach, "upper": fmean(numbers) + reach}
        )
    return rows
