"""How much memory a training step takes, and how many pictures a pass may have where that is more than there is."""

import os
from pathlib import Path

import torch
from torch import nn

from konvolut.training.device import precision
from konvolut.training.recipe import Recipe
from konvolut.training.segments import Held
from konvolut.types import Shape

SPARE = 1.5  # what is asked for as a multiple of what is counted: gradients of maps, and what the allocator keeps
TRIED = 2  # pictures that are passed through to count; batch norm wants more than one


def pictures_that_fit(net: nn.Module, shape: Shape, recipe: Recipe, free: int) -> int:
    """Pictures a pass, of `recipe.batch`, halved until what a step holds is no more than `free` bytes; at least 1.

    `shape` is (c, h, w). The net stays as it was.
    """
    each, weights = bytes_each(net, shape, recipe), sum(w.numel() * w.element_size() for w in net.parameters())
    copies = 2 if recipe.optimizer == "adamw" else 1  # of the weights, in the optimizer; and one more, their gradients
    room, micro = free - (copies + 1) * weights, recipe.micro or recipe.batch
    while micro > 1 and SPARE * each * micro > room:
        micro = -(-micro // 2)
    return micro


def bytes_each(net: nn.Module, shape: Shape, recipe: Recipe) -> float:
    """Bytes of what a picture's forward pass leaves for the backward pass, counted on two blank ones."""
    device = next(net.parameters()).device
    before = [buffer.clone() for buffer in net.buffers()]
    batch = torch.zeros(TRIED, *shape, device=device).to(memory_format=torch.channels_last)
    held = Held(net)
    with held, torch.enable_grad(), torch.random.fork_rng(devices=[]), precision(recipe.precision, device.type):
        net(batch)
    for buffer, old in zip(net.buffers(), before, strict=True):
        buffer.copy_(old)
    return (held.peak + batch.nbytes) / TRIED


def free_bytes() -> int:
    """Memory that this process may still take, in bytes: what the system calls available, within its group's limit."""
    try:
        said = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        free = int(said["MemAvailable"].split()[0]) << 10
    except (OSError, KeyError, ValueError):  # no Linux: half of what is built in
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2 if hasattr(os, "sysconf") else 4 << 30
    for limit, taken in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        try:
            most, now = (int((Path("/sys/fs/cgroup") / file).read_text()) for file in (limit, taken))
        except (OSError, ValueError):  # no such group, or one without a limit
            continue
        free = min(free, most - now)
    return free
