"""A look in words for the terminal, and in numbers for machines."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from konvolut.language import _, language
from konvolut.lens.look import Look


def as_sentences(look: Look) -> Iterator[str]:
    """What was seen, a line each, in the language in force."""
    if look.subject.run is None and not look.subject.weights:
        yield _("{net} is untrained: its weights were drawn from seed 0").format(net=look.subject.name)
    told = "  ".join(f"{label} {100 * share:.1f} %" for label, share in look.answers)
    yield _("answer      {answers}").format(answers=told)
    for label, found in look.class_maps.items():
        _n, rows, columns = found.heat.shape
        down, along = divmod(int(found.heat[0].argmax()), columns)
        yield _("{how}  class {label}: strongest at row {down} of {rows}, column {along} of {columns} of {row}").format(
            how=found.how.ljust(10), label=label, down=down + 1, rows=rows, along=along + 1, columns=columns,
            row=found.row,
        )  # fmt: skip
    for row, (total, most) in look.maps.items():
        first = ", ".join(str(one.channel) for one in most[:5])
        yield _("{row}  most active of {n} channels: {channels}").format(row=row.ljust(10), n=total, channels=first)
    least = min(look.shifts, key=lambda one: one.probability)
    yield _("shifted     {label} is least probable, {share}, at {dx:+d} px across, {dy:+d} px down").format(
        label=look.answers[0][0], share=f"{100 * least.probability:.1f} %", dx=least.dx, dy=least.dy
    )
    if look.examples is None:
        yield look.missing if isinstance(look.missing, str) else look.missing[language()]
    else:
        yield _("patches     from {n} of {of} training pictures").format(
            n=f"{len(look.examples.pictures):,}", of=f"{look.examples.total:,}"
        )


def as_numbers(look: Look) -> dict[str, Any]:
    """What was seen, without the pictures; every value can be written as JSON."""
    held = look.examples
    return {
        "net": look.subject.name,
        "trained": bool(look.subject.run or look.subject.weights),
        "image": look.image,
        "answers": [{"label": label, "probability": share} for label, share in look.answers],
        "class_maps": [
            {"label": label, "row": found.row, "how": found.how, "heat": found.heat[0].tolist()}
            for label, found in look.class_maps.items()
        ],
        "maps": {
            row: [{"channel": one.channel, "mean": one.mean, "largest": one.largest} for one in most]
            for row, (_total, most) in look.maps.items()
        },
        "norms": [asdict(norm) for norm in look.norms],
        "shifts": [asdict(one) for one in look.shifts],
        "looked_at": 0 if held is None else len(held.pictures),
        "patches": [] if held is None else [
            {"row": row, "channel": channel, "picture": held.names[patch.index], "value": patch.value, "box": patch.box}
            for (row, channel), found in held.patches.items() for patch in found
        ],
    }  # fmt: skip
