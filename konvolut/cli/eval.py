"""`konvolut eval RUN|NET DATA`."""

import click


@click.command(name="eval", epilog="Example:  konvolut eval runs/photos-1 more-photos/")
@click.argument("run", metavar="RUN|NET")
@click.option("--weights", type=click.Path(), metavar="FILE|RUN|imagenet", help="Answer with these; NET needs them.")
@click.argument("data")
@click.option(
    "--exclude",
    type=click.Path(),
    metavar="FILE",
    help="Names to leave out.  [default: RUN's own, of what it was trained on]",
)
@click.option("--split", default=None, help="train, val or test.  [default: test, or val where there is no test]")
@click.option("--device", default="cpu", show_default=True)
@click.option("--json", "machine", is_flag=True, help="Print the result as JSON.")
def command(
    run: str, weights: str | None, data: str, exclude: str | None, split: str | None, device: str, machine: bool
) -> None:
    """How accurate RUN is on DATA, in all and for each class."""
    from pathlib import Path

    from konvolut.cli.out import as_json, as_table, percent
    from konvolut.images.quarantine import digest, read
    from konvolut.images.sources import open_images, same
    from konvolut.language import _
    from konvolut.training.judge import evaluate_run, result
    from konvolut.training.known import known
    from konvolut.training.metrics import per_class

    opened = known(run, weights)
    own = same(data, opened.data)
    left_out = exclude or (opened.exclude if own else "")
    images = open_images(data, val=opened.val, seed=opened.seed, exclude=left_out or None)
    role = split or ("test" if "test" in images.splits else "val")
    found = evaluate_run(opened, images, role, device)
    for note in (*opened.notes, *images.notes):  # which pictures those are, where the set has no splits of its own
        click.echo(note, err=True)
    if own and opened.excluded is not None and opened.excluded != (digest(read(Path(left_out))) if left_out else ""):
        click.echo(
            _("training left out other pictures of {data}, so some of these may be ones it learnt from").format(
                data=data
            ),
            err=True,
        )
    if machine:
        as_json({"split": role, **result(found), "confusion": found.confusion.tolist()})
        return
    low, high = found.interval
    as_table(
        (
            {"class": name, "n": int(n), "precision": f"{p:.3f}", "recall": f"{r:.3f}", "F1": f"{f:.3f}"}
            for name, n, (p, r, f) in zip(found.classes, found.confusion.sum(1), per_class(found), strict=True)
        ),
        right=("n", "precision", "recall", "F1"),
    )
    click.echo(
        _("accuracy {accuracy} on {n} {split} pictures (95 % interval {low} to {high})").format(
            accuracy=percent(found.accuracy), n=len(found.labels), split=role, low=percent(low), high=percent(high)
        )
    )
