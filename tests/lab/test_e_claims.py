"""A4, A5, A10, A13 and A14: what their arms are, and known answers of what they measure."""

from dataclasses import replace
from math import isfinite, log2

import numpy as np
import pytest
import torch

from konvolut.images.preprocess import InputSpec
from konvolut.lab.claims import a4, a5, a10, a13, a14
from konvolut.lab.material import Material
from konvolut.lab.study import Ask, Setting
from konvolut.lens.gradients import norms
from konvolut.nets.arch import Arch, build, facts

STUDIES = {study.STUDY.claim.id: study for study in (a4, a5, a10, a13, a14)}
TINY = Setting("glance", "", 0.05)
LEARNT = {
    16: 8 * 9 + 8 + 16 * 8 * 9 + 16,
    32: 16 * 9 + 16 + 32 * 16 * 9 + 32,
}  # two 3x3 convolutions, by the last width


def params(arch: Arch) -> int:
    return sum(fact.params for fact in facts(arch))


@pytest.mark.parametrize("claim", STUDIES)
def test_every_arm_gives_finite_numbers_of_a_tiny_share(claim: str, monkeypatch: pytest.MonkeyPatch):
    module = STUDIES[claim]
    study = module.STUDY
    monkeypatch.setattr(module, "RECIPE", replace(module.RECIPE, epochs=1))
    if hasattr(module, "EPOCHS"):
        monkeypatch.setattr(module, "EPOCHS", dict.fromkeys(module.EPOCHS, 1))
    wanted = {*study.unit, *(c.value for c in study.contrasts)}
    asks = {ask.arm: ask for ask in study.asks(1, TINY)}  # one rate an arm will do
    for ask in asks.values():
        values = study.measure(ask)
        assert wanted <= set(values)
        assert all(isfinite(values[name]) for name in wanted)


@pytest.mark.parametrize("claim", STUDIES)
def test_every_contrast_names_arms_and_values_that_are_there(claim: str):
    study = STUDIES[claim].STUDY
    for contrast in study.contrasts:
        assert contrast.more in study.arms
        assert contrast.less in ("", *study.arms)
        assert contrast.value in study.unit


@pytest.mark.parametrize("claim", ["A4", "A13", "A14"])
def test_a_net_that_diverged_is_the_worst(claim: str, monkeypatch: pytest.MonkeyPatch):
    module = STUDIES[claim]
    monkeypatch.setattr(module, "RECIPE", replace(module.RECIPE, lr=1000.0, warmup=0.0, epochs=1))
    if hasattr(module, "EPOCHS"):
        monkeypatch.setattr(module, "EPOCHS", dict.fromkeys(module.EPOCHS, 1))
    values = module.measure(Ask(module.STUDY.arms[0], 0, setting=Setting("glance", "", 0.2)))
    assert all(isfinite(value) for value in values.values())
    assert values[module.STUDY.contrasts[-1].value] < 0.3


# ---- A4 ----


def test_a4_counts():
    assert params(a4.net()) == LEARNT[32] + 32 * 7 * 7 * 64 + 64 + 64 * 10 + 10


def test_a4_machine_does_not_depend_on_the_seed():
    few = Setting("glance", "", 0.1)
    assert a4.measure(Ask(a4.SVM, 0, setting=few)) == a4.measure(Ask(a4.SVM, 1, setting=few))


# ---- A5 ----


def test_a5_counts():
    assert params(a5.net()) == LEARNT[16] + 16 * 3 * 3 * 10 + 10
    assert params(a5.net(1)) == 8 * 9 + 8 + 8 * 7 * 7 * 10 + 10


def test_a5_centres_find_the_bars_that_windows_are_made_of():
    dice = np.random.default_rng(0)
    bars = np.zeros((6, 3, 3))
    for i in range(3):
        bars[i, i], bars[3 + i, :, i] = 1, 1
    bars = bars.reshape(6, 9)
    windows = bars[dice.integers(6, size=3000)] + 0.02 * dice.standard_normal((3000, 9))
    filters = a5.centres(windows, 6, seed=1)
    assert np.linalg.norm(filters, axis=1) == pytest.approx(1)
    answers = filters @ (bars - bars.mean(1, keepdims=True)).T
    assert sorted(answers.argmax(1)) == [0, 1, 2, 3, 4, 5]  # each filter answers most to a bar of its own


def held(n: int = 200) -> Material:
    dice = np.random.default_rng(0)
    pictures = dice.integers(0, 256, (n, 14, 14, 1), dtype=np.uint8)
    labels = np.arange(n, dtype=np.int64) % 10
    return Material(InputSpec(size=14, channels=1), pictures, labels, pictures, labels, 10)


def weights(net: torch.nn.Module, name: str) -> torch.Tensor:
    return net.get_parameter(f"{name}.conv.weight")


def test_a5_frozen_convolutions_stay_and_the_others_learn():
    recipe = replace(a5.RECIPE, epochs=2, lr=0.03)
    start = build(a5.net(), seed=3)
    nets = {arm: a5.learnt(arm, held(), recipe, 3) for arm in a5.ARMS}
    for name in ("conv1", "conv2"):
        assert torch.equal(weights(nets["random"], name), weights(start, name))
        assert not torch.equal(weights(nets["together"], name), weights(start, name))
        lengths = weights(nets["k-means"], name).flatten(1).norm(dim=1)
        assert lengths.numpy() == pytest.approx(2**0.5, rel=1e-5)  # set, and not learnt away from it
    below = a5.learnt("layerwise", held(), recipe, 3)
    assert torch.equal(weights(nets["layerwise"], "conv1"), weights(below, "conv1"))  # the same seed, the same net
    assert not torch.equal(weights(nets["layerwise"], "conv1"), weights(start, "conv1"))
    assert torch.equal(
        weights(nets["svm"], "conv2"), weights(nets["together"], "conv2")
    )  # only what reads them differs


