"""A table brought to the pictures there are."""

from collections.abc import Iterator
from dataclasses import replace

from konvolut.blocks.basic import AvgPool, Conv, Dense, GlobalAvgPool, MaxPool
from konvolut.errors import ArchError
from konvolut.nets.arch import Arch, classifier, departing, facts, first_true, sides, size, unprinted, walk, with_spec
from konvolut.nets.variants import with_classes
from konvolut.types import Shape

LEAST_MAP = 4  # px: below 4x4, the map that the head takes no longer says where anything is


def fit(arch: Arch, input: Shape, classes: int) -> tuple[Arch, tuple[str, ...]]:
    """The table for pictures of shape `input` and `classes` classes, and what was changed, in words.

    While the last map is smaller than 4x4, one thing more is given up: the stride of the stem (its kernel shrinks in
    proportion, so that it sees about as much of the picture), then the first pool, then the pools from the last one
    backwards. Widths stay. A net whose own last map is smaller (LeNet-5) is left as it is and gets larger pictures:
    look at `input` of the answer.
    Raises ArchError, naming the row and the least square size, when nothing more can go.
    """
    table = with_classes(arch, classes)
    changes = [f"classes: {classifier(arch).spec.out} -> {classes}"] if table != arch else []  # type: ignore[attr-defined]
    given, (height, width) = input, arch.input[1:]
    if last_map(arch, arch.input) < LEAST_MAP:
        input = (given[0], max(height, given[1]), max(width, given[2]))
    if input != arch.input:
        changes = [f"input: {size(arch.input)} -> {size(input)}", *changes]
    if input != given:
        changes = [f"pictures: enlarged from {size(given[1:])} to {size(input[1:])}", *changes]
    reduced, given_up = conceded(table, input)
    reduced = replace(
        reduced, differs=departing(reduced, *(f"fitted, {word}" for word in given_up), without=elsewhere(arch, input))
    )
    held, fallen = standing(unprinted(replace(reduced, input=input), arch))
    return held, (*changes, *given_up, *fallen)


def fixed(arch: Arch, input: Shape, classes: int) -> Arch:
    """The table for pictures of shape `input` and `classes` classes, otherwise exactly as it is.

    Raises ArchError, naming the row and the least square size, when it does not take such pictures.
    """
    table = with_classes(arch, classes)
    return unprinted(replace(table, input=input, differs=departing(table, without=elsewhere(arch, input))), arch)


def standing(arch: Arch) -> tuple[Arch, list[str]]:
    """The table without the auxiliary heads that its maps are too small for, and which those were."""
    gives = {fact.name: fact.gives for fact in facts(arch)}
    heads, words = [], []
    for head in arch.heads:
        try:
            list(walk(head.name, head.rows, gives[head.after]))
            heads.append(head)
        except ArchError:
            words.append(
                f"{head.name}: left out, the {size(gives[head.after])} map of {head.after} is too small for it"
            )
    return replace(arch, heads=tuple(heads)), words


def elsewhere(arch: Arch, input: Shape) -> tuple[str, ...]:
    """The topics that a table no longer departs in when its pictures are others than its own."""
    return ("pictures", "maps") if input != arch.input else ()


def unaltered_side(arch: Arch, channels: int, least: int = 64, step: int = 16) -> int:
    """The least side, in px, from `least` in steps of `step`, at which `fit` leaves every row as it is."""
    sides = range(least, max(arch.input[1], least) + step, step)
    return next((side for side in sides if not conceded(arch, (channels, side, side))[1]), max(arch.input[1], least))


def conceded(arch: Arch, input: Shape) -> tuple[Arch, list[str]]:
    """The first table along `concessions` whose last map is large enough for pictures of shape `input`."""
    enough = min(LEAST_MAP, last_map(arch, arch.input))
    words: list[str] = []
    for table, word in concessions(arch):
        words += [word] if word else []
        if last_map(table, input) >= enough:
            return table, words
    list(facts(table, input))  # when it does not even run, this names the row
    row, shape = head(table, input)
    least = first_true(lambda side: last_map(table, (input[0], side, side)) >= enough)
    raise ArchError(
        f"{arch.name}, row {row}: a {size(shape)} map is smaller than {LEAST_MAP}x{LEAST_MAP}, "
        f"and no stride or pool is left to give up; {least} px is the least"
    )


def concessions(arch: Arch) -> Iterator[tuple[Arch, str]]:
    """The table, then ever smaller ones, each with what it gave up since the one before."""
    yield arch, ""
    for row in arch.rows:
        if isinstance(row.spec, Conv) and row.spec.s > 1:
            stem, k = row.spec, odd(sides(row.spec.k)[0] / row.spec.s)
            arch = with_spec(arch, row.name, replace(stem, k=k, s=1, p=k // 2))
            yield arch, f"{row.name}: {stem.k}x{stem.k} stride {stem.s} -> {k}x{k} stride 1"
            break
    pools = [row for row in arch.rows if isinstance(row.spec, MaxPool | AvgPool) and row.spec.s > 1]
    for pool in pools[:1] + pools[:0:-1]:
        arch = replace(arch, rows=tuple(row for row in arch.rows if row != pool))
        yield arch, f"{pool.name}: left out"


def odd(x: float) -> int:
    """The odd number from 3 upwards that is nearest to x.

    >>> odd(11 / 4), odd(7 / 2), odd(2 / 2)
    (3, 3, 3)
    """
    return max(3, 2 * round((x - 1) / 2) + 1)


def last_map(arch: Arch, input: Shape) -> int:
    """The shorter side, in px, of the map that the head takes; 0 when the pictures do not get that far."""
    try:
        return min(head(arch, input)[1][1:])
    except ArchError:
        return 0


def head(arch: Arch, input: Shape) -> tuple[str, Shape]:
    """The name of the first global pool or dense row, and the shape it takes."""
    number = next((i for i, row in enumerate(arch.rows) if isinstance(row.spec, GlobalAvgPool | Dense)), None)
    if number is None:  # convolutions to the end: such a table is not altered
        raise ArchError(f"{arch.name}: no global average and no dense row; one of them is where its head begins")
    shapes = [input, *(fact.gives for fact in walk(arch.name, arch.rows[:number], input))]
    return arch.rows[number].name, shapes[-1]
