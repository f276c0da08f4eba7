"""`konvolut predict RUN|NET PATH...`."""

import click


@click.command(epilog="Example:  konvolut predict runs/photos-1 cat.jpg")
@click.argument("run", metavar="RUN|NET")
@click.option("--weights", type=click.Path(), metavar="FILE|RUN|imagenet", help="Answer with these; NET needs them.")
@click.argument("paths", nargs=-1, required=True)
@click.option("--top", type=click.IntRange(1), default=1, show_default=True, help="Answers a picture.")
@click.option("--json", "machine", is_flag=True, help="Print the answers as JSON.")
@click.pass_context
def command(
    context: click.Context, run: str, weights: str | None, paths: tuple[str, ...], top: int, machine: bool
) -> None:
    """What RUN says the pictures at PATH... are; a folder or a pack means every picture in it.

    One line a picture: a line feed in a name is written \\n, a carriage return \\r, and a backslash beside them \\\\.
    """
    from konvolut.cli.out import as_json
    from konvolut.images.quarantine import on_one_line
    from konvolut.language import _
    from konvolut.training.known import known
    from konvolut.training.predict import asked, predict

    opened = known(run, weights)
    for note in opened.notes:
        click.echo(note, err=True)
    found = asked(paths)
    if found.passed_over:
        count, first = len(found.passed_over), on_one_line(str(found.passed_over[0]))
        click.echo(_("passed over, as no pictures: {n}, the first {path}").format(n=count, path=first), err=True)
    answers, refused = predict(opened, found, top)
    if machine:
        as_json([{"path": a.path, "labels": [{"label": n, "probability": p} for n, p in a.labels]} for a in answers])
    else:
        for answer in answers:
            told = "  ".join(f"{on_one_line(name)} {100 * p:.1f} %" for name, p in answer.labels)
            click.echo(f"{on_one_line(answer.path)}  {told}")
    for error in refused:
        click.echo(f"DataError: {' '.join(str(error).split())}", err=True)
    if not answers and not refused:
        click.echo(_("no pictures there"), err=True)
    if refused and not answers:
        context.exit(2)
    context.exit(0 if answers and not refused else 1)