def test_a5_support_vector_machine_reads_features_that_tell_classes_apart():
    material = held(100)
    light = (material.train_labels * 25).astype(np.uint8)[:, None, None, None]
    easy = replace(material, train=np.broadcast_to(light, material.train.shape).copy())
    easy = replace(easy, val=easy.train)
    net = build(a5.net(), seed=0).eval()
    assert a5.by_margin(net, easy) > 0.7
    shuffled = replace(easy, val_labels=np.roll(easy.val_labels, 1))  # planted: labels that belong to other pictures
    assert a5.by_margin(net, shuffled) < 0.3


# ---- A10 ----


def test_a10_arms_differ_in_their_pools_alone():
    one, other = a10.net("max"), a10.net("average")
    assert params(one) == params(other) == LEARNT[16] + 16 * 3 * 3 * 10 + 10
    assert [a.name for a, b in zip(one.rows, other.rows, strict=True) if a != b] == ["pool1", "pool2"]


def test_a10_largest_of_a_window_passes_a_gradient_of_norm_1_and_its_mean_one_of_a_half():
    batch = torch.rand(2, 3, 8, 8, requires_grad=True)
    found = {}
    for name, spec in a10.POOLS.items():
        gives = spec.make((3, 8, 8))(batch)
        (slope,) = torch.autograd.grad(gives[0, 0, 0, 0], batch, retain_graph=True)
        found[name] = (float(slope.norm()), gives.detach())
    assert found["max"][0] == pytest.approx(1)
    assert found["average"][0] == pytest.approx(1 / 2)
    assert bool((found["max"][1] >= found["average"][1]).all())


def test_a10_norms_start_from_the_same_weights():
    small = Setting("glance", "", 0.2)
    values = {pool: a10.measure(Ask(f"{pool} fixed", 0, setting=small)) for pool in a10.POOLS}
    assert values["max"]["activation"] > values["average"]["activation"]
    batch, labels = torch.rand(8, 1, 14, 14), torch.arange(8)
    first = {pool: norms(build(a10.net(pool), seed=0), batch, labels, at=("conv1",))[0] for pool in a10.POOLS}
    assert first["max"].activation == first["average"].activation  # before any pool there is no difference


def test_a10_never_reaching_the_mark_is_every_step(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(a10, "RECIPE", replace(a10.RECIPE, epochs=1))
    monkeypatch.setattr(a10, "ACCURACY", 1.1)
    steps = a10.measure(Ask("max", 0, 0.01, Setting("glance", "", 0.2)))["doublings"]
    assert steps == pytest.approx(log2(-(-400 // 32)))  # one epoch of 400 pictures in batches of 32


# ---- A13 ----


@pytest.mark.parametrize(
    ("light", "left", "right"),
    [
        ("gain 0.5", 50, 100),
        ("gain 1.7", 170, 255),  # white stays white
        ("gamma 2", 39, 157),  # 255 (100/255)^2, 255 (200/255)^2
        ("shadow right 0.5", 100, 100),
        ("shadow down 0.5", 100, 200),
    ],
)
def test_a13_lights(light: str, left: int, right: int):
    pictures = np.array([[100, 200], [100, 200]], np.uint8).reshape(1, 2, 2, 1)
    assert a13.lit(pictures, light)[0, 0, :, 0].tolist() == [left, right]


def test_a13_standardising_takes_gain_and_offset_out_and_nothing_else():
    batch = torch.rand(4, 3, 6, 6)
    seen = a13.Standardise().make((3, 6, 6))
    flat = batch.flatten(1)
    wanted = (flat - flat.mean(1, keepdim=True)) / flat.std(1, keepdim=True, correction=0)
    assert torch.allclose(seen(batch).flatten(1), wanted, atol=1e-3)
    assert torch.allclose(seen(3 * batch + 0.4), seen(batch), atol=1e-3)
    assert not torch.allclose(seen(batch**2), seen(batch), atol=1e-2)
    assert not list(seen.parameters())


def test_a13_arms():
    assert params(a13.net(False)) == params(a13.net(True)) == LEARNT[16] + 32 * 16 * 9 + 32 + 32 * 10 + 10
    assert len(a13.LIGHTS) == 16


# ---- A14 ----


def test_a14_dropout_learns_nothing_and_is_all_that_differs():
    one, other = a14.net(0.5), a14.net(0.0)
    dense = 32 * 4 * 4 * 320 + 320 + 320 * 320 + 320 + 320 * 10 + 10
    assert params(one) == params(other) == 16 * 25 + 16 + 32 * 16 * 9 + 32 + dense
    assert [a.name for a, b in zip(one.rows, other.rows, strict=True) if a != b] == ["fc6", "fc7"]


def test_a14_drops_half_while_training_and_nothing_in_evaluation():
    net, batch = build(a14.net(0.5), seed=0), torch.rand(64, 1, 14, 14)
    kept = torch.stack([net.fc6.drop(torch.ones(10_000)) for _ in range(3)])
    assert float((kept == 0).float().mean()) == pytest.approx(0.5, abs=0.02)
    assert torch.equal(net.eval()(batch), net(batch))
