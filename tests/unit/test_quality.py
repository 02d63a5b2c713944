"""An archive hour that is as it should be passes, and each way in which it can be wrong is told by its expectation."""

import base64
import gzip
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from jobs.commands.objects import LocalFolder
from local.archived_hour import write_hour
from quality.check import Checked, Limits, Stores, check_hour, read_marker
from quality.objects import read_chunks
from quality.pages import render_hour, write_pages
from quality.report import HourReport
from udfs.chunk import HOUR_MS, hour_folder
from udfs.redact import Redactor, load_redact_rules

HOUR = 1_795_345_200_000  # 2026-11-22T11:00:00Z
LIMITS = Limits(skew_ms=300_000, volume_days=7, volume_factor=5.0)
REDACTOR = Redactor(load_redact_rules())
LINES = 4_000
DAY_MS = 24 * HOUR_MS

Line = dict[str, Any]


class Hour:
    """The stored hour below a folder, to be damaged."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def stores(self) -> Stores:
        names = ("logs", "dlq", "receipts", "markers", "quality")
        return Stores(*(LocalFolder(self.root / name) for name in names))

    def objects(self, store: str) -> list[Path]:
        return sorted((self.root / store / hour_folder(HOUR)).iterdir())

    def lines(self, store: str) -> list[Line]:
        return [orjson.loads(line) for path in self.objects(store) for line in gzip.open(path)]

    def rewrite(self, store: str, change: Callable[[list[Any]], list[Any]], number: int = 0) -> None:
        """Write one object anew, with its lines changed; a line may be bytes, to be written as they are."""
        path = self.objects(store)[number]
        with gzip.open(path) as file:
            lines = change([orjson.loads(line) for line in file])
        with gzip.open(path, "wb") as file:
            file.writelines((line if isinstance(line, bytes) else orjson.dumps(line)) + b"\n" for line in lines)

    def change(self, store: str, **fields: Any) -> None:
        """Change fields of one line; a value of `...` takes the field out, a function makes it of what it was."""

        def changed(lines: list[Line]) -> list[Line]:
            line = lines[len(lines) // 2]
            for name, value in fields.items():
                key = name.replace("__", ".").replace("event_time", "@timestamp")
                if value is ...:
                    del line[key]
                else:
                    line[key] = value(line[key]) if callable(value) else value
            return lines

        self.rewrite(store, changed)

    def check(self) -> Checked:
        marker = read_marker(self.stores, HOUR)
        assert marker is not None
        return check_hour(self.stores, marker, LIMITS, REDACTOR, HOUR + HOUR_MS)

    def failed(self) -> set[str]:
        return {f"{finding.suite}.{finding.expectation}" for finding in self.check().report.failed}


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An hour, and reports of the same hour on the days before."""
    root = tmp_path_factory.mktemp("hour")
    write_hour(root, HOUR, LINES, frame_bytes=200_000)
    hour = Hour(root)
    services = hour.check().report.services
    rng = random.Random(5)  # noqa: S311 - other days
    for day in range(1, 8):
        report = HourReport(
            hour=HOUR - day * DAY_MS,
            checked_at=0,
            success=True,
            objects=1,
            lines=LINES,
            dead_letters=0,
            services={name: round(count * rng.uniform(0.5, 2)) for name, count in services.items()},
            findings=[],
        )
        hour.stores.reports.write(f"{hour_folder(report.hour)}/result.json", report.to_bytes())
    return root


@pytest.fixture
def hour(clean: Path, tmp_path: Path) -> Hour:
    """A copy of the hour."""
    return Hour(Path(shutil.copytree(clean, tmp_path / "hour")))


def test_a_clean_hour_passes_and_everything_in_it_was_looked_at(hour):
    report = hour.check().report
    assert report.failed == []
    assert report.success
    counted = {finding.expectation: finding.checked for finding in report.findings if finding.suite == "archive"}
    assert report.lines == counted["lines_are_documents"] == counted["ids_are_unique"] == len(hour.lines("logs"))
    assert report.dead_letters == len(hour.lines("dlq")) > 0
    assert sum(report.services.values()) == report.lines
    assert counted["shards_have_no_gap"] == 2
    assert counted["volumes_are_not_low"] > 5


