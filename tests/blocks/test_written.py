"""The written-out layers by hand, by the paper's law, and against torch's own forward and backward."""

from functools import partial
from itertools import product

import pytest
import torch
from torch import nn
from torch.autograd import gradcheck, gradgradcheck
from torch.testing import assert_close

from konvolut.blocks.written import BatchNorm, Dropout, LocalResponse, Normalise, dropout, fold, local_response
from konvolut.errors import ArchError

SHAPES = {"dense": (7, 5), "maps": (4, 5, 3, 2)}
each_shape = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
each_kind = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)


def numbers(*shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def pair(shape, dtype=torch.float64, **settings):
    """Ours and torch's, with the same gamma and beta, which are neither 1 nor 0."""
    theirs = (nn.BatchNorm1d if len(shape) == 2 else nn.BatchNorm2d)(shape[1]).to(dtype)
    with torch.no_grad():
        theirs.weight.copy_(numbers(shape[1], seed=1) + 2)
        theirs.bias.copy_(numbers(shape[1], seed=2))
    ours = BatchNorm(shape[1], **settings).to(dtype)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def agree(ours, theirs):
    """To 1e-6 of the largest value, or of 1: where terms cancel, single precision has nothing finer."""
    if isinstance(ours, list):
        return [agree(one, other) for one, other in zip(ours, theirs, strict=True)]
    return assert_close(ours, theirs, rtol=0, atol=1e-6 * max(1, theirs.abs().max().item()))


def pulled(layer, batch):
    """What `layer` gives, and the gradients of the batch and of the layer's parameters under uneven pulls."""
    batch = batch.clone().requires_grad_()
    out = layer(batch)
    pulls = numbers(*out.shape, seed=9, dtype=out.dtype)
    return [out, *torch.autograd.grad(out, [batch, *layer.parameters()], pulls)]


def test_batch_norm_of_a_column_by_hand():
    layer = BatchNorm(1, eps=0.0, momentum=0.5)
    layer.weight.data, layer.bias.data = torch.tensor([3.0]), torch.tensor([10.0])
    column = torch.tensor([[1.0], [1.0], [5.0], [5.0]])  # mean 3, variance 4, so 2 is one sigma
    assert layer(column).flatten().tolist() == [7, 7, 13, 13]
    assert layer.running_mean.item() == 1.5  # half of 0, half of 3
    assert layer.running_var.item() == pytest.approx(0.5 + 0.5 * 4 * 4 / 3)  # half of 1, half of 16 / (4 - 1)
    layer.eval()
    layer.running_mean.fill_(1)
    layer.running_var.fill_(4)
    assert layer(column).flatten().tolist() == [10, 10, 16, 16]


def test_maps_are_normalised_by_channel_over_batch_and_pixels():
    image = torch.tensor([[[[0.0, 2.0]], [[10.0, 10.0]]], [[[2.0, 0.0]], [[30.0, 30.0]]]])  # (2, 2, 1, 2)
    out = BatchNorm(2, eps=0.0)(image)
    assert out.tolist() == [[[[-1, 1]], [[-1, -1]]], [[[1, -1]], [[1, 1]]]]


def test_the_book_remembers_the_biased_variance_and_torch_the_unbiased():
    column = torch.tensor([[1.0], [1.0], [5.0], [5.0]])
    book, torchs = BatchNorm(1, momentum=1.0, unbiased=False), BatchNorm(1, momentum=1.0)
    assert torch.equal(book(column), torchs(column))  # while training both divide by the biased one
    assert (book.running_var.item(), torchs.running_var.item()) == (4, pytest.approx(16 / 3))


@each_kind
@each_shape
def test_batch_norm_is_torchs_over_several_steps_and_then_in_evaluation(shape, dtype):
    ours, theirs = pair(shape, dtype)
    for step in range(4):
        batch = 3 * numbers(*shape, seed=step, dtype=dtype) + step
        agree(pulled(ours, batch), pulled(theirs, batch))
        agree(list(ours.buffers()), list(theirs.buffers()))
    ours.eval()
    theirs.eval()
    agree(pulled(ours, batch), pulled(theirs, batch))


@each_shape
def test_the_biased_running_variance_is_torchs_recursion_without_its_factor(shape):
    ours, theirs = pair(shape, unbiased=False)
    m = numbers(*shape).numel() // shape[1]
    for step in range(4):
        batch = numbers(*shape, seed=step)
        agree(ours(batch), theirs(batch))
    start = 0.9**4  # what is left of the first running variance, 1; the rest is linear in the batches' variances
    agree(ours.running_var - start, (theirs.running_var - start) * (m - 1) / m)
    agree(ours.running_mean, theirs.running_mean)


@each_shape
def test_the_closed_form_is_the_gradient(shape):
    layer = BatchNorm(shape[1]).double()

    def with_parameters(batch, weight, bias):
        return torch.func.functional_call(layer, {"weight": weight, "bias": bias}, (batch,))

    inputs = [numbers(*shape), numbers(shape[1], seed=1), numbers(shape[1], seed=2)]
    inputs = [values.requires_grad_() for values in inputs]
    assert gradcheck(with_parameters, inputs)
    assert gradgradcheck(with_parameters, inputs)
    layer.eval()
    assert gradcheck(with_parameters, inputs)


@each_shape
def test_no_gradient_goes_along_the_mean_or_the_scale_of_a_batch(shape):
    # gamma x_hat + beta is the same for a x + b, so the loss is level in both directions (section 3.3); eps aside
    layer, batch = BatchNorm(shape[1], eps=0.0).double(), numbers(*shape).requires_grad_()
    (layer(batch) * numbers(*shape, seed=9)).sum().backward()
    axes = [axis for axis in range(len(shape)) if axis != 1]
    agree(batch.grad.sum(axes), torch.zeros(shape[1], dtype=torch.float64))
    agree((batch.grad * batch).sum(axes), torch.zeros(shape[1], dtype=torch.float64))


def test_what_is_remembered_of_a_batch_carries_no_gradient():
    layer = BatchNorm(2)
    outputs = Normalise.apply(torch.randn(4, 2).requires_grad_(), layer.weight, layer.bias, layer.eps)
    assert [values.requires_grad for values in outputs] == [True, False, False]


def test_half_precision_is_normalised_in_single_as_torch_does():
    ours, theirs = pair(SHAPES["maps"], torch.float32)
    batch = (100 + numbers(*SHAPES["maps"])).bfloat16()
    out = ours(batch)
    assert out.dtype == torch.bfloat16
    assert_close(out, theirs(batch), rtol=2**-7, atol=2**-7)  # one bit of a bfloat16
    assert_close(ours.running_var, theirs.running_var, rtol=1e-4, atol=0)


@each_shape
def test_a_state_is_saved_by_one_and_restored_by_the_other(shape, tmp_path):
    ours, theirs = pair(shape)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for step, (layer, twin) in enumerate([(ours, theirs), (theirs, ours)]):
        layer.train()(numbers(*shape, seed=step) + step)
        torch.save(layer.state_dict(), tmp_path / "state.pt")
        twin.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
        assert twin.num_batches_tracked == layer.num_batches_tracked == step + 1
        assert torch.equal(twin.running_var, layer.running_var)
        batch = numbers(*shape, seed=5)
        agree(twin.eval()(batch), layer.eval()(batch))


def test_reset_parameters_forgets():
    layer, new = BatchNorm(3), BatchNorm(3)
    layer(numbers(4, 3, dtype=torch.float32))
    nn.init.constant_(layer.weight, 7)
    layer.reset_parameters()
    assert all(torch.equal(value, new.state_dict()[name]) for name, value in layer.state_dict().items())


@pytest.mark.parametrize("shape", [(1, 3), (1, 3, 1, 1), (0, 3)])
def test_one_value_has_no_variance_while_training(shape):
    layer = BatchNorm(3)
    size = "x".join(map(str, shape))
    with pytest.raises(
        ArchError, match=rf"^BatchNorm\(3\), training, on {size}: .* larger batch, or evaluation, would"
    ):
        layer(torch.zeros(shape))
    assert layer.num_batches_tracked == 0
    assert layer.eval()(torch.zeros(shape)).shape == shape


@pytest.mark.parametrize("shape", [(4, 2), (4, 3, 5), (3,)])
def test_batch_norm_takes_features_or_maps_of_its_own_width(shape):
    with pytest.raises(ArchError, match=r"^BatchNorm\(3\) on .*; n x 3, or that with h x w, would work"):
        BatchNorm(3)(torch.zeros(shape))


def test_a_map_at_the_border_has_fewer_neighbours():
    pixel = torch.tensor([1.0, 2.0, 3.0, 4.0]).reshape(1, 4, 1, 1)
    # of 3 maps each; at the first and the last, of 2: squares 1 4 9 16
    assert local_response(pixel, n=3, k=1.0, alpha=1.0, beta=1.0).flatten().tolist() == pytest.approx(
        [1 / (1 + 5), 2 / (1 + 14), 3 / (1 + 29), 4 / (1 + 25)]
    )
    wider = local_response(pixel, n=5, k=0.0, alpha=1.0, beta=0.5).flatten().tolist()
    assert wider == pytest.approx([1 / 14**0.5, 2 / 30**0.5, 3 / 30**0.5, 4 / 29**0.5])


@each_kind
@pytest.mark.parametrize(("n", "maps"), list(product([1, 3, 5], [2, 9])))
def test_local_response_is_torchs_with_n_times_alpha(n, maps, dtype):
    ours = LocalResponse(n, k=2.0, alpha=0.1, beta=0.75)
    theirs = nn.LocalResponseNorm(n, alpha=n * 0.1, beta=0.75, k=2.0)
    batch = 3 * numbers(2, maps, 3, 3, dtype=dtype)
    agree(pulled(ours, batch), pulled(theirs, batch))


def test_the_paper_s_constants_are_the_defaults():
    batch = 50 * numbers(2, 8, 3, 3)
    agree(LocalResponse()(batch), nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)(batch))


