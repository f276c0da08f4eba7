"""The loss of a net with auxiliary heads, by hand."""

import math
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from konvolut.errors import RunError
from konvolut.nets.arch import Network, build
from konvolut.nets.catalogue import named
from konvolut.nets.fit import fixed
from konvolut.nets.variants import narrow
from konvolut.training.loss import AUXILIARY, answers, head_weights, losses

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
