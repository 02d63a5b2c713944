"""`cali analyze`: the analysis of incidents outside the job, with the job's own settings and code."""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Iterable
from typing import NamedTuple

import typer
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from jobs.commands.exit_codes import EXIT_FAILED, EXIT_USAGE
from jobs.log_insight.operator_ids import OperatorId
from jobs.log_insight.settings import GateSettings, Secrets, Settings, load_secrets, load_settings
from schemas.analysis import Analysis, AnalysisRequest
from schemas.error_group import Exemplar
from schemas.incident import Incident
from schemas.log_entry import Severity
from udfs.analyze.analyze import analyze as analyze_request
from udfs.analyze.analyze import make_analyst, make_retriever
from udfs.combine import MAX_EXEMPLAR_BYTES, cut, rank
from udfs.fingerprint import FingerprintRules, fingerprint, load_fingerprint_rules
from udfs.ids import incident_id
from udfs.meters import Meters
from udfs.redact import Redactor, load_redact_rules

MAX_LINE_BYTES = 1_048_576


class LogText(BaseModel):
    """A line of input that is no incident: a service and what it logged."""

    model_config = ConfigDict(extra="ignore")

    service: str = Field(min_length=1)
    log_content: str = Field(min_length=1)


class Rules(NamedTuple):
    """What makes an incident of a text: the job's redaction and fingerprint."""

    redactor: Redactor
    fingerprints: FingerprintRules


class LineError(Exception):
    """A line of input is neither an incident nor a log text."""


def analyze() -> None:
    """Analyse incidents from standard input (NDJSON), one analysis a line to standard output.

    A line is an incident, as the index `incidents` holds it, or `{"service": …, "log_content": …}`; such a text is
    redacted first. Nothing is posted. Exit code 0: each line has its analysis, one that is "unavailable" included; 1:
    a line could not be read, as standard error says; 2: a setting is wrong, or there is no input.

    Examples:

      echo '{"service": "payment-api", "log_content": "DB Connection timeout"}' | cali analyze

      cali analyze < incidents.ndjson | jq -r '[.status, .evidence[0].title] | @tsv'
    """
    settings, secrets = load_settings(), load_secrets()
    if sys.stdin.isatty():
        typer.echo("incidents are read from standard input; see `cali analyze --help`", err=True)
        raise typer.Exit(EXIT_USAGE)
    if not asyncio.run(_analyze_lines(sys.stdin.buffer, settings, secrets)):
        raise typer.Exit(EXIT_FAILED)


def load_rules(grouping: str | None = None) -> Rules:
    """Load the rule sets that the job uses, with the operators' file where there is one."""
    return Rules(Redactor(load_redact_rules()), load_fingerprint_rules(grouping))


def incident_of(text: LogText, rules: Rules, environment: str, now_ms: int) -> Incident:
    """Return the incident that a record with this text would open at `now_ms`, epoch milliseconds."""
    # JSON may spell half a surrogate pair, which is no text.
    content = rules.redactor.redact(text.log_content.encode("utf-8", "replace").decode())
    identity = fingerprint(content, text.service, rules.fingerprints)
    started = now_ms // 1000
    exemplar = Exemplar(
        record_id="stdin",
        rank=rank("stdin"),
        timestamp="",
        arrival_time=now_ms,
        content=cut(content, MAX_EXEMPLAR_BYTES),
    )
    return Incident(
        id=incident_id(environment, identity.rules_version, identity.value, started),
        environment=environment,
        rules_version=identity.rules_version,
        fingerprint=identity.value,
        service=text.service,
        severity=Severity.ERROR,
        title=identity.title,
        template=identity.template,
        started=started,
        first_seen=now_ms,
        last_seen=now_ms,
        count=1,
        revision=1,
        exception_type=identity.exception_type,
        exemplars=(exemplar,),
    )


def read_line(line: bytes, rules: Rules, environment: str, now_ms: int) -> Incident:
    """Read one line of input.

    Raises:
        LineError: it is neither an incident nor a log text, or too long.
    """
    if len(line) > MAX_LINE_BYTES:
        raise LineError(f"longer than {MAX_LINE_BYTES} bytes")
    with contextlib.suppress(ValidationError):
        return Incident.model_validate_json(line)
    try:
        return incident_of(LogText.model_validate_json(line), rules, environment, now_ms)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = ".".join(str(part) for part in problem["loc"]) or "line"
        raise LineError(f"neither an incident nor a log text; {field}: {problem['msg']}") from None


async def _analyze_lines(lines: Iterable[bytes], settings: Settings, secrets: Secrets) -> bool:
    """Write an analysis for each line; return whether all could be read."""
    complete = True
    async for number, result in _results(lines, settings, secrets):
        if isinstance(result, LineError):
            complete = False
            typer.echo(f"line {number}: {result}", err=True)
        else:
            typer.echo(result.to_bytes())
    return complete


async def _results(
    lines: Iterable[bytes], settings: Settings, secrets: Secrets
) -> AsyncIterator[tuple[int, Analysis | LineError]]:
    rules = load_rules(settings.ingest.grouping_rules)
    meters = Meters(OperatorId.ANALYZE)
    async with (
        contextlib.aclosing(make_retriever(settings, secrets, meters)) as retriever,
        contextlib.aclosing(make_analyst(settings, secrets, meters)) as analyst,
    ):
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                incident = read_line(line, rules, settings.environment, time.time_ns() // 1_000_000)
            except LineError as error:
                yield number, error
                continue
            request = AnalysisRequest(channel=_channel(incident, settings.gate), incident=incident)
            yield number, await analyze_request(request, retriever, analyst, settings.analyze, meters)


def _channel(incident: Incident, gate: GateSettings) -> str:
    return gate.routes.get(incident.service, gate.default_channel)
