"""`cali quality` says by its exit code whether an hour is as expected, is not, or cannot be judged yet."""

import gzip
import json
import shutil
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from botocore.exceptions import EndpointConnectionError
from typer.testing import CliRunner

import jobs.commands.quality as quality_command
from jobs.cli import app
from local.archived_hour import VARIABLES, write_hour
from udfs.chunk import HOUR_MS, hour_folder

HOUR = 1_795_345_200_000  # 2026-11-22T11:00:00Z


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stored hour."""
    folder = tmp_path_factory.mktemp("made")
    write_hour(folder, HOUR, 300)
    return folder


@pytest.fixture
def root(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the hour, that the settings point to."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    for variable, folder in VARIABLES.items():
        monkeypatch.setenv(variable, str(tmp_path / folder))
    return tmp_path


def quality(first: str, end: str, *options: str):
    return CliRunner().invoke(app, ["quality", "--from", first, "--to", end, *options])


def test_an_hour_as_expected_is_a_line_of_json_and_pages(root):
    result = quality("2026-11-22T11", "2026-11-22T12")
    assert result.exit_code == 0, result.stderr
    (line,) = map(json.loads, result.stdout.splitlines())
    assert (line["hour"], line["success"]) == (HOUR, True)
    assert line["page"] == str(root / "quality" / hour_folder(HOUR) / "index.html")
    assert Path(line["page"]).is_file()


@pytest.mark.usefixtures("root")
def test_a_time_with_a_zone_is_the_same_hour():
    assert quality("2026-11-22T20:00+09:00", "2026-11-22T12:00Z").exit_code == 0


def test_what_is_not_as_expected_is_told_on_standard_error(root):
    path = next((root / "logs" / hour_folder(HOUR)).iterdir())
    path.write_bytes(path.read_bytes()[:-20])
    result = quality("2026-11-22T11", "2026-11-22T12")
    assert result.exit_code == 1
    (told, *_) = [line for line in result.stderr.splitlines() if "objects_are_whole" in line]
    assert "2026-11-22T11:00Z: archive objects_are_whole: 1 of " in told
    assert path.name in told
    assert "truncated" in told


def test_an_hour_without_marker_is_not_judged(root):
    result = quality("2026-11-22T11", "2026-11-22T13")
    assert result.exit_code == 3
    assert "2026-11-22T12:00Z: not complete" in result.stderr
    assert len(result.stdout.splitlines()) == 1
    assert not (root / "quality" / hour_folder(HOUR + HOUR_MS)).exists()


def test_a_marker_and_what_it_tells_of_are_waited_for(root, monkeypatch):
    """The marker may come a checkpoint before the last files of its hour."""
    monkeypatch.setattr("jobs.commands.quality.POLL_SECONDS", 0.05)
    stores = ("markers", "receipts", "logs", "dlq")
    late = [
        (path, path.read_bytes()) for path in (next((root / store / hour_folder(HOUR)).iterdir()) for store in stores)
    ]
    for path, _ in late:
        path.unlink()
    looks = iter(late)

    def next_file() -> None:
        for path, content in looks:
            path.write_bytes(content)
            threading.Timer(0.8, next_file).start()
            break

    threading.Timer(0.3, next_file).start()
    result = quality("2026-11-22T11", "2026-11-22T12", "--wait", "2")
    assert result.exit_code == 0, result.stderr


def test_what_does_not_come_behind_a_marker_is_missing_long_before_the_time_is_up(root, monkeypatch):
    monkeypatch.setattr("jobs.commands.quality.POLL_SECONDS", 0.05)
    monkeypatch.setattr("jobs.commands.quality.SETTLE_SECONDS", 0.5)
    next((root / "logs" / hour_folder(HOUR)).iterdir()).unlink()
    result = quality("2026-11-22T11", "2026-11-22T12", "--wait", "40")
    assert result.exit_code == 1
    assert "archived_as_received" in result.stderr


@pytest.mark.usefixtures("root")
def test_storage_that_does_not_answer_is_no_verdict(monkeypatch):
    monkeypatch.setenv("CALI_STORE__MARKERS", "s3://cali-archive/markers")
    monkeypatch.setenv("CALI_AWS__ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    result = quality("2026-11-22T11", "2026-11-22T12")
    assert result.exit_code == 3
    assert "2026-11-22T11:00Z: Could not connect to the endpoint URL" in result.stderr


def test_storage_that_does_not_answer_is_asked_again_while_there_is_time(root, monkeypatch):
    monkeypatch.setattr("jobs.commands.quality.POLL_SECONDS", 0.05)
    failures = iter([ConnectionResetError("reset"), EndpointConnectionError(endpoint_url="http://127.0.0.1:9")])
    read = quality_command.read_marker

    def faulty(*arguments):
        for failure in failures:
            raise failure
        return read(*arguments)

    monkeypatch.setattr(quality_command, "read_marker", faulty)
    result = quality("2026-11-22T11", "2026-11-22T12", "--wait", "1")
    assert result.exit_code == 0, result.stderr
    assert (root / "quality" / hour_folder(HOUR) / "index.html").is_file()


@pytest.mark.usefixtures("root")
def test_an_hour_that_is_not_over_says_so():
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    result = quality(now.isoformat(), (now + timedelta(hours=1)).isoformat())
    assert result.exit_code == 3
    assert "it is not over before" in result.stderr


@pytest.mark.parametrize(
    ("first", "end"),
    [("2026-11-22T11:30", "2026-11-22T12"), ("2026-11-22T12", "2026-11-22T11"), ("yesterday", "2026-11-22")],
)
def test_times_that_are_no_hours_are_refused(first, end):
    assert quality(first, end).exit_code == 2


def test_a_marker_that_is_damaged_is_none(root):
    next((root / "markers" / hour_folder(HOUR)).iterdir()).write_bytes(gzip.compress(b"{}\n"))
    assert quality("2026-11-22T11", "2026-11-22T12").exit_code == 3
