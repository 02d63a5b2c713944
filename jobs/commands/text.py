"""`cali fingerprint` and `cali redact`: what the job's rules make of texts, offline."""

import sys
from collections.abc import Callable, Iterable
from typing import Annotated, Any

import orjson
import typer
from pydantic_core import from_json

from udfs.errors import BadInputError
from udfs.fingerprint import FingerprintRules, explain, load_fingerprint_rules
from udfs.ingest import to_line
from udfs.parse import complete, read_entry
from udfs.redact import Redactor, load_redact_rules
from udfs.validate import UNKNOWN_SERVICE, clean_service

EXIT_INCOMPLETE = 1
EXIT_USAGE = 2
MAX_LINE_BYTES = 1_048_576

_Explain = Annotated[bool, typer.Option("--explain", help="Say why: the variables, frames or rules that counted.")]


class LineError(Exception):
    """A line of input has no reading; the message does not repeat it."""


def fingerprint(*, with_reasons: _Explain = False) -> None:
    """Fingerprint records from standard input (NDJSON), one JSON object a line to standard output.

    A line is a record as it lies on the stream; it is redacted first, as in the job. A line that cannot be read becomes
    {"error": …} in its place. Exit code 0: all were read; 1: some were not; 2: there is no input.

    Examples:

      echo '{"service": "payment-api", "log_content": "timeout after 31 ms"}' | cali fingerprint

      cali fingerprint --explain < records.ndjson | jq -r '[.fingerprint, .title] | @tsv'
    """
    redactor, rules = Redactor(load_redact_rules()), load_fingerprint_rules()
    _answer_each(lambda line: fingerprint_line(line, redactor, rules, with_reasons=with_reasons))


def redact(
    *,
    text: Annotated[bool, typer.Option("--text", help="Lines are text, not JSON, and come out as text.")] = False,
    with_reasons: _Explain = False,
) -> None:
    """Redact JSON from standard input (NDJSON), one value a line to standard output; with --text, lines of text.

    With --explain a line becomes {"redacted": …, "hits": {rule: times}}. A line that cannot be read becomes
    {"error": …} in its place. Exit code 0: all were read; 1: some were not; 2: there is no input.

    Examples:

      cali redact < records.ndjson > safe.ndjson

      kubectl logs payment-api-0 | cali redact --text
    """
    redactor = Redactor(load_redact_rules())
    _answer_each(lambda line: redact_line(line, redactor, is_text=text, with_reasons=with_reasons))


def fingerprint_line(line: bytes, redactor: Redactor, rules: FingerprintRules, *, with_reasons: bool) -> bytes:
    """Return the fingerprint of a record as JSON.

    Raises:
        BadInputError: the line has no reading.
    """
    entry = read_entry(line, MAX_LINE_BYTES)
    complete(entry)
    service = clean_service(entry.service or "") or UNKNOWN_SERVICE
    found, variables, exceptions, frames = explain(redactor.redact(entry.log_content), service, rules)
    answer: dict[str, Any] = {
        "fingerprint": found.value,
        "service": service,
        "title": found.title,
        "template": found.template,
        "exception_type": found.exception_type,
        "rules_version": found.rules_version,
    }
    if with_reasons:
        answer["variables"] = [variable._asdict() for variable in variables]
        answer["exceptions"] = exceptions
        answer["frames"] = frames
    return orjson.dumps(answer)


def redact_line(line: bytes, redactor: Redactor, *, is_text: bool, with_reasons: bool) -> bytes:
    """Return a line redacted: a text, or a JSON value.

    Raises:
        LineError: the line is too long, no UTF-8, or no JSON.
    """
    value = _read_value(line, is_text=is_text)
    redacted, hits = redactor.explain(value)
    if with_reasons:
        return to_line({"redacted": redacted, "hits": dict(hits)})
    return redacted.encode() if is_text else to_line(redacted)


def _read_value(line: bytes, *, is_text: bool) -> Any:
    if len(line) > MAX_LINE_BYTES:
        raise LineError(f"longer than {MAX_LINE_BYTES} bytes")
    try:
        # Pydantic's parser bounds the depth, where orjson's goes deeper than Python functions can follow.
        return line.decode() if is_text else from_json(line)
    except UnicodeDecodeError:
        raise LineError("not UTF-8") from None
    except ValueError:
        raise LineError("not JSON; for lines of text there is --text") from None


def _answer_each(answer: Callable[[bytes], bytes]) -> None:
    if sys.stdin.isatty():
        typer.echo("lines are read from standard input; see --help", err=True)
        raise typer.Exit(EXIT_USAGE)
    if not answer_lines(sys.stdin.buffer, answer, sys.stdout.buffer.write):
        raise typer.Exit(EXIT_INCOMPLETE)


def answer_lines(lines: Iterable[bytes], answer: Callable[[bytes], bytes], write: Callable[[bytes], Any]) -> bool:
    """Write an answer for each line, an error in the place of one without; return whether there was none."""
    is_complete = True
    for line in lines:
        try:
            written = answer(line.rstrip(b"\r\n"))
        except (BadInputError, LineError) as error:
            is_complete = False
            written = orjson.dumps({"error": str(error)})
        write(written + b"\n")
    return is_complete