def truncate(hour: Hour) -> None:
    path = hour.objects("logs")[1]
    path.write_bytes(path.read_bytes()[:-200])


def repeat_a_line(hour: Hour) -> None:
    hour.rewrite("logs", lambda lines: [*lines, lines[7]])


def repeat_a_letter(hour: Hour) -> None:
    hour.rewrite("dlq", lambda lines: [*lines, lines[0]])


def archive_a_letter(hour: Hour) -> None:
    dead = hour.lines("dlq")[0]["id"]
    hour.change("logs", id=dead)


def nested(line: Line) -> bytes:
    return orjson.dumps(line | {"attributes": {}}).replace(
        b'"attributes":{}', b'"attributes":{"a":' + b"[" * 900 + b"]" * 900 + b"}"
    )


def forget_a_fingerprint(hour: Hour) -> None:
    def forget(lines: list[Line]) -> list[Line]:
        del next(line for line in lines if "fingerprint" in line)["fingerprint"]
        return lines

    hour.rewrite("logs", forget)


def silence_a_service(hour: Hour) -> None:
    """As if a service had sent nearly nothing: receipts and marker agree with what is there."""
    name = max(hour.check().report.services.items(), key=lambda item: item[1])[0]
    taken: dict[tuple[str, str], list[str]] = {}
    kept = 0
    for number in range(len(hour.objects("logs"))):

        def without(lines: list[Line]) -> list[Line]:
            nonlocal kept
            left = []
            for line in lines:
                kept += line["service.name"] == name
                if line["service.name"] == name and kept > 10:
                    origin, sequence, _ = line["id"].rsplit(":", 2)
                    taken.setdefault((origin, sequence), []).append(line["severity_text"])
                else:
                    left.append(line)
            return left

        hour.rewrite("logs", without, number)
    _take_from_receipts(hour, taken)


def _take_from_receipts(hour: Hour, taken: dict[tuple[str, str], list[str]]) -> None:
    total = sum(map(len, taken.values()))
    for number in range(len(hour.objects("receipts"))):

        def less(receipts: list[Line]) -> list[Line]:
            for receipt in receipts:
                for (origin, sequence), severities in taken.items():
                    if origin == receipt["origin"] and receipt["after"] < sequence <= receipt["last_sequence"]:
                        for severity in severities:
                            receipt["severities"][severity] -= 1
                            receipt["archived"] -= 1
                            receipt["lines"] -= 1
            return receipts

        hour.rewrite("receipts", less, number)
    hour.change("markers", archived=lambda count: count - total, lines=lambda count: count - total)


