"""`cali quality`: whether an hour of the archive and its dead letters are what they should be."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from jobs.commands.exit_codes import EXIT_FAILED, EXIT_UNKNOWN
from jobs.commands.hours import From, To, hours_of
from jobs.commands.objects import folder
from jobs.hours import Hours, hour_name
from jobs.log_insight.settings import Settings, load_settings
from quality.check import Checked, Limits, Stores, check_hour, count_receipts, read_marker, read_report
from quality.pages import hours_of_day, page_of, write_pages
from quality.report import Finding, HourReport
from udfs.chunk import HOUR_MS, hour_folder
from udfs.redact import Redactor, load_redact_rules
from udfs.worker import settle_garbage

POLL_SECONDS = 10.0
#: From the marker of an hour to its last files: some checkpoints.
SETTLE_SECONDS = 180.0
_EXAMPLES = 3
#: The storage failed: of S3 or of this machine.
_NO_ANSWER = (BotoCoreError, ClientError, OSError)


def quality(
    first: From,
    end: To,
    wait: Annotated[float, typer.Option(min=0, help="Minutes to wait for an hour to be complete.")] = 0.0,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, also on a terminal.")] = False,
) -> None:
    """Check whole hours of the archive and the dead letters, and write a report of each.

    An hour is checked when its marker is there, which the job writes once it has read all of it. Checked are objects,
    every line, the account of the receipts, gaps in the reading of shards, and the volume of each service against the
    same hour of the last days. A table an hour on a terminal, a JSON object a line elsewhere, with what is not as
    expected on standard error; report and pages go to CALI_QUALITY__REPORTS. An hour may be checked again.

    Exit code 0: all is as expected; 1: an expectation is not met; 2: an option or a setting is wrong; 3: not known
    (yet), as an hour is not complete or S3 does not answer, and what is known is as expected.

    Examples:

      cali quality --from 2026-11-22T09:00 --to 2026-11-22T10:00

      cali quality --from 2026-11-22 --to 2026-11-23 | jq -r '.findings[] | select(.success | not).expectation'

      CALI_QUALITY__REPORTS=./quality cali quality --from 2026-11-22T09 --to 2026-11-22T10
    """
    hours = hours_of(first, end)
    settings = load_settings()
    codes = set(_check(hours, settings, time.monotonic() + wait * 60, as_json=as_json))
    if codes:
        raise typer.Exit(min(codes))


def _check(hours: Hours, settings: Settings, deadline: float, *, as_json: bool) -> Iterator[int]:
    """Check each hour, show it, and yield an exit code for what is not as it should be."""
    redactor = Redactor(load_redact_rules())
    limits = _limits(settings)
    stores: Stores | None = None
    settle_garbage()
    for hour in hours.starts():
        try:
            stores = stores or _stores(settings)
            attempt = partial(_check_hour, stores, hour, limits, redactor, deadline)
            checked = _patiently(attempt, deadline)
            if checked is None:
                typer.echo(f"{hour_name(hour)}: {_why_incomplete(stores, hour)}", err=True)
                yield EXIT_UNKNOWN
                continue
            write_pages(stores.reports, checked, list(_other_reports(stores, hour)))
            _show(checked.report, stores.reports.url(page_of(hour)), as_json=as_json)
            if not checked.report.success:
                yield EXIT_FAILED
        except _NO_ANSWER as error:
            typer.echo(f"{hour_name(hour)}: {error}", err=True)
            yield EXIT_UNKNOWN
            return


def _patiently(attempt: Callable[[], Checked | None], deadline: float) -> Checked | None:
    """Check again, as long as there is time, where the storage does not answer."""
    while True:
        try:
            return attempt()
        except _NO_ANSWER as error:
            if time.monotonic() >= deadline:
                raise
            typer.echo(f"again, after: {error}", err=True)
            time.sleep(min(POLL_SECONDS, max(0.0, deadline - time.monotonic())))


def _why_incomplete(stores: Stores, hour: int) -> str:
    over = hour + HOUR_MS
    if time.time() * 1000 < over:
        return f"not complete, it is not over before {hour_name(over)}"
    return f"not complete, there is no marker that can be read in {stores.markers.url(hour_folder(hour))}"


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


def _check_hour(stores: Stores, hour: int, limits: Limits, redactor: Redactor, deadline: float) -> Checked | None:
    """Check an hour once it is complete; None where that is not so in time.

    The last files of an hour may come a checkpoint after its marker: they are waited for, the receipts before
    everything is read, lines and letters behind it. What does not come then is missing.
    """
    settled = None
    while True:
        marker = read_marker(stores, hour)
        now = time.monotonic()
        if marker:
            settled = min(deadline, now + SETTLE_SECONDS) if settled is None else settled
            if now >= settled or count_receipts(stores, hour) >= marker.receipts:
                checked = check_hour(stores, marker, limits, redactor, time.time_ns() // 1_000_000)
                if now >= settled or not checked.is_early:
                    return checked
        elif now >= deadline:
            return None
        time.sleep(min(POLL_SECONDS, max(0.0, (settled or deadline) - now)))


def _other_reports(stores: Stores, hour: int) -> Iterator[HourReport]:
    reports = (read_report(stores, each) for each in hours_of_day(hour) if each != hour)
    return (report for report in reports if report)


def _show(report: HourReport, page: str, *, as_json: bool) -> None:
    if sys.stdout.isatty() and not as_json:
        console = Console()
        console.print(_table(report))
        found = f"{report.lines:,} lines and {report.dead_letters:,} dead letters in {report.objects} objects"
        console.print(f"{found}. {escape(page)}")
        return
    typer.echo(json.dumps(report.model_dump(mode="json") | {"page": page}, ensure_ascii=False))
    for finding in report.failed:
        typer.echo(f"{hour_name(report.hour)}: {_sentence(finding)}", err=True)


def _table(report: HourReport) -> Table:
    verdict = "as expected" if report.success else f"{len(report.failed)} expectations not met"
    names = Column("expectation", no_wrap=True)
    table = Table("", "suite", names, "checked", "unexpected", "examples", title=f"{hour_name(report.hour)}: {verdict}")
    for finding in report.findings:
        table.add_row(
            "✔" if finding.success else "✘",
            finding.suite,
            finding.expectation,
            f"{finding.checked:,}",
            f"{finding.unexpected:,}",
            escape("\n".join(finding.examples[:_EXAMPLES])),
            style=None if finding.success else "red",
        )
    return table


def _sentence(finding: Finding) -> str:
    of_all = f"{finding.unexpected:,} of {finding.checked:,}"
    return f"{finding.suite} {finding.expectation}: {of_all}, such as {'; '.join(finding.examples[:_EXAMPLES])}"
