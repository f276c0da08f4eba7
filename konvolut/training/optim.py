"""Which numbers of a net are trained how."""

from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
from jaxtyping import Float
from torch import Tensor, nn

from konvolut.training.recipe import Recipe
from konvolut.training.trunk import head_parameters

ORTHOGONAL = 0.2  # muon's rate, of sgd's: as good as 0.5 and better than 0.05 on digits' validation pictures, one seed
QUINTIC = (3.4445, -4.7750, 2.0315)  # Jordan et al. 2024: steepest at 0, and singular values end between 0.7 and 1.2
NEWTON_SCHULZ = 5  # steps of it


def optimizer(net: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimizer over the net's parameters, its update fused into one pass where torch has one."""
    sets = groups(net, recipe.decay, recipe.trunk)
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(sets, lr=recipe.lr, betas=(recipe.momentum, 0.999), fused=True)
    if recipe.optimizer == "muon":
        return Muon(turned(sets, head_parameters(net)), recipe.lr, recipe.momentum)
    return torch.optim.SGD(sets, lr=recipe.lr, momentum=recipe.momentum, nesterov=recipe.momentum > 0, fused=True)


def groups(net: nn.Module, decay: float, trunk: float = 1.0) -> list[dict[str, Any]]:
    """Weights (2 axes and more) decay; biases and norm scales do not; what is frozen is left out.

    `rate` is what a group's learning rate is multiplied by: `trunk` for all but the classifier.
    """
    learns = [weight for weight in net.parameters() if weight.requires_grad]
    head = {id(weight) for weight in (head_parameters(net) if trunk != 1 else learns)}
    sets = [
        {
            "params": [w for w in learns if (w.ndim > 1) == decays and (id(w) in head) == full],
            "weight_decay": decay * decays,
            "rate": 1.0 if full else trunk,
        }
        for full in (True, False)
        for decays in (True, False)
    ]
    return [s for s in sets if s["params"]]


def turned(sets: Iterable[dict[str, Any]], head: Iterable[nn.Parameter]) -> list[dict[str, Any]]:
    """`sets` with the weights of 2 axes and more that are no classifier's in groups of their own, to be orthogonal."""
    last = {id(weight) for weight in head}
    found = []
    for group in sets:
        for orthogonal in (True, False):
            weights = [w for w in group["params"] if (w.ndim > 1 and id(w) not in last) == orthogonal]
            rate = group["rate"] * (ORTHOGONAL if orthogonal else 1.0)
            found.append({**group, "params": weights, "rate": rate, "orthogonal": orthogonal})
    return [group for group in found if group["params"]]


class Muon(torch.optim.Optimizer):
    """Nesterov's momentum whose steps are made orthogonal in groups that are marked so, and SGD in the others.

    Jordan et al. 2024 (kellerjordan.github.io/posts/muon). A convolution's weight is a matrix: outputs by all else. The
    step of an m x n matrix is scaled by sqrt(max(1, m / n)), and its decay is decoupled, as in the author's program;
    that of the others is SGD's. torch's own takes matrices alone.
    """

    def __init__(self, sets: Iterable[dict[str, Any]], lr: float, momentum: float) -> None:
        super().__init__(sets, {"lr": lr, "momentum": momentum, "weight_decay": 0.0, "orthogonal": False})

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        assert closure is None, "a step has its gradients already"
        for group in self.param_groups:
            weights = [w for w in group["params"] if w.grad is not None]
            if not weights:
                continue
            gradients = [w.grad for w in weights]
            lr, momentum, decay = group["lr"], group["momentum"], group["weight_decay"]
            for weight in weights:
                if "momentum" not in self.state[weight]:
                    self.state[weight]["momentum"] = torch.zeros_like(weight)
            if group["orthogonal"]:
                torch._foreach_mul_(weights, 1 - lr * decay)
            elif decay:
                gradients = list(torch._foreach_add(gradients, weights, alpha=decay))
            means = [self.state[weight]["momentum"] for weight in weights]
            torch._foreach_mul_(means, momentum)
            torch._foreach_add_(means, gradients)
            steps = list(torch._foreach_add(gradients, means, alpha=momentum))
            if group["orthogonal"]:
                steps = orthogonal_steps(steps)
            torch._foreach_add_(weights, steps, alpha=-lr)
        return None


def orthogonal_steps(steps: list[Tensor]) -> list[Tensor]:
    """Each step of 2 axes and more made orthogonal and scaled; those of one shape at once, since most are small."""
    shapes: dict[torch.Size, list[int]] = {}
    for place, step in enumerate(steps):
        shapes.setdefault(step.shape, []).append(place)
    found = list(steps)
    for shape, places in shapes.items():
        flat = orthogonal(torch.stack([steps[place].flatten(1) for place in places]))
        scale = max(1.0, flat.shape[1] / flat.shape[2]) ** 0.5
        for place, one in zip(places, flat, strict=True):
            found[place] = (one * scale).view(shape).contiguous(memory_format=layout(steps[place]))
    return found


def layout(tensor: Tensor) -> torch.memory_format:
    """How the numbers of a weight, and so of its step, lie in memory."""
    last = tensor.ndim == 4 and tensor.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if last else torch.contiguous_format


def orthogonal(steps: Float[Tensor, "k m n"]) -> Float[Tensor, "k m n"]:
    """About U V^T of each U S V^T: singular values between 0.7 and 1.2, by Newton and Schulz, in products alone.

    In bf16 on a GPU, as the author has it; on a CPU, which need not have it, in fp32.
    """
    a, b, c = QUINTIC
    tall = steps.shape[1] > steps.shape[2]
    x = (steps.mT if tall else steps).to(torch.bfloat16 if steps.is_cuda else torch.float32)
    x = x / (torch.linalg.matrix_norm(x, keepdim=True) + 1e-7)
    for _ in range(NEWTON_SCHULZ):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    found: Tensor = (x.mT if tall else x).type_as(steps)
    return found
