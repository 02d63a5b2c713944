"""`cali fingerprint` and `cali redact` answer line by line, in order, and say where there is no answer."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer
from typer.testing import CliRunner

from jobs.commands.text import MAX_LINE_BYTES, answer_lines, fingerprint, redact, redact_line
from jobs.log_insight.operator_ids import OperatorId
from jobs.log_insight.settings import IngestSettings, SourceKind, SourceSettings
from udfs.fingerprint import load_fingerprint_rules
from udfs.frame import RawRecord, encode_frame
from udfs.ingest import Ingest
from udfs.meters import Meters
from udfs.redact import Redactor, load_redact_rules
from udfs.ruleset import RULES_VERSION

RECORD = b'{"service":"cart","log_content":"DB timeout after 31 ms, password=hunter-2"}'
TRACE = json.dumps({"service": "cart", "log_content": "java.lang.E: order 7\n\tat com.acme.A.b(A.java:1)"}).encode()


@pytest.fixture(autouse=True)
def no_rules_of_operators(monkeypatch):
    monkeypatch.delenv("CALI_INGEST__GROUPING_RULES", raising=False)


class Ran(NamedTuple):
    code: int
    output: str
    errors: str

    @property
    def answers(self) -> list[Any]:
        return [json.loads(line) for line in self.output.splitlines()]


def run(command: Callable[..., None], text: bytes, *options: str | Path) -> Ran:
    app = typer.Typer()
    app.command()(command)
    result = CliRunner().invoke(app, [str(option) for option in options], input=text)
    return Ran(result.exit_code, result.stdout_bytes.decode(), result.stderr)


def lines(*records: bytes | dict[str, Any]) -> bytes:
    texts = (record if isinstance(record, bytes) else json.dumps(record).encode() for record in records)
    return b"".join(text + b"\n" for text in texts)


def written(path: Path, content: bytes | str) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# --- fingerprint ---


def test_a_record_is_answered_with_its_fingerprint_and_why() -> None:
    ran = run(fingerprint, lines(RECORD))

    assert ran.code == 0
    (answer,) = ran.answers
    assert len(answer.pop("fingerprint")) == 16
    assert answer == {
        "service": "cart",
        "title": "DB timeout after <duration>, password=<secret>",
        "template": "DB timeout after <duration>, password=<secret>",
        "exception_type": None,
        "variables": [{"rule": "duration", "text": "31 ms"}, {"rule": "placeholder", "text": "<secret>"}],
        "exceptions": [],
        "frames": [],
        "rules": ["duration", "placeholder"],
        "grouped_by": None,
        "rules_version": RULES_VERSION,
    }


def test_a_stack_trace_is_answered_with_the_parts_that_counted() -> None:
    (answer,) = run(fingerprint, lines(TRACE)).answers

    assert answer["title"] == "java.lang.E: order <number>"
    assert answer["exception_type"] == "java.lang.E"
    assert answer["exceptions"] == ["java.lang.E"]
    assert answer["frames"] == ["com.acme.A.b"]
    assert answer["variables"] == [{"rule": "number", "text": "7"}]
    assert answer["rules"] == ["stack-trace", "number"]


def test_every_answer_has_all_fields() -> None:
    contents = ["boom", "", "31 ms", "java.lang.E: 1\n\tat java.lang.A.b(A.java:1)"]

    ran = run(fingerprint, lines(RECORD, *({"log_content": content} for content in contents)))

    assert ran.code == 0
    assert len(ran.answers) == 5
    assert all(answer.keys() == ran.answers[0].keys() for answer in ran.answers)
    assert {"variables", "rules", "rules_version"} < ran.answers[0].keys()
    assert {answer["rules_version"] for answer in ran.answers} == {RULES_VERSION}


def test_records_are_answered_in_their_order() -> None:
    records = [{"service": "cart", "log_content": f"{word} failed"} for word in ("one", "two", "one")]

    answers = run(fingerprint, lines(*records)).answers

    assert [answer["title"] for answer in answers] == ["one failed", "two failed", "one failed"]
    assert answers[0] == answers[2]
    assert answers[0]["fingerprint"] != answers[1]["fingerprint"]


@pytest.mark.parametrize("command", [fingerprint, redact])
def test_a_byte_order_mark_is_no_part_of_a_line(command: Callable[..., None]) -> None:
    assert run(command, b"\xef\xbb\xbf" + RECORD) == run(command, RECORD)


def test_files_are_read_in_the_order_they_are_given_in(tmp_path: Path) -> None:
    one, two = ({"service": "cart", "log_content": f"{word} failed"} for word in ("one", "two"))
    first = written(tmp_path / "z.ndjson", lines(one, two).rstrip())
    second = written(tmp_path / "a.ndjson", lines(two))

    ran = run(fingerprint, lines({"log_content": "of standard input"}), first, second)

    assert ran.code == 0
    assert [answer["title"] for answer in ran.answers] == ["one failed", "two failed", "two failed"]


@pytest.mark.parametrize("command", [fingerprint, redact])
def test_a_file_that_is_not_there_is_wrong_usage(command: Callable[..., None], tmp_path: Path) -> None:
    ran = run(command, RECORD, tmp_path / "missing.ndjson")

    assert (ran.code, ran.output) == (2, "")


def test_a_record_has_the_fingerprint_that_the_job_gives_it() -> None:
    records = [
        {"service": "cart", "log_content": "timeout after 31 ms", "level": "error"},
        {"service": "cart of bob@example.com", "log_content": "boom", "level": "error"},
        {"service": " \n", "log_content": "mail to bob@example.com failed", "level": "error"},
        {"app": "cart", "message": "boom", "severity": "ERROR", "stack_trace": "E: 1\n\tat com.acme.A.b(A.java:1)"},
        {"kubernetes": {"labels": {"app": "cart"}}, "log": "2026-11-22 10:00:00 ERROR boom"},
    ]
    payloads = [json.dumps(record).encode() for record in records]
    ingest = Ingest(
        SourceSettings(kind=SourceKind.FILE, path="/logs"),
        IngestSettings(),
        Redactor(load_redact_rules()),
        load_fingerprint_rules(),
        meters=Meters(OperatorId.INGEST),
        clock=time.time,
    )
    frame = encode_frame("file", [RawRecord(str(number), 0, payload) for number, payload in enumerate(payloads)])

    (result,) = ingest.process(frame)

    of_job = {(group.service, group.fingerprint) for second in result.seconds for group in second.groups}
    assert {
        (answer["service"], answer["fingerprint"]) for answer in run(fingerprint, lines(*records)).answers
    } == of_job


def test_secrets_are_in_no_part_of_an_answer() -> None:
    secret = "bob@example.com"
    record = {"service": f"cart of {secret}", "log_content": f"E: {secret}\n\tat com.acme.A.b(A.java:1)"}

    for options in ((), ("--explain",)):
        output = run(fingerprint, lines(record), *options).output
        assert "com.acme.A.b" in output
        assert secret not in output


#: Lines that are no records, and how their errors begin.
NO_RECORDS = [
    (b"hunter2", "not a JSON object"),
    (b"[ERROR] cart: hunter2", "not a JSON object"),
    (b'"hunter2"', "not a JSON object"),
    (b"", "not a JSON object"),
    (b"\xffhunter2", "not a JSON object"),
    (b'{"log_content": "hunter2', "invalid_json: "),
    (b'{"log_content": "hunter2\xff"}', "invalid_utf8: "),
    (b'{"service": "hunter2"}', "missing_field: log_content"),
    (b'{"service": "cart", "log_content": ["hunter2"]}', "wrong_type: log_content"),
    (b'{"log_content": "hunter2%s"}' % (b"x" * MAX_LINE_BYTES), "line_too_long: "),
    (b'{"log_content": ' + b"[" * 5_000 + b"]" * 5_000 + b"}", "nested_too_deep: "),
]


@pytest.mark.parametrize("options", [(), ("--explain",)])
def test_a_line_that_is_no_record_is_answered_in_its_place(options: tuple[str, ...]) -> None:
    ran = run(fingerprint, lines(RECORD, *(line for line, _ in NO_RECORDS), RECORD), *options)

    assert ran.code == 1
    of_record = run(fingerprint, RECORD, *options).output
    assert ran.output.startswith(of_record)
    assert ran.output.endswith(of_record)
    answers = [json.loads(line) for line in ran.output[len(of_record) : -len(of_record)].splitlines()]
    assert [answer.keys() for answer in answers] == [{"error"}] * len(NO_RECORDS)
    for answer, (_, error) in zip(answers, NO_RECORDS, strict=True):
        assert answer["error"].startswith(error)
    assert "hunter2" not in ran.output


def test_an_explanation_is_a_paragraph_for_people() -> None:
    ran = run(fingerprint, lines(RECORD, TRACE), "--explain")

    of_message, of_trace = (answer["fingerprint"] for answer in run(fingerprint, lines(RECORD, TRACE)).answers)
    assert ran.code == 0
    assert ran.output == (
        f"{of_message}  cart: DB timeout after <duration>, password=<secret>\n"
        "template          DB timeout after <duration>, password=<secret>\n"
        "duration          31 ms\n"
        "placeholder       <secret>\n"
        f"rules             {RULES_VERSION}\n"
        "\n"
        f"{of_trace}  cart: java.lang.E: order <number>\n"
        "exception         java.lang.E\n"
        "frame             com.acme.A.b\n"
        "number            7\n"
        f"rules             {RULES_VERSION}\n"
        "\n"
    )


def test_what_moves_a_cursor_does_not_reach_the_terminal_of_people() -> None:
    characters = ["\x1b", "\x9b", "\x00", "\x07", "\x08", "\t", "\r", "\x7f", "\x85", "\u202e", "\u2028", "\ufeff"]
    texts = ["order{0}[2J {0}failed", "order\n{0}failed", "com.E{0}Exception: 7{0}\n\tat com.a{0}.A.b(A.java:1)"]
    records = [
        {"service": f"ca{character}rt", "log_content": text.format(character)}
        for text in texts
        for character in characters
    ]
    no_records = [f"no{character}record".encode() for character in characters]

    output = run(fingerprint, lines(*records, *no_records), "--explain").output

    assert output.count("\nrules  ") == len(records)
    assert output.count("error") == len(no_records)
    assert {character for character in output if not character.isprintable()} == {"\n"}
    assert all(len(line) > 18 for line in output.splitlines() if line)


GROUPING = "rules:\n  - {name: shop, reason: why, service: cart, fingerprint: [shop]}\n"


@pytest.mark.parametrize("by_environment", [False, True])
def test_rules_of_operators_merge_and_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, by_environment: bool
) -> None:
    rules = written(tmp_path / "grouping.yaml", GROUPING)
    if by_environment:
        monkeypatch.setenv("CALI_INGEST__GROUPING_RULES", str(rules))
    options = () if by_environment else ("--rules", rules)

    ran = run(fingerprint, lines(RECORD, TRACE, {"service": "order", "log_content": "boom"}), *options)

    assert ran.code == 0
    message, trace, other = ran.answers
    assert message["fingerprint"] == trace["fingerprint"]
    assert [answer["grouped_by"] for answer in ran.answers] == ["shop", "shop", None]
    assert {answer["rules_version"] for answer in ran.answers} == {load_fingerprint_rules(str(rules)).version}
    assert (
        other["fingerprint"]
        == run(fingerprint, lines({"service": "order", "log_content": "boom"})).answers[0]["fingerprint"]
    )
    assert "\ngrouped by        shop\n" in run(fingerprint, RECORD, "--explain", *options).output


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            GROUPING + "  - {name: b, reason: why, fingerprint: [x], service: a, x: y}",
            "g.yaml:3: rule 'b': 'x' is unknown",
        ),
        (
            GROUPING + "  - {name: b, reason: why, fingerprint: [x], message: (}",
            "g.yaml:3: rule 'b': not RE2: missing ): (",
        ),
        ("rules: {", "g.yaml:1: no YAML: "),
    ],
)
def test_wrong_rules_are_wrong_usage(tmp_path: Path, text: str, problem: str, capfd) -> None:
    ran = run(fingerprint, RECORD, "--rules", written(tmp_path / "g.yaml", text))

    assert (ran.code, ran.output) == (2, "")
    assert ran.errors.startswith(problem)
    assert ran.errors.count("\n") == 1
    assert capfd.readouterr() == ("", "")


def test_rules_that_are_not_there_are_wrong_usage(tmp_path: Path) -> None:
    missing = tmp_path / "missing.yaml"

    ran = run(fingerprint, RECORD, "--rules", missing)

    assert ran == (2, "", f"{missing}: No such file or directory\n")


# --- redact ---


def test_records_are_redacted_in_their_order_and_in_all_their_fields() -> None:
    ran = run(
        redact,
        lines(
            {"log_content": "mail bob@example.com", "service": "cart", "n": 7},
            {"password": "x", "a": ["bob@example.com", {"bob@example.com": 4_111_111_111_111_111}], "log_content": ""},
        ),
    )

    assert ran.code == 0
    assert ran.answers == [
        {"log_content": "mail <email>", "service": "cart", "n": 7},
        {"password": "<secret>", "a": ["<email>", {"<email>": "<card>"}], "log_content": ""},
    ]


def test_what_was_redacted_stays_as_it_is() -> None:
    once = run(redact, lines(RECORD, TRACE)).output

    assert run(redact, once.encode()).output == once


def test_files_are_redacted_in_the_order_they_are_given_in(tmp_path: Path) -> None:
    first = written(tmp_path / "z.ndjson", b'{"log_content":"one"}')
    second = written(tmp_path / "a.ndjson", b'{"log_content":"two"}\r\n')

    ran = run(redact, b"", first, second)

    assert (ran.code, ran.output) == (0, '{"log_content":"one"}\n{"log_content":"two"}\n')


def test_text_is_redacted_as_text() -> None:
    ran = run(redact, b'mail bob@example.com\r\n\nno secret\n"bob@example.com"\n{', "--text")

    assert ran == (0, 'mail <email>\n\nno secret\n"<email>"\n{\n', "")


def test_an_explanation_says_which_rule_took_something_out_where() -> None:
    record = {
        "log_content": "Ümit bob@example.com, eve@example.com",
        "a": {"b": ["", "bob@example.com"]},
        "password": "xyz",
    }

    (answer,) = run(redact, lines(record), "--explain").answers

    assert answer == {
        "redacted": {"log_content": "Ümit <email>, <email>", "a": {"b": ["", "<email>"]}, "password": "<secret>"},
        "hits": [
            {"rule": "email", "field": "log_content", "start": 5, "end": 20},
            {"rule": "email", "field": "log_content", "start": 22, "end": 37},
            {"rule": "email", "field": "a.b.1", "start": 0, "end": 15},
            {"rule": "secret-key", "field": "password", "start": 0, "end": 3},
        ],
    }


def test_an_explanation_of_a_text_has_no_field() -> None:
    ran = run(redact, b"mail bob@example.com\nno secret\n", "--text", "--explain")

    assert ran.answers == [
        {"redacted": "mail <email>", "hits": [{"rule": "email", "field": "", "start": 5, "end": 20}]},
        {"redacted": "no secret", "hits": []},
    ]


NO_OBJECT = "not a JSON object with a text 'log_content'"
NO_JSON = "not JSON; for lines of text there is --text"


@pytest.mark.parametrize(
    ("line", "is_text", "message"),
    [
        (b"{", False, NO_JSON),
        (b"", False, NO_JSON),
        (b"\xff", False, NO_JSON),
        (b"[" * 5_000 + b"]" * 5_000, False, NO_JSON),
        (b"7", False, NO_OBJECT),
        (b'"hunter2"', False, NO_OBJECT),
        (b'["hunter2"]', False, NO_OBJECT),
        (b'{"message":"hunter2"}', False, NO_OBJECT),
        (b'{"log_content":["hunter2"]}', False, NO_OBJECT),
        (b'{"log_content":null}', False, NO_OBJECT),
        (b"\xff", True, "not UTF-8"),
        (b"x" * (MAX_LINE_BYTES + 1), True, f"longer than {MAX_LINE_BYTES} bytes"),
        (b'{"log_content":"%s"}' % (b"x" * MAX_LINE_BYTES), False, f"longer than {MAX_LINE_BYTES} bytes"),
    ],
)
@pytest.mark.parametrize("with_reasons", [False, True])
def test_a_line_that_cannot_be_redacted_is_answered_in_its_place(
    line: bytes, message: str, *, is_text: bool, with_reasons: bool
) -> None:
    redactor = Redactor(load_redact_rules())
    good = b'{"log_content":"good"}'
    answers: list[bytes] = []

    def answer(text: bytes) -> bytes:
        return redact_line(text, redactor, is_text=is_text, with_reasons=with_reasons)

    assert not answer_lines([good + b"\n", line, good], answer, answers.append)
    error = json.dumps({"error": message}, separators=(",", ":")).encode()
    assert answers == [answer(good) + b"\n", error + b"\n", answer(good) + b"\n"]


def test_lines_that_cannot_be_redacted_show_in_the_exit_code() -> None:
    ran = run(redact, b'{"log_content":"one"}\nhunter2\n')

    assert ran == (1, f'{{"log_content":"one"}}\n{{"error":"{NO_JSON}"}}\n', "")


def test_a_control_character_hides_no_secret_in_the_name_of_a_service() -> None:
    line = json.dumps({"service": "ann\x01@example.com", "log_content": "x"}).encode()

    answer = json.loads(run(fingerprint, line)[1])

    assert answer["service"] == "<email>"