def test_the_gradient_of_local_response():
    assert gradcheck(lambda batch: local_response(batch, 3, alpha=0.5), numbers(2, 4, 2, 1).requires_grad_())


def test_local_response_in_half_precision_rounds_once():
    batch = (100 * numbers(1, 6, 2, 2)).bfloat16()
    assert torch.equal(local_response(batch), local_response(batch.float()).bfloat16())


@pytest.mark.parametrize("n", [4, 0])
def test_a_window_without_a_middle_is_refused(n):
    with pytest.raises(ArchError, match=f"^local_response, n = {n}; .*odd number, like 5, would work"):
        local_response(torch.zeros(1, 3, 1, 1), n=n)


def test_dropout_by_hand():
    batch, dice = torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.tensor([0.0, 0.74, 0.75, 0.99])
    assert dropout(batch, 0.75, dice).tolist() == [0, 0, 12, 16]
    assert torch.equal(dropout(batch, 0.0, torch.zeros(4)), batch)


def test_dropout_is_torchs_under_the_same_mask():
    batch, share = numbers(40, 50), 0.3
    torch.manual_seed(3)
    scale = nn.Dropout(share)(torch.ones_like(batch))  # torch's mask: 0 where it drops
    dice = torch.where(scale == 0, 0.0, 0.999)
    torch.manual_seed(3)
    theirs = pulled(nn.Dropout(share), batch)
    given = Dropout(share)
    given.forward = partial(dropout, share=share, dice=dice)
    agree(pulled(given, batch), theirs)


