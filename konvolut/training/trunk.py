"""Where a net's trunk ends and its classifier begins, and which of its parts stay as they are."""

from collections.abc import Iterator

from torch import nn

from konvolut.errors import RecipeError, nearest
from konvolut.nets.arch import Network, classifier

TRUNK = "trunk"  # what `freeze` calls all but the classifier


def classifier_name(net: nn.Module) -> str:
    """The part of `net` that gives the logits: the classifier's row of a table, the last dense layer of another module.

    Raises RecipeError when it has no dense layer.
    """
    if isinstance(net, Network):
        return classifier(net.arch).name
    dense: list[str] = [name for name, part in net.named_modules() if isinstance(part, nn.Linear)]
    if not dense or not dense[-1]:
        raise RecipeError(
            f"{type(net).__name__}: no dense layer below it that could be its classifier; "
            "without freeze, trunk and head_first it trains as a whole"
        )
    return dense[-1]


def tail(net: nn.Module) -> nn.Module:
    """The classifier and what comes after it: takes the trunk's features, gives the logits."""
    name = classifier_name(net)
    if isinstance(net, Network):
        rows = [row.name for row in net.arch.rows]
        return nn.Sequential(*(net.get_submodule(row) for row in rows[rows.index(name) :]))
    return net.get_submodule(name)


def head_parameters(net: nn.Module) -> list[nn.Parameter]:
    """What learns at the full rate: the classifier, and the auxiliary ones of a table."""
    parts = [net.get_submodule(classifier_name(net))]
    if isinstance(net, Network) and net.arch.heads:
        parts.append(net.heads)
    return [weight for part in parts for weight in part.parameters()]


def frozen(net: nn.Module, freeze: str) -> list[nn.Module]:
    """The parts of `net` that `freeze` keeps as they are; their parameters ask for no gradient any more.

    A part that holds something else too (a trunk that holds its classifier) is taken apart. Auxiliary heads on frozen
    rows are frozen too. Raises RecipeError when there is no such row, or when nothing would be left to train.
    """
    if not freeze:
        return []
    parts = list(everything_but(net, classifier_name(net))) if freeze == TRUNK else up_to(net, freeze)
    for part in parts:
        part.requires_grad_(False)
    if not any(weight.requires_grad for weight in net.parameters()):
        raise RecipeError(f"freeze = {freeze!r}: nothing is left to train; a row before the classifier would work")
    return parts


def everything_but(part: nn.Module, name: str) -> Iterator[nn.Module]:
    """The largest parts of a module that do not hold the one called `name`."""
    first, _, rest = name.partition(".")
    for child, inside in part.named_children():
        if child != first:
            yield inside
        elif rest:
            yield from everything_but(inside, rest)


def up_to(net: nn.Module, last: str) -> list[nn.Module]:
    """The rows, or children, of `net` from its first to the one called `last`, with the heads that stand on them."""
    children = dict(net.named_children())
    rows = [row.name for row in net.arch.rows] if isinstance(net, Network) else list(children)
    if last not in rows:
        raise RecipeError(f"freeze = {last!r}: {type(net).__name__} has no such row{nearest(last, [TRUNK, *rows])}")
    still = rows[: rows.index(last) + 1]
    parts = [children[name] for name in still]
    if isinstance(net, Network):
        parts += [net.heads.get_submodule(head.name) for head in net.arch.heads if head.after in still]
    return parts
