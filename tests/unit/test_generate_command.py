"""`cali generate` ends with one line that says why nothing was sent, and with exit code 1."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from jobs.cli import app
from local.ports import free_port

FEW = ("generate", "--records", "3")


@pytest.fixture
def no_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Made-up credentials, one attempt at each request, no endpoint."""
    monkeypatch.delenv("CALI_AWS__ENDPOINT", raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")


def failure(*arguments: str) -> str:
    """Return the one line that the command ends with."""
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, SystemExit), result.exception
    assert (result.exit_code, result.stdout) == (1, "")
    [line] = result.stderr.splitlines()
    return line


@pytest.mark.usefixtures("no_aws")
def test_a_stream_that_cannot_be_reached_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("CALI_AWS__ENDPOINT", endpoint)

    assert failure(*FEW, "--to", "kinesis") == f'not sent: Could not connect to the endpoint URL: "{endpoint}/"'


@pytest.mark.usefixtures("no_aws")
@pytest.mark.parametrize("endpoint", ["nonsense", "http://[::1"])
def test_an_endpoint_that_boto_refuses_is_told(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)

    assert failure(*FEW, "--to", "kinesis").startswith("not sent: Invalid ")


@pytest.mark.parametrize("option", ["--to", "--manifest"])
def test_a_file_that_cannot_be_written_is_told(tmp_path: Path, option: str) -> None:
    (tmp_path / "file").touch()
    target = tmp_path / "file" / "below"

    line = failure(*FEW, "--to", str(tmp_path / "story.ndjson"), option, str(target))

    assert line.startswith("not written: ")
    assert str(tmp_path / "file") in line


def test_records_and_ledger_are_written(tmp_path: Path) -> None:
    story, manifest = tmp_path / "story.ndjson", tmp_path / "new" / "manifest.json"

    result = CliRunner().invoke(app, (*FEW, "--to", str(story), "--manifest", str(manifest)))

    assert (result.exit_code, result.stdout) == (0, "")
    assert len(story.read_bytes().splitlines()) == json.loads(manifest.read_text())["records"] > 0
