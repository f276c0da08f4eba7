"""report.html: what was trained on what, what came of it, and how to do it again; one file that needs nothing else."""

import json
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from konvolut.errors import KonvolutError, RunError
from konvolut.figures import Page
from konvolut.images.imageset import ImageSet
from konvolut.language import CODES, Text, both
from konvolut.lens.findings import classes, confidence, confusions, learning, percent, role, worst
from konvolut.lens.ledger import as_rows, ledger
from konvolut.lens.mistakes import write_csv
from konvolut.lens.pictures import augmented_again, thumbnail
from konvolut.lens.progress import duration, progress, underway
from konvolut.nets.tables import write_table
from konvolut.training.metrics import Evaluation
from konvolut.training.run import Card, Run, opened_again
from konvolut.types import Pictures

MANY = 12  # classes; above it the pictures of each are listed on demand
AUGMENTED = 32  # examples on the page


def write_report(
    run: Run,
    images: ImageSet | None,
    evaluation: Evaluation,
    augmented: Pictures | None,
    table: Sequence[Mapping[str, str]],
    out: Path | None = None,
) -> Path:
    """Write the report of a run to `out`, or to report.html in its folder, and return where it lies.

    images: where the mistakes can be looked up; None says so on the page. augmented: training pictures as the net saw
    them. table: the ledger's rows. Beside card.json it also writes mistakes.csv and, of a net,
    recipe.toml.
    Every file is replaced whole: a reader finds the old one or the new one.
    """
    card = run.card
    page = Page(both("{net} on {data}", net=card.net, data=card.data.get("name", "")), "Konvolut")
    headline(page, card, evaluation)
    material(page, card)
    if card.classic:
        solved(page, card)
    else:
        learning(page, *logged(run))
    classes(page, evaluation)
    confusions(page, evaluation)
    confidence(page, evaluation)
    worst(page, evaluation, images)
    seen(page, augmented)
    the_net(page, table)
    again(page, run, evaluation)
    write_csv(run.path / "mistakes.csv", evaluation)
    if card.classic:
        return page.write(out or run.path / "report.html")
    part = run.path / f".recipe.toml.{os.getpid()}"
    part.write_text("\n".join(toml(card.recipe)) + "\n", encoding="utf-8")
    os.replace(part, run.path / "recipe.toml")
    if card.own:
        (run.path / "net.toml").write_text(write_table(run.arch()), encoding="utf-8")
    return page.write(out or run.path / "report.html")


def write_interim(run: Run, out: Path | None = None) -> Path:
    """Write what can be told of a run that is still training, or was stopped, to `out` or to its report.html.

    Neither its pictures nor its weights are opened: a training beside it is not slowed down.
    """
    card, (epochs, windows, remarks) = run.card, logged(run)
    page = Page(both("{net} on {data}, so far", net=card.net, data=card.data.get("name", "")), "Konvolut")
    underway(page, card, progress(run, epochs, windows), datetime.now().astimezone())
    if epochs or windows:
        learning(page, epochs, windows, remarks)
    else:
        page.text(both("Nothing has been logged yet."))
    material(page, card)
    the_net(page, table_of(run))
    page.section(both("Should it have stopped"))
    page.code([f"konvolut train --resume {shlex.quote(str(run.path))}"])
    page.facts(provenance(card))
    return page.write(out or run.path / "report.html")


def report_again(run: Run, out: str | Path | None = None) -> Path:
    """Write the report of a run anew from its folder, and from its pictures where they can still be opened.

    Of a run that has not ended, what there is so far.
    """
    if out and Path(out).exists():
        raise RunError(f"{out}: already there, and nothing is overwritten; another --out")
    card, place = run.card, Path(out) if out else None
    if not (card.classic or (run.path / "evaluation.npz").exists()):
        return write_interim(run, place)
    evaluation = run.evaluation()
    images: ImageSet | None
    try:
        images = opened_again(card)
        changed = images.digest != card.data.get("digest")
    except KonvolutError:
        images, changed = None, False
    bare = images is None or changed or card.classic  # nothing was augmented where no net was trained
    examples = None if images is None or bare else augmented_again(images, card, AUGMENTED)
    return write_report(run, images, evaluation, examples, table_of(run), place)


def table_of(run: Run) -> list[dict[str, str]]:
    """The rows of its ledger; none where it was trained without a table."""
    return [] if run.card.module or run.card.classic else as_rows(ledger(run.arch()))


