"""The training loop. Read this file to know what training is here."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from math import isfinite
from time import perf_counter
from typing import Any

import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_

from konvolut.errors import RunError, nearest
from konvolut.images.batches import Batch, Batches
from konvolut.training.loss import answers, head_weights, losses
from konvolut.training.metrics import Tally
from konvolut.training.optim import optimizer
from konvolut.training.recipe import Recipe
from konvolut.training.schedule import SCHEDULES
from konvolut.training.segments import segmented
from konvolut.training.trunk import frozen


@dataclass(frozen=True, slots=True)
class Step:
    """What one step did."""

    number: int  # counted from 0 over the whole training
    of: int
    lr: float
    tally: Tally  # of its pictures, as the net saw them: augmented, in training mode


@dataclass(frozen=True, slots=True)
class Epoch:
    """What one epoch did."""

    number: int  # counted from 1
    lr: float  # of its last step
    tally: Tally
    seconds: float
    waited: float  # s, of them: for pictures to be read, decoded and augmented


class Training:
    """A training in progress: what changes while it goes, and nothing else.

    Iterate it for epochs, or `events()` for every step and every epoch; stop iterating and it stands still.
    """

    def __init__(self, net: nn.Module, batches: Batches, recipe: Recipe, device: str = "cpu") -> None:
        self.net = net.to(usable(device), memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.batches, self.recipe, self.device = batches, recipe, device
        self.frozen = frozen(self.net, recipe.freeze)
        self.head_weights = head_weights(self.net)
        if recipe.memory == "segments":
            segmented(self.net)
        self.optimizer = optimizer(self.net, recipe)
        self.epochs_done = 0

    def __iter__(self) -> Iterator[Epoch]:
        return (event for event in self.events() if isinstance(event, Epoch))

    def events(self) -> Iterator[Step | Epoch]:
        """Each step as it ends, and after the last step of an epoch the epoch."""
        while self.epochs_done < self.recipe.epochs:
            start, total, waited = perf_counter(), Tally(), 0.0
            # Dropout draws from torch's generator: seeded here, its masks are a matter of the epoch alone.
            torch.manual_seed((self.recipe.seed * 1_000_003 + self.epochs_done) % 2**63)
            self.wake()
            first = self.epochs_done * len(self.batches)
            batches, asked = self.batches.epoch(self.epochs_done), perf_counter()
            for number, batch in enumerate(batches, start=first):
                waited += perf_counter() - asked
                step = self.step(batch, number)
                total += step.tally
                yield step
                asked = perf_counter()
            self.epochs_done += 1
            yield Epoch(self.epochs_done, step.lr, total, perf_counter() - start, waited)

    def wake(self) -> None:
        """Training mode, except for what is frozen: its norms keep their running statistics, its dropout is off."""
        self.net.train()
        for part in self.frozen:
            part.eval()

    def step(self, batch: Batch, number: int) -> Step:
        """Forward, backward, update. Raises RunError when the loss is no longer a number."""
        of = self.recipe.epochs * len(self.batches)
        lr = self.recipe.lr * SCHEDULES[self.recipe.schedule](number / of, self.recipe.warmup)
        for group in self.optimizer.param_groups:
            group["lr"] = lr * group.get("rate", 1.0)  # set every step: a resumed run must not depend on history
        labels = batch.labels.to(self.device)
        with precision(self.recipe.precision, self.device):
            logits, heads = answers(self.net(batch.images.to(self.device)))
        loss, total = losses(logits, heads, labels, self.head_weights, self.recipe.smoothing)
        if not isfinite(value := total.item()):
            raise RunError(f"step {number}, learning rate {lr:g}: the loss is {value}; a smaller --lr would work")
        self.optimizer.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        if self.recipe.clip:
            clip_grad_norm_(self.net.parameters(), self.recipe.clip)
        self.optimizer.step()
        right = int((logits.argmax(1) == labels).sum())
        return Step(number, of, lr, Tally(loss.item() * len(labels), right, len(labels)))

    def state(self) -> dict[str, Any]:
        """Everything a later process needs to go on as if nothing had happened."""
        return {
            "net": self.net.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "epochs_done": self.epochs_done,
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.net.load_state_dict(state["net"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.epochs_done = state["epochs_done"]


def usable(device: str) -> str:
    """`device`, if there is one of that name here. Raises RunError, with those there are, when there is none."""
    there = ["cpu"]
    there += [
        f"cuda{end}" for end in ("", *(f":{n}" for n in range(torch.cuda.device_count())))
    ] * torch.cuda.is_available()
    there += ["mps"] * torch.backends.mps.is_available()
    if device not in there:
        raise RunError(f"device {device!r} is not here{nearest(device, there)}")
    return device


def precision(wanted: str, device: str) -> AbstractContextManager[Any]:
    """bf16 autocast where it is wanted, or where it is "auto" and the processor has instructions for it."""
    if wanted == "bf16" or (wanted == "auto" and native_bf16(device)):
        return torch.autocast(device.partition(":")[0], dtype=torch.bfloat16)
    return nullcontext()


def native_bf16(device: str) -> bool:
    """Does the device multiply bf16 in hardware? Elsewhere it is emulated, and slower than fp32."""
    if device.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    has = torch.cpu.get_capabilities()
    return device == "cpu" and bool(has.get("avx512_bf16") or has.get("amx_bf16"))
