"""Tables with columns of one's own: what the builders of the families share."""

from collections.abc import Sequence
from dataclasses import replace

from konvolut.blocks.spec import NOTHING
from konvolut.errors import ArchError
from konvolut.nets.arch import Arch, departing, unprinted
from konvolut.nets.names import parsed
from konvolut.nets.variants import renamed, with_classes
from konvolut.types import Shape


def column(where: str, values: Sequence[int], like: Sequence[int]) -> tuple[int, ...]:
    """`values`, as many whole numbers from 1 up as `like` has. Raises ArchError, beginning with `where`, when not."""
    found = tuple(values) if isinstance(values, Sequence) and not isinstance(values, str) else (values,)
    if len(found) != len(like) or not all(type(one) is int and one > 0 for one in found):
        raise ArchError(f"{where} = {values}; {len(like)} whole numbers from 1 up, like {tuple(like)}")
    return found


def own(arch: Arch, input: Shape | None = None, classes: int | None = None, **cells: object) -> Arch:
    """`arch` as somebody's own: for other pictures or classes, or built from other `cells` than its paper has.

    It prints no more than what still holds. Raises ArchError when its rows do not take the pictures.
    """
    if input is not None and (
        not isinstance(input, Sequence) or not all(type(one) is int and one > 0 for one in input)
    ):
        raise ArchError(f"{arch.name}: input = {input}; it is channels, height and width, like (3, 32, 32)")
    table = replace(arch, input=tuple(input), differs=departing(arch, without=("pictures", "maps"))) if input else arch
    if cells:
        name = renamed(arch.name, base=f"{parsed(arch.name).base}-own")
        words = (f"{cell} = {value}" for cell, value in cells.items())
        bare = tuple(replace(row, prints=NOTHING) for row in arch.rows)
        table = replace(table, name=name, prints=NOTHING, rows=bare, differs=departing(arch, *words))
    table = table if classes is None else with_classes(table, classes)
    return table if table == arch else unprinted(table, arch)