@pytest.mark.parametrize("share", [0.25, 0.5])
def test_both_conventions_expect_the_same(share):
    # every combination of four equally likely dice on three units: the expectation itself, not a sample of it
    batch, weight = torch.tensor([1.0, -2.0, 5.0]), torch.tensor([0.5, 3.0, -1.0])
    all_dice = torch.tensor(list(product([0.1, 0.3, 0.6, 0.9], repeat=3)))
    inverted = torch.stack([dropout(batch, share, dice) for dice in all_dice]).mean(0)
    of_2012 = torch.stack([batch * (dice >= share) for dice in all_dice]).mean(0)
    agree(inverted, batch)  # so evaluation uses the values as they are
    agree(of_2012, batch * (1 - share))  # so evaluation of 2012 multiplies by 1 - share
    agree(inverted @ weight * (1 - share), of_2012 @ weight)


def test_the_dropout_layer_draws_while_training_only():
    layer, batch = Dropout(0.25), torch.ones(200, 200)
    torch.manual_seed(0)
    out = layer(batch)
    assert out.unique().tolist() == pytest.approx([0, 4 / 3])
    assert (out == 0).float().mean().item() == pytest.approx(0.25, abs=0.01)  # 40,000 numbers: one sigma is 0.002
    assert not torch.equal(out, layer(batch))
    assert layer.eval()(batch) is batch


def test_dropout_that_leaves_nothing_is_refused():
    for share in (1.0, -0.1, float("nan")):
        with pytest.raises(ArchError, match=r"^dropout, share = .*; at least 0 and less than 1 would work"):
            Dropout(share)
    with pytest.raises(ArchError, match="share = 2"):
        dropout(torch.ones(2), 2.0, torch.ones(2))


def test_dice_are_not_broadcast():
    with pytest.raises(AssertionError):
        dropout(torch.ones(4, 2), 0.5, torch.rand(2))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    ("layer", "takes"),
    [
        (lambda bias: nn.Linear(4, 6, bias=bias), (3, 4)),
        (lambda bias: nn.Conv2d(4, 6, 3, padding=1, bias=bias), (3, 4, 5, 5)),
        (lambda bias: nn.Conv2d(4, 6, 3, groups=2, bias=bias), (3, 4, 5, 5)),
    ],
    ids=["dense", "convolution", "grouped"],
)
def test_a_folded_layer_is_the_layer_and_torchs_norm(layer, takes, bias):
    layer = layer(bias).double()
    _, norm = pair((3, 6, *takes[2:]))
    for step in range(3):
        norm(layer(numbers(*takes, seed=step)))
    norm.eval()
    batch = numbers(*takes, seed=7)
    whole = norm(layer(batch))
    seen = (norm.running_mean, norm.running_var, norm.eps)
    weight, shift = fold(norm.weight, norm.bias, *seen, layer.weight, layer.bias)
    layer.weight, layer.bias = nn.Parameter(weight), nn.Parameter(shift)
    agree(layer(batch), whole)


def test_a_fold_by_hand():
    one = torch.ones(1)
    weight, bias = fold(3 * one, 7 * one, 5 * one, 3 * one, 1.0, torch.tensor([[8.0, -4.0]]), 9 * one)
    assert (weight.tolist(), bias.tolist()) == ([[12, -6]], [13])  # sigma = 2: 3 * 8 / 2, and 3 * (9 - 5) / 2 + 7


def test_a_norm_of_another_width_cannot_be_folded():
    three = torch.ones(3)
    with pytest.raises(ArchError, match="the norm takes 3 maps, the layer gives 1; equal ones would work"):
        fold(three, three, three, three, 1e-5, torch.ones(1, 2), None)
