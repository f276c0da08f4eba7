"""The layers of 2012-2015 in plain tensor arithmetic: what tests and the lab hold torch's fused ones against.

Sources: Krizhevsky et al. 2012, sections 3.3 and 4.2; Srivastava et al. 2014; Ioffe and Szegedy 2015.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from konvolut.errors import ArchError


class BatchNorm(nn.Module):
    """Each feature of (n, c), or each map of (n, c, h, w), at mean 0 and variance 1, then times gamma plus beta.

    The mean and the variance are the batch's while training and the running ones in evaluation (Ioffe and Szegedy
    2015, algorithms 1 and 2). Its names are those of torch's layers, so a state dict fits both. The batch is always
    divided by its own, biased variance; `unbiased` is about the one that is remembered: times m / (m - 1), as torch
    does and as the paper averages for inference, or as it is, which is what Dive into Deep Learning writes out.
    Raises ArchError for another shape, and while training for a batch with fewer than 2 values of each feature.
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, width: int, eps: float = 1e-5, momentum: float = 0.1, unbiased: bool = True) -> None:
        super().__init__()
        self.width, self.unbiased = width, unbiased
        self.eps = eps  # added to the variance, in its unit
        self.momentum = (
            momentum  # the share of the newest batch in the running values; 1 - this is the share of what was there
        )
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))
        self.register_buffer("running_mean", torch.zeros(width))
        self.register_buffer("running_var", torch.ones(width))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """As new: scale 1, shift 0, and nothing remembered."""
        for ones in (self.weight, self.running_var):
            ones.fill_(1)
        for zeros in (self.bias, self.running_mean, self.num_batches_tracked):
            zeros.zero_()

    def forward(self, batch: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        size = "x".join(map(str, batch.shape))
        if batch.ndim not in (2, 4) or batch.shape[1] != self.width:
            raise ArchError(f"BatchNorm({self.width}) on {size}; n x {self.width}, or that with h x w, would work")
        values = wide(batch)
        if not self.training:
            divisor = (wide(self.running_var) + self.eps).sqrt()
            unit = (values - across(self.running_mean, batch)) / across(divisor, batch)
            return (across(self.weight, batch) * unit + across(self.bias, batch)).to(batch.dtype)
        if batch.numel() < 2 * self.width:
            raise ArchError(
                f"BatchNorm({self.width}), training, on {size}: a variance needs 2 values of each feature; "
                "a larger batch, or evaluation, would work"
            )
        out, mean, var = Normalise.apply(values, self.weight, self.bias, self.eps)  # type: ignore[no-untyped-call]
        self.remember(mean, var, batch.numel() // self.width)
        normed: Tensor = out.to(batch.dtype)
        return normed

    @torch.no_grad()
    def remember(self, mean: Float[Tensor, "c"], var: Float[Tensor, "c"], m: int) -> None:
        """Move the running values towards a batch's mean and biased variance, taken over `m` values of each feature."""
        if self.unbiased:
            var = var * m / (m - 1)
        for running, newest in ((self.running_mean, mean), (self.running_var, var)):
            running.mul_(1 - self.momentum).add_(newest * self.momentum)
        self.num_batches_tracked += 1

    def extra_repr(self) -> str:
        return f"{self.width}, eps={self.eps}, momentum={self.momentum}, unbiased={self.unbiased}"


class Normalise(torch.autograd.Function):
    """(batch, gamma, beta, eps) -> (gamma x_hat + beta, mean, biased variance), with its gradient in closed form.

    The last two outputs are for the running values and carry no gradient.
    """

    @staticmethod
    def forward(
        batch: Float[Tensor, "n c *hw"], weight: Float[Tensor, "c"], bias: Float[Tensor, "c"], eps: float
    ) -> tuple[Float[Tensor, "n c *hw"], Float[Tensor, "c"], Float[Tensor, "c"]]:
        unit, mean, var = standard(batch, eps)
        return across(weight, batch) * unit + across(bias, batch), mean, var

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        batch, weight, _, ctx.eps = inputs
        # Inputs only, and the rest computed again: so a gradient of this gradient sees that x_hat depends on the batch.
        ctx.save_for_backward(batch, weight)
        ctx.mark_non_differentiable(*output[1:])

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, Tensor, Tensor, None]:
        """Ioffe and Szegedy 2015, section 3, its chain of six gradients multiplied out."""
        batch, weight = ctx.saved_tensors
        grad, axes, m = grads[0], others(batch), batch.numel() // weight.numel()
        unit, _, var = standard(batch, ctx.eps)
        d_bias = grad.sum(axes)
        d_weight = (grad * unit).sum(axes)
        scale = weight / (m * (var + ctx.eps).sqrt())
        d_batch = across(scale, batch) * (m * grad - across(d_bias, batch) - unit * across(d_weight, batch))
        return d_batch, d_weight, d_bias, None


def standard(
    batch: Float[Tensor, "n c *hw"], eps: float
) -> tuple[Float[Tensor, "n c *hw"], Float[Tensor, "c"], Float[Tensor, "c"]]:
    """x_hat = (x - mean) / sqrt(variance + eps), then the mean and the biased variance of each feature or map."""
    mean = batch.mean(others(batch))
    centred = batch - across(mean, batch)
    var = centred.square().mean(others(batch))
    return centred / across((var + eps).sqrt(), batch), mean, var


def others(batch: Float[Tensor, "n c *hw"]) -> tuple[int, ...]:
    """Every axis but the one of features or maps: (0,) of a dense batch, (0, 2, 3) of maps."""
    return (0, *range(2, batch.ndim))


def across(values: Float[Tensor, "c"], batch: Float[Tensor, "n c *hw"]) -> Float[Tensor, "c *ones"]:
    """One value a feature or map, shaped so that it meets its own in `batch`."""
    return values.view(-1, *(1 for _ in batch.shape[2:]))


def wide(values: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """The same numbers, in single precision where they came in half, which is too coarse for the sums of a batch."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


class LocalResponse(nn.Module):
    """`local_response` as a layer; it learns nothing and does the same while training and in evaluation."""

    def __init__(self, n: int = 5, k: float = 2.0, alpha: float = 1e-4, beta: float = 0.75) -> None:
        super().__init__()
        self.n, self.k, self.alpha, self.beta = n, k, alpha, beta

    def forward(self, batch: Float[Tensor, "n c *hw"]) -> Float[Tensor, "n c *hw"]:
        return local_response(batch, self.n, self.k, self.alpha, self.beta)

    def extra_repr(self) -> str:
        return f"n={self.n}, k={self.k}, alpha={self.alpha}, beta={self.beta}"


def local_response(
    batch: Float[Tensor, "n c *hw"], n: int = 5, k: float = 2.0, alpha: float = 1e-4, beta: float = 0.75
) -> Float[Tensor, "n c *hw"]:
    """Each map over (k + alpha * the sum of squares of itself and its n // 2 neighbours on each side) ** beta.

    At the first and the last map the sum has fewer terms. Krizhevsky et al. 2012, section 3.3: alpha stands before the
    sum; torch and Caffe write alpha / n there, so theirs is n times this one.
    Raises ArchError for an even n.
    """
    if n < 1 or n % 2 == 0:
        raise ArchError(
            f"local_response, n = {n}; a map has as many neighbours on each side: an odd number, like 5, would work"
        )
    values, reach = wide(batch), n // 2
    squares = values.square()
    sums = [squares[:, max(0, i - reach) : i + reach + 1].sum(1) for i in range(batch.shape[1])]
    return (values / (k + alpha * torch.stack(sums, 1)) ** beta).to(batch.dtype)


class Dropout(nn.Module):
    """`dropout` with numbers from torch's global generator while training, and nothing in evaluation."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = held(share)

    def forward(self, batch: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        if not self.training:
            return batch
        # Drawn in single precision: in bfloat16 there are only 256 uniform numbers to compare a share with.
        return dropout(batch, self.share, torch.rand(batch.shape, device=batch.device))

    def extra_repr(self) -> str:
        return f"share={self.share}"


def dropout(batch: Float[Tensor, "*n"], share: float, dice: Float[Tensor, "*as_many"]) -> Float[Tensor, "*n"]:
    """Zero where `dice`, uniform in [0, 1), falls below `share`, and 1 / (1 - share) times the value elsewhere.

    The mean over the dice is the batch itself, so evaluation changes nothing (Srivastava et al. 2014, section 10).
    Krizhevsky et al. 2012, section 4.2, keep the values as they are and multiply by 1 - share in evaluation.
    Raises ArchError for a share outside [0, 1).
    """
    assert dice.shape == batch.shape, (dice.shape, batch.shape)  # nothing is broadcast: every value has its own
    kept = (dice >= held(share)).to(batch.dtype)
    return batch * (kept / (1 - share))


def held(share: float) -> float:
    """`share`, which leaves something of the batch.

    Raises ArchError outside [0, 1).
    """
    if not 0 <= share < 1:
        raise ArchError(f"dropout, share = {share:g}; at least 0 and less than 1 would work")
    return share


def fold(
    gamma: Float[Tensor, "c"],
    beta: Float[Tensor, "c"],
    mean: Float[Tensor, "c"],
    var: Float[Tensor, "c"],
    eps: float,
    weight: Float[Tensor, "out *window"],
    bias: Float[Tensor, "out"] | None,
) -> tuple[Float[Tensor, "out *window"], Float[Tensor, "out"]]:
    """W' = gamma W / sigma and b' = gamma (b - mean) / sigma + beta: a layer that is itself and the norm after it.

    For a convolution (grouped or not) or a dense layer in evaluation; sigma is sqrt(var + eps), the rest are the norm's
    own names. A bias of None counts as zeros. Ioffe and Szegedy 2015, algorithm 2, its last step.
    Raises ArchError when the layer does not give as many maps as the norm takes.
    """
    if weight.shape[0] != gamma.numel():
        raise ArchError(
            f"fold: the norm takes {gamma.numel()} maps, the layer gives {weight.shape[0]}; equal ones would work"
        )
    scale = gamma / (var + eps).sqrt()
    start = torch.zeros_like(mean) if bias is None else bias
    return weight * scale.view(-1, *(1 for _ in weight.shape[1:])), scale * (start - mean) + beta
