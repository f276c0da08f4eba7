"""Named intermediates, held against calling the same modules one after another."""

import pytest
import torch
from torch import nn
from torch.nn.functional import relu

from konvolut.errors import ArchError
from konvolut.nets.features import blocks, evaluating, features, logits_of, tapped


class Split(nn.Module):
    """Two children of which only one takes part, and one that gives no tensor."""

    def __init__(self):
        super().__init__()
        self.used, self.unused, self.pair = nn.Linear(2, 2), nn.Linear(2, 2), Pair()

    def forward(self, batch):
        return self.pair(self.used(batch))[0]


class Pair(nn.Module):
    def forward(self, batch):
        return batch, batch


def chain(**rows):
    net = nn.Sequential()
    for name, row in rows.items():
        net.add_module(name, row)
    return net


def small():
    stage = nn.Sequential(nn.Conv2d(3, 3, 3), nn.Conv2d(3, 2, 1))
    gap = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return chain(conv1=nn.Conv2d(1, 3, 3), norm=nn.BatchNorm2d(3), stage=stage, gap=gap, fc=nn.Linear(2, 4))


BATCH = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def hooks(net):
    return sum(len(module._forward_hooks) for module in net.modules())


def test_a_row_and_a_block_inside_a_row_give_what_the_modules_give_one_by_one():
    net = small().eval()
    with torch.no_grad():
        first = net.conv1(BATCH)
        inside = net.stage[0](net.norm(first))
        gap = net.gap(net.stage[1](inside))
    found = features(net, BATCH, ("gap", "conv1", "stage.0"))
    assert list(found) == ["gap", "conv1", "stage.0"]
    assert torch.equal(found["conv1"], first)
    assert torch.equal(found["stage.0"], inside)
    assert torch.equal(found["gap"], gap)


def test_looking_changes_nothing():
    net = small().train()
    net.stage.eval()  # modes differ from part to part
    before = {name: value.clone() for name, value in net.state_dict().items()}
    modes = [module.training for module in net.modules()]
    assert not features(net, BATCH, ("fc",))["fc"].requires_grad
    assert features(net, BATCH, ("fc",), grad=True)["fc"].requires_grad
    assert [module.training for module in net.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())  # running statistics too
    assert all(p.grad is None for p in net.parameters())
    assert torch.is_grad_enabled()
    assert hooks(net) == 0


def test_hooks_are_removed_when_the_pass_fails():
    net = small().train()
    with pytest.raises(RuntimeError):
        features(net, torch.zeros(1, 2, 8, 8), ("fc",))
    assert hooks(net) == 0
    assert net.training
    with pytest.raises(ArchError), tapped(net, ("conv1", "nowhere")):
        pass
    assert hooks(net) == 0


def test_the_pass_ends_with_the_last_part_asked_for():
    def broken(*_):
        raise AssertionError("not to be reached")

    net = small()
    net.fc.register_forward_pre_hook(broken)
    assert features(net, BATCH, ("conv1", "gap"))["gap"].shape == (2, 2)
    with pytest.raises(AssertionError):  # and would be reached if it were asked for
        features(net, BATCH, ("conv1", "fc"))


@pytest.mark.parametrize("grad", [False, True])
def test_a_part_that_works_in_place_leaves_the_one_before_as_it_was(grad):
    net = chain(conv=nn.Conv2d(1, 2, 3), act=nn.ReLU(inplace=True))
    found = features(net, BATCH, ("conv", "act"), grad=grad)
    with torch.no_grad():
        assert torch.equal(found["conv"], net.conv(BATCH))
    assert torch.equal(found["act"], relu(found["conv"]))
    assert (found["conv"] < 0).any()


def test_the_graph_leads_back_from_one_part_to_another():
    net = chain(twofold=nn.Linear(1, 1, bias=False), threefold=nn.Linear(1, 1, bias=False))
    net.twofold.weight.data.fill_(2)
    net.threefold.weight.data.fill_(3)
    found = features(net, torch.ones(1, 1), ("twofold", "threefold"), grad=True)
    (slope,) = torch.autograd.grad(found["threefold"].sum(), found["twofold"])
    assert slope.item() == 3


def test_a_part_used_twice_gives_its_first_output():
    one = nn.Linear(1, 1, bias=False)
    one.weight.data.fill_(2)
    net = chain(once=one, again=one, end=nn.Identity())
    assert features(net, torch.ones(1, 1), ("once", "end")) == {
        "once": torch.tensor([[2.0]]),
        "end": torch.tensor([[4.0]]),
    }


@pytest.mark.parametrize(
    ("name", "said"),
    [("conv2", "did you mean 'conv1'"), ("stage.7", "did you mean 'stage.1'"),
     ("zzz", "known: conv1, norm, stage, gap, fc"), ("", "known: conv1")],
)  # fmt: skip
def test_an_unknown_name_offers_the_nearest_or_the_rows(name, said):
    with pytest.raises(ArchError, match="no row or part") as caught:
        features(small(), BATCH, (name,))
    assert said in str(caught.value)


@pytest.mark.parametrize("name", ["unused", "pair"])
def test_a_part_that_gives_no_tensor_is_refused(name):
    with pytest.raises(ArchError, match=f"part '{name}' gives no tensor in evaluation"):
        features(Split(), torch.zeros(1, 2), ("used", name))


def test_nothing_asked_for_is_nothing_given():
    assert features(small(), BATCH, ()) == {}


def test_evaluation_ends_also_when_something_fails():
    net = small().train()
    with pytest.raises(RuntimeError), evaluating(net):
        net(torch.zeros(1, 2, 8, 8))  # two channels where one is taken
    assert net.training


def test_stages_open_into_blocks_and_other_rows_stay_whole():
    assert blocks(small()) == ["conv1", "norm", "stage.0", "stage.1", "gap.0", "gap.1", "fc"]
    named = chain(row=chain(conv=nn.Conv2d(1, 1, 1), act=nn.ReLU()), lone=nn.Sequential(nn.ReLU()))
    assert blocks(named) == ["row", "lone"]
    named.heads = nn.ModuleDict({"aux": nn.ReLU()})  # no part of an answer
    assert blocks(named) == ["row", "lone"]


def test_the_logits_stand_before_those_of_auxiliary_heads():
    logits, other = torch.zeros(1, 3), torch.ones(1, 3)
    assert logits_of((logits, other)) is logits
    assert logits_of(logits) is logits
