"""The story that `make demo` tells: the stack, the job, failing services, alerts, and an account of all of it."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from jobs.commands.index import drain_backlog, summary
from jobs.log_insight.settings import Secrets, Settings
from local.audit import Findings, Stores, audit, percentile
from local.generator.failures import FAILURES
from local.generator.manifest import Manifest
from local.generator.send import KinesisStream, send
from local.generator.story import Options, Story
from local.moto import STREAM
from local.stack import Stack

_POLL_SECONDS = 0.5
_COMPLETE_SECONDS = 90.0
#: After everything has arrived: long enough for what should not come, a second alert or a second copy.
_QUIET_SECONDS = 6.0


class Plan(NamedTuple):
    """How much is told: log lines, seconds, and the seed that makes it the same story again."""

    lines: int
    seconds: float
    seed: int


class Account(NamedTuple):
    """What came of it."""

    manifest: Manifest
    findings: Findings
    throughput: float


class DemoError(Exception):
    """The story did not end as it should."""


def tell(stack: Stack, plan: Plan, settings: Settings, secrets: Secrets, console: Console) -> Account:
    """Send the story, print alerts as they come, await its end, and count what the stores hold."""
    stores = Stores(settings, secrets)
    story = Story(Options(plan.seed, plan.lines, plan.seconds, time.time_ns() // 1_000_000))
    with _ticker(stack, console):
        manifest = send(story, KinesisStream(stack.moto.client("kinesis"), STREAM, plan.seed), paced=True)
        console.print(f"everything is sent: {manifest.records:,} Kinesis records, {manifest.lines:,} log lines")
        _await_files(manifest, stores)
        _await("indexed", lambda: _caught_up(stores, settings, secrets, console), manifest.lines)
        complete_at = time.time_ns() // 1_000_000
        time.sleep(_QUIET_SECONDS)
    findings = audit(manifest, stores, stack.inbox.messages(), FAILURES)
    return Account(manifest, findings, findings.sent * 1000 / (complete_at - manifest.started_ms))


def report(account: Account) -> dict[str, Any]:
    """Return the report as it is written to `build/demo-report.json`."""
    findings = account.findings
    return {
        "records": {
            "sent": findings.sent,
            "archived": findings.archived,
            "indexed": findings.indexed,
            "dead_letters": findings.dead_letters,
            "lost": findings.lost,
            "duplicated": findings.duplicated,
        },
        "incidents": findings.incidents,
        "alerts": {"posted": findings.alerts, "duplicates": findings.duplicate_alerts},
        "latency_seconds": {
            "first_alert_p50": percentile(findings.first_alert_seconds, 0.5),
            "first_alert_p95": percentile(findings.first_alert_seconds, 0.95),
        },
        "throughput_records_per_second": round(account.throughput, 1),
    }


def write_report(account: Account, path: Path) -> None:
    """Write the report as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report(account), indent=2) + "\n")


def print_account(account: Account, console: Console) -> None:
    """Print what went where, and which failure was told of when."""
    findings = account.findings
    records = Table("records", "count", title="What went where, counted in the stores")
    for name, count in report(account)["records"].items():
        records.add_row(name, f"{count:,}")
    console.print(records)
    failures = Table("failure", "service", "lines", "alerts", "first alert after", title="What was told of")
    for failure in account.manifest.failures:
        alerts = findings.failures[failure.name]
        seconds = [(alert.received_at - (failure.first_put_ms or 0)) / 1000 for alert in alerts]
        failures.add_row(
            failure.name,
            failure.service,
            f"{failure.lines:,}",
            str(len(alerts)),
            f"{min(seconds):.1f} s" if seconds else "–",  # noqa: RUF001 - a dash for nothing
        )
    console.print(failures)
    figures = report(account)
    latency = figures["latency_seconds"]
    console.print(f"{findings.alerts} alerts for {findings.sent:,} records, {findings.duplicate_alerts} of them twice")
    console.print(f"first alert p50 {latency['first_alert_p50']} s, p95 {latency['first_alert_p95']} s")
    console.print(f"{figures['throughput_records_per_second']:,} records a second")


def _await_files(manifest: Manifest, stores: Stores) -> None:
    """Return when archive and dead letters hold as much as was sent."""
    _await("dead letters", lambda: len(stores.dead_letter_ids()), manifest.dead_letters)
    _await("archived", lambda: sum(1 for _ in stores.archive()), manifest.lines)


def _await(name: str, count: Callable[[], int], wanted: int) -> None:
    deadline = time.monotonic() + _COMPLETE_SECONDS
    while (found := count()) < wanted:
        if time.monotonic() > deadline:
            raise DemoError(f"after {_COMPLETE_SECONDS:.0f} s only {found:,} of {wanted:,} are {name}")
        time.sleep(_POLL_SECONDS)


def _caught_up(stores: Stores, settings: Settings, secrets: Secrets, console: Console) -> int:
    """Do what an operator does where OpenSearch was too slow for a while; return how much is indexed now."""
    reports = asyncio.run(drain_backlog(settings, secrets, settings.store.index_backlog, lambda *_: None))
    if indexed := summary(reports)["indexed"]:
        console.print(f"OpenSearch had been too slow: {indexed:,} documents indexed from the backlog")
    return stores.indexed_count()


@contextmanager
def _ticker(stack: Stack, console: Console) -> Iterator[None]:
    """Print alerts as they come, until the block is left."""
    stop = threading.Event()

    def tick() -> None:
        seen = 0
        while not stop.wait(_POLL_SECONDS):
            messages = stack.inbox.messages()
            for message in messages[seen:]:
                console.print(_headline(message))
            seen = len(messages)

    thread = threading.Thread(target=tick, name="alerts", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _headline(message: Mapping[str, Any]) -> Text:
    """Return an alert's headline as text without markup: it holds words of strangers."""
    clock = time.strftime("%H:%M:%S", time.localtime(message["received_at_ms"] / 1000))
    payload = message["payload"]
    # Without blocks it is the plain text that goes out after a refusal.
    headline = payload["blocks"][0]["text"]["text"] if "blocks" in payload else payload["text"].partition("\n")[0]
    return Text(f"{clock}  #{message['channel']}  {headline}")
