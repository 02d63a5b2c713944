"""`cali replay`: some hours of the archive once more, as a FlinkDeployment of its own, held against what they were."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from botocore.exceptions import BotoCoreError, ClientError
from opensearchpy.exceptions import OpenSearchException, TransportError
from rich.console import Console
from rich.table import Table

from jobs.commands.exit_codes import EXIT_FAILED, EXIT_UNKNOWN, EXIT_USAGE
from jobs.commands.hours import From, To, hours_of
from jobs.commands.objects import Folder, ObjectGoneError, folder
from jobs.hours import Hours
from jobs.log_insight.opensearch import connect
from jobs.log_insight.settings import Settings, load_secrets, load_settings
from jobs.replay.cluster import Deployments, ExistsError, NoClusterError, RefusedError, UnavailableError
from jobs.replay.compare import PartialAnswerError, Places, Row, UnreadableError, has_index, total
from jobs.replay.compare import compare as compare_hours
from jobs.replay.manifest import ManifestError, Object, Run, build, differences, read_template, run_named
from jobs.replay.outcome import Verdict, outcome

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

POLL_SECONDS = 3.0
REMOVE_MINUTES = 10.0
#: Nobody waits for a comparison as a batch of the job waits.
REQUEST_SECONDS = 60.0

_Run = Annotated[str, typer.Option("--run", help="Its id: 1 to 26 of a-z, 0-9 and '-'; a number will do.")]
_Minutes = Annotated[float, typer.Option("--timeout", min=0, help="Minutes to wait.")]
_Json = Annotated[bool, typer.Option("--json", help="One JSON object a line, also on a terminal.")]


@app.callback()
def replay() -> None:
    """Read hours of the archive again, into indices of their own.

    A run is a FlinkDeployment log-insight-replay-RUN; its indices are replay-RUN-…, and its dead letters and backlog
    lie beside those of the live job, below replay-RUN/. Every verb may be repeated. Exit codes of all of them are
    0: done, finished, the same; 1: no, and asking again does not help; 2: an option, a setting or the manifest is
    wrong; 3: not known (yet): the time is over, or Kubernetes, S3 or OpenSearch does not answer.
    """


@app.command()
def start(run: _Run, first: From, end: To) -> None:
    """Start a run, or find that it was started before.

    It takes the manifest of CALI_REPLAY__MANIFEST, and the cluster of the pod it runs in or of a kubeconfig. Hours
    without lines are left out. One JSON line says what was done. Exit code 0: it is there; 1: another run has this id,
    the archive has nothing of these hours, or Kubernetes refuses; 2 and 3 as above.

    Examples:

      cali replay start --run 7 --from 2026-11-22T09:00Z --to 2026-11-22T12:00Z

      kubectl kustomize flink-k8s/replay/prod >build/replay.yaml
      CALI_REPLAY__MANIFEST=build/replay.yaml cali replay start --run november --from 2026-11-01 --to 2026-12-01
    """
    named, hours = _run_of(run), hours_of(first, end)
    settings = load_settings()
    with _errors_told():
        _start(named, hours, settings)


@app.command()
def wait(run: _Run, minutes: _Minutes = 120.0) -> None:
    """Wait until a run has read everything.

    Standard error tells how it stands. Exit code 0: it has finished; 1: it has failed, was cancelled or suspended, the
    operator refuses it, or there is none, with the reason; 3: it goes on after --timeout, or Kubernetes did not answer.

    Examples:

      cali replay wait --run 7 --timeout 30
    """
    named = _run_of(run)
    with _errors_told():
        _wait(named, minutes)


@app.command()
def compare(run: _Run, first: From, end: To, *, as_json: _Json = False) -> None:
    """Count what a run was to read and what came of it, by arrival hour.

    A line each: `received` were archived by the receipts of the live job, `archived` are different ids in the archive,
    `documents` are in the run's indices, `dead_letters` and `backlog` are the run's own. Receipts that `overlap` count
    twice what the live job read twice, as after an older savepoint; then `received` decides nothing. The last line has
    the sums. Exit code 0: `documents`, `dead_letters` and `backlog` add up to `archived`, and that is `received`; 1:
    they do not, in the hours that standard error names, or there is nothing of such a run, or a file cannot be read; 3:
    S3 or OpenSearch did not answer, or a file was deleted meanwhile, as by `cali index catch-up`.

    Examples:

      cali replay compare --run 7 --from 2026-11-22T09:00Z --to 2026-11-22T12:00Z

      cali replay compare --run 7 --from 2026-11-22 --to 2026-11-23 --json | jq 'select(.same | not)'
    """
    named, hours = _run_of(run), hours_of(first, end)
    settings = load_settings()
    with _errors_told():
        _compare(named, hours, settings, as_json=as_json)


@app.command()
def remove(run: _Run, minutes: _Minutes = REMOVE_MINUTES) -> None:
    """Delete a run's FlinkDeployment, and wait until it is gone; what the run wrote stays.

    A run that still goes on is ended. Exit code 0: it is gone, or there was none; 1: Kubernetes refuses; 3: it is there
    after --timeout, or Kubernetes did not answer.

    Examples:

      cali replay remove --run 7
    """
    named = _run_of(run)
    with _errors_told():
        _remove(named, minutes)


@app.command("run")
def run_all(run: _Run, first: From, end: To, minutes: _Minutes = 120.0, *, as_json: _Json = False) -> None:
    """Start, wait, compare and remove, in one go; where one of them fails, what is there stays to be looked at.

    Examples:

      cali replay run --run 7 --from 2026-11-22T09:00Z --to 2026-11-22T12:00Z
    """
    named, hours = _run_of(run), hours_of(first, end)
    settings = load_settings()
    with _errors_told():
        _start(named, hours, settings)
        _wait(named, minutes)
        _compare(named, hours, settings, as_json=as_json)
        _remove(named, REMOVE_MINUTES)


def _start(run: Run, hours: Hours, settings: Settings) -> None:
    template = read_template(Path(settings.replay.manifest))
    archive = settings.store.archive.rstrip("/")
    there = [f"{archive}/{each}" for each in hours.folders() if _has_files(folder(archive, settings.aws), each)]
    if not there:
        _end(EXIT_FAILED, f"{archive} has nothing of these hours")
    deployment = build(template, run, settings, there)
    deployments = Deployments()
    try:
        deployments.create(deployment)
        created = True
    except ExistsError:
        _require_same(deployment, deployments.find(run.deployment))
        created = False
        _say(f"{run.deployment} is there already, and is the same")
    said = {"deployment": run.deployment, "created": created, "index_prefix": run.index_prefix, "paths": there}
    typer.echo(json.dumps(said))


def _wait(run: Run, minutes: float) -> None:
    deployments = Deployments()
    told = ""

    def ask() -> str | None:
        nonlocal told
        verdict, said = outcome(deployments.find(run.deployment))
        if verdict is Verdict.LOST:
            _end(EXIT_FAILED, f"{run.deployment}: {said}")
        if said != told:
            _say(f"{run.deployment}: {said}")
        told = said
        return None if verdict is Verdict.FINISHED else said

    _until_none(ask, minutes, f"{run.deployment} has not finished")


def _compare(run: Run, hours: Hours, settings: Settings, *, as_json: bool) -> None:
    places = Places(
        *(
            folder(root, settings.aws)
            for root in (
                settings.store.archive,
                settings.store.receipts,
                run.dead_letters(settings),
                run.index_backlog(settings),
            )
        )
    )
    patient = settings.index.model_copy(update={"request_timeout_seconds": REQUEST_SECONDS})
    try:
        with connect(patient, load_secrets()) as client:
            rows = list(compare_hours(hours, places, client, run.index_prefix))
            # Where OpenSearch was away all the time, or took nothing, a run has no index.
            found = any(row.documents or row.dead_letters or row.backlog for row in rows)
            if not (found or has_index(client, run.index_prefix)):
                _end(EXIT_FAILED, f"there is nothing of a run {run.id}: no index, no dead letters, no backlog")
    except OpenSearchException as error:
        _end(EXIT_UNKNOWN, f"OpenSearch at {settings.index.url}: {_kind(error)}")
    _show(rows, as_json=as_json)
    if different := [row.hour for row in rows if not row.same]:
        _end(EXIT_FAILED, f"{run.deployment} differs from the archive in {', '.join(different)}")


def _remove(run: Run, minutes: float) -> None:
    deployments = Deployments()

    def ask() -> str | None:
        found = deployments.find(run.deployment)
        if found is None:
            return None
        if not found["metadata"].get("deletionTimestamp"):
            deployments.delete(run.deployment)
        return "it is being removed"

    _until_none(ask, minutes, f"{run.deployment} is not gone")
    _say(f"{run.deployment} is gone")


def _until_none(ask: Callable[[], str | None], minutes: float, problem: str) -> None:
    """Ask until there is no objection any more, and bear with an API that does not answer; at the end exit."""
    deadline = time.monotonic() + minutes * 60
    while True:
        try:
            objection = ask()
        except UnavailableError as error:
            objection = str(error)
        if objection is None:
            return
        left = deadline - time.monotonic()
        if left <= 0:
            _end(EXIT_UNKNOWN, f"{problem} after {minutes:g} minutes: {objection}")
        time.sleep(min(POLL_SECONDS, left))


def _require_same(wanted: Object, found: Object | None) -> None:
    name = wanted["metadata"]["name"]
    if found is None or found["metadata"].get("deletionTimestamp"):
        _end(EXIT_UNKNOWN, f"{name} is just being removed; start it when it is gone")
    if other := differences(wanted["spec"], found["spec"]):
        listed = "\n  ".join(other)
        _end(EXIT_FAILED, f"{name} is there and is another run; take another id, or remove it first:\n  {listed}")


def _has_files(archive: Folder, below: str) -> bool:
    return next(iter(archive.names(below)), None) is not None


def _show(rows: list[Row], *, as_json: bool) -> None:
    summed = total(rows)
    every = all(row.same for row in rows)
    listed = [row._asdict() | {"same": row.same} for row in rows] + [summed._asdict() | {"same": every}]
    if as_json or not sys.stdout.isatty():
        for row in listed:
            typer.echo(json.dumps(row))
        return
    table = Table(*(column.replace("_", " ") for column in listed[0]))
    for row in listed:
        table.add_row(*map(_cell, row.values()), style="" if row["same"] else "red")
    Console().print(table)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


@contextmanager
def _errors_told() -> Iterator[None]:
    """End with a line and the right code where something failed that may."""
    try:
        yield
    except (ManifestError, NoClusterError) as error:
        _end(EXIT_USAGE, str(error))
    except (RefusedError, UnreadableError) as error:
        _end(EXIT_FAILED, str(error))
    except (UnavailableError, PartialAnswerError) as error:
        _end(EXIT_UNKNOWN, str(error))
    except ObjectGoneError as error:
        _end(EXIT_UNKNOWN, f"{error} is gone, as happens while `cali index catch-up` runs: compare again after it")
    except (BotoCoreError, ClientError) as error:
        _end(EXIT_UNKNOWN, f"S3: {error}")


def _kind(error: OpenSearchException) -> str:
    """Return the error's name, and the status where there was an answer. Its own words may quote what was sent."""
    name = type(error).__name__
    status = error.status_code if isinstance(error, TransportError) else None
    return f"{name} {status}" if isinstance(status, int) else name


def _run_of(text: str) -> Run:
    try:
        return run_named(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r}: {error}", param_hint="--run") from None


def _say(text: str) -> None:
    typer.echo(text, err=True)


def _end(code: int, text: str) -> NoReturn:
    _say(text)
    raise typer.Exit(code)
