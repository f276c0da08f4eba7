"""Less memory for more time: a chain of blocks trained in segments whose insides are computed twice.

Chen, Xu, Zhang, Guestrin, Training Deep Nets with Sublinear Memory Cost, arXiv:1604.06174, section 4: of each segment only
its input is kept, and the backward pass computes the rest again. What differs here: cuts are placed by counted bytes, not
by the number of blocks, and the last segment, whose backward pass starts at once, is kept whole.
"""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.autograd.graph import saved_tensors_hooks
from torch.func import functional_call

from konvolut.errors import ArchError, RecipeError
from konvolut.nets.arch import Network
from konvolut.types import Shape

SHARE = (
    1 / 7
)  # of what plain training holds; a thousand layers get there with a step some 1.3 times as long (bench/memory.py)


def segmented(net: nn.Module, share: float = SHARE, input: Shape | None = None) -> int:
    """Train `net` in segments from now on, in place; how many of them will be computed twice.

    Tensors saved for the backward pass will hold at most `share` of their bytes in plain training, or as little as cuts
    between the blocks allow where that is more. Gradients, batch norm's statistics, masks and the names of the state
    stay as they are, to the bit; evaluation does not change. Again with another `share` makes other cuts; 1 makes none.
    `input` is the shape of a picture, where it is not the table's. Hooks on a row of several blocks do not run in
    training; a block's run twice.
    Raises ArchError for a net that no table describes, RecipeError for a share outside (0, 1].
    """
    if not isinstance(net, Network):
        raise ArchError(f"{type(net).__name__} has no table to cut; konvolut.build makes nets that do")
    if not 0 < share <= 1:
        raise RecipeError(f"share = {share:g}; it is of the bytes that plain training holds, above 0 and at most 1")
    starts = cuts(costs(net, input or net.arch.input), share)
    net.__class__ = Segmented
    net.starts = starts  # type: ignore[assignment]
    return len(starts) - 1


class Segmented(Network):
    """A network that keeps, in training, the inputs of its segments and all of the last one. `segmented` makes it."""

    starts: tuple[int, ...]  # the first step of each segment

    def forward(self, batch: Tensor) -> Any:
        if not (self.training and torch.is_grad_enabled()):
            return super().forward(batch)
        chain, answers = list(steps(self)), []
        for start, end in pairwise(self.starts):
            run = nn.Sequential(*(step.module for step in chain[start:end]))
            batch = Twice.apply(run, batch, *run.parameters())  # type: ignore[no-untyped-call]
            answers += [head(batch) for head in chain[end - 1].heads]
        for step in chain[self.starts[-1] :]:
            batch = step.module(batch)
            answers += [head(batch) for head in step.heads]
        return (batch, *answers) if answers else batch


@dataclass(frozen=True, slots=True)
class Step:
    """A row or a block of one, and the auxiliary heads that look at what it gives."""

    module: nn.Module
    heads: tuple[nn.Module, ...] = ()


def steps(net: Network) -> Iterator[Step]:
    """The net as one chain: its rows, those opened that are chains of numbered blocks."""
    for row in net.arch.rows:
        module = net.get_submodule(row.name)
        heads = tuple(net.heads[head.name] for head in net.arch.heads if head.after == row.name)
        inside = list(module.named_children()) if isinstance(module, nn.Sequential) else []
        numbered = len(inside) > 1 and all(name.isdigit() for name, _ in inside)
        *first, last = [block for _, block in inside] if numbered else [module]
        yield from map(Step, first)
        yield Step(last, heads)


class Twice(torch.autograd.Function):
    """A segment that keeps its input and its weights alone, and computes the rest again for the backward pass.

    The weights are arguments, so that their gradients leave by the graph, as in plain training: `torch.autograd.grad`
    and hooks on them work, and a weight that changed before the backward pass is torch's error, not a wrong gradient.
    """

    @staticmethod
    def forward(ctx: Any, run: nn.Sequential, batch: Tensor, *weights: Tensor) -> Tensor:
        before = generators(batch.device)
        gives: Tensor = run(batch)
        drew = not all(map(torch.equal, before, generators(batch.device)))
        kind = batch.device.type
        ctx.run, ctx.dice = run, before if drew else None  # what draws nothing need not draw it again
        ctx.precision = (torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind))
        ctx.save_for_backward(batch, *weights)
        return gives

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        batch, *weights = ctx.saved_tensors
        kind, (on, dtype) = batch.device.type, ctx.precision
        again = batch.detach().requires_grad_(ctx.needs_input_grad[1])
        state = {name: buffer.clone() for name, buffer in ctx.run.named_buffers()}  # batch norm counts a batch once
        now = generators(batch.device)
        try:
            restart(ctx.dice, batch.device)
            # No cache: what it holds of the forward pass was cast without a graph.
            with torch.enable_grad(), torch.autocast(kind, dtype=dtype, enabled=on, cache_enabled=False):
                gives = functional_call(ctx.run, state, (again,))
        finally:
            restart(now if ctx.dice else None, batch.device)
        asked = [n for n, tensor in enumerate((again, *weights)) if tensor.requires_grad]
        found: list[Tensor | None] = [None] * (1 + len(weights))
        if gives.requires_grad:  # it does not where stochastic depth left out all that learns
            ways = [(again, *weights)[n] for n in asked]
            for n, one in zip(asked, torch.autograd.grad(gives, ways, gradient, allow_unused=True), strict=True):
                found[n] = one
        return (None, *found)


def generators(device: torch.device) -> list[Tensor]:
    """The states of the generators that a layer on `device` draws from."""
    states = [torch.get_rng_state()]
    return states if device.type == "cpu" else [*states, torch.get_device_module(device).get_rng_state()]