CORRUPTIONS: dict[str, tuple[Callable[[Hour], object], set[str]]] = {
    "a truncated object": (truncate, {"archive.objects_are_whole", "archive.archived_as_received"}),
    "an object that is no gzip": (
        lambda hour: hour.objects("logs")[0].write_bytes(b"plain text\n"),
        {"archive.objects_are_whole", "archive.archived_as_received"},
    ),
    "an empty object": (
        lambda hour: (hour.objects("logs")[0].parent / "archive-sink-9.ndjson.gz").write_bytes(b""),
        {"archive.objects_are_whole"},
    ),
    "a line that is no JSON": (
        lambda hour: hour.rewrite("logs", lambda lines: [orjson.dumps(lines[0])[:-30], *lines[1:]]),
        {"archive.lines_are_documents"},
    ),
    "a field that is missing": (lambda hour: hour.change("logs", body=...), {"archive.lines_are_documents"}),
    "a field of another type": (lambda hour: hour.change("logs", arrival_time=str), {"archive.lines_are_documents"}),
    "an error without fingerprint": (forget_a_fingerprint, {"archive.lines_are_documents"}),
    "an unknown severity": (lambda hour: hour.change("logs", severity_text="LOUD"), {"archive.severities_are_known"}),
    "a service of null": (lambda hour: hour.change("logs", service__name=None), {"archive.services_are_named"}),
    "no service at all": (lambda hour: hour.change("logs", service__name=...), {"archive.services_are_named"}),
    "an event after its arrival": (
        lambda hour: hour.change("logs", event_time="2026-11-22T13:30:00.000Z"),
        {"archive.arrivals_follow_events"},
    ),
    "a line of another hour": (
        lambda hour: hour.change("logs", arrival_time=HOUR + 2 * HOUR_MS),
        {"archive.arrivals_are_in_the_hour"},
    ),
    "a secret in a body": (
        lambda hour: hour.change("logs", body="login failed for password=hunter2-Xq77 of admin"),
        {"archive.nothing_is_unredacted"},
    ),
    "a secret in an attribute": (
        lambda hour: hour.change("logs", attributes={"card": "4111 1111 1111 1111"}),
        {"archive.nothing_is_unredacted"},
    ),
    "a line twice": (repeat_a_line, {"archive.ids_are_unique"}),
    "a line that is dead, too": (archive_a_letter, {"archive.archived_or_dead"}),
    "a lost object of the archive": (
        lambda hour: hour.objects("logs")[1].unlink(),
        {"archive.archived_as_received"},
    ),
    "a lost line": (
        lambda hour: hour.rewrite("logs", lambda lines: lines[1:]),
        {"archive.archived_as_received"},
    ),
    "lost receipts": (
        lambda hour: hour.objects("receipts")[1].unlink(),
        {
            "archive.archived_as_received",
            "archive.receipts_are_all_there",
            "archive.received_as_marked",
            "archive.shards_have_no_gap",
            "dead-letters.dead_as_received",
            "dead-letters.received_as_marked",
        },
    ),
    "a receipt that does not add up": (
        lambda hour: hour.change("receipts", severities=lambda counts: counts | {"INFO": counts["INFO"] + 1}),
        {"archive.receipts_add_up"},
    ),
    "a service that fell silent": (silence_a_service, {"archive.volumes_are_not_low"}),
    "a secret in a pod's name": (
        lambda hour: hour.change("logs", k8s__pod__name="api-AKIAIOSFODNN7EXAMPLE"),
        {"archive.nothing_is_unredacted"},
    ),
    "a secret in a field that nobody knows": (
        lambda hour: hour.change("logs", password="hunter2-Xq77"),
        {"archive.nothing_is_unredacted"},
    ),
    "attributes nested without end": (
        lambda hour: hour.rewrite("logs", lambda lines: [nested(lines[0]), *lines[1:]]),
        {"archive.nothing_is_unredacted"},
    ),
    "an arrival that no calendar has": (
        lambda hour: hour.change("logs", arrival_time=10**17),
        {"archive.lines_are_documents"},
    ),
    "a time that is none": (lambda hour: hour.change("logs", event_time="now"), {"archive.lines_are_documents"}),
    "a time that is far away": (
        lambda hour: hour.change("logs", event_time="9999-12-31T23:59:59Z"),
        {"archive.lines_are_documents"},
    ),
    "a severity of nothing": (lambda hour: hour.change("logs", severity_text=""), {"archive.severities_are_known"}),
    "a marker of which the half is wrong": (
        lambda hour: hour.change("markers", archived=lambda count: count + 1, dead=lambda count: count - 1),
        {"archive.received_as_marked", "dead-letters.received_as_marked"},
    ),
    "a marker's object with a line that is none": (
        lambda hour: hour.rewrite("markers", lambda markers: [*markers, b"{}"]),
        {"archive.objects_are_whole"},
    ),
    "two receipts for one stretch that differ": (
        lambda hour: hour.rewrite(
            "receipts",
            lambda lines: [
                *lines,
                lines[0] | {"archived": 0, "lines": lines[0]["dead"], "severities": {}},
            ],
        ),
        {
            "archive.receipts_are_all_there",
            "dead-letters.dead_as_received",
            "dead-letters.received_as_marked",
        },
    ),
    "a letter without a stage": (
        lambda hour: hour.change("dlq", stage=None),
        {"dead-letters.lines_are_dead_letters"},
    ),
    "a letter whose bytes are no base64": (
        lambda hour: hour.change("dlq", raw="é"),
        {"dead-letters.originals_are_whole"},
    ),
    "a letter that is none": (lambda hour: hour.change("dlq", reason=...), {"dead-letters.lines_are_dead_letters"}),
    "a letter of an unknown stage": (
        lambda hour: hour.change("dlq", stage="limbo"),
        {"dead-letters.stages_are_known"},
    ),
    "a letter of another hour": (
        lambda hour: hour.change("dlq", arrival_time=HOUR - 1),
        {"dead-letters.arrivals_are_in_the_hour"},
    ),
    "a letter whose bytes were cut": (
        lambda hour: hour.change("dlq", raw=base64.b64encode(b"cut").decode(), size=4_000),
        {"dead-letters.originals_are_whole"},
    ),
    "a letter whose reason tells": (
        lambda hour: hour.change("dlq", reason="Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlc2lnbmF0dXJl"),
        {"dead-letters.reasons_tell_no_secret"},
    ),
    "a letter twice": (repeat_a_letter, {"dead-letters.ids_are_unique"}),
    "a lost letter": (
        lambda hour: hour.rewrite("dlq", lambda lines: lines[1:]),
        {"dead-letters.dead_as_received"},
    ),
    "a truncated object of letters": (
        lambda hour: hour.objects("dlq")[0].write_bytes(hour.objects("dlq")[0].read_bytes()[:40]),
        {"dead-letters.objects_are_whole", "dead-letters.dead_as_received"},
    ),
}


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_each_corruption_is_told_by_its_expectations_and_no_other(hour, name):
    corrupt, expected = CORRUPTIONS[name]
    corrupt(hour)
    assert hour.failed() == expected


