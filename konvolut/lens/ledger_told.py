"""The ledger in words: a table for a terminal, sentences below it, numbers for machines, two nets side by side."""

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

from konvolut.language import Text, both
from konvolut.lens.audit import Claim
from konvolut.lens.ledger import Ledger, Line, mib, printed, seen, short, stride
from konvolut.nets.arch import size

RIGHT = ("params", "%", " %", "MACs", "sees", "step", "MiB", "paper params", "paper MACs", " params", " MACs")


def brief(ledger: Ledger) -> list[dict[str, str]]:
    """The trunk row by row and its total, narrow enough for 120 columns; MACs to four digits."""
    rows = [entry(line) for line in ledger.lines]
    total = {"row": "total", "takes": "", "gives": "", "params": f"{ledger.params:,}", "%": ""}
    total |= {"MACs": short(ledger.macs), " %": "", "sees": "", "step": ""}
    total |= {"MiB": mib(sum(line.kept for line in ledger.lines)), "paper size": "", **printed(ledger.totals)}
    return filled([*rows, total])


def brief_heads(ledger: Ledger) -> list[dict[str, str]]:
    """The rows of the auxiliary heads, one head after the other; shares are of the head."""
    return filled([{**entry(line), "row": f"{head.name}.{line.name}"} for head in ledger.heads for line in head.lines])


def entry(line: Line) -> dict[str, str]:
    wrong = any(claim.cell == "size" and not claim.agrees for claim in line.claims)
    return {
        "row": line.name,
        "takes": size(line.takes),
        "gives": size(line.gives),
        "params": f"{line.params:,}",
        "%": f"{100 * line.params_share:.1f}",
        "MACs": short(line.macs),
        " %": f"{100 * line.macs_share:.1f}",
        "sees": seen(line.sees),
        "step": stride(line.sees),
        "MiB": mib(line.kept),
        "paper size": (size(line.prints) if line.prints else "") + (" !" if wrong else ""),
        **printed(line.claims),
    }


def filled(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """`rows` without the columns of the paper that are empty in all of them."""
    empty = {key for key in rows[0] if key.startswith("paper") and not any(row[key] for row in rows)} if rows else set()
    return [{key: cell for key, cell in row.items() if key not in empty} for row in rows]


def side_by_side(one: Ledger, other: Ledger) -> list[dict[str, str]]:
    """Two nets' rows by their places, and their totals; the second one's heads begin with a space."""
    tables = [[*map(beside, held.lines), total(held)] for held in (one, other)]
    for table, longest in ((table, max(map(len, tables))) for table in tables):
        table[-1:-1] = [dict.fromkeys(table[0], "")] * (longest - len(table))
    return [
        {**left, "|": "|", **{f" {key}": cell for key, cell in right.items()}} for left, right in zip_longest(*tables)
    ]


def beside(line: Line) -> dict[str, str]:
    return {"row": line.name, "gives": size(line.gives), "params": f"{line.params:,}", "MACs": short(line.macs)}


def total(ledger: Ledger) -> dict[str, str]:
    return {"row": "total", "gives": "", "params": f"{ledger.params:,}", "MACs": short(ledger.macs)}


def told(claim: Claim) -> Text:
    """What a disagreement is, in one sentence."""
    words = {
        "row": claim.row,
        "cell": claim.cell,
        "printed": short(claim.printed, claim.kilo),
        "found": short(claim.found, claim.kilo),
    }
    if claim.cell == "size":
        return both("{row}: the paper prints {printed}, the table gives {found}", **words)
    off = f"{claim.off:+.1%}"
    return both("{row}: the paper prints {printed} {cell}, the table has {found}; that is {off}", off=off, **words)


def disagreements(ledger: Ledger) -> Iterator[Text]:
    """How many printed cells there are, each that disagrees, and what it would fit."""
    if ledger.claims:
        counts = {"n": len(ledger.claims), "wrong": len(ledger.disagreements)}
        yield both("printed cells: {n}; that disagree: {wrong}", **counts)
    yield from map(told, ledger.disagreements)
    for row, times in dict.fromkeys((claim.row, claim.fits) for claim in ledger.disagreements if claim.fits):
        yield both(
            "{row}: what is printed fits a depthwise convolution that makes {n} maps of each, and a 1x1",
            row=row,
            n=times,
        )


def needs(ledger: Ledger, batch: int) -> Iterator[Text]:
    """Memory for `batch` pictures, and the least picture."""
    held = ledger.memory(batch)
    yield both(
        "training on batches of {n}: {all} MiB, of which weights, gradients and momentum {weights} each, maps {maps}",
        n=batch, all=mib(held.training), weights=mib(held.weights), maps=mib(held.activations),
    )  # fmt: skip
    yield both("answering batches of {n}: {all} MiB", n=batch, all=mib(held.inference))
    yield both("the smallest picture it takes: {n} px", n=ledger.least)
    if ledger.heads:
        yield both("the smallest picture it trains on with auxiliary heads: {n} px", n=ledger.least_trained)


def sentences(ledger: Ledger, batch: int) -> Iterator[Text]:
    """All that stands below the table, departures from the paper last."""
    yield from disagreements(ledger)
    yield from needs(ledger, batch)
    for departure in ledger.differs:
        yield both("differs: {departure}", departure=departure)


def as_numbers(ledger: Ledger, batch: int) -> dict[str, Any]:
    """The ledger for machines: counts, px and bytes as numbers, shapes as lists."""
    held = ledger.memory(batch)
    return {
        "net": ledger.net,
        "source": ledger.source,
        "input": ledger.input,
        "differs": ledger.differs,
        "rows": [numbers(line) for line in ledger.lines],
        "heads": [
            {"name": head.name, "after": head.after, "weight": head.weight, "rows": [numbers(x) for x in head.lines]}
            for head in ledger.heads
        ],
        "total": {"params": ledger.params, "macs": ledger.macs},
        "prints": {claim.cell: claim.printed for claim in ledger.totals},
        "disagreements": [
            {"row": c.row, "cell": c.cell, "printed": c.printed, "found": c.found, "separable": c.fits}
            for c in ledger.disagreements
        ],
        "memory": {
            "batch": batch,
            "weights": held.weights,
            "activations": held.activations,
            "training": held.training,
            "inference": held.inference,
        },
        "least": ledger.least,
        "least_trained": ledger.least_trained,
    }


def numbers(line: Line) -> dict[str, Any]:
    sees = line.sees
    return {
        "row": line.name,
        "takes": line.takes,
        "gives": line.gives,
        "params": line.params,
        "params_share": line.params_share,
        "macs": line.macs,
        "macs_share": line.macs_share,
        "sees": None if sees is None else [way.size for way in sees],
        "stride": None if sees is None else [way.stride for way in sees],
        "kept": line.kept,
        "prints": {claim.cell: claim.printed for claim in line.claims},
        "agrees": line.agrees,
    }