def restart(states: Sequence[Tensor] | None, device: torch.device) -> None:
    """Set the generators of `device` to what `generators` gave; None leaves them alone."""
    if states:
        torch.set_rng_state(states[0])
        for state in states[1:]:
            torch.get_device_module(device).set_rng_state(state)


class Held(saved_tensors_hooks):
    """While inside, counts the bytes that tensors saved for the backward pass hold, each storage once: `now`, `peak`.

    Parameters and buffers of `net` are left out: they are there anyway. The backward pass belongs inside, too.
    """

    def __init__(self, net: nn.Module) -> None:
        self.now = self.peak = 0
        self.own = {place(tensor) for tensor in (*net.parameters(), *net.buffers())}
        self.times: dict[int, int] = {}  # how often each storage is held
        super().__init__(self.pack, lambda kept: kept.tensor)

    def pack(self, tensor: Tensor) -> "Kept":
        kept = Kept(tensor.detach(), self)  # an op's own result with its graph would keep itself alive
        if kept.place not in self.own:
            if not self.times.get(kept.place):
                self.now += kept.bytes
                self.peak = max(self.peak, self.now)
            self.times[kept.place] = self.times.get(kept.place, 0) + 1
        return kept

    def drop(self, kept: "Kept") -> None:
        if kept.place not in self.own:
            self.times[kept.place] -= 1
            if not self.times[kept.place]:
                del self.times[kept.place]
                self.now -= kept.bytes


class Kept:
    """A saved tensor; its end is counted."""

    __slots__ = ("bytes", "meter", "place", "tensor")

    def __init__(self, tensor: Tensor, meter: Held) -> None:
        self.tensor, self.meter = tensor, meter
        self.place, self.bytes = place(tensor), tensor.untyped_storage().nbytes()

    def __del__(self) -> None:
        self.meter.drop(self)


def place(tensor: Tensor) -> int:
    """What two tensors have in common when they share their bytes; on torch's meta device, too."""
    return int(tensor.untyped_storage()._cdata)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one step of the chain holds, in bytes."""

    takes: int  # its input, kept where a segment starts
    saves: int  # what it saves for the backward pass
    heads: int = 0  # what the heads behind it save
    headed: bool = False  # heads behind it: a segment that is computed twice ends here


def costs(net: Network, input: Shape) -> list[Cost]:
    """The cost of every step for two pictures of shape `input`, from torch's meta device: nothing is computed."""
    batch, saved, found = torch.empty(2, *input, device="meta"), False, []  # two: batch norm cannot take one number
    known: dict[tuple[Any, ...], tuple[Cost, Tensor, bool]] = {}  # hundreds of blocks are alike
    for step in steps(net):
        learns = tuple(weight.requires_grad for weight in step.module.parameters())
        alike = (repr(step.module), batch.shape, batch.requires_grad, saved, learns, step.heads)
        if alike not in known:
            known[alike] = tried(step, batch, saved)
        cost, gives, saved = known[alike]
        batch = torch.empty_like(gives).requires_grad_(gives.requires_grad)
        found.append(cost)
    return found


def tried(step: Step, batch: Tensor, saved: bool) -> tuple[Cost, Tensor, bool]:
    """The cost of a step that takes `batch`, what it gives, and whether that is saved; `saved`: the batch is already."""
    whole = nn.ModuleList([step.module, *step.heads])
    own: dict[int, Any] = {id(b): torch.empty_like(b, device="meta") for b in whole.buffers()}
    for weight in whole.parameters():
        own[id(weight)] = nn.Parameter(torch.empty_like(weight, device="meta"), weight.requires_grad)
    module, *heads = whole = deepcopy(whole, own).train()  # a copy without a copy of the weights
    for part in whole.modules():
        if hasattr(part, "survive"):
            part.survive = 1.0  # type: ignore[assignment]  # the dearest case: a body that chance may leave out
    held = Held(whole)
    held.own |= {place(batch)} if saved else set()
    with held, torch.enable_grad(), torch.random.fork_rng(devices=[]):
        gives = module(batch)
        saves = held.now
        answers = [head(gives) for head in heads]  # named: what they saved lives as long as they do
        cost = Cost(batch.untyped_storage().nbytes(), saves, held.now - saves, bool(answers))
    return cost, gives, place(gives) in held.own or place(gives) in held.times


def cuts(chain: Sequence[Cost], share: float) -> tuple[int, ...]:
    """Where segments start so that at most `share` of the bytes is held at any time and least is computed twice.

    Where no cuts do that: those that hold least.
    """
    whole = sum(step.saves + step.heads for step in chain)
    if found := cut(chain, int(share * whole)):
        return found
    low, high = 0, whole
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if cut(chain, middle) else (middle, high)
    return cut(chain, high) or (0,)


def cut(chain: Sequence[Cost], most: int) -> tuple[int, ...] | None:
    """The cuts that hold at most `most` bytes and leave the longest last segment, which alone is not computed twice.

    While a segment is computed again, what is held is the inputs kept up to it, the heads before it, and all of it.
    None when there are no such cuts.
    """
    before: list[float] = [0.0] + [inf] * len(chain)  # least bytes held by what comes before a segment at this step
    came = [0] * len(chain)  # the start of the segment that ends there
    left = sum(step.saves + step.heads for step in chain)
    for start, first in enumerate(chain):
        if before[start] + left <= most:
            found = [start]
            while found[0]:
                found.insert(0, came[found[0]])
            return tuple(found)
        left -= first.saves + first.heads
        kept = before[start] + first.takes
        inside = 0
        for end in range(start + 1, len(chain)):
            inside += chain[end - 1].saves
            if kept + inside > most:
                break
            if kept + chain[end - 1].heads < before[end]:
                before[end], came[end] = kept + chain[end - 1].heads, start
            if chain[end - 1].headed:
                break
    return None
