"""What a device can do."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from konvolut.errors import RunError, nearest


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
