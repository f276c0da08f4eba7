"""Training on several processes: which of them this one is, what is its share, and what all of them know together.

`torchrun` starts the processes and tells each its place in the environment; torch.distributed carries numbers between them.
"""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64, Int64, Shaped
from numpy import ndarray
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from konvolut.errors import RecipeError, RunError
from konvolut.nets.arch import Network

SAID = ("WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")  # by torchrun, in the environment
IN_STEP = 20  # s that a process may be late in the middle of a step; an ended one is missed at once by gloo
GONE = r"\bgloo\b|\bNCCL\b|pair closure"  # in what torch raises then: plain RuntimeErrors, for gloo
APART = 1800  # s that one may be late elsewhere: pictures are decoded, pages are written


@dataclass(frozen=True, slots=True)
class World:
    """The processes of one training, seen from one of them. A world of one never touches torch.distributed."""

    rank: int = 0  # counted from 0, over all machines
    size: int = 1
    device: str = "cpu"
    group: Any = None  # of torch.distributed: carries what a step needs, and is impatient (IN_STEP)

    @classmethod
    def here(cls, device: str = "cpu") -> "World":
        """The world that torchrun started this process in, connected; of one process where there is no torchrun.

        "cuda" becomes each process's own. Raises RunError for an environment, or a device, that does not fit.
        """
        if os.environ.get("WORLD_SIZE", "1") == "1":
            return cls(device=device)
        rank, size, device = place(device)
        with cls(rank, size, device).together():
            return cls(rank, size, device, joined("nccl" if device.startswith("cuda") else "gloo"))

    def __enter__(self) -> "World":
        return self

    def __exit__(self, *_: object) -> None:
        self.closed()

    def __deepcopy__(self, memo: dict[int, Any]) -> "World":
        return self  # a copy of a net has the same processes around it

    @property
    def main(self) -> bool:
        """Is this the process that writes?"""
        return self.rank == 0

    def rows(self, count: int) -> slice:
        """This rank's rows of a batch of `count`, divided as np.array_split does: the first ranks have one more."""
        each, more = divmod(count, self.size)
        start = self.rank * each + min(self.rank, more)
        return slice(start, start + each + (self.rank < more))

    def own(self, index: Int64[ndarray, "n"]) -> Int64[ndarray, "share"]:
        """This rank's part of what a step, or an evaluation, has on all ranks."""
        return index[self.rows(len(index))]

    def steps(self, order: Int64[ndarray, "n"], count: int) -> list[Int64[ndarray, "batch"]]:
        """An epoch in `count` steps whose sizes differ by at most one. Raises RecipeError where a rank would get none."""
        self.feed(len(order), count)
        return np.array_split(order, count)

    def even_steps(self, order: Int64[ndarray, "n"], count: int) -> list[Int64[ndarray, "batch"]]:
        """The same where every rank takes equally many, so that each one's batch norm weighs the same.

        The last n % size pictures of the order sit this epoch out, and sizes differ by at most `size`.
        """
        self.feed(len(order), count)
        rounds = order[: len(order) - len(order) % self.size].reshape(-1, self.size)
        return [part.ravel() for part in np.array_split(rounds, count)]

    def feed(self, pictures: int, steps: int) -> None:
        """Raises RecipeError when a step would leave a rank without a picture."""
        if pictures < steps * self.size:
            raise RecipeError(
                f"{pictures} pictures in {steps} steps leave some of {self.size} processes without any; "
                "a larger batch, or fewer processes, would work"
            )

    def wrapped(self, net: nn.Module) -> nn.Module:
        """What to call instead of `net`, which it shares its weights with: gradients are averaged over ranks.

        Weights of rank 0 are everybody's from here on, and its buffers at each forward pass in training; `agree` does
        the same for buffers at any time.
        """
        if self.size == 1:
            return net
        # A body that chance leaves out gets no gradient; what a user's own module leaves out is not known. Where nothing
        # is left out in a step, torch says on stderr, once, that it looked in vain.
        idle = not isinstance(net, Network) or any(getattr(part, "survive", 1.0) < 1 for part in net.modules())
        devices = [torch.device(self.device)] if self.device.startswith("cuda") else None
        with self.together():
            return DistributedDataParallel(net, devices, process_group=self.group, find_unused_parameters=idle)

    def mean_of(self, loss: Tensor, own: float, of: float) -> Tensor:
        """The mean `loss` of `own` pictures as a part of the mean over all `of`: averaged over ranks, it is that mean.

        For a mean by weights, `own` and `of` are sums of weights.
        """
        return loss if own * self.size == of else loss * (own * self.size / of)

    def summed(self, numbers: Sequence[float] | Float64[ndarray, "n"]) -> Float64[ndarray, "n"]:
        """Each number summed over ranks, in float64."""
        total = torch.tensor(np.asarray(numbers, np.float64))
        if self.size > 1:
            with self.together():
                distributed.all_reduce(total)
        return total.numpy()

    def gathered(self, array: Shaped[ndarray, "share *rest"]) -> Shaped[ndarray, "n *rest"]:
        """The ranks' arrays one after another, whatever their lengths, on every rank: what `own` divided is whole again.

        Axes but the first, and the type, are alike on all ranks, also where the length is 0.
        """
        if self.size == 1:
            return array
        lengths = self.summed(len(array) * np.eye(self.size)[self.rank]).astype(int)
        parts = [np.empty((length, *array.shape[1:]), array.dtype) for length in lengths]
        parts[self.rank][:] = array
        with self.together():
            for rank, part in enumerate(parts):
                if part.size:  # as bytes: gloo does not carry every type
                    distributed.broadcast(torch.from_numpy(part.reshape(-1).view(np.uint8)), rank)
        return np.concatenate(parts)

    def told(self, value: Any) -> Any:
        """Rank 0's `value`, on every rank."""
        held = [value]
        if self.size > 1:
            with self.together():
                distributed.broadcast_object_list(held, 0)
        return held[0]

    def agree(self, net: nn.Module) -> None:
        """Give every rank the buffers of rank 0: the running statistics of a norm that saw only its own pictures."""
        if self.size > 1:
            with self.together():
                for buffer in net.buffers():
                    distributed.broadcast(buffer, 0)

    def barrier(self) -> None:
        """Wait until every rank is here."""
        if self.size > 1:
            with self.together():
                distributed.barrier()

    def closed(self) -> None:
        """Disconnect: the last thing a process does with its world, after an error too. It cannot join again."""
        if self.size > 1:
            distributed.destroy_process_group()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Turns what torch raises inside when another process has ended, or is late, into one line. Raises RunError."""
        try:
            yield
        except RuntimeError as error:
            known = isinstance(error, distributed.DistError) or re.search(GONE, str(error))
            if self.size == 1 or not known:
                raise
            raise RunError(
                f"process {self.rank} of 0 to {self.size - 1}: another one has ended, or is more than {IN_STEP} s late "
                "in a step; its own message says why, and the same line with --resume goes on"
            ) from None


@dataclass(frozen=True, slots=True)
class Even:
    """How a world divides an epoch where each rank's batch norm sees its own pictures alone: in equal shares."""

    world: World

    def steps(self, order: Int64[ndarray, "n"], count: int) -> list[Int64[ndarray, "batch"]]:
        return self.world.even_steps(order, count)

    def own(self, index: Int64[ndarray, "n"]) -> Int64[ndarray, "share"]:
        return self.world.own(index)


