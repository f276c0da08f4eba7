"""The claims that are arithmetic: each gives the verdict it is expected to, and another one when a fault is planted."""

import pytest
import torch
from torch import nn

from konvolut.blocks.residual import Residual
from konvolut.lab.claims import b5, g2, g3, g5, n3, n8, r2, r12, v1, v4, v6
from konvolut.lab.index import STUDIES
from konvolut.lab.study import Exact
from konvolut.lab.verdict import exactly
from konvolut.nets.catalogue import named
from konvolut.nets.variants import narrow

EXACT = {key: study for key, study in STUDIES.items() if isinstance(study, Exact)}


@pytest.mark.parametrize("key", EXACT)
def test_the_verdict_is_the_expected_one(key):
    checks = list(EXACT[key].checks())
    assert exactly(checks).word == EXACT[key].claim.expected, [
        (c.what, c.said, c.found) for c in checks if not c.agrees
    ]


@pytest.mark.parametrize("module", [v4, v6, g3, g5, n3])
def test_a_changed_table_is_noticed(module, monkeypatch):
    def faulty(name):
        return (
            narrow(named(name), 2) if module is not g5 and module is not v6 else named(name.replace("googlenet", "nin"))
        )

    if module is v6:
        monkeypatch.setattr(module, "named", lambda name: named("vgg-16"))
    else:
        monkeypatch.setattr(module, "named", faulty)
    before = exactly(list(EXACT[module.CLAIM.id].checks()))
    assert before.word != module.CLAIM.expected or any(not check.agrees for check in before.checks if check.said > 1)


def test_a_block_whose_sum_is_scaled_is_not_the_identity(monkeypatch):
    monkeypatch.setattr(Residual, "joined", lambda self, batch, kept: 1.01 * kept)
    assert exactly(list(r2.checks())).word == "contradicted"


def test_a_norm_that_forgets_the_mean_is_noticed(monkeypatch):
    monkeypatch.setattr(b5.BatchNorm, "forward", lambda self, batch: batch / batch.std())
    assert exactly(list(b5.checks())).word == "contradicted"


def test_a_wider_first_box_is_noticed(monkeypatch):
    monkeypatch.setitem(g2.BOXES, "1x1", (g2.Conv(8, 3, p=1), 1))
    assert exactly(list(g2.checks())).word == "contradicted"


def test_weights_that_are_not_carried_are_noticed(monkeypatch):
    def forgetful(net):
        made = n8_convolved(net)
        for module in made.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.constant_(module.weight, 0.01)
        return made

    n8_convolved = n8.convolved
    monkeypatch.setattr(n8, "convolved", forgetful)
    assert exactly(list(n8.checks())).word == "contradicted"


def test_another_truth_moves_the_distances(monkeypatch):
    monkeypatch.setattr(r12, "TRUTH", r12.X**3)
    assert exactly(list(r12.checks())).word == "contradicted"


def test_the_shares_of_the_dense_rows_are_those_of_their_arithmetic():
    """VGG-11 by hand: 25,088 x 4,096 + 4,096 + 4,096 x 4,096 + 4,096 + 4,096 x 1,000 + 1,000 of 132,863,336."""
    dense = 25_088 * 4_096 + 4_096 + 4_096 * 4_096 + 4_096 + 4_096 * 1_000 + 1_000
    assert v1.dense_share(named("vgg-11"), "params") == pytest.approx(100 * dense / 132_863_336)


def test_what_nin_holds_by_hand():
    """54 x 54 x 96, 26 x 26 x 256, 12 x 12 x 384 and 5 x 5 x 10, three times each."""
    assert n3.held(named("nin@d2l")) == 3 * (54**2 * 96 + 26**2 * 256 + 12**2 * 384 + 250)
    assert torch.float32.itemsize * n3.held(named("nin@d2l")) / 2**20 == pytest.approx(5.8, abs=0.05)
