"""Training in segments: plain training to the bit, and bytes counted by hand."""

import copy
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations, pairwise

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from konvolut.blocks.basic import Conv, Dense, Dropout, GlobalAvgPool
from konvolut.blocks.residual import Basic, Stage
from konvolut.blocks.spec import Row
from konvolut.errors import ArchError, RecipeError
from konvolut.nets.arch import Arch, Head, Network, build, facts
from konvolut.nets.catalogue import named
from konvolut.nets.preact import preact_cifar
from konvolut.training.segments import Cost, Held, Segmented, costs, cuts, segmented, steps

DICED = Arch(
    "diced",
    "this test",
    (3, 8, 8),
    (
        Row("conv1", Conv(8, 3, p=1, norm="bn")),
        Row("drop1", Dropout(0.5)),
        Row("stage1", Stage(4, Basic(8), survive=(0.9, 0.5, 0.5, 0.1))),
        Row("drop2", Dropout(0.2)),
        Row("stage2", Stage(4, Basic(8, pre=True), s=2, survive=(0.9, 0.5, 0.5, 0.1))),
        Row("gap", GlobalAvgPool()),
        Row("fc", Dense(10, act="none", drop=0.3)),
    ),
)
HEADED = Arch(
    "headed",
    "this test",
    (3, 8, 8),
    (
        *(Row(f"conv{n}", Conv(8, 3, p=1, norm="bn")) for n in range(8)),
        Row("gap", GlobalAvgPool()),
        Row("fc", Dense(10, act="none")),
    ),
    heads=tuple(
        Head(f"aux{n}", f"conv{n}", (Row("gap", GlobalAvgPool()), Row("fc", Dense(10, act="none", drop=0.5))))
        for n in (2, 4)
    ),
)
SMALL = replace(preact_cifar(29), input=(3, 8, 8))
NETS = [SMALL, DICED, HEADED, named("lenet-bn@d2l"), replace(named("plain-20"), input=(3, 8, 8))]


def pair(arch: Arch, share: float = 0.01) -> tuple[Network, Network]:
    """The same net twice; the second trains in segments, as many as hold least unless told otherwise."""
    plain = build(arch).train()
    ours = copy.deepcopy(plain)
    segmented(ours, share)
    return plain, ours


def pictures(arch: Arch, n: int = 4) -> tuple[Tensor, Tensor]:
    dice = torch.Generator().manual_seed(0)
    return torch.randn(n, *arch.input, generator=dice), torch.randint(0, 10, (n,), generator=dice)


def loss_of(net: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    answers = net(images)
    return sum(cross_entropy(a.float(), labels) for a in (answers if isinstance(answers, tuple) else (answers,)))


def trained(net: nn.Module, arch: Arch, precision: torch.dtype = torch.float32) -> list[Tensor]:
    """Losses of three steps, and what the net then knows: weights, statistics, last gradients, torch's next draw."""
    torch.manual_seed(1)
    images, labels = pictures(arch)
    told, update = [], torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    for _ in range(3):
        update.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision is torch.bfloat16):
            loss = loss_of(net, images, labels)
        loss.backward()
        update.step()
        told.append(loss.detach())
    grads = [torch.zeros(()) if p.grad is None else p.grad for p in net.parameters()]
    return [*told, *net.state_dict().values(), *grads, torch.rand(1)]


@pytest.mark.parametrize("arch", NETS, ids=lambda arch: arch.name)
def test_training_in_segments_is_plain_training_to_the_bit(arch: Arch):
    plain, ours = pair(arch)
    assert len(ours.starts) > 1
    assert all(map(torch.equal, trained(plain, arch), trained(ours, arch)))


def test_in_bf16_too():
    plain, ours = pair(DICED)
    assert all(map(torch.equal, trained(plain, DICED, torch.bfloat16), trained(ours, DICED, torch.bfloat16)))


def test_a_batch_is_counted_once_by_every_batch_norm():
    _, ours = pair(SMALL)
    trained(ours, SMALL)
    counts = [b.item() for name, b in ours.named_buffers() if name.endswith("num_batches_tracked")]
    assert counts == [3] * (3 * 9 + 1)  # three a bottleneck and the last one, three steps


def test_names_copies_and_evaluation_are_as_before():
    plain, ours = pair(DICED)
    assert list(plain.state_dict()) == list(ours.state_dict())
    ours.load_state_dict(plain.state_dict())
    images, labels = pictures(DICED)
    assert torch.equal(plain.eval()(images), ours.eval()(images))
    twin = copy.deepcopy(ours).train()
    with torch.no_grad():
        next(twin.parameters()).zero_()
    loss_of(twin, images, labels).backward()
    assert all(p.grad is None for p in ours.parameters())  # a copy trains its own weights
    assert torch.equal(plain(images), ours(images))


def test_frozen_weights_stay_and_those_asked_for_get_theirs():
    plain, ours = pair(DICED)
    images, labels = pictures(DICED)
    found = []
    for net in (plain, ours):
        for name, weight in net.named_parameters():
            weight.requires_grad_(not name.startswith(("conv1", "stage1")))
        torch.manual_seed(3)
        asked = [p for p in net.parameters() if p.requires_grad]
        found.append(torch.autograd.grad(loss_of(net, images, labels), asked, allow_unused=True))
    assert [g is None for g in found[0]] == [g is None for g in found[1]]
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True) if a is not None)


