"""The `cali` command: its verbs and where each is at home. A verb's module is imported when the verb is used."""

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from jobs.log_insight.settings import SettingsError

#: In the order of `cali --help`. A function is a verb, a `Typer` a group of verbs.
VERBS = {
    "demo": "jobs.commands.demo:demo",
    "up": "jobs.commands.local_stack:up",
    "down": "jobs.commands.local_stack:down",
    "generate": "jobs.commands.generate:generate",
    "fingerprint": "jobs.commands.text:fingerprint",
    "redact": "jobs.commands.text:redact",
    "analyze": "jobs.commands.analyze:analyze",
    "knowledge": "jobs.commands.knowledge:app",
    "setup": "jobs.commands.setup:app",
    "index": "jobs.commands.index:app",
    "quality": "jobs.commands.quality:quality",
    "replay": "jobs.commands.replay:app",
    "config": "jobs.commands.config:config",
}

#: What the extra `local` installs. Without it, as in the image, the verbs of the embedded stack say so.
LOCAL_MODULES = {"faker", "milvus_lite", "moto", "psutil"}


class Verbs(TyperGroup):
    """Imports a verb on demand: some need seconds of imports that the others have no use for."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all verbs."""
        del ctx
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a verb, or None where there is none of this name."""
        del ctx
        if cmd_name not in VERBS:
            return None
        command = typer.main.get_command(_as_typer(_verb(cmd_name)))
        command.name = cmd_name
        return command


app = typer.Typer(name="cali", cls=Verbs, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.callback()
def cali() -> None:
    """Cloud-native AI Log Insight: raw logs in, one grounded alert out."""


def main() -> None:
    """Run the command; a wrong setting ends it with exit code 2 and the variable's name."""
    try:
        app()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from None


def _verb(name: str) -> typer.Typer | Callable[..., Any]:
    module, _, attribute = VERBS[name].partition(":")
    try:
        verb: typer.Typer | Callable[..., Any] = getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        if error.name not in LOCAL_MODULES:
            raise
        return _absent(name)
    return verb


def _absent(name: str) -> typer.Typer:
    """Stand in for a verb whose requirements are not installed: listed, explained, refused."""
    single = typer.Typer(rich_markup_mode=None, add_completion=False)

    @single.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
    def refuse() -> None:
        """Needs the extra `local`, which is not installed here."""
        sys.stderr.write(f"cali {name} needs the embedded stack: install this package with its extra, cali[local]\n")
        raise typer.Exit(2)

    return single


def _as_typer(verb: typer.Typer | Callable[..., Any]) -> typer.Typer:
    if isinstance(verb, typer.Typer):
        return verb
    single = typer.Typer(rich_markup_mode=None, add_completion=False)
    single.command()(verb)
    return single