def logged(run: Run) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[str]]:
    """The epochs, the windows and the remarks in a run's log, also while it is written; none where there is no log.

    Raises RunError when a line of it is damaged.
    """
    try:
        remarks = [entry[kind] for entry in run.entries() for kind in ("skipped", "stuck") if kind in entry]
        return list(run.log()), list(run.windows()), remarks
    except FileNotFoundError:
        return [], [], []
    except json.JSONDecodeError as error:
        raise RunError(
            f"{run.path / 'log.jsonl'}: a line of it is no JSON ({error}); the report can be written without that line"
        ) from None


def headline(page: Page, card: Card, evaluation: Evaluation) -> None:
    """The accuracy, its interval, and on which pictures."""
    low, high = evaluation.interval
    tally = evaluation.tally
    words = both(
        "of the {split} pictures answered rightly: {right} of {n}; 95 % interval {low} to {high}",
        split=role(evaluation.split), right=f"{tally.right:,}", n=f"{tally.seen:,}", low=percent(low), high=percent(high),
    )  # fmt: skip
    page.headline(percent(evaluation.accuracy), words)
    if evaluation.split == "val":
        page.text(both("These pictures were looked at while training; expect a little less on new ones."))
    elif evaluation.split == "train":
        page.text(both("The net was trained on these very pictures: this says nothing about new ones."))
    kind = both("features, kernel, machine") if card.classic else both("net")
    facts: list[tuple[Text, Text]] = [(kind, card.net), (both("pictures"), str(card.data.get("name", "")))]
    facts.append((both("loss"), both("{loss} nats", loss=f"{tally.loss:.4f}")))
    if card.seconds:
        facts.append((both("training time"), duration(card.seconds)))
    page.facts(facts)


def material(page: Page, card: Card) -> None:
    """The pictures, the input, the recipe, and what was chosen for the user."""
    page.section(both("What was trained on what"))
    counts: dict[str, list[int]] = card.data.get("counts", {})
    total = both("{k} classes", k=len(card.classes))
    for name, of in counts.items():
        more = both("; {split} {n}", split=role(name), n=f"{sum(of):,}")
        total = {code: total[code] + more[code] for code in CODES}
    spec = card.input
    colours = both("grey") if spec.channels == 1 else both("colour")
    fits = {
        "crop": both("the middle square, resized"),
        "pad": both("the whole picture on white, resized"),
        "stretch": both("stretched to the square"),
    }
    mean, std = (", ".join(f"{v:g}" for v in values) for values in (spec.mean, spec.std))
    scaled = both("minus {mean}, divided by {std}", mean=mean, std=std)
    takes = both(
        "{side} × {side} px, {colours}; {how}; {scaled}",
        side=spec.size,
        colours=colours,
        how=fits[spec.fit],
        scaled=scaled,
    )
    taker = both("the features are of") if card.classic else both("the net takes")
    page.facts([(both("pictures"), total), (both("from"), str(card.data.get("where", ""))), (taker, takes)])
    for title, lines in (
        (both("How the pictures were split:"), card.data.get("notes", ())),
        (both("What was altered in the net's table to suit the pictures:"), card.changes),
        (both("What was chosen, and why:"), card.reasons),
    ):
        if lines:
            page.text(title)
            page.items([str(line) for line in lines])
    if not card.classic:
        settings(page, card.recipe)
    if counts:
        rows = [
            (name, *(f"{of[i]:,}" if i < len(of) else "0" for of in counts.values()))
            for i, name in enumerate(card.classes)
        ]
        head = (both("class"), *(role(name) for name in counts))
        page.table(head, rows, both("Pictures of each class"), folded=len(rows) > MANY)


def leaves(value: Any, below: str = "") -> Iterator[tuple[str, str, Any]]:
    """Every field of a dataclass and of those inside it: the table it stands in, its name, its value."""
    for field in fields(value):
        held = getattr(value, field.name)
        if is_dataclass(held):
            yield from leaves(held, field.name)
        else:
            yield below, field.name, held


def settings(page: Page, recipe: Any) -> None:
    """The recipe's fields that do something, beside their defaults; those that are off are only named."""
    usual = {name: value for _, name, value in leaves(type(recipe)())}
    on = [(name, v) for _, name, v in leaves(recipe) if name == "seed" or v not in (0, False, None, "", ())]
    rows = [(name, _value(v), "" if v == usual[name] else _value(usual[name])) for name, v in on]
    page.table((both("setting"), both("value"), both("default, where another")), rows, both("The recipe"))
    if off := [name for _, name, _ in leaves(recipe) if name not in dict(on)]:
        page.text(both("Left out (at zero): {names}.", names=", ".join(off)))


