"""`cali fingerprint` and `cali redact`: what the job's rules make of texts, offline."""

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import orjson
import typer
from pydantic_core import from_json

from jobs.commands.exit_codes import EXIT_FAILED, EXIT_USAGE
from udfs.errors import BadInputError
from udfs.fingerprint import Explanation, FingerprintRules, explain, load_fingerprint_rules
from udfs.ingest import to_line
from udfs.parse import complete, read_entry
from udfs.redact import Redactor, load_redact_rules
from udfs.ruleset import RuleError
from udfs.validate import UNKNOWN_SERVICE, safe_service

MAX_LINE_BYTES = 1_048_576

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_Files = Annotated[
    list[Path] | None,
    typer.Argument(
        exists=True, dir_okay=False, readable=True, help="Files to read; standard input where there is none."
    ),
]


class LineError(Exception):
    """A line of input has no reading; the message does not repeat it."""


def fingerprint(
    files: _Files = None,
    *,
    people: Annotated[bool, typer.Option("--explain", help="Say why, for people instead of programs.")] = False,
    grouping: Annotated[
        Path | None,
        typer.Option("--rules", envvar="CALI_INGEST__GROUPING_RULES", help="Rules that split or merge fingerprints."),
    ] = None,
) -> None:
    """Fingerprint records (NDJSON), one JSON object a line to standard output.

    A line is {"service": …, "log_content": …}, with any other field that a record may have; it is redacted first, as in
    the job. An answer has the fingerprint, its template, the variables that were masked, the parts of a stack trace
    that counted, the rules that were applied and their version. A line that cannot be read becomes {"error": …} in its
    place. Exit code 0: all were read; 1: some were not; 2: there is no input, or the rules are wrong.

    Examples:

      echo '{"service": "payment-api", "log_content": "timeout after 31 ms"}' | cali fingerprint

      cali fingerprint records.ndjson | jq -r '[.fingerprint, .title] | @tsv'

      cali fingerprint --explain --rules grouping.yaml records.ndjson
    """
    try:
        rules = load_fingerprint_rules(None if grouping is None else str(grouping))
    except RuleError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(EXIT_USAGE) from None
    redactor = Redactor(load_redact_rules())
    answer = _told if people else _as_json
    _answer_each(files, lambda line: answer(explain_line(line, redactor, rules)))


def redact(
    files: _Files = None,
    *,
    text: Annotated[bool, typer.Option("--text", help="Lines are text, not JSON, and come out as text.")] = False,
    with_reasons: Annotated[bool, typer.Option("--explain", help="Say which rule took something out where.")] = False,
) -> None:
    """Redact records (NDJSON), one JSON object a line to standard output; with --text, lines of text.

    Of an object `log_content` is required; its other fields are redacted too, as in the job. With --explain a line
    becomes {"redacted": …, "hits": [{"rule", "field", "start", "end"}]}: characters of the field that was given. A line
    that cannot be read becomes {"error": …} in its place. Exit code 0: all were read; 1: some were not; 2: no input.

    Examples:

      cali redact records.ndjson > safe.ndjson

      kubectl logs payment-api-0 | cali redact --text
    """
    redactor = Redactor(load_redact_rules())
    _answer_each(files, lambda line: redact_line(line, redactor, is_text=text, with_reasons=with_reasons))


class Answer(NamedTuple):
    """A record's service, and why its fingerprint is what it is."""

    service: str
    explanation: Explanation


def explain_line(line: bytes, redactor: Redactor, rules: FingerprintRules) -> Answer:
    """Return the fingerprint of a record, and why it is that.

    Raises:
        LineError: the line is no JSON object.
        BadInputError: the object is no record.
    """
    if not line.lstrip().startswith(b"{"):
        raise LineError("not a JSON object")
    entry = read_entry(line, MAX_LINE_BYTES)
    complete(entry)
    service = safe_service(entry.service or "", redactor) or UNKNOWN_SERVICE
    return Answer(service, explain(redactor.redact(entry.log_content), service, rules))


