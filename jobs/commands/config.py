"""`cali config`: the effective settings, where each came from, and nothing secret."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel
from rich.console import Console
from rich.table import Table

from jobs.log_insight.settings import (
    SECRETS_DIR_VARIABLE,
    Secrets,
    describe,
    load_secrets,
    load_settings,
    variable_name,
)

MASK = "********"


def config(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, also on a terminal.")] = False,
) -> None:
    """Print the effective settings and where each came from; secrets are masked.

    Examples:

      cali config

      CALI_SOURCE__KINESIS__STREAM=orders cali config --json | jq 'select(.source != "default")'
    """
    rows = effective(load_settings()) + effective(load_secrets())
    if as_json or not sys.stdout.isatty():
        for row in rows:
            typer.echo(json.dumps(row, ensure_ascii=False))
        return
    table = Table("variable", "value", "source", "meaning")
    for row in rows:
        table.add_row(row["variable"], json.dumps(row["value"], ensure_ascii=False), row["source"], row["meaning"])
    Console().print(table)


def effective(settings: BaseModel) -> list[dict[str, Any]]:
    """Return a row a setting: `variable`, `value` (masked where secret), `source`, `meaning`."""
    secret = isinstance(settings, Secrets)
    rows = []
    for location, field in describe(type(settings)):
        value: Any = settings.model_dump(mode="json")
        for name in location:
            value = value[name]
        rows.append(
            {
                "variable": variable_name(location),
                "value": MASK if secret and value else value,
                "source": _source_of(location),
                "meaning": field.description,
            }
        )
    return rows


def _source_of(location: tuple[str, ...]) -> str:
    names = [variable_name(location[: depth + 1]) for depth in range(len(location))]
    if any(name in os.environ for name in names):
        return "environment"
    folder = os.environ.get(SECRETS_DIR_VARIABLE)
    if folder and (Path(folder) / variable_name(location).lower()).is_file():
        return f"file in {SECRETS_DIR_VARIABLE}"
    return "default"
