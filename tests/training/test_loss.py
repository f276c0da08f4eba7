"""The loss of a net with auxiliary heads, by hand."""

import math
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from konvolut.errors import RunError
from konvolut.nets.arch import Network, build
from konvolut.nets.catalogue import named
from konvolut.nets.fit import fixed
from konvolut.nets.variants import narrow
from konvolut.training.loss import AUXILIARY, Blend, answers, head_weights, losses

EVEN, LABEL = torch.zeros(1, 2), torch.tensor([0])  # of two classes alike: the loss is ln 2


class Outputs(NamedTuple):
    logits: Tensor
    aux2: Tensor | None
    aux1: Tensor | None


def test_three_alike_answers_cost_1_6_times_one():
    aux = EVEN.clone().requires_grad_()
    main, total = losses(EVEN, (aux, aux), LABEL, (0.3, 0.3))
    assert main.item() == pytest.approx(math.log(2))
    assert total.item() == pytest.approx(1.6 * math.log(2))


def test_a_head_that_no_table_weighs_weighs_what_the_paper_says():
    aux = EVEN.clone().requires_grad_()
    assert losses(EVEN, (aux,), LABEL)[1].item() == pytest.approx((1 + AUXILIARY) * math.log(2))
    assert AUXILIARY == 0.3


def test_a_head_that_learns_nothing_has_no_say():
    logits = EVEN.clone().requires_grad_()
    main, total = losses(logits, (EVEN,), LABEL, (0.3,))
    assert total is main


def test_the_weights_stand_in_the_table():
    assert head_weights(build(fixed(narrow(named("googlenet"), 4), (3, 224, 224), 2))) == (0.3, 0.3)
    assert head_weights(nn.Linear(1, 1)) == ()


def test_named_tuples_give_their_logits_and_the_heads_that_are_there():
    logits, heads = answers(Outputs(EVEN, None, EVEN + 1))
    assert logits is EVEN
    assert [aux.tolist() for aux in heads] == [[[1.0, 1.0]]]
    assert answers(EVEN) == (EVEN, ())
    with pytest.raises(RunError, match="the net gives a dict; a tensor of logits, or a tuple"):
        answers({"logits": EVEN})


def test_in_training_the_heads_answer_and_in_evaluation_never():
    net = build(fixed(narrow(named("googlenet"), 8), (3, 224, 224), 2))
    assert isinstance(net, Network)
    picture = torch.zeros(1, 3, 224, 224)
    with torch.no_grad():
        assert len(answers(net.train()(picture))[1]) == 2
        assert answers(net.eval()(picture))[1] == ()


LOGITS = torch.tensor([[1.0, -2.0, 0.5], [0.0, 3.0, -1.0], [2.0, 0.0, 1.0], [-1.0, 1.0, 0.0]])
OWN, OTHERS = torch.tensor([0, 1, 2, 1]), torch.tensor([1, 2, 0, 1])
SHARE = torch.tensor([0.25, 1.0, 0.5, 0.1])


def entropies(smoothing: float, targets: np.ndarray) -> np.ndarray:
    """-sum_k q_k log p_k of each row, with the target spread by `smoothing` (Szegedy et al. 2015, section 7)."""
    logits = LOGITS.double().numpy()
    logs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    return -(((1 - smoothing) * targets + smoothing / 3) * logs).sum(1)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_blend_costs_what_its_mixed_target_costs(smoothing: float):
    share = SHARE.double().numpy()[:, None]
    targets = share * np.eye(3)[OWN] + (1 - share) * np.eye(3)[OTHERS]
    main, total = losses(LOGITS, (), OWN, smoothing=smoothing, blend=Blend(OTHERS, SHARE))
    assert main.item() == pytest.approx(entropies(smoothing, targets).mean(), rel=1e-6)
    assert total.item() == main.item()


def test_a_blend_of_nothing_costs_what_the_picture_costs():
    alone = losses(LOGITS, (), OWN, smoothing=0.1)[0].item()
    assert losses(LOGITS, (), OWN, smoothing=0.1, blend=Blend(OTHERS, torch.ones(4)))[0].item() == pytest.approx(alone)


def test_classes_count_by_their_weights_over_the_number_of_pictures():
    counts = np.array([2.0, 0.5, 1.5])
    rows = entropies(0.0, np.eye(3)[OWN])
    balance = torch.tensor(counts, dtype=torch.float32)
    found = losses(LOGITS, (), OWN, balance=balance)[0].item()
    assert found == pytest.approx((counts[OWN] * rows).sum() / 4, rel=1e-6)
    halves = [losses(LOGITS[part], (), OWN[part], balance=balance)[0].item() for part in (slice(0, 2), slice(2, 4))]
    assert sum(halves) / 2 == pytest.approx(found, rel=1e-6)  # so that a batch may be taken in parts


def test_both_and_on_heads():
    aux = LOGITS.flip(0).clone().requires_grad_()
    balance, blend = torch.tensor([2.0, 0.5, 1.5]), Blend(OTHERS, SHARE)
    main, total = losses(LOGITS, (aux,), OWN, (0.3,), blend=blend, balance=balance)
    other = losses(aux, (), OWN, blend=blend, balance=balance)[0]
    assert total.item() == pytest.approx(main.item() + 0.3 * other.item())
    own, others = entropies(0.0, np.eye(3)[OWN]), entropies(0.0, np.eye(3)[OTHERS])
    weights, share = balance.numpy(), SHARE.numpy()
    expected = (share * weights[OWN] * own + (1 - share) * weights[OTHERS] * others).mean()
    assert main.item() == pytest.approx(expected, rel=1e-6)
