"""What a network gives inside: the outputs of its parts, by name."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from konvolut.errors import ArchError, nearest


class _Enough(Exception):
    """Everything asked for has been given; the rest of the pass is not needed."""


def features(
    net: nn.Module, batch: Float[Tensor, "n ..."], at: Sequence[str] = ("gap",), *, grad: bool = False
) -> dict[str, Tensor]:
    """What the parts of `net` called `at` give for `batch`, in the order of `at`: ("4e", "gap"), ("conv2_x.0",).

    A name is a row of the net's table, or a path of submodules below one. The net answers in evaluation mode and stops
    after the last part asked for; its mode, gradients and statistics are as before. A part used twice gives its first
    output. `grad` keeps the graph back to weights and batch. Raises ArchError, with the nearest, for an unknown name,
    and for a part that takes no part in evaluation or gives no tensor.
    """
    with evaluating(net), tapped(net, at, stop=True) as held, torch.set_grad_enabled(grad):
        if at:
            net(batch)
    missing = [name for name in at if name not in held]
    if missing:
        raise ArchError(f"part {missing[0]!r} gives no tensor in evaluation; name a part that an answer passes through")
    return {name: held[name] for name in at}


@contextmanager
def tapped(net: nn.Module, at: Sequence[str], *, stop: bool = False) -> Iterator[dict[str, Tensor]]:
    """While inside, a pass of `net` fills the dict with what the parts called `at` give, in the order of passing.

    Nothing else about the pass changes. With `stop`, the pass ends once the dict is full.
    """
    held: dict[str, Tensor] = {}
    wanted = frozenset(at)

    def keep(name: str, module: nn.Module, takes: Any, gives: Any) -> Tensor | None:
        if name in held or not isinstance(gives, Tensor):
            return None
        held[name] = gives
        if stop and len(held) == len(wanted):
            raise _Enough
        return gives.clone()  # whoever works in place after this part works on the copy

    hooks = []
    try:
        for name in dict.fromkeys(at):
            hooks.append(part(net, name).register_forward_hook(partial(keep, name)))
        yield held
    except _Enough:
        pass
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def evaluating(net: nn.Module) -> Iterator[nn.Module]:
    """The net in evaluation mode; afterwards every part is in the mode it was in, whichever that was."""
    modes = [(module, module.training) for module in net.modules()]
    try:
        net.eval()
        yield net
    finally:
        for module, mode in modes:
            module.training = mode


def part(net: nn.Module, name: str) -> nn.Module:
    """The part of `net` called `name`. Raises ArchError with the nearest name."""
    names: dict[str, nn.Module] = dict(net.named_modules())
    if name and name in names:
        return names[name]
    near = nearest(name, filter(None, names))
    if near.startswith("; known"):  # of hundreds of parts, the rows will do
        near = nearest(name, rows(net))
    raise ArchError(f"no row or part {name!r} in this net{near}")


def rows(net: nn.Module) -> list[str]:
    """The names of a net's parts at the top: the rows of its table, without the drawer of auxiliary heads."""
    return [name for name, one in net.named_children() if not isinstance(one, nn.ModuleDict | nn.ModuleList)]


def blocks(net: nn.Module) -> list[str]:
    """The rows, each row that is a chain of numbered blocks opened: "conv1", "conv2_x.0", "conv2_x.1", ..."""
    found = []
    for name in rows(net):
        row = net.get_submodule(name)
        inside = rows(row)
        numbered = isinstance(row, nn.Sequential) and len(inside) > 1 and all(one.isdigit() for one in inside)
        found += [f"{name}.{one}" for one in inside] if numbered else [name]
    return found


def logits_of(answer: Tensor | tuple[Tensor, ...]) -> Float[Tensor, "n k"]:
    """The logits of an answer: all of it, or its first part where auxiliary heads answer too."""
    return answer if isinstance(answer, Tensor) else answer[0]
