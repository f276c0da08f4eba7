"""The sections of a report that say what came out: curves, classes, confusions, confidence, mistakes."""

from collections.abc import Mapping, Sequence
from math import isfinite
from statistics import fmean
from typing import Any

import numpy as np

from konvolut.figures import Page, Spec, curves, matrix, reliability
from konvolut.images.imageset import ImageSet
from konvolut.language import CODES, Text, both
from konvolut.lens.mistakes import confused, mistakes
from konvolut.lens.pictures import found
from konvolut.training.metrics import Evaluation, calibration, per_class, wilson

SHOWN = 24  # mistakes on the page; mistakes.csv has them all
DOTS = 100  # on a curve over steps; more windows than that are drawn in groups


def percent(share: float) -> str:
    r"""A share in print; the dash is for what was never seen.

    >>> percent(0.986), percent(float("nan"))
    ('98.6\xa0%', '–')
    """
    return f"{100 * share:.1f}\N{NO-BREAK SPACE}%" if isfinite(share) else "–"


def role(split: str) -> dict[str, str]:
    """What a split is called in a sentence."""
    known = {"train": both("training"), "val": both("validation"), "test": both("test")}
    return known.get(split, dict.fromkeys(CODES, split))


def learning(
    page: Page,
    epochs: Sequence[Mapping[str, Any]],
    windows: Sequence[Mapping[str, Any]] = (),
    remarks: Sequence[str] = (),
) -> None:
    """Loss, accuracy and learning rate over the epochs; then what the windows of steps tell, and what was noticed."""
    page.section(both("How it learnt"))
    if epochs:
        by_epoch(page, list({entry["epoch"]: entry for entry in epochs}.values()))
    elif windows:
        page.text(both("No epoch has ended yet."))
    else:
        page.text(both("There is no log of the training, so there are no curves."))
    if windows:
        by_step(page, windows)
    if remarks:
        page.text(both("What was noticed on the way:"))
        page.items(remarks)


def by_epoch(page: Page, epochs: Sequence[Mapping[str, Any]]) -> None:
    """Loss, accuracy and learning rate after each epoch."""
    names: dict[str, Text] = {"train": both("training"), "val": both("validation")}
    epoch = both("epoch")

    def rows(*kinds: tuple[str, str]) -> list[dict[str, Any]]:
        return [
            {"epoch": entry["epoch"], "value": entry[key], "series": series}
            for key, series in kinds for entry in epochs
            if _number(entry.get(key))
        ]  # fmt: skip

    loss, right = (rows((f"train_{kind}", "train"), (f"val_{kind}", "val")) for kind in ("loss", "accuracy"))
    rate = [row for row in rows(("lr", "lr")) if row["value"] > 0]
    charts = []
    if loss:
        charts.append(
            curves(loss, "epoch", "value", "series", titles=(epoch, both("loss (nats)")), names=names, width=262)
        )
    if right:
        titles = (epoch, both("accuracy"))
        charts.append(curves(right, "epoch", "value", "series", titles=titles, names=names, share=True, width=262))
    if rate:
        charts.append(
            curves(rate, "epoch", "value", "series", titles=(epoch, both("learning rate")), width=262, height=110)
        )
    if charts:
        page.figure(*charts, caption=both(
            "Loss, accuracy and learning rate after each of {n} epochs. The training figures are means over the epoch, "
            "on augmented pictures and a net still changing, so they may be worse than the validation figures.",
            n=len(epochs)))  # fmt: skip


def by_step(page: Page, windows: Sequence[Mapping[str, Any]]) -> None:
    """Loss, learning rate and gradient norm over the steps; a table of rate, waiting and memory."""
    titles: dict[str, Text] = {
        "loss": both("loss (nats)"), "lr": both("learning rate"), "grad_norm": both("norm of the gradient")
    }  # fmt: skip
    charts = []
    for key, title in titles.items():
        rows = grouped(windows, key)
        if rows:
            charts.append(_over_steps(rows, title, log=key == "grad_norm" and all(row["lower"] > 0 for row in rows)))
    caption = both(
        "Loss, learning rate and norm of the whole gradient, before it is clipped, over {n} windows of steps.",
        n=f"{len(windows):,}",
    )
    more = []
    if len(windows) > DOTS:
        more.append(both(" A dot is the mean of neighbouring windows, the band their least and largest."))
    if lost := sum(not all(_number(window.get(key)) for key in titles) for window in windows):
        more.append(both(" {n} windows held a value that is no finite number; it is not drawn.", n=f"{lost:,}"))
    page.figure(*charts, caption={code: "".join(part[code] for part in (caption, *more)) for code in CODES})
    page.table(
        (both("over the windows"), both("mean"), both("least"), both("largest"), both("last")),
        [
            (name, *(show(value) for value in (fmean(values), min(values), max(values), values[-1])))
            for key, name, show in (
                ("images_per_s", both("pictures/s"), lambda v: f"{v:,.0f}"),
                ("waiting", both("share of the time waiting for pictures"), percent),
                ("memory_mb", both("memory (MB)"), lambda v: f"{v:,.0f}"),
            )
            if (values := [window[key] for window in windows if _number(window.get(key))])
        ],
        both("How fast it went, and what it took"),
    )


