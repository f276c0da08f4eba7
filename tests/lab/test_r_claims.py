"""The studies of depth and of residual blocks: R1, R4, R6, R7, R9."""

from dataclasses import replace
from math import isfinite, log, log2, log10

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from konvolut.blocks.init import initialise
from konvolut.blocks.residual import Residual
from konvolut.lab import depths
from konvolut.lab.claims import r1, r4, r6, r7, r9
from konvolut.lab.conduct import name_of
from konvolut.lab.gauges import DIVERGED, first
from konvolut.lab.material import asked, material
from konvolut.lab.study import Ask, Measurement, Setting
from konvolut.lab.verdict import judge
from konvolut.lens.gradients import RowNorm
from konvolut.nets.arch import build, facts, layers
from konvolut.training.recipe import Recipe

TINY = Setting("glance", "", 0.064)  # 64 of 1,000 pictures: a batch, and so a step an epoch
STUDIES = {module.STUDY.claim.id: module.STUDY for module in (r1, r4, r6, r7, r9)}


def numbers(arch):
    return sum(fact.params for fact in facts(arch))


def residuals(arch):
    return sum(isinstance(part, Residual) for part in build(arch).modules())


@pytest.mark.parametrize("name", STUDIES)
def test_a_contrast_speaks_of_arms_and_values_there_are(name):
    study = STUDIES[name]
    for c in study.contrasts:
        assert {c.more, *filter(None, (c.less,)), *(c.beyond or ())} <= set(study.arms)
        assert c.value in study.unit
    assert set(study.rates) <= set(study.arms)
    assert study.cost * len(study.asks(study.seeds, TINY)) <= 900  # seconds at the quick tier


# --- depths: R1, R4, R9


def counted(depth):
    """Numbers of He's CIFAR net on grey pictures, of widths 8, 16, 32: convolutions, two a map for a norm, the classifier."""
    n = (depth - 2) // 6
    convs = [(1, 8), *[(8, 8)] * 2 * n, (8, 16), *[(16, 16)] * (2 * n - 1), (16, 32), *[(32, 32)] * (2 * n - 1)]
    return sum(9 * c * o + 2 * o for c, o in convs) + 32 * 10 + 10


