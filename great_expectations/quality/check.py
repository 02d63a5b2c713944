"""Check one arrival hour: read it as a stream, make the tables that its suites speak of, validate them."""

import tempfile
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import orjson
import pandas as pd
import pydantic
from great_expectations.core import ExpectationValidationResult

from jobs.commands.objects import Folder, ObjectGoneError
from quality.accounts import Ledger, latest
from quality.archive import SERVICE, lines_table
from quality.dead_letters import letters_table
from quality.ids import Hashes, Repeated, SeenIds, names_of
from quality.objects import Chunk, ObjectReport, read_chunks
from quality.report import Finding, HourReport
from quality.shown import shown
from quality.suites import Suite, Table, archive_suite, dead_letter_suite
from quality.validation import EXAMPLES, TableValidator, name_of
from quality.volumes import Volume, compare_volumes
from schemas.base import WireModel
from schemas.dead_letter import Stage
from schemas.hour_marker import HourMarker
from schemas.receipt import Receipt
from udfs.chunk import HOUR_MS, hour_folder
from udfs.redact import Redactor

REPORT = "result.json"
DAY_MS = 24 * HOUR_MS

#: Services of a report at most: their names come from logs.
_MAX_SERVICES = 1_000

M = TypeVar("M", bound=WireModel)


class Stores(NamedTuple):
    """Where the job wrote, and where reports are."""

    archive: Folder
    dead_letters: Folder
    receipts: Folder
    markers: Folder
    reports: Folder


class Limits(NamedTuple):
    """What is still expected: how long before its event a line may arrive, and how far a volume may be from the usual.

    `volume_days` earlier days are looked at; `volume_factor` is how many times less or more than usual is expected.
    """

    skew_ms: int
    volume_days: int
    volume_factor: float


class SuiteResult(NamedTuple):
    """What came of a suite, in its order."""

    suite: Suite
    results: list[ExpectationValidationResult]


class Checked(NamedTuple):
    """A checked hour: for programs, and for pages.

    `is_early` tells whether there is less than the marker says: its last files may not be committed yet.
    """

    report: HourReport
    results: list[SuiteResult]
    is_early: bool


def read_marker(stores: Stores, hour: int) -> HourMarker | None:
    """Return the marker that counts of an hour, if it has one that can be read.

    Raises:
        BotoCoreError, ClientError: S3 failed.
    """
    return latest(each for each in _models(stores.markers, hour, HourMarker, []) if each.hour == hour)


def count_receipts(stores: Stores, hour: int) -> int:
    """Return how many receipts of an hour there are.

    Raises:
        BotoCoreError, ClientError: S3 failed.
    """
    ledger = Ledger(hour)
    for receipt in _models(stores.receipts, hour, Receipt, []):
        ledger.add(receipt)
    return ledger.account.receipts


def read_report(stores: Stores, hour: int) -> HourReport | None:
    """Return the report of an hour, if it was checked and a release that wrote reports as this one does has done it.

    It is looked for before it is read: S3 may answer that what is not there is forbidden.

    Raises:
        BotoCoreError, ClientError: S3 failed.
    """
    name = f"{hour_folder(hour)}/{REPORT}"
    if name not in stores.reports.names(hour_folder(hour)):
        return None
    try:
        with stores.reports.open(name) as stream:
            report = HourReport.model_validate_json(stream.read())
    except (ObjectGoneError, pydantic.ValidationError):
        return None
    return report if report.hour == hour else None