def test_a_receipt_that_was_written_twice_counts_once(hour):
    hour.rewrite("receipts", lambda receipts: [*receipts, receipts[0]])
    assert hour.failed() == set()


def test_a_letter_of_an_index_is_archived_too_and_is_no_duplicate(hour):
    """What OpenSearch refuses is a dead letter of the index; its record is in the archive, and receipts say so."""
    archived = hour.lines("logs")[0]["id"]
    letter = hour.lines("dlq")[0] | {"id": archived, "stage": "index", "error_type": "mapper_parsing_exception"}
    hour.rewrite("dlq", lambda letters: [*letters, letter])
    assert hour.failed() == set()


def test_the_marker_with_the_last_revision_counts(hour):
    def revised(markers: list[Line]) -> list[Line]:
        return [markers[0] | {"revision": 1}, markers[0] | {"receipts": 1}]

    hour.rewrite("markers", revised)
    assert hour.failed() == set()


def test_a_shard_without_receipts_since_the_hour_before_has_a_gap(hour):
    marker = read_marker(hour.stores, HOUR)
    assert marker is not None
    shard, last = next(iter(marker.origins.items()))
    before = marker.model_copy(update={"hour": HOUR - HOUR_MS, "origins": {shard: str(int(last) - 10**6)}})
    hour.stores.markers.write(
        f"{hour_folder(HOUR - HOUR_MS)}/marker-sink-0.ndjson.gz", gzip.compress(before.to_bytes() + b"\n")
    )
    hour.rewrite(
        "receipts", lambda receipts: [each | {"after": each["after"] or str(int(last) - 5)} for each in receipts]
    )
    assert hour.failed() == {"archive.shards_have_no_gap"}


def test_an_hour_without_records_passes_unless_services_usually_write(hour):
    marker = read_marker(hour.stores, HOUR)
    assert marker is not None
    for store in ("logs", "dlq", "receipts"):
        shutil.rmtree(hour.root / store)
    hour.change("markers", receipts=0, records=0, lines=0, archived=0, dead=0, origins={})
    assert hour.failed() == {"archive.volumes_are_not_low"}
    shutil.rmtree(hour.root / "quality")
    assert hour.failed() == set()


def test_volume_is_not_judged_before_there_are_three_days(hour):
    for day in range(1, 6):
        (hour.root / "quality" / hour_folder(HOUR - day * DAY_MS) / "result.json").unlink()
    silence_a_service(hour)
    assert hour.failed() == set()


