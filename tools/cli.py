"""The `qawl` command: its verbs, and how errors reach the user.

A verb's module may import typer at its top and nothing heavier, so that `qawl --help` answers at once.
"""

from __future__ import annotations

import sys

import typer

from models.errors import QawlError
from tools import annotate, quality, verbs
from tools.tag import tag

app = typer.Typer(
    name="qawl",
    help="Tags every sentence of an Arabic news article: claim types, voice, stance toward your claims.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for verb in (
    tag,
    verbs.serve,
    verbs.doctor,
    verbs.build,
    verbs.train,
    verbs.tune,
    verbs.ablate,
    quality.evaluate,
    verbs.export,
    verbs.push,
    verbs.pretrain,
):
    app.command()(verb)
app.add_typer(quality.data, name="data")
app.add_typer(annotate.app, name="annotate")


@app.callback()
def root() -> None:
    """Tags every sentence of an Arabic news article: claim types, voice, stance toward your claims."""


def main() -> None:
    """Run the command; an error that the user can cause is one line on stderr and exit code 2."""
    try:
        app()
    except QawlError as error:
        _fail(str(error))
    except Exception as error:
        # Only whoever called the service has loaded its client: the name saves every other verb the import.
        if type(error).__module__ != "qawl":
            raise
        _fail(str(error))


def _fail(message: str) -> None:
    sys.stderr.write(f"qawl: {message}\n")
    sys.exit(2)