def grouped(windows: Sequence[Mapping[str, Any]], key: str) -> list[dict[str, Any]]:
    """Points of a curve over steps, at most DOTS: of neighbouring windows the last step, and mean, least and largest."""
    held = [window for window in windows if _number(window.get(key))]
    parts = np.array_split(np.arange(len(held)), min(DOTS, len(held))) if held else []
    rows = []
    for part in parts:
        values = [held[i][key] for i in part]
        rows.append(
            {"step": held[part[-1]]["step"], "value": fmean(values), "lower": min(values), "upper": max(values)}
        )
    return rows


def _over_steps(rows: list[dict[str, Any]], title: Text, log: bool) -> Spec:
    return curves(
        [row | {"series": "train"} for row in rows], "step", "value", "series", titles=(both("step"), title),
        bands=any(row["upper"] > row["lower"] for row in rows), log=log, width=262, height=140,
    )  # fmt: skip


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and isfinite(value)


def classes(page: Page, evaluation: Evaluation) -> None:
    """Precision, recall and F1 of each class, the least recalled first."""
    page.section(both("Class by class"))
    matrix = evaluation.confusion
    shown, hits, figures = matrix.sum(1).tolist(), matrix.diagonal().tolist(), per_class(evaluation)
    order = sorted(range(len(shown)), key=lambda i: (not shown[i], hits[i] / max(1, shown[i]), i))
    rows = []
    for i in order:
        precision, recall, f1 = figures[i].tolist()
        low, high = wilson(hits[i], shown[i]) if shown[i] else (float("nan"),) * 2
        between = f"{100 * low:.1f}–{100 * high:.1f}\N{NO-BREAK SPACE}%" if shown[i] else "–"
        score = f"{f1:.3f}" if isfinite(f1) else "–"
        rows.append((evaluation.classes[i], f"{shown[i]:,}", percent(recall), between, percent(precision), score))
    head = (both("class"), "n", both("recall"), both("95 % interval"), both("precision"), "F1")
    caption = both(
        "Recall: the share of a class's pictures that were answered rightly. Precision: the share of the answers of "
        "a class that were right. n: pictures of the class. Lowest recall first."
    )
    page.table(head, rows, caption)


def confusions(page: Page, evaluation: Evaluation) -> None:
    """Which class is taken for which."""
    page.section(both("What is taken for what"))
    pairs = confused(evaluation)
    if pairs:
        page.items(
            both("{truth} is taken for {answer}: {n} of {of} ({share})", truth=truth, answer=answer, n=n, of=of,
                 share=percent(n / of))
            for truth, answer, n, of in pairs
        )  # fmt: skip
    else:
        page.text(both("No class is taken for another: every picture was answered rightly."))
    titles = (both("answer"), both("truth"), both("share of the row"))
    page.figure(
        matrix(evaluation.confusion.tolist(), evaluation.classes, titles=titles),
        caption=both(
            "Confusion matrix of {n} pictures: the true class down, the answer along. Colour is the share of the row, "
            "on a square-root scale so that rare mistakes show; a blank cell never happened.",
            n=f"{len(evaluation.labels):,}",
        ),
    )


def confidence(page: Page, evaluation: Evaluation) -> None:
    """Whether its probabilities can be believed."""
    page.section(both("How far its confidence can be trusted"))
    bins, error = calibration(evaluation)
    sure = sum(b.count * b.confidence for b in bins) / len(evaluation.labels)
    lean = (
        both("it is too sure of itself.") if sure - evaluation.accuracy > 0.01
        else both("it is less sure than it could be.") if evaluation.accuracy - sure > 0.01
        else both("on the whole it is as sure as it is right.")
    )  # fmt: skip
    words = both(
        "Mean confidence {sure}, accuracy {right}; expected calibration error {error} (ten ranges of equal width): ",
        sure=percent(sure), right=percent(evaluation.accuracy), error=percent(error),
    )  # fmt: skip
    page.text({code: f"{words[code]}{lean[code]}" for code in words})
    chart = reliability(
        bins, titles=(both("confidence"), both("share answered rightly")), ideal=both("as sure as right")
    )
    page.figure(chart, caption=both(
        "Reliability. Each dot is a range of confidence, with the number of answers in it below; under the dashed line "
        "the net is too sure of itself. Calibration error: the mean distance to that line, weighted by answers "
        "(Guo et al. 2017)."))  # fmt: skip


def worst(page: Page, evaluation: Evaluation, images: ImageSet | None) -> None:
    """The mistakes with the largest loss, as pictures."""
    page.section(both("The worst mistakes"))
    wrong = mistakes(evaluation)
    if not wrong:
        page.text(both("There are none: every picture was answered rightly."))
        return
    if images is None:
        page.text(both("The pictures could not be opened when this page was written; their names are below."))
    cells, gone = [], 0
    for mistake in wrong[:SHOWN]:
        png = found(images, evaluation.split, mistake.name)
        gone += images is not None and png is None
        said = both("{answer} ({share})", answer=mistake.answer, share=percent(mistake.confidence))
        was = both("in truth {truth} ({share})", truth=mistake.truth, share=percent(mistake.truth_probability))
        cells.append((png, f"{mistake.name}: {mistake.truth} / {mistake.answer}", (said, was, mistake.name)))
    if gone:
        page.text(both("{n} of the pictures below could not be read any more.", n=gone))
    page.pictures(cells, both(
        "{n} of {of} mistakes, largest loss first: the answer and how sure the net was of it, then the truth and the "
        "probability it was given, then the picture's name. All of them are in mistakes.csv.",
        n=len(cells), of=f"{len(wrong):,}"))  # fmt: skip
