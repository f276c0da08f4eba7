"""What two processes do for tests/training/test_world.py. Run by torchrun, or by hand with its environment."""

import sys
from pathlib import Path
from time import sleep

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from konvolut.blocks.basic import Conv, Dense, Dropout, GlobalAvgPool
from konvolut.blocks.residual import Basic, Stage
from konvolut.blocks.spec import Row
from konvolut.errors import KonvolutError
from konvolut.nets.arch import Arch, build
from konvolut.training.reduced import GlobalBatch, masked, reduced
from konvolut.training.segments import segmented
from konvolut.training.world import World

STEPS, BATCH = 20, 33  # an odd batch: the ranks' shares differ by one
SEED = 2  # of chance; with it no ReLU's input is so near 0 in float32 that an order of summing decides its sign
PRECISIONS = {"fp32": torch.float32, "fp64": torch.float64}
MEANS = (0.0, 100.0)  # of the maps given to a lone norm; their deviation is 1


def diced(norm: str) -> Arch:
    """A net with three kinds of chance: dropout of maps and of features, and stochastic depth."""
    return Arch(
        "diced",
        "this test",
        (3, 8, 8),
        (
            Row("conv1", Conv(8, 3, p=1, norm=norm)),
            Row("drop1", Dropout(0.3)),
            Row("stage1", Stage(3, Basic(8, norm=norm), survive=(0.9, 0.5, 0.2))),
            Row("gap", GlobalAvgPool()),
            Row("fc", Dense(10, act="none", drop=0.2)),
        ),
    )


class Stranger(nn.Module):
    """A user's own module: whole maps dropped, dense batch norm, and a layer that is never used."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Dropout2d(0.3), nn.Flatten(), nn.Linear(288, 16))
        self.norm, self.head, self.unused = nn.BatchNorm1d(16, momentum=None), nn.Linear(16, 10), nn.Linear(2, 2)

    def forward(self, batch: Tensor) -> Tensor:
        return self.head(self.norm(self.body(batch)).relu())


def stranger() -> nn.Module:
    torch.manual_seed(0)
    return Stranger()


NETS = {
    "none": lambda: build(diced("none")),
    "bn": lambda: build(diced("bn")),
    "stranger": stranger,
    "segments": lambda: build(diced("bn")),
}


def pictures(dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Two batches of pictures, in the layout that training has, and their labels."""
    dice = torch.Generator().manual_seed(0)
    images = torch.randn(2 * BATCH, 3, 8, 8, generator=dice).contiguous(memory_format=torch.channels_last)
    return images.to(dtype), torch.randint(0, 10, (2 * BATCH,), generator=dice)


def trained(world: World, name: str, dtype: torch.dtype) -> dict[str, np.ndarray]:
    """The state of a net after STEPS steps on two ranks, and torch's next draw."""
    net, whole = NETS[name](), GlobalBatch(world)
    if name == "segments":
        segmented(net, 0.01)
    net.to(dtype=dtype, memory_format=torch.channels_last)
    reduced(net, world)
    masked(net, whole)
    model, update = world.wrapped(net), torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-3)
    images, labels = pictures(dtype)
    torch.manual_seed(SEED)
    for step in range(STEPS):
        index = np.arange(BATCH) + BATCH * (step % 2)
        own = world.own(index)
        whole.takes(len(index), 0, len(own))
        update.zero_grad()
        loss = cross_entropy(model(images[own]), labels[own])
        world.mean_of(loss, len(own), len(index)).backward()
        update.step()
    return {k: v.numpy() for k, v in net.state_dict().items()} | {"draw": torch.rand(3).numpy()}


def normed(world: World, mean: float) -> dict[str, np.ndarray]:
    """One reduced batch norm on unequal shares, 1 row and 4: what it gives, gradients, running values."""
    net = nn.Sequential(nn.BatchNorm2d(4))
    reduced(net, world)
    rows = slice(0, 1) if world.main else slice(1, 5)
    images, weight, push = normed_on(mean)
    batch = images[rows].requires_grad_()
    with torch.no_grad():
        net[0].weight.copy_(weight)
    gives = net(batch)
    (gives * push[rows]).sum().backward()
    return {
        "gives": world.gathered(gives.detach().numpy()),
        "d_batch": world.gathered(batch.grad.numpy()),
        "d_weight": world.summed(net[0].weight.grad.double().numpy()),
        "d_bias": world.summed(net[0].bias.grad.double().numpy()),
        "mean": net[0].running_mean.numpy(),
        "var": net[0].running_var.numpy(),
        "later": net.eval()(images).detach().numpy(),
    }


def normed_on(mean: float) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures around `mean`, the norm's weight, and the gradient of what it gives."""
    dice = torch.Generator().manual_seed(2)
    shape = (5, 4, 6, 6)
    return (
        torch.randn(*shape, generator=dice) + mean,
        torch.rand(4, generator=dice) + 0.5,
        torch.randn(*shape, generator=dice),
    )


def exchanged(world: World) -> dict[str, np.ndarray]:
    """What the ranks know together."""
    own = world.own(np.arange(7))
    numbers = np.stack([own, own**2], 1).astype(np.float32)
    one = nn.BatchNorm1d(2)
    one.running_mean.fill_(world.rank + 5)
    world.agree(one)
    world.barrier()
    return {
        "gathered": world.gathered(numbers),
        "truth": world.gathered(own % 2 == 0),
        "one": world.gathered(world.own(np.arange(1))),
        "summed": world.summed([1, world.rank, 0.5]),
        "agreed": one.running_mean.numpy(),
    }


def endless(world: World, out: Path) -> None:
    """Steps without end; a file says that they have begun."""
    torch.manual_seed(0)
    model = world.wrapped(nn.Linear(4, 1))
    while True:
        with world.together():
            model(torch.ones(2, 4)).sum().backward()
        (out / f"began{world.rank}").touch()
        sleep(0.01)


def everything(world: World, out: Path) -> None:
    """All of the above, into one file a rank."""
    found = {
        f"{name} {precision}/{key}": value
        for name in NETS
        for precision, dtype in PRECISIONS.items()
        for key, value in trained(world, name, dtype).items()
    }
    found |= {f"norm {mean:g}/{key}": value for mean in MEANS for key, value in normed(world, mean).items()}
    found |= {f"exchange/{key}": value for key, value in exchanged(world).items()}
    np.savez(out / f"rank{world.rank}.npz", **found)


def main(task: str, out: str) -> None:
    torch.set_num_threads(1)
    world = World.here()
    try:
        {"all": everything, "endless": endless}[task](world, Path(out))
    except KonvolutError as error:
        sys.exit(f"konvolut: {error}")
    finally:
        world.closed()  # after an error too: gloo's threads must not outlive what they work for


if __name__ == "__main__":
    main(*sys.argv[1:])