def check_hour(stores: Stores, marker: HourMarker, limits: Limits, redactor: Redactor, checked_at: int) -> Checked:
    """Check the hour of a marker.

    Args:
        stores: what is read.
        marker: the hour's.
        limits: what is still expected.
        redactor: the rules of what must not be in the archive.
        checked_at: now, epoch milliseconds.

    Raises:
        BotoCoreError, ClientError: S3 failed.
        EvaluationError: an expectation could not be evaluated, a bug.
    """
    hour = marker.hour
    archive, letters = _Tables(archive_suite()), _Tables(dead_letter_suite())
    with (
        tempfile.TemporaryDirectory(prefix="cali-quality-") as folder,
        SeenIds(Path(folder, "archived")) as archived_ids,
        SeenIds(Path(folder, "dead")) as dead_ids,
    ):
        archived = _Lines(stores.archive, hour, archived_ids)
        archived.check(archive, lambda chunk: lines_table(chunk, redactor, limits.skew_ms))
        dead = _Lines(stores.dead_letters, hour, dead_ids)
        dead.check(letters, lambda chunk: letters_table(chunk, redactor))
        ledger = _read_ledger(stores, hour, archived.objects)
        both = archived_ids.common(dead_ids)
        _check_ids(archive, archived, both, redactor)
        _check_ids(letters, dead, both[:0], redactor)
    archive.check(Table.ACCOUNT, _account_of_archive(ledger, marker, archived.distinct))
    letters.check(Table.ACCOUNT, _account_of_letters(ledger, marker, dead.distinct))
    archived.objects += _damaged_markers(stores, hour)
    archive.check(Table.OBJECTS, _named_rows(ObjectReport._fields, archived.objects))
    letters.check(Table.OBJECTS, _named_rows(ObjectReport._fields, dead.objects))
    archive.check(Table.SHARDS, _shards(ledger, read_marker(stores, hour - HOUR_MS), marker))
    past = [read_report(stores, hour - day * DAY_MS) for day in range(1, limits.volume_days + 1)]
    volumes = compare_volumes(archived.services, [day.services for day in past if day], limits.volume_factor)
    archive.check(Table.VOLUMES, _named_rows(Volume._fields, volumes))
    results = [archive.results(), letters.results()]
    findings = [_finding(result.suite, each) for result in results for each in result.results]
    report = HourReport(
        hour=hour,
        checked_at=checked_at,
        success=all(finding.success for finding in findings),
        objects=len(archived.objects) + len(dead.objects),
        lines=archived.count,
        dead_letters=dead.count,
        services=dict(archived.services.most_common(_MAX_SERVICES)),
        findings=findings,
    )
    account = ledger.account
    found = (account.receipts, archived.distinct, dead.distinct)
    marked = (marker.receipts, marker.archived, marker.dead)
    return Checked(report, results, is_early=any(here < there for here, there in zip(found, marked, strict=True)))


class _Tables:
    """Validates the tables of a suite as they come."""

    def __init__(self, suite: Suite) -> None:
        self._suite = suite
        self._validators = {table: TableValidator(part) for table, part in suite.parts.items()}

    def check(
        self, table: Table, rows: pd.DataFrame, where: Callable[[int], str] | None = None, unlisted: int = 0
    ) -> None:
        """Validate a table, or a chunk of it. Without `where`, a row is named by its index."""
        named = where or (lambda row: str(rows.index[row]))
        self._validators[table].validate(rows.reset_index(drop=True), named, unlisted)

    def results(self) -> SuiteResult:
        """Return what came of all of it, in the order of the suite."""
        return SuiteResult(
            self._suite, [result for validator in self._validators.values() for result in validator.results]
        )


class _Lines:
    """The lines of a data set. Of an index's dead letters the receipts say nothing: their records are archived."""

    def __init__(self, place: Folder, hour: int, ids: SeenIds) -> None:
        self.place = place
        self.hour = hour
        self.ids = ids
        self.objects: list[ObjectReport] = []
        self.services: Counter[str] = Counter()
        self.count = 0
        self._without_id = 0

    def check(self, tables: _Tables, table_of: Callable[[Chunk], pd.DataFrame]) -> None:
        """Read and validate all lines."""
        for chunk in chain(read_chunks(self.place, hour_folder(self.hour), self.objects), [Chunk([], [])]):
            table = table_of(chunk)
            tables.check(Table.LINES, table.assign(hour=self.hour), chunk.where)
            self.count += len(table)
            if SERVICE in table:
                self.services.update(table[SERVICE].value_counts().drop("", errors="ignore").to_dict())
            ids = _received(table)["id"]
            self._without_id += int(ids.isna().sum())
            self.ids.add(ids.dropna().tolist())

    @cached_property
    def repeated(self) -> Repeated:
        """The ids that are there more than once, when all lines have been read."""
        return self.ids.repeated()

    @property
    def different_ids(self) -> int:
        """The number of ids, each counted once."""
        return self.ids.count - self.repeated.superfluous

    @property
    def distinct(self) -> int:
        """The number of lines, each id counted once. A line whose id cannot be read is a line."""
        return self.different_ids + self._without_id

    def names(self, wanted: Hashes) -> dict[int, str]:
        """Find the ids that have these hashes."""
        chunks = read_chunks(self.place, hour_folder(self.hour), []) if len(wanted) else ()
        return names_of(wanted, ([_id(line) for line in chunk.lines] for chunk in chunks))


