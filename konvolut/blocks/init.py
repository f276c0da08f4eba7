"""First values of a net's parameters: a matter of (seed, parameter name), of the scheme and of nothing else."""

from collections.abc import Callable, Sequence
from hashlib import sha256

import torch
from torch import Tensor, nn

from konvolut.blocks.lenet import SparseConv2d, Subsample2d
from konvolut.blocks.residual import Residual
from konvolut.blocks.spec import chosen
from konvolut.blocks.written import BatchNorm
from konvolut.errors import ArchError, nearest

Scale = Callable[
    [Tensor, Tensor, bool], Tensor
]  # fan in, fan out, does a ReLU follow -> what a unit draw is multiplied by

NORMS = (nn.modules.batchnorm._BatchNorm, BatchNorm)
WEIGHTED = (nn.Conv2d, nn.Linear, SparseConv2d)  # the layers whose multiply-accumulates are counted

# scheme: (is the draw normal with variance 1, or uniform between -1 and 1, and its scale)
SCHEMES: dict[str, tuple[bool, Scale]] = {
    # He et al. 2015b, eq. 10 before a ReLU, which halves the second moment; eq. 14's linear case elsewhere
    "he": (True, lambda fan_in, fan_out, relu: ((2 if relu else 1) / fan_in).sqrt()),
    # Glorot and Bengio 2010, eq. 16
    "xavier": (False, lambda fan_in, fan_out, relu: (6 / (fan_in + fan_out)).sqrt()),
    # the same variance, eq. 12, from a normal draw
    "xavier normal": (True, lambda fan_in, fan_out, relu: (2 / (fan_in + fan_out)).sqrt()),
    # Krizhevsky et al. 2012, section 5
    "gaussian": (True, lambda fan_in, fan_out, relu: torch.full_like(fan_in, 0.01)),
    # LeCun et al. 1998, appendix A
    "lecun": (False, lambda fan_in, fan_out, relu: 2.4 / fan_in),
}


@torch.no_grad()
def initialise(
    net: nn.Module, scheme: str = "he", seed: int = 0, *, zero_residual: bool = False, ones: Sequence[str] = ()
) -> None:
    """Give every parameter of `net` its first value, in place; biases are 0, norms scale by 1 and shift by 0.

    Two nets that share a parameter's name and shape share its value, whatever else differs; torch's global
    generator is neither read nor moved. With `zero_residual` each residual block starts as its shortcut (the scale of
    its last norm is 0; Goyal et al. 2017, section 5.1). In the rows that `ones` names, which are children of `net`,
    the biases of layers are 1, so that their ReLUs start with something to pass on: Krizhevsky et al. 2012, section 5,
    do so in conv2, conv4, conv5 and the hidden dense layers.
    Raises ArchError, with the nearest, when there is no such scheme, or no such row, or nothing in it that has a bias.
    """
    normal, scale = chosen("scheme", scheme, SCHEMES)
    check_rows(net, ones)
    rectified = followed_by_relu(net)
    for name, module in net.named_modules():
        start = float(name.partition(".")[0] in ones)
        if isinstance(module, WEIGHTED):
            unit = draw(f"{seed} {name}.weight", tuple(module.weight.shape), normal)
            module.weight.copy_(unit * scale(*fans(module), module in rectified))
            if module.bias is not None:
                module.bias.fill_(start)
        elif isinstance(module, NORMS):
            module.reset_parameters()
        elif isinstance(module, Subsample2d):
            module.weight.fill_(1 / module.k**2)
            module.bias.fill_(start)
    if zero_residual:
        for block in (module for module in net.modules() if isinstance(module, Residual)):
            last = [module for module in block.body.modules() if isinstance(module, NORMS)][-1:]
            for norm in last:
                norm.weight.zero_()


def check_rows(net: nn.Module, ones: Sequence[str]) -> None:
    """Raises ArchError unless each of `ones` names a child of `net` with a layer that has a bias."""
    rows = dict(net.named_children())
    for name in ones:
        if name not in rows:
            raise ArchError(f"ones: no row {name!r}{nearest(name, rows)}")
        learnt = (layer for layer in rows[name].modules() if isinstance(layer, (*WEIGHTED, Subsample2d)))
        if all(layer.bias is None for layer in learnt):
            raise ArchError(f"ones: row {name} has no bias; a convolution or dense row made with bias=True would work")


def draw(text: str, shape: tuple[int, ...], normal: bool) -> Tensor:
    """Numbers of variance 1 around 0 if `normal`, else between -1 and 1, hashed from `text`."""
    number = int.from_bytes(sha256(text.encode()).digest()[:8], "big")
    dice = torch.Generator().manual_seed(number)
    unit = torch.empty(shape, device="cpu")
    return unit.normal_(generator=dice) if normal else unit.uniform_(-1, 1, generator=dice)


def fans(module: nn.Module) -> tuple[Tensor, Tensor]:
    """How many inputs an output sees and how many outputs an input reaches, as numbers that divide."""
    if isinstance(module, SparseConv2d):
        fan_in, fan_out = module.fans()
        return fan_in.float(), fan_out.float()
    weight = module.weight
    assert isinstance(weight, Tensor)
    window = weight[0, 0].numel()  # 1 for a dense layer
    groups = module.groups if isinstance(module, nn.Conv2d) else 1
    return torch.tensor(float(weight.shape[1] * window)), torch.tensor(float(weight.shape[0] // groups * window))


def followed_by_relu(net: nn.Module) -> set[nn.Module]:
    """The layers whose own row ends in a ReLU."""
    rows = (list(module) for module in net.modules() if isinstance(module, nn.Sequential))
    return {step for row in rows if any(isinstance(step, nn.ReLU) for step in row) for step in row}
