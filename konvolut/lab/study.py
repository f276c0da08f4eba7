"""What an experiment is: a sentence, arms that differ in one thing, and what is compared."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """One sentence that can be held against what happens."""

    id: str
    sentence: str  # its number in the lecture notes
    text: str  # in our words
    expected: str  # the verdict we expect before running it
    why: str


@dataclass(frozen=True, slots=True)
class Check:
    """One number of an exact study: what the sentence says, and what the tables come to."""

    what: str
    said: float
    found: float
    within: float = 0.0  # how far apart they may lie: rounding of the sentence, or of arithmetic
    about: str = ""  # the condition it speaks of, where a sentence holds under one and not under another

    @property
    def agrees(self) -> bool:
        return abs(self.said - self.found) <= self.within


@dataclass(frozen=True, slots=True)
class Measurement:
    """One arm at one seed: named numbers."""

    arm: str
    seed: int
    values: Mapping[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Contrast:
    """The sentence, made comparable: `value` is at least `least` larger in arm `more` than in arm `less`."""

    about: str  # the condition it speaks of
    value: str
    more: str
    less: str
    least: float  # the smallest difference that matters, in the unit of `value`


@dataclass(frozen=True, kw_only=True, slots=True)
class Exact:
    """A study whose answer is arithmetic."""

    claim: Claim
    checks: Callable[[], Iterator[Check]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Trained:
    """A study whose answer is measured on trained nets.

    `measure(arm, seed)` trains and measures one arm; it runs in a process of its own with one torch thread, so it must be
    importable. Arms at the same seed see the same pictures in the same order, and start from the same weights where their
    tables agree. `settle` may choose among arms by what was measured in training (a learning rate each, say); it returns
    the measurements that are compared, under the names the contrasts use.
    """

    claim: Claim
    arms: tuple[str, ...]
    measure: Callable[[str, int], Mapping[str, float]]
    contrasts: tuple[Contrast, ...]
    fixed: str  # what all arms share
    unit: Mapping[str, str]  # value -> what it is, and in what
    settle: Callable[[list[Measurement]], list[Measurement]] = field(default=lambda found: found)
    seeds: int = 5


Study = Exact | Trained
