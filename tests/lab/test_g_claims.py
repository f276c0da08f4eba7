"""Six studies of VGG, NiN, GoogLeNet, ResNet and of the chapter as a whole, on their smallest scale."""

from collections.abc import Mapping
from dataclasses import replace
from math import isfinite, isnan
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from konvolut.blocks.basic import Conv, Dense, GlobalAvgPool
from konvolut.blocks.spec import Row
from konvolut.images.preprocess import InputSpec
from konvolut.lab.claims import g1, n6, n7, r13, v2, w1
from konvolut.lab.material import Material, material
from konvolut.lab.study import Ask, Setting, Trained
from konvolut.nets.arch import Arch, build, classifier, facts, has_batch_norm

STUDIES = (v2, n6, n7, g1, r13, w1)
GLANCE = Setting("glance", "", 0.05)


def convolutions(arch: Arch) -> dict[str, int]:
    """Multiply-accumulates of the rows named conv..."""
    return {fact.name: fact.macs for fact in facts(arch) if fact.name.startswith("conv")}


def macs(arch: Arch) -> int:
    return sum(fact.macs for fact in facts(arch))


def params(arch: Arch) -> int:
    return sum(fact.params for fact in facts(arch))


def read(study: Trained) -> set[str]:
    """Every value that a study promises or compares."""
    return {*study.unit, *(c.value for c in study.contrasts), *(c.over for c in study.contrasts if c.over)}


@pytest.mark.parametrize("module", STUDIES, ids=lambda m: m.CLAIM.id)
def test_what_is_compared_is_measured(module: ModuleType):
    study = module.STUDY
    assert {arm for c in study.contrasts for arm in (c.more, c.less) if arm} <= set(study.arms)
    assert set(study.rates) <= set(study.arms)
    assert not study.rates or study.best[0] in study.unit


@pytest.mark.parametrize(
    ("module", "arm"), [(m, m.STUDY.arms[-1]) for m in STUDIES], ids=lambda x: getattr(x, "__name__", x)
)
def test_a_tiny_share_gives_a_number_for_everything_promised(monkeypatch, module: ModuleType, arm: str):
    for recipe in ("RECIPE", "BASE", "NEW"):
        if hasattr(module, recipe):
            monkeypatch.setattr(module, recipe, replace(getattr(module, recipe), epochs=1, batch=20))
    if module is n6:
        monkeypatch.setattr(n6, "PICTURES", {amount: (n, 1) for amount, (n, _) in n6.PICTURES.items()})
    rate = module.STUDY.rates.get(arm, (0.0,))[0]
    found = module.measure(Ask(arm, 0, rate, GLANCE))
    assert read(module.STUDY) <= set(found)
    assert all(isfinite(value) for value in found.values())


@pytest.mark.parametrize("module", [v2, g1, w1], ids=lambda m: m.CLAIM.id)
def test_a_training_that_diverges_has_the_worst_value(monkeypatch, module: ModuleType):
    monkeypatch.setattr(module, "finished", lambda course: None)
    assert module.measure(Ask(module.STUDY.arms[0], 0, 0.1, GLANCE)) == {"val": 0.0}


# V2


def fields(arm: str) -> int:
    """Pixels of the last stage's input that one of its outputs sees, side by side: 1 + the sum of k - 1."""
    return 1 + sum(k - 1 for k in v2.STACKS[arm].kernels)


def test_v2_two_3x3_see_as_much_as_a_5x5_and_cost_18_for_25():
    five, two = convolutions(v2.net("5x5")), convolutions(v2.net("two 3x3"))
    assert fields("two 3x3") == fields("two wide 3x3") == fields("5x5") == 5
    assert sum(two.values()) * 25 == sum(five.values()) * 18
    assert sum(five.values()) == 25 * v2.C**2 * (14**2 + 7**2 + 3**2)


def test_v2_three_3x3_cost_27_for_25():
    assert sum(convolutions(v2.net("three 3x3")).values()) * 25 == sum(convolutions(v2.net("5x5")).values()) * 27


@pytest.mark.parametrize(("more", "less"), [("two wide 3x3", "5x5"), ("two wide 3x3 +bn", "5x5 +bn")])
def test_v2_wider_stacks_match_in_compute_and_in_weights(more: str, less: str):
    assert macs(v2.net(more)) == pytest.approx(macs(v2.net(less)), rel=0.05)
    assert params(v2.net(more)) == pytest.approx(params(v2.net(less)), rel=0.05)
    assert macs(v2.net("two 3x3")) != pytest.approx(macs(v2.net("5x5")), rel=0.05)  # what is not matched is told apart


