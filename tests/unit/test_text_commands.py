"""`cali fingerprint` and `cali redact` answer line by line, in order, and say where there is no answer."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from jobs.commands.text import MAX_LINE_BYTES, answer_lines, fingerprint, redact, redact_line
from udfs.redact import Redactor, load_redact_rules

RECORD = b'{"service":"cart","log_content":"DB timeout after 31 ms, password=%s"}' % (b"x" * 9)


def run(command: Callable[..., None], text: bytes, *options: str) -> tuple[int, list[Any]]:
    app = typer.Typer()
    app.command()(command)
    result = CliRunner().invoke(app, options, input=text)
    return result.exit_code, [json.loads(line) for line in result.stdout.splitlines()]


def test_records_are_fingerprinted_in_order() -> None:
    code, answers = run(fingerprint, RECORD + b"\n[ERROR] cart: DB timeout after 2 s, password=abc\n")

    assert code == 0
    first, second = answers
    assert first["title"] == "DB timeout after <duration>, password=<secret>"
    assert (first["service"], first["exception_type"]) == ("cart", None)
    assert first == second


def test_the_explanation_of_a_fingerprint_names_variables_and_frames() -> None:
    trace = {"service": "cart", "log_content": "java.lang.E: 7\n\tat com.acme.A.b(A.java:1)"}

    _, (of_message, of_trace) = run(fingerprint, RECORD + b"\n" + json.dumps(trace).encode(), "--explain")

    assert of_message["variables"] == [{"rule": "duration", "text": "31 ms"}]
    assert of_trace["frames"] == ["com.acme.A.b"]


def test_a_record_without_a_reading_is_answered_in_its_place_and_the_exit_code_tells() -> None:
    code, answers = run(fingerprint, b"hunter2\n" + RECORD + b"\n\n")

    assert code == 1
    assert [set(answer) == {"error"} for answer in answers] == [True, False, True]
    assert "hunter2" not in str(answers)


def test_json_is_redacted_in_order() -> None:
    code, answers = run(redact, b'{"password":"x","a":["bob@example.com",7]}\n"bob@example.com"\n[]\n')

    assert code == 0
    assert answers == [{"password": "<secret>", "a": ["<email>", 7]}, "<email>", []]


def test_the_explanation_of_a_redaction_counts_the_rules() -> None:
    _, answers = run(redact, b'{"password":"x","a":["bob@example.com","eve@example.com"]}\n', "--explain")

    assert answers == [
        {"redacted": {"password": "<secret>", "a": ["<email>"] * 2}, "hits": {"secret-key": 1, "email": 2}}
    ]


def test_text_is_redacted_as_text() -> None:
    app = typer.Typer()
    app.command()(redact)

    result = CliRunner().invoke(app, ["--text"], input=b"mail bob@example.com\r\n\nno secret\n")

    assert (result.exit_code, result.stdout) == (0, "mail <email>\n\nno secret\n")


@pytest.mark.parametrize(
    ("line", "is_text", "message"),
    [
        (b"{", False, "not JSON; for lines of text there is --text"),
        (b"[" * 5_000 + b"]" * 5_000, False, "not JSON; for lines of text there is --text"),
        (b"\xff", True, "not UTF-8"),
        (b"x" * (MAX_LINE_BYTES + 1), True, f"longer than {MAX_LINE_BYTES} bytes"),
    ],
)
def test_a_line_that_cannot_be_redacted_is_answered_in_its_place(line: bytes, message: str, *, is_text: bool) -> None:
    redactor = Redactor(load_redact_rules())
    written: list[bytes] = []

    def answer(text: bytes) -> bytes:
        return redact_line(text, redactor, is_text=is_text, with_reasons=False)

    assert not answer_lines([b"7\n", line, b"8"], answer, written.append)
    assert written == [b"7\n", json.dumps({"error": message}, separators=(",", ":")).encode() + b"\n", b"8\n"]
