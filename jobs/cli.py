"""The `cali` command: one line for each of its verbs. The work is done in `jobs.commands`."""

import sys

import typer

from jobs.commands.analyze import analyze
from jobs.commands.config import config
from jobs.commands.demo import demo
from jobs.commands.generate import generate
from jobs.commands.index import app as index
from jobs.commands.knowledge import app as knowledge
from jobs.commands.local_stack import down, up
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


for command in (demo, up, down, generate, analyze, config):
    app.command()(command)
app.add_typer(knowledge, name="knowledge")
app.add_typer(index, name="index")


def main() -> None:
    """Run the command; a wrong setting ends it with exit code 2 and the variable's name."""
    try:
        app()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from None
