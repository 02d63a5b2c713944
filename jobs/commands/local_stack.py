"""`cali up` and `cali down`: the embedded stack with the job on it, in the background."""

import os
from pathlib import Path
from typing import Annotated

import typer

from local.paths import STACK_DIRECTORY
from local.prometheus import Prometheus
from local.stack import PARTS, StackError
from local.supervisor import ENVIRONMENT_FILE, State
from local.supervisor import down as stop
from local.supervisor import up as start

PORTS_VARIABLE = "CALI_LOCAL_PORTS"
STARTED = (*PARTS, Prometheus.name)


def up(
    port: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PART=PORT",
            envvar=PORTS_VARIABLE,
            help=f"Port of a part ({', '.join(STARTED)}) instead of a free one. OpenSearch needs one of 9201 to 9299.",
        ),
    ] = None,
) -> None:
    """Start Kinesis, S3, OpenSearch, Milvus, a Slack inbox and Flink on 127.0.0.1, and the job on them.

    Where Prometheus is installed it watches them; Flink's metrics can then be read from other machines too. For
    `cali replay` there is a stand-in of Kubernetes and the Flink operator.

    Returns when the job runs, and prints the addresses; `cali down` stops everything. Where it runs already, nothing is
    started and the addresses are printed. Exit code 0: it runs; 1: it does not, and nothing is left of it; 2: an option
    is wrong.

    Examples:

      cali up

      cali up --port flink=8081 --port inbox=8080

      CALI_LOCAL_PORTS="flink=8081 inbox=8080" cali up
    """
    ports = dict(_read_port(each) for each in port or [])
    try:
        state = start(STACK_DIRECTORY, ports, typer.echo)
    except StackError as error:
        typer.echo(error, err=True)
        raise typer.Exit(1) from None
    _print_addresses(state)


def down() -> None:
    """Stop what `cali up` started, and wait until nothing of it runs. Its data go with it.

    Exit code 0 also where nothing ran.

    Example:

      cali down
    """
    try:
        ran = stop(STACK_DIRECTORY)
    except StackError as error:
        typer.echo(error, err=True)
        raise typer.Exit(1) from None
    typer.echo("stopped" if ran else "nothing was running")


def _read_port(text: str) -> tuple[str, int]:
    name, _, number = text.partition("=")
    if name not in STARTED or not number.isdigit():
        raise typer.BadParameter(f"{text!r} is not PART=PORT, e.g. flink=8081; parts are {', '.join(STARTED)}")
    return name, int(number)


def _print_addresses(state: State) -> None:
    width = max(len(label) for label in state.addresses)
    for label, address in state.addresses.items():
        typer.echo(f"{label:{width}}  {address}")
    if Prometheus.label not in state.addresses:
        typer.echo(f"{Prometheus.label:{width}}  left out: there is no `prometheus` on PATH")
    environment = _shown(STACK_DIRECTORY / ENVIRONMENT_FILE)
    typer.echo(f"Job {state.job_id} runs. Logs are in {_shown(STACK_DIRECTORY / 'logs')}.")
    typer.echo(f"Point other commands at it with:  . {environment}")


def _shown(path: Path) -> str:
    """Return the path as one would type it here."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
