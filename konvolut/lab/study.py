"""What an experiment is: a sentence, arms that differ in one thing, and what is compared."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

TIERS = {  # how much is spent: the seeds of an arm (0: the study's own), and what the verdict may say
    "glance": 3,  # at most a minute, on fewer pictures where need be: it may only say what it looks like
    "quick": 0,  # what the committed results are made at
    "full": 10,  # on the set the study names for it
}


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
class Setting:
    """Where a study is held: on which pictures, and on what share of those it usually takes."""

    tier: str = "quick"
    data: str = ""  # "" is the study's own
    share: float = 1.0


QUICK = Setting()


@dataclass(frozen=True, slots=True)
class Ask:
    """One measurement to make."""

    arm: str
    seed: int
    rate: float = 0.0  # learning rate, where the study sweeps it; 0: the study's own
    setting: Setting = QUICK


@dataclass(frozen=True, slots=True)
class Measurement:
    """One arm at one seed: named numbers."""

    arm: str
    seed: int
    values: Mapping[str, float]
    rate: float = 0.0
    seconds: float = 0.0  # it took, on one thread


@dataclass(frozen=True, kw_only=True, slots=True)
class Contrast:
    """The sentence, made comparable: `value` is at least `least` larger in arm `more` than in arm `less`.

    Without `less` the value itself is compared with 0. `over` is the value read in `less` where that is another one.
    With `beyond`, a pair of arms, the difference must exceed that pair's own by `least`. `absent` turns the sentence
    round: it says that there is no such difference, and is supported when the measurements show that there is none.
    """

    about: str  # the condition it speaks of
    value: str
    more: str
    less: str = ""
    over: str = ""
    beyond: tuple[str, str] | None = None
    absent: bool = False
    least: float  # the smallest difference that matters, in the unit of `value`

    def difference(self, values: Mapping[str, Mapping[str, float]]) -> float:
        """Of one seed's values, by arm."""
        found = values[self.more][self.value] - (values[self.less][self.over or self.value] if self.less else 0.0)
        if self.beyond:
            more, less = self.beyond
            found -= values[more][self.value] - values[less][self.over or self.value]
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Exact:
    """A study whose answer is arithmetic."""

    claim: Claim
    checks: Callable[[], Iterator[Check]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Trained:
    """A study whose answer is measured on trained nets.

    `measure(ask)` trains and measures one arm; it runs in a process of its own with one torch thread, so it must be
    importable. Arms at the same seed see the same pictures in the same order, and start from the same weights where their
    tables agree. With `rates` an arm is measured at each learning rate and enters the comparison at its best one, chosen
    by `best` on training or validation pictures, on average over the seeds; all rates are shown.
    """

    claim: Claim
    arms: tuple[str, ...]
    measure: Callable[[Ask], Mapping[str, float]]
    contrasts: tuple[Contrast, ...]
    fixed: str  # what all arms share
    unit: Mapping[str, str]  # value -> what it is, and in what
    data: str = "digits"
    full: str = "fashion-mnist"  # the set of the full tier
    rates: Mapping[str, tuple[float, ...]] = field(default_factory=dict)  # arm -> learning rates to try
    best: tuple[str, str] = ("", "")  # the value a rate is chosen by, and "least" or "most"
    seeds: int = 5
    cost: float = 1.0  # seconds of one measurement on one thread, about
    drops: str = ""  # the rules of the protocol it cannot keep within its budget
    advice: Mapping[str, str] = field(default_factory=dict)  # verdict -> what to give to `konvolut train`

    def asks(self, seeds: int, setting: Setting) -> list[Ask]:
        """Every measurement of a run, seed by seed, so that a stopped run has whole seeds."""
        return [
            Ask(arm, seed, rate, setting)
            for seed in range(seeds)
            for arm in self.arms
            for rate in self.rates.get(arm, (0.0,))
        ]


Study = Exact | Trained
