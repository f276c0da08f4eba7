"""The verdict machine: intervals against SciPy's, words by hand, and that a planted effect is found and no effect is not."""

import numpy as np
import pytest
from scipy.stats import ttest_rel

from konvolut.errors import ClaimError
from konvolut.lab.conduct import Result, conduct
from konvolut.lab.index import STUDIES, study
from konvolut.lab.stats import Difference, paired
from konvolut.lab.study import Check, Claim, Contrast, Measurement, Trained
from konvolut.lab.verdict import WORDS, decide, exactly, judge

CLAIM = Claim(id="T1", sentence="S0", text="One is more than the other.", expected="supported", why="It is planted.")


def test_the_interval_is_that_of_the_paired_t_test():
    chance = np.random.default_rng(0)
    one, two = chance.normal(1, 1, 7), chance.normal(0, 1, 7)
    theirs = ttest_rel(one, two).confidence_interval(0.95)
    ours = paired(one.tolist(), two.tolist())
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))
    assert ours.mean == pytest.approx((one - two).mean())


def test_a_true_difference_of_the_detectable_size_is_seen_eight_times_in_ten():
    chance, n, spread = np.random.default_rng(1), 12, 1.0
    shown, sizes = [], [paired(chance.normal(0, spread, n).tolist(), [0.0] * n).detectable for _ in range(400)]
    for size in sizes:
        shown.append(paired(chance.normal(np.mean(sizes), spread, n).tolist(), [0.0] * n).low > 0)
        assert size > 0
    assert 0.72 < np.mean(shown) < 0.88


@pytest.mark.parametrize(
    ("low", "mean", "high", "word"),
    [
        (0.02, 0.05, 0.08, "supported"),
        (-0.01, 0.05, 0.11, "inconclusive"),  # reaches the least effect, and 0 as well
        (0.001, 0.004, 0.007, "contradicted"),  # there, but too small to matter
        (-0.08, -0.05, -0.02, "contradicted"),
        (0.002, 0.008, 0.014, "inconclusive"),
    ],
)
def test_words_by_hand(low, mean, high, word):
    assert decide(Difference(mean, low, high, 5, 0.0), least=0.01) == word


def planted(effects: dict[str, float], seeds: int = 6) -> list[Measurement]:
    chance = np.random.default_rng(3)
    return [
        Measurement(arm, seed, {"x": effect + chance.normal(0, 0.01)})
        for seed in range(seeds)
        for arm, effect in effects.items()
    ]


def contrast(more: str, less: str) -> Contrast:
    return Contrast(about=f"{more} over {less}", value="x", more=more, less=less, least=0.1)


def test_a_planted_effect_is_supported_its_opposite_contradicted_and_both_are_conditional():
    found = planted({"a": 1.0, "b": 0.5, "c": 1.5})
    assert judge([contrast("a", "b")], found).word == "supported"
    assert judge([contrast("b", "a")], found).word == "contradicted"
    both = judge([contrast("a", "b"), contrast("a", "c")], found)
    assert both.word == "conditional"
    assert both.condition == "a over b: supported; a over c: contradicted"


def test_identical_arms_are_no_effect():
    assert judge([contrast("a", "b")], planted({"a": 1.0, "b": 1.0})).word == "contradicted"


def test_an_exact_study_is_exact_or_contradicted():
    assert exactly([Check("two and two", 4, 4)]).word == "exact"
    assert exactly([Check("two and two", 4, 4), Check("a planted fault", 5, 4)]).word == "contradicted"
    assert exactly([Check("rounded", 0.16, 0.163, within=0.005)]).word == "exact"


def test_an_exact_study_may_hold_under_one_condition_only():
    by_cost = [Check("share of weights", 1, 1, about="weights"), Check("share of work", 1, 0, about="work")]
    found = exactly(by_cost)
    assert (found.word, found.condition) == ("conditional", "weights: exact; work: contradicted")


def measure(arm: str, seed: int) -> dict[str, float]:
    return {"x": float(arm == "a") + 0.01 * seed}


def test_a_study_is_conducted_seed_by_seed_in_processes():
    tiny = Trained(
        claim=CLAIM, arms=("a", "b"), measure=measure, contrasts=(contrast("a", "b"),), fixed="all", unit={"x": "ones"},
    )  # fmt: skip
    *measured, result = conduct(tiny, seeds=3, jobs=2)
    assert [(m.arm, m.seed) for m in measured] == [(arm, seed) for seed in range(3) for arm in "ab"]
    assert isinstance(result, Result)
    assert result.verdict.word == "supported"
    assert result.verdict.findings[0].difference.mean == 1


def test_every_claim_says_what_it_expects_and_from_which_sentence():
    for key, found in STUDIES.items():
        assert key == found.claim.id
        assert found.claim.expected in WORDS
        assert found.claim.sentence.startswith("S")
    with pytest.raises(ClaimError, match="did you mean 'A15'"):
        study("A155")
