"""`cali index`: bring OpenSearch up to date with what it did not accept while the job ran."""

import asyncio
import contextlib
import gzip
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from enum import StrEnum
from typing import IO, Annotated, NamedTuple

import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.progress import Progress

from jobs.commands.exit_codes import EXIT_FAILED
from jobs.commands.lines import DamagedError, read_lines
from jobs.commands.objects import Folder, ObjectGoneError, folder
from jobs.log_insight.opensearch import OpenSearchBulkStore
from jobs.log_insight.settings import Secrets, Settings, load_secrets, load_settings
from udfs.breaker import Breaker
from udfs.chunk import HEADER_SIZE, hour_of
from udfs.ids import stable_hash
from udfs.index import Batch, BulkStore, Hold, IndexTarget, arrival_time, dead_letters, deliver, make_batch

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

#: Text of one bulk request at most; with one request at a time this bounds the memory.
BATCH_BYTES = 524_288
#: Nobody waits for this command, so a busy OpenSearch gets more time than inside the job.
HOLD = Hold(max_seconds=60.0, request_timeout_seconds=30.0)


class ObjectStatus(StrEnum):
    """What became of one backlog object. Only an `INDEXED` one is deleted."""

    INDEXED = "indexed"
    GONE = "gone"
    UNREADABLE = "unreadable"
    UNAVAILABLE = "unavailable"


class ObjectReport(NamedTuple):
    """One object: documents that OpenSearch has now, and documents it refused, which became dead letters."""

    name: str
    status: ObjectStatus
    indexed: int = 0
    rejected: int = 0


class UnreadableError(Exception):
    """The object is not what the job's backlog sink writes."""


@app.callback()
def index() -> None:
    """Bring OpenSearch up to date."""


@app.command("catch-up")
def catch_up(
    backlog: Annotated[
        str | None, typer.Option(help="Folder or s3:// URL instead of CALI_STORE__INDEX_BACKLOG.", show_default=False)
    ] = None,
) -> None:
    """Index what the job wrote to the index backlog, and delete each object once all of it is indexed.

    It may run beside the job, beside another catch-up, and again after it was stopped: a document is written under its
    own id. One JSON line an object and a last one with the totals go to standard output. Exit code 0: the backlog is
    done; 1: something is left, as the lines say; 2: a setting is wrong.

    Examples:

      cali index catch-up

      cali index catch-up --backlog s3://cali-archive/index-backlog | tail -1
    """
    settings, secrets = load_settings(), load_secrets()
    try:
        root = backlog or settings.store.index_backlog
        reports = asyncio.run(drain_backlog(settings, secrets, root, _print_report))
    except (BotoCoreError, ClientError) as error:
        typer.echo(f"S3: {error}", err=True)
        raise typer.Exit(EXIT_FAILED) from None
    totals = summary(reports)
    typer.echo(json.dumps(totals))
    if totals["left"]:
        raise typer.Exit(EXIT_FAILED)


def summary(reports: list[ObjectReport]) -> dict[str, int]:
    """Return the totals; `left` are the objects that are still in the backlog."""
    return {
        "objects": len(reports),
        "indexed": sum(report.indexed for report in reports),
        "rejected": sum(report.rejected for report in reports),
        "left": sum(report.status in {ObjectStatus.UNREADABLE, ObjectStatus.UNAVAILABLE} for report in reports),
    }


async def drain_backlog(
    settings: Settings, secrets: Secrets, root: str, on_report: Callable[[ObjectReport, str], None]
) -> list[ObjectReport]:
    """Index the objects below `root`, a folder or `s3://` URL; delete each once all of it is indexed.

    `on_report` is told of each object, with its address.

    Raises:
        BotoCoreError, ClientError: S3 failed.
    """
    source = folder(root, settings.aws)
    names = [(target, name) for target in IndexTarget for name in source.names(target)]
    patient = settings.index.model_copy(update={"request_timeout_seconds": HOLD.request_timeout_seconds})
    reports = []
    async with contextlib.aclosing(OpenSearchBulkStore(patient, secrets)) as store:
        worker = _Worker(source, folder(settings.store.dead_letters, settings.aws), store, settings.index.prefix)
        with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
            for target, name in progress.track(names, description="backlog objects"):
                report = await worker.catch_up(target, name)
                reports.append(report)
                on_report(report, source.url(name))
    return reports


def _print_report(report: ObjectReport, url: str) -> None:
    typer.echo(json.dumps(report._asdict() | {"object": url}))


class _Worker:
    """Takes one object after the other. Once OpenSearch is away the rest is not tried: the breaker stays open."""

    def __init__(self, source: Folder, letters: Folder, store: BulkStore, prefix: str) -> None:
        self._source = source
        self._letters = letters
        self._store = store
        self._prefix = prefix
        self._breaker = Breaker(failures=1, cool_down_seconds=float("inf"))

    async def catch_up(self, target: IndexTarget, name: str) -> ObjectReport:
        """Index one object, then delete it."""
        report = ObjectReport(name, ObjectStatus.INDEXED)
        try:
            with contextlib.closing(self._source.open(name)) as stream:
                for batch in read_batches(target, stream, self._prefix):
                    report = await self._index(target, batch, report)
                    if report.status is ObjectStatus.UNAVAILABLE:
                        break
        except ObjectGoneError:
            return report._replace(status=ObjectStatus.GONE)
        except UnreadableError:
            return report._replace(status=ObjectStatus.UNREADABLE)
        if report.status is ObjectStatus.INDEXED:
            self._source.delete(name)
        return report

    async def _index(self, target: IndexTarget, batch: Batch, report: ObjectReport) -> ObjectReport:
        outcome = await deliver(batch, self._store, self._breaker, HOLD)
        if outcome.rejected:
            self._write_dead_letters(dead_letters(target, batch, outcome.rejected), batch.hour)
        return report._replace(
            status=ObjectStatus.UNAVAILABLE if outcome.missing else report.status,
            indexed=report.indexed + outcome.accepted,
            rejected=report.rejected + len(outcome.rejected),
        )

    def _write_dead_letters(self, chunk: bytes, hour: int) -> None:
        # The name is made of the content, so that a second run writes the same file and not a second one.
        content = chunk[HEADER_SIZE:]
        day = datetime.fromtimestamp(hour / 1000, UTC)
        name = f"dt={day:%Y-%m-%d}/hour={day:%H}/index-catch-up-{stable_hash(content.decode())}.ndjson.gz"
        self._letters.write(name, gzip.compress(content, mtime=0))


def read_batches(target: IndexTarget, stream: IO[bytes], prefix: str) -> Iterator[Batch]:
    """Read a gzip NDJSON object as batches of at most `BATCH_BYTES` and one line, each of one arrival hour.

    Raises:
        UnreadableError: the object is cut short, or holds something else than documents.
    """
    try:
        for hour, lines in _by_hour(target, read_lines(stream)):
            yield make_batch(target, hour, lines, prefix)
    except (DamagedError, ValueError, KeyError, TypeError) as error:
        raise UnreadableError from error


def _by_hour(target: IndexTarget, text: Iterable[bytes]) -> Iterator[tuple[int, list[bytes]]]:
    lines: list[bytes] = []
    size = hour = 0
    for line in text:
        line_hour = hour_of(arrival_time(target, line))
        if lines and (line_hour != hour or size >= BATCH_BYTES):
            yield hour, lines
            lines, size = [], 0
        hour = line_hour
        lines.append(line)
        size += len(line)
    if lines:
        yield hour, lines
