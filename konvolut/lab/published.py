"""What the notebooks of the book Dive into Deep Learning printed on Fashion-MNIST, and where a result falls among it.

Every build of the book trains its nets anew and seeds nothing, so the notebooks' histories hold how far its results
scatter. Accuracies are shares of the 10,000 test pictures, printed to three places. No torch.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from functools import cache
from math import isfinite
from pathlib import Path
from statistics import fmean, median, quantiles, stdev
from typing import Any

import numpy as np

from konvolut.errors import ClaimError, nearest
from konvolut.figures import Page, Spec, histogram
from konvolut.images.imageset import ImageSet
from konvolut.language import Text, _, both, later

FILE = Path(__file__).with_name("published.csv")
FRAMEWORKS = {"pytorch": "PyTorch", "tensorflow": "TensorFlow"}
EPOCHS = 10  # of the book's recipe; a few older builds of lenet-bn trained for 20, at half the rate
FAILED = 0.5  # accuracy: below it a training counts as failed
STEPS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05)  # widths of a bar; the least with at most MOST bars is taken
MOST = 45
FIRST = {  # the labels that Fashion-MNIST's files begin with (Xiao et al. 2017), and how many a class has
    "train": ((9, 0, 0, 3, 0, 2, 7, 2, 5, 5), 6000),
    "test": ((9, 2, 1, 1, 6, 1, 4, 6, 5, 7), 1000),
}

AMONG = later(
    "{net}: {accuracy} is at percentile {percentile} of {n} published runs (median {median}, 5 % to 95 %: {low} to {high})"
)
BELOW = later(
    "{net}: {accuracy} is below each of {n} published runs (lowest {least}, median {median}, 5 % to 95 %: {low} to {high})"
)
ABOVE = later(
    "{net}: {accuracy} is above each of {n} published runs (highest {most}, median {median}, 5 % to 95 %: {low} to {high})"
)
FAILS = later(
    "{net}: {share} % of the {n} published runs, TensorFlow's among them, fail: their accuracy is below {limit}"
)
WHAT = later(
    "Published: what builds of the book Dive into Deep Learning printed from {first} to {last}, on Fashion-MNIST after "
    "{epochs} epochs, on several versions of its libraries; no designed repetition."
)


@dataclass(frozen=True, slots=True)
class Printed:
    """A training of a build of the book: what it was, and the accuracies after its last epoch."""

    framework: str
    net: str
    norm: str  # "scratch" or "concise" where the notebook writes batch norm twice
    lr: float
    epochs: int
    train: float  # while training, over the last epoch
    test: float
    date: date
    commit: str


@dataclass(frozen=True, slots=True)
class Spread:
    """How some trainings scatter. low and high: 5 % and 95 % of them lie below."""

    n: int
    mean: float
    sd: float
    least: float
    low: float
    median: float
    high: float
    most: float
    train: float  # mean
    failed: int


@dataclass(frozen=True, slots=True)
class Place:
    """An accuracy among the published ones of its net: PyTorch's builds, and for failures those of both frameworks."""

    net: str
    accuracy: float
    percentile: float  # per cent of the runs that lie below, those that are equal counted half
    spread: Spread
    failed: int
    of: int


@cache
def printed() -> tuple[Printed, ...]:
    """Every stored training, the latest first, with its source in the file's head."""
    with FILE.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        return tuple(
            Printed(
                r["framework"], r["net"], r["norm"], float(r["lr"]), int(r["epochs"]), float(r["train"]), float(r["test"]),
                date.fromisoformat(r["date"]), r["commit"],
            )
            for r in rows
        )  # fmt: skip


def nets() -> tuple[str, ...]:
    """The nets with published runs, in the book's order. densenet@d2l is not among the nets built here."""
    return tuple(dict.fromkeys(run.net for run in printed()))


def known(net: str) -> str:
    """`net`, if the book has published runs of it. Raises ClaimError, with the nearest that has."""
    if net not in nets():
        raise ClaimError(f"no published runs of {net!r}{nearest(net, nets())}")
    return net


def runs(net: str, framework: str = "") -> list[Printed]:
    """The published runs of `net` by the recipe the book has now, of one framework or of both."""
    return [
        run for run in printed() if run.net == net and run.epochs == EPOCHS and framework in ("", run.framework)
    ]  # fmt: skip


def spread(found: Sequence[Printed]) -> Spread:
    """Of at least two trainings."""
    tests = [run.test for run in found]
    twentieths = quantiles(tests, n=20, method="inclusive")
    return Spread(
        n=len(tests), mean=fmean(tests), sd=stdev(tests), least=min(tests), low=round(twentieths[0], 6),
        median=median(tests), high=round(twentieths[-1], 6), most=max(tests),
        train=fmean(run.train for run in found), failed=failures(found),
    )  # fmt: skip


def failures(found: Sequence[Printed]) -> int:
    return sum(run.test < FAILED for run in found)


def place(net: str, accuracy: float) -> Place:
    """Where `accuracy`, a share, falls among the book's PyTorch runs of `net`. Raises ClaimError for an unknown net."""
    alike, every = runs(known(net), "pytorch"), runs(net)
    shown = round(accuracy, 3)  # as the book prints its own, so that equal ones are equal
    below, equal = sum(run.test < shown for run in alike), sum(run.test == shown for run in alike)
    return Place(net, accuracy, 100 * (below + equal / 2) / len(alike), spread(alike), failures(every), len(every))


