"""The `cali` command: one line for each of its verbs. The work is done in `jobs.commands`."""

import sys

import typer

from jobs.commands.config import config
from jobs.log_insight.settings import SettingsError

app = typer.Typer(
    name="cali",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.callback()
def cali() -> None:
    """Cloud-native AI Log Insight: raw logs in, one grounded alert out."""


app.command()(config)


def main() -> None:
    """Run the command; a wrong setting ends it with exit code 2 and the variable's name."""
    try:
        app()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from None
