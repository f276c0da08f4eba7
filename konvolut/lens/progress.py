"""How far a run has come that is still training, or was stopped: from its card and its log alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import harmonic_mean
from typing import Any

from konvolut.figures import Page
from konvolut.language import Text, both
from konvolut.lens.findings import percent
from konvolut.training.run import Card, Run

RECENT = 10  # windows that the rate is taken over
Entry = Mapping[str, Any]  # a line of log.jsonl


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a training stood when its log was last written."""

    epochs: int  # finished
    of: int  # epochs planned
    done: float  # share of all steps
    rate: float | None  # pictures a second, over the last windows, or the last epoch; None before the first
    left: float | None  # s of training to the end at that rate, validation not counted; None where there is no rate
    at: datetime | None  # when the log was last written, on the clock of this machine; None where there is none

    @property
    def end(self) -> datetime | None:
        """When the training ends at this rate, if it goes on."""
        return None if self.at is None or self.left is None else self.at + timedelta(seconds=self.left)


def progress(run: Run, epochs: Sequence[Entry], windows: Sequence[Entry]) -> Progress:
    """Of a run whose log holds these `epochs` and `windows` of steps."""
    of = run.card.recipe.epochs
    finished = epochs[-1]["epoch"] if epochs else 0
    done = finished / of
    if windows:
        done = max(done, windows[-1]["step"] / windows[-1]["of"])
    latest = [entry["images_per_s"] for entry in windows[-RECENT:] or epochs[-1:] if entry.get("images_per_s")]
    rate = harmonic_mean(latest) if latest else None  # windows are of about as many pictures, not of as many seconds
    counts = run.card.data.get("counts", {}).get("train")
    left = (1 - done) * of * sum(counts) / rate if rate and counts else None
    log = run.path / "log.jsonl"
    at = datetime.fromtimestamp(log.stat().st_mtime).astimezone() if log.exists() else None
    return Progress(finished, of, done, rate, left, at)


def duration(seconds: float) -> dict[str, str]:
    """A time in print: 9.5 s, 12 min 5 s, 3 h 20 min."""
    if seconds < 60:
        return both("{s} s", s=f"{seconds:.1f}")
    minutes, s = divmod(round(seconds), 60)
    hours, m = divmod(minutes, 60)
    return both("{h} h {m} min", h=hours, m=m) if hours else both("{m} min {s} s", m=m, s=s)


def clock(moment: datetime) -> str:
    """A moment in print, to the second."""
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def underway(page: Page, card: Card, found: Progress, now: datetime) -> None:
    """In place of the accuracy: which epoch of how many, how fast, and when it will end."""
    page.headline(
        percent(found.done),
        both(
            "of the training is done: {n} of {of} epochs are finished; its weights and its final figures are to come.",
            n=found.epochs,
            of=found.of,
        ),
    )
    facts: list[tuple[Text, Text]] = [(both("net"), card.net), (both("pictures"), str(card.data.get("name", "")))]
    if found.rate:
        facts.append((both("rate"), both("{rate} pictures/s", rate=f"{found.rate:,.0f}")))
    if found.left is not None and found.end is not None:
        facts.append((both("time left"), both("{time}, validation not counted", time=duration(found.left))))
        facts.append((both("expected end"), clock(found.end)))
    facts.append((both("this page was written"), clock(now)))
    if found.at is not None:
        ago = max(0.0, (now - found.at).total_seconds())
        facts.append((both("its log was last written"), both("{time} before", time=duration(ago))))
    page.facts(facts)