def share(text: str) -> float:
    """The accuracy that a user wrote as 0.901, 90.1 or 90.1%.

    >>> share("0.901"), share("90.1 %"), share("1")
    (0.901, 0.901, 1.0)
    """
    written = text.strip()
    try:
        value = float(written.removesuffix("%"))
    except ValueError:
        value = float("nan")
    if written.endswith("%") or value >= 10:  # 90.1 can only be per cent; 5 may be either, or a slip
        value = round(value / 100, 10)  # 90.1 / 100 is 0.9009999999999999
    if not (isfinite(value) and 0 <= value <= 1):
        raise ClaimError(f"accuracy {text!r}: it is a share of the test pictures such as 0.901, or 90.1%")
    return value


def table(only: str | None = None) -> Iterator[dict[str, Any]]:
    """A row for each net (or `only` one) and framework: how its runs scatter, as numbers."""
    for net in nets() if only is None else (known(only),):
        for framework in FRAMEWORKS:
            yield {"net": net, "framework": framework, **asdict(spread(runs(net, framework)))}


def rounded(row: dict[str, Any]) -> dict[str, str]:
    """A row of `table` as it is printed."""
    return {
        "net": row["net"], "framework": FRAMEWORKS[row["framework"]], "n": str(row["n"]),
        "mean": f"{row['mean']:.3f}", "sd": f"{row['sd']:.3f}", "min": f"{row['least']:.3f}", "5 %": f"{row['low']:.3f}",
        "median": f"{row['median']:.3f}", "95 %": f"{row['high']:.3f}", "max": f"{row['most']:.3f}",
        f"below {FAILED}": str(row["failed"]),
    }  # fmt: skip


def plain(found: Place) -> dict[str, Any]:
    """For JSON."""
    return {**asdict(found), "spread": asdict(found.spread)}


def values(found: Place) -> dict[str, object]:
    """What the sentences on a place are filled with."""
    s = found.spread
    numbers = {name: f"{getattr(s, name):.3f}" for name in ("least", "low", "median", "high", "most")}
    return {
        "net": found.net, "accuracy": f"{found.accuracy:.3f}", "percentile": f"{found.percentile:.0f}", "n": s.n, **numbers,
    }  # fmt: skip


def sentence(found: Place) -> str:
    """Which of the sentences holds."""
    shown = round(found.accuracy, 3)
    return BELOW if shown < found.spread.least else ABOVE if shown > found.spread.most else AMONG


def failing(net: str) -> dict[str, object] | None:
    """What the sentence on failures is filled with; None of a net whose trainings all succeed."""
    every = runs(net)
    failed = failures(every)
    if not failed:
        return None
    return {"net": net, "share": f"{100 * failed / len(every):.2g}", "n": len(every), "limit": FAILED}


def source() -> dict[str, object]:
    dates = [run.date for run in printed()]
    return {"first": f"{min(dates):%Y-%m}", "last": f"{max(dates):%Y-%m}", "epochs": EPOCHS}


def told(found: Place) -> list[str]:
    """Where an accuracy falls, in words."""
    lines = [_(sentence(found)).format(**values(found))]
    if fails := failing(found.net):
        lines.append(_(FAILS).format(**fails))
    return [*lines, about()]


def about() -> str:
    """What the published runs are."""
    return _(WHAT).format(**source())


def judged(net: str, accuracy: float | None, images: ImageSet, departs: str) -> tuple[Place | None, list[str]]:
    """The place of a run by the book's recipe, or why it has none, in words.

    `accuracy`: on the test part, None where there is none. `departs`: in what its recipe is not the book's.
    """
    if departs:
        return None, [_("not held against the book's published runs: {what}").format(what=departs)]
    if accuracy is None or not is_fashion_mnist(images):
        return None, [_("the book's published runs are on Fashion-MNIST, and these pictures are not known to be that")]
    found = place(net, accuracy)
    return found, told(found)


def is_fashion_mnist(images: ImageSet) -> bool:
    """Are these its 60,000 training and 10,000 test pictures, going by their labels?

    Any name can be given to a folder, so it is the order of the labels and their counts that must agree: those of MNIST
    and of the sets made after it do not.
    """
    return len(images.classes) == 10 and all(
        role in images.splits
        and images.splits[role].counts(10) == [count] * 10
        and np.array_equal(images.splits[role].labels[: len(first)], first)
        for role, (first, count) in FIRST.items()
    )


def chart(net: str, accuracy: float | None = None) -> Spec:
    """The published accuracies of `net` in PyTorch's builds, and where `accuracy` lies."""
    tests = [run.test for run in runs(net, "pytorch")]
    reach = [*tests, *([] if accuracy is None else [accuracy])]
    width = next((step for step in STEPS if (max(reach) - min(reach)) / step <= MOST), STEPS[-1])
    mark = None if accuracy is None else (accuracy, both("yours, {accuracy}", accuracy=f"{accuracy:.3f}"))
    return histogram(
        tests, width, titles=(both("test accuracy"), both("{n} published runs", n=len(tests))), mark=mark
    )  # fmt: skip


def write_page(path: Path, net: str = "", found: Place | None = None) -> Path:
    """One page on a net, on where a result falls (`found`), or on all nets; returns `path`."""
    page = Page(both("{net} among its published runs", net=net) if net else both("Published runs of the book's nets"))
    if found:
        page.headline(f"{found.accuracy:.3f}", both(sentence(found), **values(found)))
    page.text(both(WHAT, **source()))
    for each in (known(net),) if net else nets():
        fails = failing(each)
        note: Text = both(FAILS, **fails) if fails else each
        page.figure(chart(each, found.accuracy if found else None), caption=note)
    rows = [rounded(row) for row in table(net or None)]
    page.table(list(rows[0]), [list(row.values()) for row in rows], both("Test accuracy of the published runs"))
    return page.write(path)