def _value(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def toml(recipe: Any) -> list[str]:
    """Every field of a recipe as TOML, so that `--recipe` gives the same one whatever the defaults become."""
    lines, table = [], ""
    for below, name, value in sorted(leaves(recipe), key=lambda leaf: leaf[0]):  # a TOML table ends only at the next
        if below != table:
            table = below
            lines += ["", f"[{table}]"]
        if value is not None:
            lines.append(f"{name} = {json.dumps(value, ensure_ascii=False)}")
    return lines


def solved(page: Page, card: Card) -> None:
    """Of a run without a net: what was fitted, and whether the one convex problem was solved."""
    about = card.classic
    page.section(both("How it was solved"))
    page.facts(
        [
            (both("features"), both("{name}, {d} numbers a picture", name=about["features"], d=about["dimensions"])),
            (both("kernel"), about["kernel"]),
            (both("learning machine"), both("{name} with c = {c}", name=about["machine"], c=f"{about['c']:g}")),
            (
                both("training pictures it keeps"),
                both("{kept} of {n}", kept=f"{about['kept']:,}", n=f"{about['pictures']:,}"),
            ),
        ]
    )
    page.items(list(card.outcome))
    if about["tried"]:
        rows = [(c, percent(accuracy)) for c, accuracy in about["tried"].items()]
        page.table(("c", both("validation accuracy")), rows, both("Every c that was tried"))


def seen(page: Page, augmented: Pictures | None) -> None:
    """Training pictures as the net saw them."""
    if augmented is None or not len(augmented):
        return
    page.section(both("What the net saw"))
    some = augmented[:AUGMENTED]
    page.pictures(
        [(thumbnail(picture), f"augmented example {i}", ()) for i, picture in enumerate(some, 1)],
        both("Training pictures after augmentation, at the size the net takes."),
    )


def the_net(page: Page, table: Sequence[Mapping[str, str]]) -> None:
    """The ledger: row by row what goes in, what comes out, and what it costs."""
    if not table:
        return
    page.section(both("The net, row by row"))
    known = {
        "row": both("row"), "takes": both("takes"), "gives": both("gives"), "params": both("parameters"),
        "macs": both("multiply-adds"), "params share": both("share of parameters"), "paper": both("printed"),
        "macs share": both("share of multiply-adds"), "agrees": both("agrees"), "sees px": both("sees (px)"),
        "step px": both("steps (px)"), "kept mib": both("kept (MiB)"), "paper params": both("printed parameters"),
        "paper macs": both("printed multiply-adds"),
    }  # fmt: skip
    keys = list(table[0])
    page.table(
        [known.get(key.lower(), key) for key in keys],
        [[str(row.get(key, "")) for key in keys] for row in table],
        both("Shapes of one picture: channels × height × width. Printed: the size its paper prints for the row."),
    )


def again(page: Page, run: Run, evaluation: Evaluation) -> None:
    """The lines that repeat it, and everything that has a say in the result."""
    card = run.card
    page.section(both("Doing it again"))
    where = shlex.quote(str(card.data.get("where", "")))
    folder = shlex.quote(str(run.path))
    if card.classic:
        about = card.classic
        line = f"konvolut classic {where} --features {about['features']} --kernel {about['kernel']}"
        line += f" --machine {about['machine']} --size {card.input.size} --seed {about['seed']}"
        page.code([line if about["chosen"] else f"{line} --c {about['c']:g}"])
        page.facts(provenance(card))
        return
    net = str(run.path / "net.toml") if card.own else card.net
    line = f"konvolut train {where} --net {shlex.quote(net)} --recipe {shlex.quote(str(run.path / 'recipe.toml'))}"
    line += f" --seed {getattr(card.recipe, 'seed', 0)}"
    if not card.fitted:
        line += f" --size {card.input.size}"
    if card.parent:
        line += f" --weights {shlex.quote(card.parent)}"
    if card.module:
        page.text(
            both(
                "The net was a module of the user's own, {module}: konvolut.train takes it as net=.", module=card.module
            )
        )
    else:
        page.code([line, f"konvolut eval {folder} {where} --split {evaluation.split}"])
    page.table(("recipe.toml",), [(text,) for text in toml(card.recipe) if text], "recipe.toml", folded=True)
    page.facts(provenance(card))


def provenance(card: Card) -> list[tuple[Text, Text]]:
    """Everything beside the settings that has a say in the result."""
    facts: list[tuple[Text, Text]] = [(both("pictures, SHA-256"), str(card.data.get("digest", "")))]
    if not card.classic:
        facts.append((both("net's table, SHA-256"), card.table))
    if card.parent:
        facts.append((both("weights started from"), card.parent))
    facts.append((both("versions"), ", ".join(f"{name} {number}" for name, number in card.versions.items())))
    facts.append((both("machine"), ", ".join(f"{name} {value}" for name, value in card.machine.items())))
    return facts