def redact_line(line: bytes, redactor: Redactor, *, is_text: bool, with_reasons: bool) -> bytes:
    """Return a line redacted: a text, or a JSON object with `log_content`.

    Raises:
        LineError: the line is too long, no UTF-8, or no such object.
    """
    value = _read_value(line, is_text=is_text)
    if with_reasons:
        redacted, hits = redactor.explain(value)
        return to_line({"redacted": redacted, "hits": [hit._asdict() for hit in hits]})
    return redactor.redact(value).encode() if is_text else to_line(redactor.redact_value(value))


def _as_json(answer: Answer) -> bytes:
    found, variables, exceptions, frames, applied, grouped_by = answer.explanation
    return orjson.dumps(
        {
            "fingerprint": found.value,
            "service": answer.service,
            "title": found.title,
            "template": found.template,
            "exception_type": found.exception_type,
            "variables": [variable._asdict() for variable in variables],
            "exceptions": exceptions,
            "frames": frames,
            "rules": applied,
            "grouped_by": grouped_by,
            "rules_version": found.rules_version,
        }
    )


def _told(answer: Answer) -> bytes:
    """Return the answer as a paragraph."""
    found, variables, exceptions, frames, _, grouped_by = answer.explanation
    facts = [
        (found.value, f"{answer.service}: {found.title}"),
        *[("template", found.template)] * (not frames),
        *(("exception", name) for name in exceptions),
        *(("frame", frame) for frame in frames),
        *((variable.rule, variable.text) for variable in variables),
        *[("grouped by", str(grouped_by))] * (grouped_by is not None),
        ("rules", found.rules_version),
    ]
    return "\n".join(f"{name:<16}  {_one_line(text)}" for name, text in (*facts, ("", ""))).rstrip(" ").encode()


def _one_line(text: str) -> str:
    """Return a text without what would move a terminal's cursor."""
    return "".join(character if character.isprintable() else " " for character in text)


def _read_value(line: bytes, *, is_text: bool) -> Any:
    if len(line) > MAX_LINE_BYTES:
        raise LineError(f"longer than {MAX_LINE_BYTES} bytes")
    try:
        # Pydantic's parser bounds the depth, where orjson's goes deeper than Python functions can follow.
        value = line.decode() if is_text else from_json(line, allow_inf_nan=False)
    except UnicodeDecodeError:
        raise LineError("not UTF-8") from None
    except ValueError:
        raise LineError("not JSON; for lines of text there is --text") from None
    if not is_text and not (isinstance(value, dict) and isinstance(value.get("log_content"), str)):
        raise LineError("not a JSON object with a text 'log_content'")
    return value


def _answer_each(files: list[Path] | None, answer: Callable[[bytes], bytes]) -> None:
    if not files and sys.stdin.isatty():
        typer.echo("lines are read from files or standard input; see --help", err=True)
        raise typer.Exit(EXIT_USAGE)
    lines = _lines_of(files) if files else sys.stdin.buffer
    if not answer_lines(lines, answer, sys.stdout.buffer.write):
        raise typer.Exit(EXIT_FAILED)


def _lines_of(files: list[Path]) -> Iterator[bytes]:
    for file in files:
        with file.open("rb") as lines:
            yield from lines


def answer_lines(lines: Iterable[bytes], answer: Callable[[bytes], bytes], write: Callable[[bytes], Any]) -> bool:
    """Write an answer for each line, an error in the place of one without; return whether there was none."""
    is_complete = True
    for line in lines:
        try:
            written = answer(line.removeprefix(_BYTE_ORDER_MARK).rstrip(b"\r\n"))
        except (BadInputError, LineError) as error:
            is_complete = False
            written = orjson.dumps({"error": str(error)})
        write(written + b"\n")
    return is_complete
