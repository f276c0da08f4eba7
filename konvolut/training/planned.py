"""The Plan noun: everything a training needs to be told, and the network it begins with."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from konvolut.errors import ArchError
from konvolut.images.imageset import ImageSet
from konvolut.images.preprocess import InputSpec
from konvolut.nets.arch import Arch, build, classifier, digest, facts, has_batch_norm, size
from konvolut.nets.catalogue import named
from konvolut.nets.features import evaluating
from konvolut.nets.fit import fit, fixed
from konvolut.nets.tables import classifying, to_plain
from konvolut.nets.variants import without_last_activation
from konvolut.training.loss import answers
from konvolut.training.recipe import Recipe
from konvolut.types import Shape


@dataclass(frozen=True, slots=True)
class Parent:
    """Weights that a training starts from."""

    where: str  # a file, or the folder of a run
    sha256: str  # of the file with the weights


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Everything a training needs to be told. It has a table, or a module of the user's own."""

    name: str  # of the net
    fitted: bool  # may its table be altered to suit the pictures?
    arch: Arch | None
    module: nn.Module | None = None
    spec: InputSpec
    recipe: Recipe
    changes: tuple[str, ...]  # what was altered in the table
    reasons: tuple[str, ...]  # what was chosen, and why
    parent: Parent | None = None

    @property
    def served(self) -> InputSpec:
        """What the net takes when it answers: pictures of the recipe's `test_size`, where there is one."""
        return replace(self.spec, size=self.recipe.test_size or self.spec.size)

    def net(self) -> nn.Module:
        """The network before training, from the recipe's seed; a module of the user's own is itself."""
        if self.arch is not None:
            return build(self.arch, scheme=self.recipe.init, seed=self.recipe.seed)
        assert self.module is not None
        return self.module

    def own(self, classes: int) -> dict[str, Any]:
        """The table as plain values where its name does not lead to it; {} where it does, and of a module."""
        if self.arch is None:
            return {}
        try:
            if digest(table(self.name, self.fitted, self.arch.input, classes)[0]) == digest(self.arch):
                return {}
        except ArchError:  # a name of the user's own
            pass
        return to_plain(self.arch)


@dataclass(frozen=True, slots=True)
class Traits:
    """What a default recipe asks of a net."""

    macs: int  # multiply-accumulates for one picture
    normed: bool  # by batch norm
    grey: bool
    tanh: bool = False


def table(net: str | Arch, fitted: bool, shape: Shape, classes: int) -> tuple[Arch, tuple[str, ...]]:
    """The table of `net` for these pictures, and what was altered in it."""
    found = named(net) if isinstance(net, str) else net
    if not fitted:
        return fixed(found, shape, classes), ()
    arch, changes = fit(found, shape, classes)
    linear = without_last_activation(arch)
    if linear != arch:  # NiN's class maps: one that starts below 0 everywhere could never learn
        changes += (f"{classifier(arch).name}: no activation on the class maps, so that no class can die",)
    return linear, changes


def of_arch(arch: Arch) -> Traits:
    """What decides of a table. Raises ArchError when it, or a head, does not tell classes apart."""
    classifying(arch)
    macs = sum(fact.macs for fact in facts(arch))
    return Traits(macs, has_batch_norm(arch), arch.input[0] == 1, arch.name.startswith("lenet"))


def of_module(net: nn.Module, shape: Shape, images: ImageSet) -> Traits:
    """The same of a user's module, from one pass over an empty picture of `shape`.

    Raises ArchError when it cannot take such a picture, or gives another number of logits than there are classes.
    """
    macs = 0

    def count(part: nn.Module, _: Any, gives: torch.Tensor) -> None:
        nonlocal macs
        weight = part.weight
        assert isinstance(weight, torch.Tensor)
        macs += weight.numel() * gives.shape[2:].numel()

    name = type(net).__name__
    hooks = [part.register_forward_hook(count) for part in net.modules() if isinstance(part, nn.Conv2d | nn.Linear)]
    try:
        with evaluating(net), torch.no_grad():
            device = next((weight.device for weight in net.parameters()), torch.device("cpu"))
            logits, _ = answers(net(torch.zeros(1, *shape, device=device)))
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise ArchError(f"{name}: it cannot take {size(shape)} pictures ({reason}); another size may work") from None
    finally:
        for hook in hooks:
            hook.remove()
    if logits.shape != (1, len(images.classes)):
        raise ArchError(
            f"{name}: it gives {size(tuple(logits.shape[1:]))} numbers, and {images.where} has {len(images.classes)} "
            "classes; give it a last layer as wide as that"
        )
    normed = any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in net.modules())
    return Traits(macs, normed, shape[0] == 1)
