"""Files of weights, read without running anything that stands in them, and written."""

import pickletools
import re
from collections.abc import Iterator, Mapping
from os import replace
from pathlib import Path
from typing import Any
from warnings import catch_warnings, simplefilter

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from konvolut.errors import WeightsError

SUFFIXES = (".safetensors", ".pt", ".pth")
WRAPPERS = ("state_dict_ema", "model_ema", "state_dict", "model")  # an average of the weights goes before the last ones
PREFIXES = ("module.", "_orig_mod.")  # of parallel and of compiled modules
MOST_BYTES = 64 << 20  # of an unreadable file, searched for what it would have run


def read(file: str | Path) -> tuple[dict[str, Tensor], str]:
    """The tensors in `file` by their names there, less the prefixes of wrapping modules, and the key they stood under.

    Raises WeightsError, naming the file, when it is missing, cut short, of another kind or holds more than weights.
    """
    path = Path(file)
    if path.suffix.lower() not in SUFFIXES:
        raise WeightsError(f"{path}: not a file of weights by its name; {', '.join(SUFFIXES)} are read")
    if not path.exists():
        raise WeightsError(f"{path}: no such file; `konvolut weights list` says where published ones are")
    if not path.is_file():
        raise WeightsError(f"{path}: not a file; give the {' or '.join(SUFFIXES)} in it")
    if not path.stat().st_size:
        raise WeightsError(f"{path}: empty; copy or download it again")
    held, inside = unwrapped(tensors(path) if path.suffix.lower() == ".safetensors" else unpickled(path))
    if not isinstance(held, Mapping) or not held:
        raise WeightsError(f"{path}: holds {kind(held)}; a state dict, plain or under {', '.join(WRAPPERS)}, is read")
    for name, value in held.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise WeightsError(
                f"{path}: {kind(value)} under {name!r}; a state dict holds tensors by name, nothing else"
            )
        if value.layout != torch.strided or value.is_quantized or value.is_meta:
            raise WeightsError(f"{path}: {name} is sparse, quantised or empty; plain tensors are read")
    return bare(dict(held)), inside


def tensors(path: Path) -> dict[str, Tensor]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, ValueError, RuntimeError, MemoryError, OverflowError) as error:
        raise WeightsError(f"{path}: not a whole safetensors file ({line(error)}); copy or download it again") from None


def unpickled(path: Path) -> Any:
    """What torch stored, read by its restricted unpickler: tensors and plain containers, never a call."""
    try:
        with catch_warnings():
            simplefilter("ignore")  # what torch warns of, a file of another protocol, is refused below
            return torch.load(path, map_location="cpu", weights_only=True)
    except PermissionError:
        raise
    except Exception as error:  # a torn or foreign file fails anywhere in there, and each time differently
        if needs := sorted(set(globals_in(path, str(error)))):
            raise WeightsError(
                f"{path}: needs {', '.join(needs[:3])} to be opened, which could run anything; refused. "
                "Save its state_dict() alone, where it was made"
            ) from None
        raise WeightsError(f"{path}: not a whole file of torch ({line(error)}); copy or download it again") from None


def globals_in(path: Path, said: str) -> Iterator[str]:
    """The names that the file asks to import beyond tensors, without importing them."""
    try:
        yield from torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except Exception:  # not torch's zip; read it as a bare pickle, opcode by opcode
        yield from re.findall(r"(?i)global:? ([\w.]+\.\w+)", said)
        words: list[str] = []
        try:
            with path.open("rb") as file:
                for opcode, value, _ in pickletools.genops(file.read(MOST_BYTES)):
                    if opcode.name in ("GLOBAL", "INST") and isinstance(value, str):
                        yield value.replace(" ", ".")
                    elif opcode.name == "STACK_GLOBAL" and len(words) > 1:
                        yield ".".join(words[-2:])
                    elif isinstance(value, str):
                        words.append(value)
        except Exception:  # it ends where it is torn; what was found until then counts
            return


def unwrapped(held: Any) -> tuple[Any, str]:
    """What stands under the first of WRAPPERS, and under which; `held` itself and "" when there is none."""
    keys: list[str] = []
    while isinstance(held, Mapping) and len(keys) < len(WRAPPERS):
        key = next((key for key in WRAPPERS if isinstance(held.get(key), Mapping)), None)
        if key is None:
            break
        held = held[key]
        keys.append(key)
    return held, ".".join(keys)


def bare(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors without the names' common prefixes, and without the count an averaged model keeps."""
    weights = {name: tensor for name, tensor in state.items() if name != "n_averaged"}
    while prefix := next((p for p in PREFIXES if weights and all(name.startswith(p) for name in weights)), ""):
        weights = {name.removeprefix(prefix): tensor for name, tensor in weights.items()}
    return weights


def write(state: Mapping[str, Tensor], file: str | Path, about: Mapping[str, str]) -> Path:
    """Store `state` as the suffix of `file` says; `about` goes into a safetensors' header.

    Raises WeightsError when the suffix is of no format, the folder is missing, or there is such a file.
    """
    path = Path(file)
    if path.suffix.lower() not in SUFFIXES:
        raise WeightsError(f"{path}: no format by that name; {', '.join(SUFFIXES)} are written")
    if path.exists():
        raise WeightsError(f"{path}: there already; another name would work")
    if not path.parent.is_dir():
        raise WeightsError(f"{path}: no folder {path.parent}; make it first")
    part = path.with_name(f"{path.name}.part")
    # A tensor of its own each: channels-last memory and views into others are no matter of the file.
    plain = {name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format) for name, tensor in state.items()}
    if path.suffix.lower() == ".safetensors":
        save_file(plain, part, {"format": "pt", **about})
    else:
        torch.save(plain, part)
    replace(part, path)  # a reader sees the whole file or none
    return path


def kind(value: object) -> str:
    """What a value is, in words: "a tensor", "an empty dict", "a list"."""
    name = type(value).__name__.lower()
    return f"an empty {name}" if isinstance(value, Mapping) and not value else f"a {name}"


def line(error: Exception) -> str:
    """The first words of what a library said."""
    words = " ".join(re.split(r"[.\n]", str(error) or type(error).__name__, maxsplit=1)[0].split())
    return words[:120]