def _received(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["stage"] != Stage.INDEX] if "stage" in table else table


def _id(line: bytes) -> str:
    try:
        return str(orjson.loads(line)["id"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return ""


def _check_ids(tables: _Tables, lines: _Lines, both: Hashes, redactor: Redactor) -> None:
    hashes, times = lines.repeated
    everything = np.union1d(hashes, both)
    rows = pd.DataFrame({"copies": 1, "dead_too": np.isin(everything, both).astype(int)}, index=everything)
    rows.loc[hashes, "copies"] = times
    names = lines.names(np.concatenate([hashes[:EXAMPLES], both[:EXAMPLES]]))
    unlisted = lines.different_ids - len(everything)
    tables.check(Table.IDS, rows, lambda row: shown(names.get(int(everything[row]), "an id"), redactor), unlisted)


def _account_of_archive(ledger: Ledger, marker: HourMarker, archived: int) -> pd.DataFrame:
    account = ledger.account
    row = {
        "archived": archived,
        "archived_by_receipts": account.archived,
        "receipts": account.receipts,
        "receipts_by_marker": marker.receipts,
        "archived_by_marker": marker.archived,
        "unsound_receipts": len(ledger.unsound),
    }
    return pd.DataFrame([row], index=[", ".join(ledger.unsound[:EXAMPLES]) or "the hour"])


def _account_of_letters(ledger: Ledger, marker: HourMarker, dead: int) -> pd.DataFrame:
    row = {"dead": dead, "dead_by_receipts": ledger.account.dead, "dead_by_marker": marker.dead}
    return pd.DataFrame([row], index=["the hour"])


def _shards(ledger: Ledger, before: HourMarker | None, marker: HourMarker) -> pd.DataFrame:
    gaps = ledger.gaps(before.origins if before else {}, marker.origins)
    rows = [(shard, gap) for shard, found in gaps.items() for gap in (found or (None,))]
    return _named_rows(("shard", "gap"), rows)


def _named_rows(columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> pd.DataFrame:
    """Return a table whose rows are named by their first column."""
    return pd.DataFrame(rows, columns=list(columns)).set_index(columns[0])


def _read_ledger(stores: Stores, hour: int, reports: list[ObjectReport]) -> Ledger:
    """Return the receipts of an hour and of those beside it; append a report of each object of the hour's own."""
    ledger = Ledger(hour)
    for each in (hour - HOUR_MS, hour, hour + HOUR_MS):
        for receipt in _models(stores.receipts, each, Receipt, reports if each == hour else []):
            ledger.add(receipt)
    return ledger


def _damaged_markers(stores: Stores, hour: int) -> list[ObjectReport]:
    reports: list[ObjectReport] = []
    deque(_models(stores.markers, hour, HourMarker, reports), maxlen=0)
    return [report for report in reports if report.damage]


def _models(place: Folder, hour: int, model: type[M], reports: list[ObjectReport]) -> Iterator[M]:
    """Yield the lines of an hour's objects as models; append a report of each object, and of lines that are none."""
    unreadable = []
    for chunk in read_chunks(place, hour_folder(hour), reports):
        for row, line in enumerate(chunk.lines):
            try:
                yield model.model_validate_json(line, strict=True)
            except pydantic.ValidationError:
                unreadable.append(ObjectReport(chunk.where(row), 0, f"no {model.__name__}"))
    reports += unreadable


def _finding(suite: Suite, result: ExpectationValidationResult) -> Finding:
    return Finding(
        suite=suite.name,
        expectation=name_of(result),
        description=str(result.expectation_config.description),
        success=bool(result.success),
        checked=result.result["element_count"],
        unexpected=result.result["unexpected_count"],
        examples=result.result["partial_unexpected_list"],
    )