@cache
def joined(backend: str) -> Any:
    """The group that carries what a step needs; the patient one, torch's default, carries the rest.

    Once a process: torch hangs where the processes of one torchrun meet a second time.
    """
    distributed.init_process_group("gloo", timeout=timedelta(seconds=APART))
    return distributed.new_group(backend=backend, timeout=timedelta(seconds=IN_STEP))


def place(device: str) -> tuple[int, int, str]:
    """Rank, size and this process's device, from what torchrun said. Raises RunError when that does not fit."""
    said = {name: os.environ.get(name, "") for name in SAID}
    for name, value in said.items():
        if not (value if name == "MASTER_ADDR" else value.isdigit()):
            raise RunError(f"WORLD_SIZE is {said['WORLD_SIZE']!r}, but {name} is {value!r}; torchrun sets all five")
    size, rank, local = (int(said[name]) for name in SAID[:3])
    if rank >= size:
        raise RunError(f"RANK is {rank} of WORLD_SIZE {size}; ranks count from 0, and torchrun sets both")
    if device == "cpu":
        return rank, size, device
    if device != "cuda":
        raise RunError(f"device {device!r} on {size} processes; each takes its own of 'cuda', or all share 'cpu'")
    if local >= torch.cuda.device_count():
        raise RunError(
            f"process {local} of this machine has no GPU, {torch.cuda.device_count()} are here; "
            "--nproc-per-node with that number, or --device cpu, would work"
        )
    torch.cuda.set_device(local)
    return rank, size, f"cuda:{local}"
