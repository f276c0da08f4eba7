"""The studies of batch norm, on their smallest scale."""

from dataclasses import replace
from math import ceil, isfinite, log, log2, log10

import pytest
import torch
from torch.nn.functional import conv2d, cross_entropy

from konvolut.errors import RunError
from konvolut.lab.claims import b1, b9, b10, b11, b12, b15
from konvolut.lab.gauges import first
from konvolut.lab.material import material, training
from konvolut.lab.study import Ask, Setting
from konvolut.nets.arch import Arch, facts, layers
from konvolut.training.loop import Step
from konvolut.training.metrics import Tally

TINY = Setting("glance", "", 0.05)


def params(arch: Arch) -> int:
    return sum(fact.params for fact in facts(arch))


def shrunk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every study at an epoch or two of a few pictures."""
    monkeypatch.setattr(b9, "RECIPE", replace(b9.RECIPE, epochs=1))
    monkeypatch.setattr(b11, "RECIPE", replace(b11.RECIPE, batch=10))
    for study in (b10, b11):
        for name, kind in study.KINDS.items():
            less = {"recipe": replace(kind.recipe, epochs=1)} if study is b10 else {"epochs": 1}
            monkeypatch.setitem(study.KINDS, name, replace(kind, **less))
    monkeypatch.setattr(b12, "STEPS", 4)
    monkeypatch.setattr(b12, "LOWEST", 2)
    monkeypatch.setattr(b15, "TUNED", replace(b15.TUNED, epochs=2))
    monkeypatch.setattr(b15, "BOOK", replace(b15.BOOK, epochs=2))


@pytest.mark.parametrize("study", [b1, b9, b10, b11, b12, b15], ids=lambda study: study.CLAIM.id)
def test_a_measurement_gives_every_value_as_a_number(study, monkeypatch):
    shrunk(monkeypatch)
    plan = study.STUDY
    said = {c.value for c in plan.contrasts} | {c.over for c in plan.contrasts if c.over} | set(plan.unit)
    for arm in (plan.arms[0], plan.arms[-1]):
        found = study.measure(Ask(arm, 0, plan.rates.get(arm, (0.0,))[0], TINY))
        assert {name for name in found if not name.endswith(" capped")} == said == set(plan.unit)
        assert all(map(isfinite, found.values()))


@pytest.mark.parametrize("study", [b1, b9, b10, b11, b12, b15], ids=lambda study: study.CLAIM.id)
def test_a_study_compares_arms_it_measures(study):
    plan = study.STUDY
    named = {arm for c in plan.contrasts for arm in (c.more, c.less, *(c.beyond or ())) if arm}
    assert named <= set(plan.arms)
    assert set(plan.rates) <= set(plan.arms)


@pytest.mark.parametrize("name", b1.KINDS)
def test_the_columns_of_b1_differ_in_nothing_that_has_weights(name):
    kind = b1.KINDS[name]
    column = 9 * 16 + 4 * 9 * 16 * 16 + 14 * 14 * 16 * 10 + 10  # stem, four convolutions, dense layer with its biases
    norms = 2 * 16 * 5 if kind.norm == "bn" else 0
    assert params(b1.net(kind, 4)) == column + norms


def test_every_relu_layer_of_b1_has_an_equal_share_in_the_loss():
    """Without biases a ReLU net's logits are homogeneous in each layer's weights, so by Euler's theorem the product of
    weights and gradient is the same number in every layer.
    """

    def shares(bias: float) -> list[float]:
        held = material("digits", b1.PX, 200)
        net = training(b1.net(b1.KINDS["relu he"], 4), held, b1.RECIPE, 0).net
        batch, labels = first(held, 64)
        if bias:  # the planted fault: something that does not grow with the weights
            net.conv2.register_forward_hook(lambda module, takes, gives: gives + bias)
        cross_entropy(net(batch), labels).backward()
        weights = [getattr(net, row).conv.weight for row in ("stem", "conv1", "conv2", "conv3", "conv4")]
        return [float((weight.detach() * weight.grad).sum()) for weight in weights]

    assert shares(0.0) == pytest.approx([shares(0.0)[0]] * 5, rel=1e-3)
    assert shares(1.0) != pytest.approx([shares(1.0)[0]] * 5, rel=1e-1)


def test_b1_sees_weights_that_are_too_small_by_how_much_too_small_they_are():
    """He's weights have a deviation of sqrt(2 / 144), AlexNet's of 0.01, so a gradient loses that ratio once a layer."""
    rise = {init: b1.measure(Ask(f"relu {init} 8", 0, setting=TINY))["maps"] for init in ("he", "gaussian")}
    assert rise["gaussian"] - rise["he"] == pytest.approx(10 * log10((2 / 144) ** 0.5 / 0.01), abs=0.4)


@pytest.mark.parametrize("act", b9.ACTS)
def test_the_arms_of_b9_differ_in_the_norms_alone(act):
    plain = 9 * 16 + 7 * 9 * 16 * 16 + 3 * 3 * 16 * 10 + 10
    assert [params(b9.net(act, way)) for way in b9.WAYS] == [plain, plain, plain + 8 * 2 * 16]


def test_normalised_once_every_layer_spreads_by_one_until_somebody_moves_its_weights():
    held = material("digits", 14, 200)
    net = training(b9.net("relu", "once"), held, replace(b9.RECIPE, batch=50), 0).net
    batch = first(held, 100)[0]
    at = b9.before("once")
    assert max(map(abs, b9.looked(net, batch, at))) > 0.5  # Xavier's weights before ReLUs leave them far apart
    b9.normalise(net, batch, at)
    assert b9.looked(net, batch, at) == pytest.approx([0.0] * 8, abs=1e-4)
    net.conv1.conv.weight.data *= 4  # ReLUs pass a factor on: two doublings in every layer
    assert b9.looked(net, batch, at) == pytest.approx([2.0] * 8, abs=1e-4)


def test_batch_norm_spreads_by_one_whatever_its_weights_and_looking_leaves_no_trace():
    held = material("digits", 14, 200)
    net = training(b9.net("relu", "bn"), held, replace(b9.RECIPE, batch=50), 0).net
    batch = first(held, 100)[0]
    net.conv1.conv.weight.data *= 4
    before = net.conv1.norm.running_var.clone()
    assert b9.looked(net, batch, b9.before("bn")) == pytest.approx([0.0] * 8, abs=0.01)
    assert torch.equal(net.conv1.norm.running_var, before)


def test_nothing_drifts_at_a_rate_of_nothing():
    held = material("digits", 14, 200)
    batch, at = first(held, 100)[0], b9.before("xavier")
    for rate, far in ((0.0, False), (0.1, True)):
        course = training(b9.net("tanh", "xavier"), held, replace(b9.RECIPE, epochs=2, lr=rate), 0)
        assert (b9.drift(course, batch, at, b9.looked(course.net, batch, at)) > 0) == far


def test_batch_norm_adds_two_numbers_a_unit_and_takes_its_bias():
    units = 6 + 16 + 120 + 84
    for study, name in ((b10, "sigmoid LeNet"), (b15, "")):
        plain, bn = (study.net(name, norm) if name else study.net(norm) for norm in ("plain", "bn"))
        assert (params(plain), params(bn)) == (61_706, 61_706 + units)
        assert plain.rows[0].spec.p == bn.rows[0].spec.p == 2  # the book's own pair differs here too
    for name, repeat in (("ReLU, 3 convolutions", 1), ("ReLU, 12 convolutions", 4)):
        plain, bn = (b10.net(name, norm) for norm in ("plain", "bn"))
        assert layers(plain) == layers(bn) == 3 * repeat + 1
        assert params(bn) - params(plain) == repeat * (8 + 16 + 32)


def test_b10_counts_every_step_of_a_training_that_gets_nowhere(monkeypatch):
    shrunk(monkeypatch)
    hopeless = b10.measure(Ask("ReLU, 3 convolutions plain", 0, 1e-6, Setting("glance", "", 0.2)))
    assert hopeless == {"doublings": pytest.approx(log2(ceil(300 / 50))), "doublings capped": 1.0}


def test_a_scaled_update_has_the_length_asked_for_and_keeps_its_direction():
    held = material("digits", 14, 200)

    def moves(scaled: bool) -> list[torch.Tensor]:
        course = training(b11.net("relu", "none"), held, replace(b11.RECIPE, lr=0.1), 0)
        before = [layer.weight.detach().clone() for layer in b11.layers(course.net)]
        if scaled:
            b11.scaled(course, [torch.tensor([1.0, 2.0, 3.0, 4.0])])
        next(course.events())
        return [layer.weight.detach() - old for layer, old in zip(b11.layers(course.net), before, strict=True)]

    plain, equal = moves(False), moves(True)
    lengths = [0.1, 0.2, 0.3, 0.4]  # the rate times what was asked for
    assert [float(move.norm()) for move in equal] == pytest.approx(lengths, rel=1e-4)
    assert [float(move.norm()) for move in plain] != pytest.approx(lengths, rel=1e-1)
    for one, other in zip(plain, equal, strict=True):
        assert float((one * other).sum() / one.norm() / other.norm()) == pytest.approx(1, abs=1e-5)


def test_b11_gives_the_scaled_net_gradients_as_long_as_its_twin_with_batch_norm(monkeypatch):
    shrunk(monkeypatch)
    found = {way: b11.measure(Ask(f"sigmoid, rate 0.3 {way}", 0, setting=TINY))["gradient"] for way in b11.WAYS}
    assert found["scaled"] == pytest.approx(found["bn"], abs=1e-3)
    assert found["plain"] != pytest.approx(found["bn"], abs=0.1)


class Played:
    """A training whose losses are given; None is one that is no number."""

    def __init__(self, *losses: float | None) -> None:
        self.losses = losses

    def events(self):
        for number, loss in enumerate(self.losses):
            if loss is None:
                raise RunError("the loss is nan")
            yield Step(number, len(self.losses), 1.0, Tally(loss, 0, 1))


@pytest.mark.parametrize(
    ("losses", "diverges"),
    [
        ([2.4] * 30 + [1.0] * 30, False),
        ([2.4] * 30 + [5.0] * 30, True),
        ([2.4, None], True),
        ([9.0] * 30 + [log(10)] * 30, True),  # silenced: below where it began, and yet no more than guessing
        ([1.5] * 30 + [1.6] * 30, True),  # above where it began, though better than guessing
        ([2.4] * 30 + [1.0] * 30 + [9.0] * 30, False),  # what comes after 60 steps is not looked at
    ],
)
def test_what_counts_as_diverging(losses, diverges):
    assert b12.diverges(Played(*losses), log(10)) == diverges


def test_b12_finds_the_largest_rate_below_a_limit(monkeypatch):
    monkeypatch.setattr(b12, "diverges", lambda course, guessing: course.recipe.lr > 0.3)
    assert b12.measure(Ask("3 convolutions plain", 0, setting=TINY)) == {"largest": -2.0}
    monkeypatch.setattr(b12, "diverges", lambda course, guessing: True)
    assert b12.measure(Ask("9 convolutions bn", 0, setting=TINY)) == {"largest": float(b12.LOWEST)}


def test_the_nets_of_b12_differ_in_the_norms_alone():
    for name, repeat in b12.DEPTHS.items():
        assert params(b12.net(name, "bn")) - params(b12.net(name, "none")) == repeat * (8 + 16 + 32)


def test_statistics_taken_anew_are_those_of_the_pictures_and_only_the_copy_has_them():
    held = material("digits", 28, 600)
    net = training(b15.net("bn"), held, b15.TUNED, 0).net
    copy = b15.recalibrated(net, held)
    batch = first(held, 256)[0]
    batch = torch.cat([batch, *(first(replace(held, train=held.train[256:]), 256)[:1])])
    gives = conv2d(batch, net.conv1.conv.weight, padding=2)
    assert torch.allclose(copy.conv1.norm.running_mean, gives.mean((0, 2, 3)), atol=1e-5)
    assert torch.allclose(copy.conv1.norm.running_var, gives.var((0, 2, 3)), rtol=0.02)
    assert not copy.training
    assert not torch.allclose(net.conv1.norm.running_var, copy.conv1.norm.running_var, rtol=0.02)
    assert torch.equal(net.conv1.norm.running_mean, torch.zeros(6))  # as it was made


def test_b15_finds_nothing_to_gain_where_there_is_no_batch_norm(monkeypatch):
    shrunk(monkeypatch)
    found = b15.measure(Ask("plain", 0, 0.01, TINY))
    assert found["gain"] == 0
    assert found["swing"] == found["swing anew"]
