"""The verdict machine: intervals against SciPy's, words by hand, and that a planted effect is found and no effect is not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from joblib import parallel_config
from scipy.stats import ttest_rel

from konvolut.errors import ClaimError
from konvolut.lab import verdict
from konvolut.lab.conduct import Result, conduct, name_of
from konvolut.lab.index import STUDIES, study
from konvolut.lab.stats import Difference, needed, paired
from konvolut.lab.study import Ask, Check, Claim, Contrast, Measurement, Setting, Trained
from konvolut.lab.verdict import WORDS, decide, exactly, finding, judge

CLAIM = Claim(id="T1", sentence="S0", text="One is more than the other.", expected="supported", why="It is planted.")


def test_the_interval_is_that_of_the_paired_t_test():
    chance = np.random.default_rng(0)
    one, two = chance.normal(1, 1, 7), chance.normal(0, 1, 7)
    theirs = ttest_rel(one, two).confidence_interval(0.95)
    ours = paired(one.tolist(), two.tolist())
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))
    assert ours.mean == pytest.approx((one - two).mean())


def test_the_control_fails_where_the_machine_calls_noise_an_effect(monkeypatch):
    chance = np.random.default_rng(5).normal(0, 1, 6).tolist()
    assert finding(contrast("a", "b"), chance).control
    monkeypatch.setattr(verdict, "decide", lambda found, least: "supported" if found.mean >= least else "contradicted")
    assert finding(contrast("a", "b"), chance).imagined > 0.3
    assert not finding(contrast("a", "b"), chance).control
    found = [Measurement(arm, seed, {"x": x * (arm == "a")}) for seed, x in enumerate(chance) for arm in "ab"]
    assert judge([contrast("a", "b")], found).word == "inconclusive"


def test_two_arms_at_their_caps_say_nothing_of_each_other():
    found = [
        Measurement(arm, seed, {"x": 7.0 + seed * (arm == "c"), "x capped": float(arm != "c")})
        for seed in range(5) for arm in "abc"
    ]  # fmt: skip
    assert judge([contrast("a", "b")], found).word == "inconclusive"
    assert judge([contrast("c", "a")], found).word == "supported"  # b's cap is the least it can have taken
    beyond = replace(contrast("c", "a"), beyond=("a", "b"))
    assert judge([beyond], found).word == "inconclusive"


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


def contrast(more: str, less: str, least: float = 0.1) -> Contrast:
    return Contrast(about=f"{more} over {less}", value="x", more=more, less=less, least=least)


def test_a_planted_effect_is_supported_its_opposite_contradicted_and_both_are_conditional():
    found = planted({"a": 1.0, "b": 0.5, "c": 1.5})
    assert judge([contrast("a", "b")], found).word == "supported"
    assert judge([contrast("b", "a")], found).word == "contradicted"
    both = judge([contrast("a", "b"), contrast("a", "c")], found)
    assert both.word == "conditional"
    assert both.condition == "a over b: supported; a over c: contradicted"


def test_identical_arms_are_no_effect():
    assert judge([contrast("a", "b")], planted({"a": 1.0, "b": 1.0})).word == "contradicted"


def test_a_sentence_that_denies_an_effect_is_held_to_its_absence():
    found = planted({"a": 2.0, "b": 1.0})
    denied = replace(contrast("a", "b"), absent=True)
    assert judge([denied], found).word == "contradicted"
    assert judge([denied], planted({"a": 1.0, "b": 1.0})).word == "supported"


def test_a_contrast_may_be_with_zero_with_another_value_or_with_another_contrast():
    values = {"deep": {"x": 5.0, "y": 1.0}, "shallow": {"x": 2.0, "y": 1.5}}
    assert replace(contrast("deep", ""), value="x").difference(values) == 5
    assert replace(contrast("deep", "shallow"), value="x", over="y").difference(values) == 3.5
    assert replace(contrast("deep", "shallow"), value="x", beyond=("shallow", "deep")).difference(values) == 6


def test_an_exact_study_is_exact_or_contradicted():
    assert exactly([Check("two and two", 4, 4)]).word == "exact"
    assert exactly([Check("two and two", 4, 4), Check("a planted fault", 5, 4)]).word == "contradicted"
    assert exactly([Check("rounded", 0.16, 0.163, within=0.005)]).word == "exact"


def test_an_exact_study_may_hold_under_one_condition_only():
    by_cost = [Check("share of weights", 1, 1, about="weights"), Check("share of work", 1, 0, about="work")]
    found = exactly(by_cost)
    assert (found.word, found.condition) == ("conditional", "weights: exact; work: contradicted")


def measure(ask: Ask) -> dict[str, float]:
    return {"x": float(ask.arm == "a") + 0.01 * ask.seed}


def test_a_study_is_conducted_seed_by_seed_in_processes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tiny = Trained(
        claim=CLAIM, arms=("a", "b"), measure=measure, contrasts=(contrast("a", "b"),), fixed="all", unit={"x": "ones"},
    )  # fmt: skip
    *measured, result = conduct(tiny, seeds=3, jobs=2)
    assert [(m.arm, m.seed) for m in measured] == [(arm, seed) for seed in range(3) for arm in "ab"]
    assert isinstance(result, Result)
    assert result.verdict.word == "supported"
    assert result.verdict.findings[0].difference.mean == 1


def counting(ask: Ask) -> dict[str, float]:
    """Leaves a mark each time it is asked: what was made is not made again."""
    with Path("asked").open("a") as marks:
        marks.write(f"{ask.arm}{ask.seed} ")
    return {"x": float(ask.arm == "a") + 0.01 * ask.seed}


def test_a_stopped_study_goes_on_at_the_first_missing_measurement(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tiny = Trained(
        claim=CLAIM, arms=("a", "b"), measure=counting, contrasts=(contrast("a", "b"),), fixed="all", unit={"x": "ones"},
    )  # fmt: skip
    with parallel_config(backend="threading"):
        begun = conduct(tiny, seeds=3, jobs=1)
        first = [next(begun) for _ in range(4)]
        begun.close()
        before = Path("asked").read_text().split()
        *rest, result = conduct(tiny, seeds=3, jobs=1)
    assert rest[:4] == first
    assert sorted(Path("asked").read_text().split()) == sorted({*before, "a0", "b0", "a1", "b1", "a2", "b2"})
    assert len(rest) == 6
    assert isinstance(result, Result)
    assert (tmp_path / "runs" / "lab" / "measurements").is_dir()


def test_another_seed_rate_share_or_set_is_another_measurement():
    tiny = Trained(
        claim=CLAIM, arms=("a",), measure=measure, contrasts=(), fixed="all", unit={"x": "ones"},
    )  # fmt: skip
    asks = [Ask("a", 0), Ask("a", 1), Ask("a", 0, 0.1), Ask("a", 0, 0.0, Setting(share=0.5)), Ask("b", 0)]
    asks += [Ask("a", 0, 0.0, Setting(data="drawn"))]
    assert len({name_of(tiny, ask) for ask in asks}) == len(asks)
    assert name_of(tiny, Ask("a", 0)) == name_of(tiny, Ask("a", 0))


KINDS = {  # the true effects in two regimes, in the unit of the smallest that matters, and the word they deserve
    "effect": ((3.0, 3.0), "supported"),
    "none": ((0.0, 0.0), "contradicted"),
    "opposite": ((-3.0, -3.0), "contradicted"),
    "one regime": ((3.0, 0.0), "conditional"),
    "too few seeds": ((0.6, 0.6), "inconclusive"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_of_a_thousand_simulated_studies_each_kind_gets_its_word(kind):
    """200 studies of two contrasts a kind; spread 0.6 (2.5 with too few seeds) of the smallest effect that matters, and
    two intervals of 95 % each: more than 1 in 10 wrong words would be too many.
    """
    effects, word = KINDS[kind]
    chance, few = np.random.default_rng(len(kind)), kind == "too few seeds"
    n, spread = (3, 2.5) if few else (8, 0.6)
    words = []
    for _ in range(200):
        found = [
            finding(contrast("a", "b", least=1.0), chance.normal(effect, spread, n).tolist()).word for effect in effects
        ]
        words.append(joined(found))
    assert words.count(word) >= 180, {one: words.count(one) for one in set(words)}


def joined(words: list[str]) -> str:
    """The word of a study whose contrasts have these, by the rule in the docstring of `judge`."""
    found = [
        Measurement(arm, seed, {"x": value})
        for place, word in enumerate(words)
        for arm, values in ((f"m{place}", TYPICAL[word]), (f"l{place}", (0.0, 0.0, 0.0)))
        for seed, value in enumerate(values)
    ]
    return judge([contrast(f"m{place}", f"l{place}", least=1.0) for place in range(len(words))], found).word


TYPICAL = {"supported": (2.0, 2.1, 2.2), "contradicted": (0.0, 0.1, 0.2), "inconclusive": (-9.0, 9.0, 0.0)}


def test_identical_arms_are_no_effect_at_95_percent():
    """How often a study of no effect at all claims one: at most 1 in 40, the upper tail of a 95 % interval."""
    chance = np.random.default_rng(11)
    words = [finding(contrast("a", "b", least=0.0), chance.normal(0, 1, 6).tolist()).word for _ in range(2000)]
    assert 0.015 < words.count("supported") / 2000 < 0.035


def test_the_seeds_that_could_decide_are_those_that_do():
    found = paired([0.5, 1.5, 2.5, 3.5], [0.0] * 4)  # mean 2, standard deviation 1.291
    # t(0.975) is 3.182 with 3 degrees of freedom and 2.776 with 4: 3.182 * 1.291 / 2 = 2.054, 2.776 * 1.291 / 5 ** 0.5 = 1.603
    assert (decide(found, least=1.0), needed(found, least=1.0)) == ("inconclusive", 5)
    assert needed(paired([1.0, -1.0, 1.0, -1.0], [0.0] * 4), least=0.0) is None


def test_the_control_finds_what_is_planted_and_nothing_where_nothing_is():
    chance = np.random.default_rng(5)
    controls = [finding(contrast("a", "b"), chance.normal(0, 1, 5).tolist()).control for _ in range(50)]
    assert all(controls)


def test_every_claim_says_what_it_expects_and_from_which_sentence():
    for key, found in STUDIES.items():
        assert key == found.claim.id
        assert found.claim.expected in WORDS
        assert found.claim.sentence.startswith("S")
    with pytest.raises(ClaimError, match="did you mean 'A15'"):
        study("A155")
