"""The three layers that only LeNet-5 has (LeCun et al. 1998, section II.B)."""

from dataclasses import dataclass
from hashlib import sha256

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d

from konvolut.blocks.act import activation
from konvolut.blocks.spec import in_turn
from konvolut.errors import ArchError
from konvolut.types import Shape

Table = tuple[tuple[int, ...], ...]  # for each map that goes out, the maps that it sees


class SparseConv2d(nn.Module):
    """A convolution whose outputs each see only some of the input maps; only the kernels that exist are stored."""

    places: Tensor

    def __init__(self, table: Table, channels: int, k: int) -> None:
        super().__init__()
        self.table, self.channels = table, channels
        places = [out * channels + seen for out, row in enumerate(table) for seen in row]
        self.weight = nn.Parameter(torch.empty(len(places), k, k))
        self.bias = nn.Parameter(torch.zeros(len(table)))
        self.register_buffer("places", torch.tensor(places), persistent=False)
        nn.init.uniform_(self.weight, -1 / k, 1 / k)

    def forward(self, batch: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c2 h2 w2"]:
        _, k, _ = self.weight.shape
        empty = self.weight.new_zeros(len(self.table) * self.channels, k, k)
        kernels = empty.index_copy(0, self.places, self.weight)  # zero where the table has no connection
        return conv2d(batch, kernels.view(len(self.table), self.channels, k, k), self.bias)

    def fans(self) -> tuple[Tensor, Tensor]:
        """Inputs of an output, and outputs of an input, for each stored kernel: twice (kernels, 1, 1)."""
        _, k, _ = self.weight.shape
        seen = [seen for row in self.table for seen in row]
        fan_in = torch.tensor([len(row) * k * k for row in self.table for _ in row])
        fan_out = torch.tensor([seen.count(one) * k * k for one in seen])
        return fan_in.view(-1, 1, 1), fan_out.view(-1, 1, 1)


class Subsample2d(nn.Module):
    """The sum of each k x k window times a coefficient plus a bias, one of each a map."""

    def __init__(self, channels: int, k: int) -> None:
        super().__init__()
        self.k = k
        self.weight = nn.Parameter(torch.full((channels,), 1 / k**2))  # starts as the mean of the window
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, batch: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h2 w2"]:
        sums = avg_pool2d(batch, self.k) * self.k**2
        return sums * self.weight.view(-1, 1, 1) + self.bias.view(-1, 1, 1)


class RbfOutput(nn.Module):
    """Minus the squared distance of the features to each class's code, divided by `scale`; nothing here is learnt."""

    codes: Tensor

    def __init__(self, features: int, classes: int, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.register_buffer("codes", torch.tensor([code(number, features) for number in range(classes)]))

    def forward(self, batch: Float[Tensor, "n f"]) -> Float[Tensor, "n k"]:
        return -(batch[:, None, :] - self.codes).square().sum(2) / self.scale


def code(number: int, length: int) -> list[float]:
    """`length` signs, +1 or -1, hashed from the number of a class."""
    digests = (sha256(f"class {number}, block {block}".encode()).digest() for block in range(1 + length // 256))
    bits = [byte >> place & 1 for digest in digests for byte in digest for place in range(8)]
    return [1.0 if bit else -1.0 for bit in bits[:length]]


@dataclass(frozen=True, slots=True)
class SparseConv:
    """A convolution with a connection table (table I): (c, h, w) -> (len(table), h - k + 1, w - k + 1)."""

    table: Table
    k: int  # px
    act: str = "scaled tanh"

    def make(self, shape: Shape) -> nn.Module:
        least = 1 + max(seen for row in self.table for seen in row)
        if shape[0] != least:
            raise ArchError(f"its connection table is for {least} maps, not for {shape[0]}")
        return in_turn(conv=SparseConv2d(self.table, least, self.k), act=activation(self.act))


@dataclass(frozen=True, slots=True)
class Subsample:
    """Trainable subsampling by k (layers S2 and S4), then the squashing function: (c, h, w) -> (c, h / k, w / k)."""

    k: int  # px, the window and the stride
    act: str = "scaled tanh"

    def make(self, shape: Shape) -> nn.Module:
        return in_turn(pool=Subsample2d(shape[0], self.k), act=activation(self.act))


@dataclass(frozen=True, slots=True)
class Rbf:
    """The output layer: one Euclidean radial basis function unit a class (eq. 7)."""

    out: int
    scale: float = 1.0  # divides the squared distances; the number of features makes them means, which train faster

    def make(self, shape: Shape) -> nn.Module:
        return RbfOutput(shape[0], self.out, self.scale)