def test_what_comes_before_a_fault_is_read(hour):
    path = hour.objects("logs")[1]
    whole = len(gzip.decompress(path.read_bytes()).splitlines())
    truncate(hour)
    (damaged,) = [finding for finding in hour.check().report.failed if finding.expectation == "objects_are_whole"]
    assert path.name in damaged.examples[0]
    (lines,) = [finding for finding in hour.check().report.findings if finding.expectation == "archived_as_received"]
    archived, received = map(int, re.findall(r"archived(?:_by_receipts)? (\d+)", lines.examples[0]))
    assert 0 < received - archived < whole / 2


def test_examples_say_where_and_never_what_was_secret(hour):
    hour.change("logs", body="login failed for password=hunter2-Xq77 of admin")
    checked = hour.check()
    (failed,) = checked.report.failed
    assert failed.unexpected == 1
    assert ".ndjson.gz:" in failed.examples[0]
    everything = checked.report.model_dump_json() + "".join(render_hour(checked).values())
    assert "hunter2" not in everything


def test_no_report_tells_a_secret_wherever_it_stood(hour):
    secret = "password=hunter2-Xq77"
    hour.change("logs", severity_text=secret, service__name=f"api {secret}")
    hour.change("dlq", stage=secret)
    twice = hour.lines("logs")[0] | {"id": f"{secret}:{'x' * 10_000}:0"}
    hour.rewrite("logs", lambda lines: [*lines, twice, twice])
    checked = hour.check()
    assert {"severities_are_known", "stages_are_known", "ids_are_unique"} <= {
        finding.expectation for finding in checked.report.failed
    }
    everything = checked.report.model_dump_json() + "".join(render_hour(checked).values())
    assert "hunter2" not in everything
    assert "x" * 1_000 not in everything


def test_control_characters_of_logs_never_reach_a_terminal(hour):
    hour.change("logs", severity_text="\x1b]0;owned\x07\x1b[2JX\nFAKE: all passed\u202e")
    (failed,) = hour.check().report.failed
    assert failed.examples[0].startswith(" ]0;owned  [2JX FAKE: all passed  (")


def test_a_marker_of_another_hour_counts_for_none(hour):
    hour.rewrite("markers", lambda markers: [*markers, markers[0] | {"hour": HOUR - HOUR_MS, "revision": 9}])
    marker = read_marker(hour.stores, HOUR)
    assert marker is not None
    assert (marker.hour, marker.revision) == (HOUR, 0)


def test_a_million_empty_lines_are_read_in_chunks(hour, monkeypatch):
    monkeypatch.setattr("quality.objects.CHUNK_LINES", 100)
    sizes = []
    reports: list[Any] = []
    hour.objects("logs")[0].write_bytes(gzip.compress(b"\n" * 10_000))
    for chunk in read_chunks(hour.stores.archive, hour_folder(HOUR), reports):
        sizes.append(len(chunk.lines))
        assert all(0 <= place.row < 200 for place in chunk.places)
    assert max(sizes) < 200
    assert reports[0].lines == 10_000


def test_what_a_log_says_is_text_on_every_page_and_nothing_on_a_page_runs(hour):
    attack = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    hour.change("logs", severity_text=attack)
    hour.change("dlq", stage=attack)
    checked = hour.check()
    assert len(checked.report.failed) == 2
    for name, page in render_hour(checked).items():
        assert "alert(1)" in page, name
        assert "<script" not in page.lower(), name
        assert "<img" not in page.lower(), name
        assert "default-src 'none'" in page, name
        assert 'src="http' not in page, name
        assert 'rel="stylesheet"' not in page, name


def test_pages_of_an_hour_are_found_from_its_day_and_from_all_days(hour):
    hour.change("logs", severity_text="LOUD")
    write_pages(hour.stores.reports, hour.check(), [])
    root = hour.root / "quality"
    assert 'href="dt=2026-11-22/index.html"' in (root / "index.html").read_text()
    day = (root / "dt=2026-11-22" / "index.html").read_text()
    assert 'href="hour=11/index.html"' in day
    assert "severities_are_known" in day
    page = (root / "dt=2026-11-22" / "hour=11" / "index.html").read_text()
    assert 'href="archive.html"' in page
    assert HourReport.model_validate_json((root / "dt=2026-11-22/hour=11/result.json").read_bytes()).failed