def test_v2_a_linear_stage_is_one_convolution_and_a_rectified_one_is_not():
    """Two 3x3 convolutions with nothing between add: f(a + b) + f(0) = f(a) + f(b) before the last ReLU."""

    def adds(arm: str) -> bool:
        net = build(v2.net(arm)).double()
        stage = nn.Sequential(net.get_submodule("conv1_1"), net.get_submodule("conv1_2.conv"))
        width = v2.STACKS[arm].width
        a, b = torch.randn(2, 1, width, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        return torch.allclose(stage(a + b) + stage(0 * a), stage(a) + stage(b))

    assert adds("two wide 3x3, linear")
    assert not adds("two wide 3x3")


# N6


def test_n6_heads_stand_on_one_trunk():
    trunks = {
        tuple(f for f in facts(n6.net(head)) if f.name in ("conv1", "pool1", "conv2", "conv3")) for head in n6.HEADS
    }
    assert len(trunks) == 1
    weights = {head: params(n6.net(head)) for head in n6.HEADS}
    trunk = 8 * 9 + 16 * 8 * 9 + 32 * 16 * 9 + 2 * (8 + 16 + 32)  # no biases; a scale and a shift a map
    dense = 32 * 49 * 128 + 128 + 128 * 10 + 10
    assert weights == {
        "dense": trunk + dense,
        "dense, dropout": trunk + dense,
        "class maps": trunk + 32 * 10 * 9 + 10,
        "means, linear": trunk + 32 * 10 + 10,
    }


def test_n6_the_mean_of_1x1_class_maps_is_a_linear_layer_on_means():
    maps = build(Arch("maps", "", (32, 7, 7), (Row("fc", Conv(10, 1, act="none")), Row("gap", GlobalAvgPool()))))
    means = build(Arch("means", "", (32, 7, 7), (Row("gap", GlobalAvgPool()), Row("fc", Dense(10, act="none")))))
    with torch.no_grad():
        means.get_submodule("fc.dense").weight.copy_(maps.get_submodule("fc.conv").weight[:, :, 0, 0])
        means.get_submodule("fc.dense").bias.copy_(maps.get_submodule("fc.conv").bias)
    batch = torch.randn(3, 32, 7, 7, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(maps(batch), means(batch), atol=1e-5)


def test_n6_a_net_that_sees_no_place_is_steady(monkeypatch):
    """A net whose answer depends on nothing stays at it under every shift."""

    class Constant(nn.Module):
        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            return torch.eye(10)[3].expand(len(batch), 10)

    monkeypatch.setattr(n6, "finished", lambda course: Constant())
    found = n6.measure(Ask("dense few", 0, 0.0, GLANCE))
    assert found["steady"] == 1.0
    assert found["val"] == pytest.approx(0.1, abs=0.05)


# N7


def test_n7_arms_differ_in_the_last_activation_alone():
    rectified, linear = n7.net("rectified, two blocks"), n7.net("linear, two blocks")
    changed = [a.name for a, b in zip(rectified.rows, linear.rows, strict=True) if a.spec != b.spec]
    assert changed == [classifier(rectified).name]
    assert params(rectified) == params(linear)


def a_few() -> Material:
    dice = np.random.default_rng(0)
    pictures = dice.integers(0, 255, (20, 28, 28, 1), dtype=np.uint8)
    labels = np.arange(20, dtype=np.int64) % 10
    return Material(InputSpec(size=28, channels=1), pictures, labels, pictures, labels, 10)


def test_n7_counts_the_classes_that_are_killed():
    """With a ReLU behind them, maps whose bias is far below 0 are zero; those far above are not."""
    arch = n7.net("rectified, two blocks")
    net = build(arch)
    row = classifier(arch).name
    last = [m for m in net.get_submodule(row).modules() if isinstance(m, nn.Conv2d)][-1]
    with torch.no_grad():
        last.bias.fill_(1e3)
        last.bias[[2, 5, 7]] = -1e3
    assert n7.dead(net.eval(), a_few(), row) == 3
    with torch.no_grad():
        last.bias.fill_(1e3)
    assert n7.dead(net, a_few(), row) == 0


# G1


def test_g1_all_trunks_cost_the_same_to_5_percent():
    four = macs(g1.net("four ways"))
    for arm in g1.ONE:
        assert macs(g1.net(arm)) == pytest.approx(four, rel=0.05), arm


def test_g1_an_unmatched_width_is_noticed(monkeypatch):
    make, (first, second, third) = g1.ONE["3x3"]
    monkeypatch.setattr(g1, "ONE", {"3x3": (make, (first + 4, second + 4, third))})
    assert macs(g1.net("3x3")) != pytest.approx(macs(g1.net("four ways")), rel=0.05)


def test_g1_an_inception_block_costs_what_its_six_widths_say():
    """Szegedy et al., figure 2b: a 1x1, 1x1 before a 3x3 and before a 5x5, and a 1x1 after the pool."""
    fact = next(f for f in facts(g1.net("four ways")) if f.name == "block1")
    assert fact.macs == 49 * (16 * 8 + 16 * 12 + 12 * 16 * 9 + 16 * 2 + 2 * 4 * 25 + 16 * 4)
    assert fact.gives == (8 + 16 + 4 + 4, 7, 7)


# R13


def base_and_deep() -> tuple[nn.Module, nn.Module]:
    base = build(r13.net(1), seed=3)
    torch.manual_seed(0)
    base.train()(torch.randn(64, 1, 14, 14))  # running statistics that are not those of a new net
    return base.eval(), r13.deepened(base, seed=3).eval()


def test_r13_the_deeper_net_starts_as_its_base():
    base, deep = base_and_deep()
    batch = torch.randn(8, 1, 14, 14, generator=torch.Generator().manual_seed(2))
    assert torch.equal(base(batch), deep(batch))
    with torch.no_grad():
        deep.get_submodule("stage2.1.body.1.norm").weight.fill_(1.0)
    assert not torch.allclose(base(batch), deep(batch))  # a block that does not start at zero is noticed


@pytest.mark.parametrize("arm", r13.ARMS)
def test_r13_trains_the_new_blocks_and_nothing_else(arm: str):
    held = material("digits", 14, 200, 50)
    base = build(r13.net(1), seed=0).eval()
    course = r13.refining(base, held, arm, 0)
    before = {name: value.clone() for name, value in course.net.state_dict().items()}
    for _, _ in zip(range(4), course.events(), strict=False):
        pass
    moved = {name for name, value in course.net.state_dict().items() if not torch.equal(value, before[name])}
    assert moved
    assert all(name.startswith(("stage1.1", "stage2.1")) for name in moved)
    assert ("stage1.1.body.0.conv.weight" in moved) == (arm == "learnt")


def test_r13_a_step_against_the_slope_has_cosine_1_and_its_opposite_minus_1(monkeypatch):
    base, deep = base_and_deep()
    held = material("digits", 14, 100, 40)
    batch_slopes: Mapping[str, float] = {"with": 1.0, "against": -1.0}
    for sign in batch_slopes.values():

        def added(net: nn.Module, batch: torch.Tensor, at: list[str], sign: float = sign) -> dict[str, torch.Tensor]:
            labels = torch.from_numpy(held.val_labels[: len(batch)].astype(np.int64))
            found = r13.slopes(base, batch, labels)
            return {name: sign * 0.1 * slope for name, slope in zip(at, found, strict=True)}

        real = r13.features
        monkeypatch.setattr(r13, "features", lambda net, batch, at, added=added, real=real, **how: (
            real(net, batch, at, **how) if how.get("grad") else added(net, batch, at)
        ))  # fmt: skip
        assert r13.against_slope(base, deep, held) == pytest.approx(sign, abs=1e-5)
        monkeypatch.setattr(r13, "features", real)


def test_r13_slopes_are_those_of_finite_differences():
    """A small step along minus the slope lowers each picture's loss by its squared length."""
    base, _ = base_and_deep()
    base = base.double()
    batch = torch.randn(4, 1, 14, 14, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    labels = torch.tensor([1, 2, 3, 4])
    last = r13.slopes(base, batch, labels)[-1]
    maps = base.get_submodule("stage2")(base.get_submodule("stage1")(base.pool1(base.conv1(batch))))

    def loss(step: float) -> torch.Tensor:
        return cross_entropy(base.fc(base.gap(maps + step * last)), labels, reduction="none")

    slope = (loss(1e-5) - loss(-1e-5)) / 2e-5
    assert torch.allclose(slope, -last.flatten(1).square().sum(1), rtol=1e-4)


# W1


def test_w1_nets_are_the_papers_in_order_and_take_small_pictures():
    assert list(w1.NETS) == ["LeNet", "AlexNet", "VGG", "NiN", "GoogLeNet", "ResNet"]
    assert [(c.less, c.more) for c in w1.STUDY.contrasts] == list(zip(list(w1.NETS), list(w1.NETS)[1:], strict=False))
    for arm in w1.NETS:
        arch = w1.net(arm)
        assert list(facts(arch))[-1].gives == (10,)
        assert arch.input == (1, 32, 32) if arm == "LeNet" else arch.input == (1, 28, 28)
        assert not arch.heads
        assert has_batch_norm(arch) == (arm == "ResNet")


def test_w1_lenet_is_whole_and_dense_rows_shrink_with_the_rest():
    assert params(w1.net("LeNet")) == pytest.approx(60_000, abs=100)  # LeCun et al. 1998, section II.B
    for arm in ("AlexNet", "VGG"):
        dense = [row.spec.out for row in w1.net(arm).rows if isinstance(row.spec, Dense)]
        assert dense == [4096 // 16, 4096 // 16, 10]


def test_w1_takes_colour_and_other_classes():
    arch = w1.net("NiN", (3, 28, 28), 7)
    assert (arch.input, list(facts(arch))[-1].gives) == ((3, 28, 28), (7,))
    assert not isnan(macs(arch))
