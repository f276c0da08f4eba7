"""The claims that are arithmetic: each gives the verdict it is expected to, and another one when a fault is planted."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import nn

from konvolut.blocks.basic import AvgPool, Conv, Dense
from konvolut.blocks.residual import Basic, Residual
from konvolut.blocks.spec import Row
from konvolut.lab.claims import b5, b7, g2, g3, g4, g5, n1, n3, n4, n5, n8, r2, r10, r12, v1, v4, v6
from konvolut.lab.index import STUDIES
from konvolut.lab.study import Exact
from konvolut.lab.verdict import exactly
from konvolut.nets.arch import Arch, build
from konvolut.nets.catalogue import named
from konvolut.nets.convolution import convolved
from konvolut.nets.swap import swap_block
from konvolut.nets.variants import narrow, with_classes

EXACT = {key: study for key, study in STUDIES.items() if isinstance(study, Exact)}


@pytest.mark.parametrize("key", EXACT)
def test_the_verdict_is_the_expected_one(key):
    checks = list(EXACT[key].checks())
    assert exactly(checks).word == EXACT[key].claim.expected, [
        (c.what, c.said, c.found) for c in checks if not c.agrees
    ]


def table(module, change: Callable[[Arch], Arch]):
    """The study reads other tables than the papers'."""
    return lambda patch: patch.setattr(module, "named", lambda name: change(named(name)))


def altered(arch: Arch, row: str, **cells: int) -> Arch:
    """The same table with other numbers in one row, where it has that row."""
    rows = tuple(replace(r, spec=replace(r.spec, **cells), out=None) if r.name == row else r for r in arch.rows)
    return replace(arch, rows=rows)


FORWARD = nn.Conv2d.forward  # as it was before a fault is planted in it


def shifted(conv: nn.Conv2d, batch: torch.Tensor) -> torch.Tensor:
    return FORWARD(conv, batch) + 0.01


def forgetful(net):
    """A convolved net whose weights did not come along."""
    made = convolved(net)
    for module in made.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.constant_(module.weight, 0.01)
    return made


def by_pixel(norm, batch):
    """Statistics over the channels of each pixel: the wrong axis."""
    return (batch - batch.mean(1, keepdim=True)) / batch.std(1, keepdim=True)


def cut(arch: Arch, block: str) -> Arch:
    return narrow(swap_block(arch, block), 2)


FAULTS = {  # what is planted, and the verdict that must follow
    "V1": (table(v1, lambda arch: narrow(arch, 8)), "contradicted"),
    "V4": (table(v4, lambda arch: altered(arch, "conv1_1", p=2)), "contradicted"),
    "V6": (table(v6, lambda arch: named("vgg-16")), "contradicted"),
    "N1": (table(n1, lambda arch: altered(arch, "fc6", out=4000)), "contradicted"),
    "N2": (lambda patch: patch.setattr(nn.Conv2d, "forward", shifted), "contradicted"),
    "N3": (table(n3, lambda arch: named("alexnet@d2l")), "contradicted"),
    "N4": (table(n4, lambda arch: altered(arch, "block3", out=200)), "contradicted"),
    "N5": (table(n5, lambda arch: with_classes(arch, 7)), "contradicted"),
    "N5 pool": (lambda patch: patch.setattr(n5, "GlobalAvgPool", lambda: AvgPool(4, 1)), "contradicted"),
    "N8": (lambda patch: patch.setattr(n8, "convolved", forgetful), "contradicted"),
    "G2": (lambda patch: patch.setitem(g2.BOXES, "1x1", (Conv(8, 3, p=1), 1)), "contradicted"),
    "G3": (table(g3, lambda arch: altered(arch, "3a", r3x3=128)), "contradicted"),
    "G4": (table(g4, lambda arch: altered(arch, "3a", r3x3=48)), "contradicted"),
    "G5": (table(g5, lambda arch: named("nin")), "contradicted"),
    "B5": (lambda patch: patch.setattr(b5.BatchNorm, "forward", lambda norm, batch: batch / batch.std()), "contradicted"),
    "B7": (lambda patch: patch.setattr(b7.BatchNorm, "forward", by_pixel), "contradicted"),
    "R2": (lambda patch: patch.setattr(Residual, "joined", lambda block, batch, kept: 1.01 * kept), "contradicted"),
    "R2 net": (lambda patch: patch.setattr(r2, "silence", lambda block: None), "contradicted"),
    "R3": (lambda patch: patch.setattr(nn.init, "dirac_", nn.init.kaiming_normal_), "exact"),
    "R10": (lambda patch: patch.setattr(r10, "swap_block", cut), "contradicted"),
    "R12": (lambda patch: patch.setattr(r12, "TRUTH", r12.X**3), "contradicted"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_changes_the_verdict(fault, monkeypatch):
    plant, word = FAULTS[fault]
    study = EXACT[fault.split()[0]]
    plant(monkeypatch)
    assert exactly(list(study.checks())).word == word != study.claim.expected


def test_every_claim_that_is_arithmetic_has_a_planted_fault():
    assert {fault.split()[0] for fault in FAULTS} == set(EXACT) - {"A1", "A17"}  # theirs stand beside them


def test_after_an_activation_a_silent_block_gives_what_it_takes_only_where_that_is_not_negative():
    """relu(x + 0) is relu(x): the condition that R2's reason names is needed."""
    block = Basic(2).make((2, 3, 3)).eval()
    r2.silence(block)
    batch = torch.arange(-9.0, 9.0).reshape(1, 2, 3, 3)
    with torch.no_grad():
        assert torch.equal(block(batch), batch.relu())


def test_a_grown_net_without_silent_blocks_is_another_net(monkeypatch):
    """Else the differences of 0 in R2 would say nothing of what was added."""
    small = build(narrow(named("resnet-20"), 4)).eval()
    pictures = torch.ones(1, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(r2.deepened(small, (5, 4, 6))(pictures), small(pictures))
        monkeypatch.setattr(r2, "silence", lambda block: None)
        assert not torch.allclose(r2.deepened(small, (5, 4, 6))(pictures), small(pictures))


def test_the_numbers_to_write_a_table_by_hand():
    """Each convolution says what differs from the one before: 5 (8, 3, 1, 1, 1), then the width, then nothing."""
    rows = (Row("a", Conv(8, 3, p=1)), Row("b", Conv(9, 3, p=1)), Row("c", Conv(9, 3, p=1)), Row("d", Dense(10)))
    assert v6.free(replace(named("vgg-16"), rows=rows)) == 5 + 1 + 0 + 1


def test_the_shares_of_the_dense_rows_are_those_of_their_arithmetic():
    """VGG-11 by hand: 25,088 x 4,096 + 4,096 + 4,096 x 4,096 + 4,096 + 4,096 x 1,000 + 1,000 of 132,863,336."""
    dense = 25_088 * 4_096 + 4_096 + 4_096 * 4_096 + 4_096 + 4_096 * 1_000 + 1_000
    assert v1.dense_share(named("vgg-11"), "params") == pytest.approx(100 * dense / 132_863_336)


def test_what_nin_holds_by_hand():
    """54 x 54 x 96, 26 x 26 x 256, 12 x 12 x 384 and 5 x 5 x 10, three times each."""
    assert n3.held(named("nin@d2l")) == 3 * (54**2 * 96 + 26**2 * 256 + 12**2 * 384 + 250)
    assert torch.float32.itemsize * n3.held(named("nin@d2l")) / 2**20 == pytest.approx(5.8, abs=0.05)