def test_the_gradient_of_the_picture_arrives_and_twice_where_the_graph_is_kept():
    plain, ours = pair(DICED)
    found = []
    for net in (plain, ours):
        images, labels = pictures(DICED)
        images.requires_grad_()
        torch.manual_seed(4)
        loss = loss_of(net, images, labels)
        loss.backward(retain_graph=True)
        loss.backward()
        found.append(images.grad)
    assert torch.equal(*found)


def test_a_weight_that_changes_before_the_backward_pass_is_refused():
    _, ours = pair(DICED)
    loss = loss_of(ours, *pictures(DICED))
    with torch.no_grad():
        ours.conv1.conv.weight.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_the_meter_counts_by_hand():
    net = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Sigmoid(), nn.Sigmoid())
    images = torch.zeros(2, 4)
    held = Held(net)
    with held:
        loss = net(images).sum()
        # The first layer saves its input, each sigmoid its output; the weight is the net's: 3 x 2 x 4 x 4 bytes.
        assert (held.now, held.peak) == (96, 96)
        loss.backward()
    assert (held.now, held.peak) == (0, 96)


def test_costs_are_what_a_step_really_saves():
    net = build(SMALL).train()
    whole = sum(cost.saves for cost in costs(net, net.arch.input))
    held = Held(net)
    with held:
        answer = net(torch.zeros(2, *net.arch.input))
    assert answer.shape == (2, 10)
    assert whole == held.peak


@pytest.mark.parametrize("arch", [replace(preact_cifar(56), input=(3, 16, 16)), HEADED], ids=lambda arch: arch.name)
def test_training_never_holds_more_than_was_planned(arch: Arch):
    plain, ours = pair(arch, 0.3)
    peaks = []
    for net in (plain, ours):
        held = Held(net)
        with held:
            loss_of(net, *pictures(arch)).backward()
        assert held.now == 0
        peaks.append(held.peak)
    assert peaks[1] < peaks[0] * (0.31 if arch.name != "headed" else 0.7)


def test_a_thousand_layers_hold_at_most_a_sixth():
    arch = named("preact-1001")
    with torch.device("meta"):  # the plan asks for shapes alone
        net = Network(
            arch, {row.name: row.spec.make(fact.takes) for row, fact in zip(arch.rows, facts(arch), strict=True)}, {}
        )
    chain = costs(net, net.arch.input)
    assert segmented(net) < len(list(steps(net))) ** 0.5  # no more cuts than Chen et al. make
    assert peak(chain, net.starts) <= sum(cost.saves for cost in chain) / 6


def peak(chain: list[Cost], starts: tuple[int, ...]) -> int:
    """The most bytes held at once, told as a story: what stays behind, and what is there while a segment is computed."""
    kept, most = 0, 0
    for start, end in zip(starts, (*starts[1:], len(chain)), strict=True):
        part = chain[start:end]
        if end == len(chain):
            return max(most, kept + sum(c.saves + c.heads for c in part))
        kept += part[0].takes
        most = max(most, kept + sum(c.saves for c in part))
        kept += part[-1].heads
    raise AssertionError


CHAINS = {
    "even": [Cost(10, 30)] * 9,
    "falling": [Cost(4 * n, 10 * n) for n in range(9, 0, -1)],
    "one giant": [Cost(2, 5), Cost(2, 5), Cost(2, 100), Cost(2, 5), Cost(3, 7), Cost(1, 1)],
    "heads": [Cost(3, 9, 4 * (n in (2, 5)), n in (2, 5)) for n in range(9)],
}


@pytest.mark.parametrize("share", [0.1, 0.4, 0.6, 1.0])
@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS)
def test_no_other_cuts_are_better(chain: list[Cost], share: float):
    whole = sum(cost.saves + cost.heads for cost in chain)
    places = range(1, len(chain))
    every = [(0, *some) for n in range(len(chain)) for some in combinations(places, n)]
    every = [e for e in every if not any(c.headed for a, b in pairwise(e) for c in chain[a : b - 1])]
    asked = max(int(share * whole), min(peak(chain, e) for e in every))
    found = cuts(chain, share)
    assert found in every
    assert peak(chain, found) <= asked
    assert found[-1] == min(e[-1] for e in every if peak(chain, e) <= asked)


def test_another_share_makes_other_cuts_and_one_makes_none():
    net = build(DICED).train()
    assert segmented(net, 0.01) > 0
    assert segmented(net, 1) == 0
    assert isinstance(net, Segmented)
    assert all(map(torch.equal, trained(build(DICED).train(), DICED), trained(net, DICED)))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: segmented(nn.Sequential(nn.Flatten())), ArchError, "Sequential has no table to cut; konvolut.build"),
        (lambda: segmented(build(DICED), 0.0), RecipeError, "share = 0; it is of the bytes"),
        (lambda: segmented(build(DICED), 1.5), RecipeError, "share = 1.5; it is of the bytes"),
    ],
)
def test_what_cannot_be_is_refused(call: Callable[[], int], error: type[Exception], words: str):
    with pytest.raises(error, match=words):
        call()