def differ_in_the_shortcuts_alone(depth):
    plain, residual = depths.table(f"plain {depth}"), depths.table(f"residual {depth}")
    assert layers(plain) == layers(residual) == depth
    assert numbers(plain) == numbers(residual) == counted(depth)
    assert (residuals(plain), residuals(residual)) == (0, (depth - 2) // 2)


@pytest.mark.parametrize("depth", [8, 20])
def test_plain_and_residual_differ_in_the_shortcuts_alone(depth):
    differ_in_the_shortcuts_alone(depth)


def test_a_plain_arm_with_shortcuts_would_be_noticed(monkeypatch):
    monkeypatch.setitem(depths.KINDS, "plain", "A")
    with pytest.raises(AssertionError):
        differ_in_the_shortcuts_alone(8)


@pytest.mark.parametrize(
    ("seen", "steps"),
    [
        ([1.0] * 20, 8),  # a window is 8 steps
        ([0.0] * 10 + [1.0] * 10, 16),  # 6 of 8 right: 0.75
        ([0.5] * 20, 20),  # never
        ([1.0] * 3, 3),
    ],
)
def test_steps_are_counted_to_the_mark(seen, steps):
    assert depths.reached(seen) == steps


def test_a_net_that_guesses_has_the_loss_of_a_guess():
    held = material("digits", 14, 60, 30)
    net = build(depths.table("plain 8"))
    for p in net.fc.parameters():
        nn.init.zeros_(p)
    assert depths.loss(net, held) == pytest.approx(log(10))
    nn.init.constant_(net.fc.dense.bias, float("nan"))
    assert depths.loss(net, held) == DIVERGED


def test_studies_of_depth_share_their_trainings():
    ask = Ask("residual 20", 1, 0.1, Setting("quick", "digits"))
    assert name_of(r4.STUDY, ask) == name_of(r9.STUDY, ask)
    assert name_of(r4.STUDY, ask) != name_of(r4.STUDY, replace(ask, rate=0.03))
    assert {*r1.STUDY.asks(5, ask.setting), *r4.STUDY.asks(5, ask.setting)} == set(r9.STUDY.asks(5, ask.setting))


@pytest.mark.parametrize("arm", ["plain 8", "residual 8"])
def test_a_depth_is_measured(arm, monkeypatch):
    monkeypatch.setattr(depths, "RECIPE", replace(depths.RECIPE, epochs=1))
    found = depths.measure(Ask(arm, 0, 0.1, TINY))
    assert set(found) == {*depths.UNIT, "doublings capped"}
    assert all(map(isfinite, found.values()))
    assert found["doublings"] == log2(1)  # of one step
    diverged = depths.measure(Ask(arm, 0, 1e3, Setting("glance", "", 0.128)))
    assert all(map(isfinite, diverged.values()))


def verdict(study, value, of):
    """Of made-up measurements, of(kind, depth) with a little spread."""
    found = [
        Measurement(arm, seed, {value: of(arm.split(" ")[0], int(arm.split(" ")[1])) + seed * (1 + number % 3) / 1e4})
        for number, arm in enumerate(study.arms)
        for seed in range(5)
    ]
    return judge([c for c in study.contrasts if c.value == value], found)


def test_r1_and_r4_judge_the_same_rise_of_the_loss_the_other_way_round():
    def rises(kind, depth):
        return depth / 20

    def falls(kind, depth):
        return 0.3 - depth / 1000

    assert [verdict(r1.STUDY, "loss", of).word for of in (rises, falls)] == ["supported", "contradicted"]
    assert [verdict(r4.STUDY, "loss", of).word for of in (rises, falls)] == ["contradicted", "supported"]


def test_r9_wants_a_gap_that_grows():
    def grows(kind, depth):
        return 5 + (depth / 10 if kind == "plain" else 0)

    def stays(kind, depth):
        return 5 + depth / 10 - (kind == "residual")

    found = verdict(r9.STUDY, "doublings", grows)
    assert found.word == "supported"
    assert [f.difference.mean for f in found.findings[-2:]] == pytest.approx(
        [1.2, 2.4], abs=1e-3
    )  # 12 and 24 layers / 10
    assert [f.word for f in verdict(r9.STUDY, "doublings", stays).findings] == ["supported"] * 3 + ["contradicted"] * 2


# --- R6


def test_r6_compares_a_thousand_layers_with_and_without_shortcuts():
    assert {"plain 1001", "residual 1001"} <= set(r6.STUDY.arms)
    plain, residual = r6.net("plain 29"), r6.net("residual 29")  # 9n + 2 as well, and soon built
    assert layers(plain) == layers(residual) == 29
    assert numbers(residual) - numbers(plain) == 4 * 16 + 16 * 32 + 32 * 64  # the projections that open the stages
    assert (residuals(plain), residuals(residual)) == (0, 9)


@pytest.mark.parametrize("arm", ["plain 29", "residual 29"])
def test_r6_measures_the_fall_and_the_first_gradient(arm, monkeypatch):
    monkeypatch.setattr(r6, "RECIPE", replace(r6.RECIPE, epochs=1))
    ask = Ask(arm, 3, setting=TINY)
    found = r6.measure(ask)
    net = build(r6.net(arm), seed=3).train()
    batch, labels = first(asked(ask, 7, 1000), 64)
    loss = cross_entropy(net(batch), labels)  # one step: the loss before it, whatever the order of the pictures
    loss.backward()
    assert found == pytest.approx(
        {"fall": log(10) - loss.item(), "gradient": log10(net.conv1.conv.weight.grad.norm())}, abs=1e-4
    )


def test_r6_gives_numbers_where_the_training_has_none(monkeypatch):
    monkeypatch.setattr(r6, "losses", lambda course: (log(10), DIVERGED))
    monkeypatch.setattr(r6, "norms", lambda *_, at: [RowNorm(*at, 1.0, float("nan"), float("nan"))])
    assert r6.measure(Ask("plain 29", 0, setting=TINY)) == {"fall": 0.0, "gradient": pytest.approx(38)}


# --- R7


def test_r7_arms_are_one_net_but_for_depth_decay_and_beginning():
    found = {arm: (way.depth, way.epochs, way.decay, way.zero) for arm, way in r7.ARMS.items()}
    assert found.pop("20 layers")[1:] == found.pop("56 layers")[1:]
    assert {(decay, zero) for *_, decay, zero in found.values()} == {(d, z) for d in (0, 5e-4) for z in (False, True)}
    assert len({(depth, epochs) for depth, epochs, *_ in found.values()}) == 1


def small(seed=0, zero=False):
    net = build(r7.net("20 layers"), seed=seed)
    initialise(net, "he", seed, zero_residual=zero)
    return net.eval(), *first(material("digits", 14, 60, 30), 16)


def test_a_block_that_halves_responds_by_a_half():
    conv = nn.Conv2d(3, 3, 1, bias=False)
    with torch.no_grad():
        conv.weight.copy_(torch.eye(3).reshape(3, 3, 1, 1) / 2)
    model = nn.Sequential(Residual(conv, nn.Identity(), nn.ReLU()))
    assert r7.responses(model, torch.rand(4, 3, 5, 5), r7.blocks(model)) == {"0": pytest.approx(0.5)}
    assert r7.size(model, "0") == pytest.approx((3 / 4) ** 0.5)


def test_a_block_begun_as_its_shortcut_adds_nothing_is_of_no_use_and_its_convolutions_have_no_gradient():
    net, batch, labels = small(zero=True)
    at = r7.blocks(net)
    assert at == ["stage1.0", "stage1.1", "stage1.2", "stage2.1", "stage2.2", "stage3.1", "stage3.2"]
    assert max(r7.responses(net, batch, at).values()) < 1e-9
    assert [r7.uses(net, batch, labels, name) for name in at] == [0.0] * 7
    cross_entropy(net(batch), labels).backward()
    assert all(
        p.grad.abs().max() == 0 for n, p in net.named_parameters() if ".body." in n and n.endswith("conv.weight")
    )


def test_the_use_of_a_block_is_the_loss_without_it():
    net, batch, labels = small()
    with torch.no_grad():
        whole, found = cross_entropy(net(batch), labels), r7.uses(net, batch, labels, "stage2.1")
        last = [part for part in net.get_submodule("stage2.1").modules() if isinstance(part, nn.BatchNorm2d)][-1]
        nn.init.zeros_(last.weight)  # its bias is 0
        assert found == pytest.approx(float(cross_entropy(net(batch), labels) - whole), abs=1e-5)
    assert found != 0


def test_ranks_are_correlated():
    assert r7.rank([1, 2, 3, 4], [1, 10, 100, 1000]) == pytest.approx(1)
    assert r7.rank([1, 2, 3, 4], [1, 3, 2, 4]) == pytest.approx(1 - 6 * 2 / (4 * 15))  # 1 - 6 sum d^2 / (n (n^2 - 1))
    assert r7.rank([1, 2, 3], [5, 5, 5]) == 0


@pytest.mark.parametrize(("decay", "shrinks"), [(0.0, False), (0.1, True)])
def test_behind_a_norm_weights_grow_unless_they_decay(decay, shrinks, monkeypatch):
    """A loss that does not hear of a weight's length has a gradient at right angles to it (Pythagoras): without momentum
    each step makes it longer.
    """
    monkeypatch.setattr(r7, "RECIPE", Recipe(batch=64, lr=0.1, momentum=0.0, schedule="flat", precision="fp32"))
    monkeypatch.setitem(r7.ARMS, "no decay", r7.Way(20, 3, decay))
    shrunk = r7.measure(Ask("no decay", 0, setting=TINY))["shrunk"]
    assert (shrunk > 0) == shrinks


@pytest.mark.parametrize("arm", ["20 layers", "zero, decay"])
def test_r7_measures_finite_numbers(arm, monkeypatch):
    monkeypatch.setitem(r7.ARMS, arm, replace(r7.ARMS[arm], epochs=1))
    found = r7.measure(Ask(arm, 0, setting=TINY))
    assert set(found) == set(r7.STUDY.unit)
    assert all(map(isfinite, found.values()))
