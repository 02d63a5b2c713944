"""The suites: what is expected of an archive hour and of its dead letters.

An expectation speaks of a table. `lines` has a row a line and is checked in chunks; the others are made once an hour
(`quality.check`): `objects`, a row for each stored object; `ids`, a row for each id that is there more often than once;
`account`, one row; `shards`, a row each; `volumes`, a row for each service that has a past.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, NamedTuple

import great_expectations.expectations as gxe

import great_expectations as gx
from schemas.dead_letter import Stage
from schemas.log_entry import Severity


class Table(StrEnum):
    """What an expectation speaks of."""

    LINES = "lines"
    OBJECTS = "objects"
    IDS = "ids"
    ACCOUNT = "account"
    SHARDS = "shards"
    VOLUMES = "volumes"


class Suite(NamedTuple):
    """Expectations of one data set, by the table that they speak of. The tables' order is that of the reports."""

    name: str
    title: str
    parts: dict[Table, gx.ExpectationSuite]


def archive_suite() -> Suite:
    """Return what is expected of an hour of the archive."""
    return _suite(
        "archive",
        "Archive",
        {
            Table.OBJECTS: [
                _null("objects_are_whole", "damage", "Each object can be read to its end."),
            ],
            Table.LINES: [
                _null("lines_are_documents", "malformed", "Each line is a log document: every field, of its type."),
                gxe.ExpectColumnValuesToBeInSet(
                    column="severity_text",
                    value_set=[severity.value for severity in Severity],
                    **_named("severities_are_known", "Each severity is one of OpenTelemetry's."),
                ),
                gxe.ExpectColumnValuesToNotBeNull(
                    column="service.name", **_named("services_are_named", "Each line says which service wrote it.")
                ),
                gxe.ExpectColumnPairValuesAToBeGreaterThanB(
                    column_A="arrival_time",
                    column_B="earliest_arrival",
                    or_equal=True,
                    ignore_row_if="either_value_is_missing",
                    **_named(
                        "arrivals_follow_events", "Nothing arrived before it happened, beyond the skew that is allowed."
                    ),
                ),
                _in_the_hour("Each line arrived in the hour of its folder."),
                _null("nothing_is_unredacted", "unredacted", "No line holds a secret that the rules take out."),
            ],
            Table.IDS: [
                _once("ids_are_unique", "No line is there twice."),
                gxe.ExpectColumnValuesToBeBetween(
                    column="dead_too",
                    max_value=0,
                    **_named("archived_or_dead", "No line is both archived and a dead letter."),
                ),
            ],
            Table.ACCOUNT: [
                _equal(
                    "archived_as_received", "archived", "archived_by_receipts", "As many lines as receipts tell of."
                ),
                _equal(
                    "receipts_are_all_there", "receipts", "receipts_by_marker", "As many receipts as the job wrote."
                ),
                _equal(
                    "received_as_marked",
                    "archived_by_receipts",
                    "archived_by_marker",
                    "Receipts tell of as many lines as the job's marker.",
                ),
                gxe.ExpectColumnValuesToBeBetween(
                    column="unsound_receipts",
                    max_value=0,
                    **_named("receipts_add_up", "In each receipt, archived and dead are what was received."),
                ),
            ],
            Table.SHARDS: [
                _null("shards_have_no_gap", "gap", "Each shard was read without a gap, from one receipt to the next."),
            ],
            Table.VOLUMES: [
                gxe.ExpectColumnPairValuesAToBeGreaterThanB(
                    column_A="lines",
                    column_B="lowest",
                    or_equal=True,
                    **_named("volumes_are_not_low", "No service wrote far less than at this hour of the last days."),
                ),
                gxe.ExpectColumnPairValuesAToBeGreaterThanB(
                    column_A="highest",
                    column_B="lines",
                    or_equal=True,
                    **_named("volumes_are_not_high", "No service wrote far more than at this hour of the last days."),
                ),
            ],
        },
    )


def dead_letter_suite() -> Suite:
    """Return what is expected of an hour of the dead-letter queue."""
    return _suite(
        "dead-letters",
        "Dead letters",
        {
            Table.OBJECTS: [
                _null("objects_are_whole", "damage", "Each object can be read to its end."),
            ],
            Table.LINES: [
                _null("lines_are_dead_letters", "malformed", "Each line is a dead letter: every field, of its type."),
                gxe.ExpectColumnValuesToBeInSet(
                    column="stage",
                    value_set=[stage.value for stage in Stage],
                    **_named("stages_are_known", "Each letter died at a stage of the job."),
                ),
                _in_the_hour("Each letter arrived in the hour of its folder."),
                _null("originals_are_whole", "damaged_original", "The original bytes are all there."),
                _null("reasons_tell_no_secret", "unredacted", "No reason tells a secret of the record."),
            ],
            Table.IDS: [
                _once("ids_are_unique", "No letter is there twice."),
            ],
            Table.ACCOUNT: [
                _equal("dead_as_received", "dead", "dead_by_receipts", "As many letters as receipts tell of."),
                _equal(
                    "received_as_marked",
                    "dead_by_receipts",
                    "dead_by_marker",
                    "Receipts tell of as many letters as the job's marker.",
                ),
            ],
        },
    )


def _suite(name: str, title: str, parts: dict[Table, Sequence[Any]]) -> Suite:
    return Suite(
        name,
        title,
        {
            table: gx.ExpectationSuite(name=f"{name}-{table}", expectations=list(expectations))
            for table, expectations in parts.items()
        },
    )


def _named(name: str, description: str) -> dict[str, Any]:
    return {"description": description, "meta": {"name": name}}


def _null(name: str, column: str, description: str) -> Any:
    return gxe.ExpectColumnValuesToBeNull(column=column, **_named(name, description))


def _equal(name: str, a: str, b: str, description: str) -> Any:
    return gxe.ExpectColumnPairValuesToBeEqual(column_A=a, column_B=b, **_named(name, description))


def _once(name: str, description: str) -> Any:
    return gxe.ExpectColumnValuesToBeBetween(column="copies", max_value=1, **_named(name, description))


def _in_the_hour(description: str) -> Any:
    return gxe.ExpectColumnPairValuesToBeEqual(
        column_A="arrival_hour",
        column_B="hour",
        ignore_row_if="either_value_is_missing",
        **_named("arrivals_are_in_the_hour", description),
    )
