"""`cali quality`: whether an hour of the archive and its dead letters are what they should be."""

import json
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, NoReturn

import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from jobs.commands.objects import folder
from jobs.log_insight.settings import Settings, load_settings
from quality.accounts import Account
from quality.check import Checked, Limits, Stores, check_hour, read_ledger, read_marker, read_report
from quality.pages import hours_of_day, page_of, write_pages
from quality.report import Finding, HourReport
from schemas.hour_marker import HourMarker
from udfs.chunk import HOUR_MS
from udfs.redact import Redactor, load_redact_rules

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INCOMPLETE = 3

POLL_SECONDS = 5.0
#: A typing mistake in a year must not read the archive for days.
MAX_HOURS = 24 * 31


def quality(
    start: Annotated[str, typer.Option("--from", help="First hour, ISO-8601; UTC where no zone is given.")],
    end: Annotated[str, typer.Option("--to", help="End of the last hour, likewise.")],
    wait: Annotated[float, typer.Option(min=0, help="Minutes to wait for an hour to be complete.")] = 0.0,
) -> None:
    """Check whole hours of the archive and the dead letters, and write a report of each.

    An hour is checked when its marker is there, which the job writes once it has read all of it. Checked are objects,
    every line, the account of the receipts, gaps in the reading of shards, and the volume of each service against the
    same hour of the last days. A table an hour on a terminal, a JSON line in a pipe; report and pages go to
    CALI_QUALITY__REPORTS. An hour may be checked again: its report is written anew.

    Exit code 0: all is as expected; 1: an expectation is not met, or S3 failed; 2: an option or a setting is wrong;
    3: an hour is not complete yet, and those that are complete are as expected.

    Examples:

      cali quality --from 2026-11-22T09:00 --to 2026-11-22T10:00

      cali quality --from 2026-11-22 --to 2026-11-23 | jq -r '.findings[] | select(.success | not).expectation'

      CALI_STORE__ARCHIVE=./logs CALI_QUALITY__REPORTS=./quality cali quality --from 2026-11-22T09 --to 2026-11-22T10
    """
    hours = _hours(start, end)
    settings = load_settings()
    deadline = time.monotonic() + wait * 60
    codes = set()
    try:
        stores = _stores(settings)
        redactor = Redactor(load_redact_rules())
        for hour in hours:
            marker = _await_marker(stores, hour, deadline)
            if marker is None:
                typer.echo(f"{_title(hour)}: not complete, there is no marker of it", err=True)
                codes.add(EXIT_INCOMPLETE)
                continue
            checked = check_hour(stores, marker, _limits(settings), redactor, time.time_ns() // 1_000_000)
            write_pages(stores.reports, checked, list(_other_reports(stores, hour)))
            _show(checked, stores.reports.url(page_of(hour)))
            if not checked.report.success:
                codes.add(EXIT_FAILED)
    except (BotoCoreError, ClientError) as error:
        typer.echo(f"S3: {error}", err=True)
        codes.add(EXIT_FAILED)
    if codes:
        raise typer.Exit(min(codes))


def _hours(start: str, end: str) -> range:
    first, last = _hour(start, "--from"), _hour(end, "--to")
    if first >= last:
        _refuse("--to is not after --from")
    if last - first > MAX_HOURS * HOUR_MS:
        _refuse(f"more than {MAX_HOURS} hours")
    return range(first, last, HOUR_MS)


def _hour(text: str, option: str) -> int:
    try:
        time_of = datetime.fromisoformat(text)
    except ValueError:
        _refuse(f"{option} {text!r} is no time such as 2026-11-22T09:00")
    aware = time_of if time_of.tzinfo else time_of.replace(tzinfo=UTC)
    milliseconds = round(aware.timestamp() * 1000)
    if milliseconds % HOUR_MS:
        _refuse(f"{option} {text!r} is not the start of an hour in UTC")
    return milliseconds


def _refuse(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(EXIT_USAGE)


def _stores(settings: Settings) -> Stores:
    store, aws = settings.store, settings.aws
    return Stores(
        archive=folder(store.archive, aws),
        dead_letters=folder(store.dead_letters, aws),
        receipts=folder(store.receipts, aws),
        markers=folder(store.markers, aws),
        reports=folder(settings.quality.reports, aws),
    )


def _limits(settings: Settings) -> Limits:
    return Limits(
        skew_ms=round(settings.ingest.max_skew_future_seconds * 1000),
        volume_days=settings.quality.volume_days,
        volume_factor=settings.quality.volume_factor,
    )


def _await_marker(stores: Stores, hour: int, deadline: float) -> HourMarker | None:
    """Return an hour's marker, and wait for it, and for its receipts, as long as there is time.

    The last files of an hour may come a checkpoint after its marker.
    """
    while True:
        marker = read_marker(stores, hour)
        time_is_up = time.monotonic() >= deadline
        if time_is_up or (marker and _account(stores, hour).receipts >= marker.receipts):
            return marker
        time.sleep(min(POLL_SECONDS, max(0.0, deadline - time.monotonic())))


def _account(stores: Stores, hour: int) -> Account:
    return read_ledger(stores, hour, []).account


def _other_reports(stores: Stores, hour: int) -> Iterator[HourReport]:
    reports = (read_report(stores, each) for each in hours_of_day(hour) if each != hour)
    return (report for report in reports if report)


def _show(checked: Checked, page: str) -> None:
    report = checked.report
    if not sys.stdout.isatty():
        typer.echo(json.dumps(report.model_dump(mode="json") | {"page": page}, ensure_ascii=False))
        return
    console = Console()
    console.print(_table(report))
    console.print(
        f"{report.lines:,} lines and {report.dead_letters:,} dead letters in {report.objects} objects. {escape(page)}"
    )


def _table(report: HourReport) -> Table:
    verdict = "as expected" if report.success else f"{len(report.failed)} expectations not met"
    columns = ("", "suite", "expectation", "checked", "unexpected", "examples")
    table = Table(*columns, title=f"{_title(report.hour)}: {verdict}")
    for finding in report.findings:
        table.add_row(
            "✔" if finding.success else "✘",
            finding.suite,
            finding.expectation,
            f"{finding.checked:,}",
            f"{finding.unexpected:,}",
            escape(_examples(finding)),
            style=None if finding.success else "red",
        )
    return table


def _examples(finding: Finding) -> str:
    return "\n".join(finding.examples[:3])


def _title(hour: int) -> str:
    return f"{datetime.fromtimestamp(hour / 1000, UTC):%Y-%m-%d %H}:00 UTC"
