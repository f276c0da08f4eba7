"""The training loop. Read this file to know what training is here."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from math import isfinite
from time import perf_counter
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from konvolut.errors import RunError
from konvolut.images.augment import resized
from konvolut.images.balance import class_weights
from konvolut.images.batches import Batch, Batches
from konvolut.training.average import Average
from konvolut.training.device import precision, usable
from konvolut.training.loss import Blend, answers, head_weights, losses
from konvolut.training.memory import free_bytes, pictures_that_fit
from konvolut.training.metrics import Tally
from konvolut.training.optim import optimizer
from konvolut.training.recipe import Recipe
from konvolut.training.reduced import GlobalBatch, masked, reduced
from konvolut.training.schedule import SCHEDULES, side_at
from konvolut.training.segments import generators, restart, segmented
from konvolut.training.trunk import frozen
from konvolut.training.world import World


@dataclass(frozen=True, slots=True)
class Step:
    """What one step did."""

    number: int  # counted from 0 over the whole training
    of: int
    lr: float
    tally: Tally  # of its pictures, as the net saw them: augmented, in training mode
    norm: float = 0.0  # of the whole gradient, before it was clipped
    seconds: float = 0.0
    waited: float = 0.0  # s, of them: for pictures to be read, decoded and augmented


@dataclass(frozen=True, slots=True)
class Epoch:
    """What one epoch did."""

    number: int  # counted from 1
    lr: float  # of its last step
    tally: Tally
    seconds: float
    waited: float  # s, of them


class Training:
    """A training in progress: what changes while it goes, and nothing else.

    Iterate it for epochs, or `events()` for every step and every epoch; stop iterating and it stands still. Between two
    events its `state` is all that another process needs.
    """

    def __init__(
        self, net: nn.Module, batches: Batches, recipe: Recipe, device: str = "cpu", world: World | None = None
    ) -> None:
        self.world = world or World(device=device)
        self.device = usable(self.world.device)
        self.net = net.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.batches, self.recipe = batches, recipe
        self.frozen = frozen(self.net, recipe.freeze)
        self.head_weights = head_weights(self.net)
        if recipe.memory == "segments":
            segmented(self.net)
        self.notes: list[str] = []  # what happened that a user should know, until somebody takes it out
        self.micro = self.pictures_a_pass()
        if recipe.norm_over == "ranks":
            reduced(self.net, self.world)
        self.whole = GlobalBatch(self.world)
        masked(self.net, self.whole)
        self.called = self.world.wrapped(self.net)
        self.optimizer = optimizer(self.net, recipe)
        self.average = Average(self.net, recipe.ema) if recipe.ema else None
        self.class_weights = None
        if recipe.balance == "weights":
            weights = class_weights(batches.labels, int(batches.labels.max()) + 1)
            self.class_weights = torch.from_numpy(weights).float().to(self.device)
        self.epochs_done = self.steps_done = self.skipped = 0  # steps of the epoch that has begun
        self.lr, self.tally, self.seconds, self.waited = 0.0, Tally(), 0.0, 0.0  # of that epoch

    def pictures_a_pass(self) -> int:
        """As many as the recipe says; on a CPU fewer, where the machine would not hold them all."""
        asked = self.recipe.micro or self.recipe.batch
        if self.device != "cpu":
            return asked
        spec, free = self.batches.spec, free_bytes() // self.world.size
        self.wake()
        fit = pictures_that_fit(self.net, (spec.channels, spec.size, spec.size), self.recipe, free)
        most = int(self.world.gathered(np.array([fit])).min())  # ranks pass as often as one another
        if most < asked:
            self.notes.append(
                f"a step of {self.recipe.batch} pictures needs more than the {free / 1e9:.1f} GB that are free: "
                f"{most} a pass, their gradients added up; batch norm sees those {most}"
            )
        return most

    def __iter__(self) -> Iterator[Epoch]:
        return (event for event in self.events() if isinstance(event, Epoch))

    def events(self) -> Iterator[Step | Epoch]:
        """Each step as it ends, and after the last step of an epoch the epoch."""
        while self.epochs_done < self.recipe.epochs:
            if not self.steps_done:
                # Dropout draws from torch's generator: seeded here, its masks are a matter of the epoch alone.
                torch.manual_seed((self.recipe.seed * 1_000_003 + self.epochs_done) % 2**63)
                self.tally, self.seconds, self.waited = Tally(), 0.0, 0.0
            self.wake()
            yield from self.steps()
            self.epochs_done, self.steps_done = self.epochs_done + 1, 0
            yield Epoch(self.epochs_done, self.lr, self.tally, self.seconds, self.waited)

    def steps(self) -> Iterator[Step]:
        """What is left of an epoch."""
        batches, asked = self.batches.epoch(self.epochs_done, self.steps_done), perf_counter()
        for batch in batches:
            waited = perf_counter() - asked
            step = self.step(batch, self.epochs_done * len(self.batches) + self.steps_done)
            step = replace(step, waited=waited, seconds=perf_counter() - asked)
            self.steps_done, self.lr, self.tally = self.steps_done + 1, step.lr, self.tally + step.tally
            self.seconds, self.waited = self.seconds + step.seconds, self.waited + waited
            yield step
            asked = perf_counter()

    def wake(self) -> None:
        """Training mode, except for what is frozen: its norms keep their running statistics, its dropout is off."""
        self.net.train()
        for part in self.frozen:
            part.eval()

    def step(self, batch: Batch, number: int) -> Step:
        """Forward, backward, update. Raises RunError when loss or gradient are no numbers, `recipe.skip` times or more."""
        of = self.recipe.epochs * len(self.batches)
        lr = self.recipe.lr * SCHEDULES[self.recipe.schedule](number / of, self.recipe.warmup)
        for group in self.optimizer.param_groups:
            group["lr"] = lr * group.get("rate", 1.0)  # set every step: a resumed run must not depend on history
        with self.world.together():
            tally, before = self.backward_in_memory(self.sized(batch, number / of))
        learns = [weight for weight in self.net.parameters() if weight.grad is not None]
        norm = get_total_norm([weight.grad for weight in learns if weight.grad is not None])
        if not (isfinite(tally.loss) and isfinite(length := norm.item())):
            why = f"step {number}, learning rate {lr:g}: {unsound(self.net, batch.images.to(self.device), tally.loss)}"
            if self.skipped >= self.recipe.skip:
                raise RunError(
                    f"{why}; a smaller --lr would work" + f", {self.skipped} skipped before" * (self.skipped > 0)
                )
            self.skipped += 1
            self.notes.append(f"{why}; the step is left out")
            before.back()
            return Step(number, of, lr, Tally(), 0.0)
        if self.recipe.clip:
            clip_grads_with_norm_(learns, self.recipe.clip, norm)
        self.optimizer.step()
        if self.average:
            self.average.update()
        return Step(number, of, lr, tally, length)

    def backward_in_memory(self, batch: Batch) -> "tuple[Tally, Before]":
        """`backward`, with fewer pictures a pass where they do not fit into the device's memory, and what was before it."""
        before = Before(self.net, self.device)
        while True:
            try:
                return self.backward(batch), before
            except torch.OutOfMemoryError:
                if self.micro == 1 or self.world.size > 1:  # ranks must pass as often as one another
                    raise RunError(
                        f"out of memory with {self.micro} pictures a pass; a smaller --batch, --size or --net, "
                        f"--set micro={max(1, self.micro // 2)} or --set memory=segments would work"
                    ) from None
            self.micro = -(-min(self.micro, len(batch.labels)) // 2)
            self.notes.append(f"out of memory: {self.micro} pictures a pass from here on, their gradients added up")
            before.back()

    def backward(self, batch: Batch) -> Tally:
        """Gradients of the mean loss over a batch, as many pictures at a time as memory holds; what all of it came to."""
        self.optimizer.zero_grad()
        tally, count = Tally(), len(batch.labels)
        most, least = -(-batch.of // self.world.size), batch.of // self.world.size
        pieces = min(-(-most // self.micro), least)  # alike on all ranks: their norms and dice wait for one another
        for piece in np.array_split(np.arange(count), pieces):
            start, end = int(piece[0]), int(piece[-1]) + 1
            rows = slice(start, end)
            labels = batch.labels[rows].to(self.device)
            self.whole.takes(batch.of, start, len(labels))
            with nullcontext() if end == count or self.called is self.net else self.called.no_sync():  # type: ignore[operator]
                with precision(self.recipe.precision, self.device):
                    logits, heads = answers(self.called(batch.images[rows].to(self.device)))
                loss, total = losses(
                    logits, heads, labels, self.head_weights, self.recipe.smoothing,
                    blend=blended_into(batch, rows, self.device), balance=self.class_weights,
                )  # fmt: skip
                self.world.mean_of(total, len(labels), batch.of).backward()  # type: ignore[no-untyped-call]
            right = int((logits.argmax(1) == labels).sum())
            tally += Tally(loss.item() * len(labels), right, len(labels))
        loss_sum, right, seen = self.world.summed([tally.loss_sum, tally.right, tally.seen]).tolist()
        return Tally(loss_sum, int(right), int(seen))

    def sized(self, batch: Batch, progress: float) -> Batch:
        """The batch at the side that the recipe trains at by now."""
        if self.recipe.grow == 1:
            return batch
        return replace(batch, images=resized(batch.images, side_at(progress, self.batches.spec.size, self.recipe.grow)))

    def answering(self) -> AbstractContextManager[None]:
        """Inside, the net has the weights that are evaluated and kept: their mean, where the recipe asks for one."""
        return self.average.swapped() if self.average else nullcontext()

    def state(self) -> dict[str, Any]:
        """Everything a later process needs to go on as if nothing had happened."""
        return {
            "net": self.net.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "dice": generators(torch.device(self.device)),
            "tally": asdict(self.tally),
            "average": self.average and self.average.state(),
            **{name: getattr(self, name) for name in COUNTERS},
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.net.load_state_dict(state["net"])
        self.optimizer.load_state_dict(state["optimizer"])
        restart(state["dice"], torch.device(self.device))
        self.tally = Tally(**state["tally"])
        if self.average:
            self.average.restore(state["average"])
        for name in COUNTERS:
            setattr(self, name, state[name])


COUNTERS = ("epochs_done", "steps_done", "skipped", "lr", "seconds", "waited")


def blended_into(batch: Batch, rows: slice, device: str) -> Blend | None:
    """What else is in some pictures of a batch."""
    if batch.others is None or batch.share is None:
        return None
    return Blend(batch.others[rows].to(device), batch.share[rows].to(device))


class Before:
    """What a forward pass changes, as it was: batch norm's statistics, and the generators that dropout draws from."""

    def __init__(self, net: nn.Module, device: str) -> None:
        self.net, self.device = net, torch.device(device)
        self.buffers, self.dice = [buffer.clone() for buffer in net.buffers()], generators(self.device)

    @torch.no_grad()
    def back(self) -> None:
        restart(self.dice, self.device)
        for buffer, held in zip(self.net.buffers(), self.buffers, strict=True):
            buffer.copy_(held)


def unsound(net: nn.Module, images: Float[Tensor, "n c h w"], loss: float) -> str:
    """Where numbers stopped being numbers, in words: the first layer that answers with others, or the last gradient."""
    found: list[str] = []

    def look(name: str, gives: Any) -> None:
        if isinstance(gives, Tensor) and not found and not gives.isfinite().all():
            found.append(name)

    parts = [(name, part) for name, part in net.named_modules() if name]
    hooks = [part.register_forward_hook(lambda _, __, gives, name=name: look(name, gives)) for name, part in parts]
    try:
        with torch.no_grad():
            net(images)
    finally:
        for hook in hooks:
            hook.remove()
    if found:
        return f"the loss is {loss}, and row {found[0]} is the first whose answer is not finite"
    graded = [(name, w) for name, w in net.named_parameters() if w.grad is not None and not w.grad.isfinite().all()]
    where = graded[-1][0].rpartition(".")[0] if graded else "none"
    return f"the loss is {loss}, and the gradient is not finite, from row {where} on backwards"
