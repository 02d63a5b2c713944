"""`cali generate`: made-up logs with known failures, into a file or onto the stream."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, TypeVar

import boto3
import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.progress import Progress

from jobs.log_insight.settings import AwsSettings, load_settings
from local.generator.failures import FAILURES, FailureKind
from local.generator.manifest import Manifest
from local.generator.send import KinesisStream, LineFile, NotSentError, Target, send
from local.generator.services import SERVICES, Service
from local.generator.story import USUAL_LINES, USUAL_SECONDS, Options, Shape, Story

KINESIS = "kinesis"
STDOUT = "-"
ALL, NONE = "all", "none"


N = TypeVar("N", Service, FailureKind)


def generate(  # noqa: PLR0917 - Typer calls it by name
    to: Annotated[
        str, typer.Option(help="`kinesis`: the stream of the settings; `-`: standard output; or a file.")
    ] = STDOUT,
    records: Annotated[int, typer.Option(min=1, help="Log lines.")] = USUAL_LINES,
    seed: Annotated[int, typer.Option(help="The same seed tells the same story.")] = 1,
    rate: Annotated[
        float | None, typer.Option(min=0.1, help="Log lines a second; without it as fast as it goes.")
    ] = None,
    duration: Annotated[
        float | None, typer.Option(min=0.1, help="Seconds that the story takes, instead of --rate.")
    ] = None,
    services: Annotated[str, typer.Option(help="Services, with commas between, or `all`.")] = ALL,
    failures: Annotated[str, typer.Option(help="Failures, with commas between, `all` or `none`.")] = ALL,
    shape: Annotated[Shape, typer.Option(help="What kind of story; all but `story` are for load tests.")] = Shape.STORY,
    hostile: Annotated[int, typer.Option(min=0, help="Copies of each broken record in a story.")] = 2,
    aggregation: Annotated[int, typer.Option(min=1, max=100, help="Log lines in a Kinesis record, on average.")] = 10,
    manifest: Annotated[Path | None, typer.Option(help="Write the ledger of what was sent to this file.")] = None,
) -> None:
    """Generate the logs of ten services, with failures that begin at known moments.

    The ledger says what was sent and what is to become of it: records, log lines, dead letters, and each failure with
    the time it began. It goes to --manifest, and with `--to kinesis` to standard output too. Exit code 0: all was
    sent; 1: Kinesis did not take it, or a file cannot be written; 2: an option or a setting is wrong.

    Examples:

      cali generate --records 1000 | head

      cali generate --to kinesis --duration 60 --manifest build/manifest.json

      cali generate --to equal.ndjson --records 1000000 --shape equal-errors
    """
    if rate is not None and duration is not None:
        raise typer.BadParameter("give --rate or --duration, not both: one follows from the other")
    chosen_services = _chosen(services, SERVICES, "service")
    seconds = duration or (records / rate if rate else USUAL_SECONDS)
    is_paced = rate is not None or duration is not None
    now_ms = time.time_ns() // 1_000_000
    story = Story(
        Options(
            seed=seed,
            lines=records,
            seconds=seconds,
            # A story that is not paced is over at once, and tells of the time just past.
            start_ms=now_ms if is_paced else now_ms - int(seconds * 1000),
            shape=shape,
            services=chosen_services,
            failures=_of_services(_chosen(failures, FAILURES, "failure"), chosen_services, failures),
            hostile_copies=hostile,
            lines_per_record=aggregation,
            text_only=to != KINESIS,
        )
    )
    try:
        with _target(to, seed) as target, _progress(records) as progress:
            ledger = send(story, target, paced=is_paced, progress=progress)
        if to == KINESIS:
            typer.echo(ledger.model_dump_json())
        if manifest is not None:
            manifest.parent.mkdir(parents=True, exist_ok=True)
            manifest.write_text(ledger.model_dump_json(indent=2) + "\n")
    except (NotSentError, BotoCoreError, ClientError) as error:
        typer.echo(f"not sent: {error}", err=True)
        raise typer.Exit(1) from None
    except BrokenPipeError:
        raise  # `| head` has read enough: Typer ends without a word
    except OSError as error:
        typer.echo(f"not written: {error}", err=True)
        raise typer.Exit(1) from None


def _chosen(text: str, known: tuple[N, ...], what: str) -> tuple[N, ...]:
    if text == ALL:
        return known
    wanted = [] if text == NONE else [name.strip() for name in text.split(",")]
    by_name = {one.name: one for one in known}
    for name in wanted:
        if name not in by_name:
            raise typer.BadParameter(f"no {what} {name!r}; there are {', '.join(by_name)}")
    return tuple(by_name[name] for name in wanted)


def _of_services(kinds: tuple[FailureKind, ...], services: tuple[Service, ...], asked: str) -> tuple[FailureKind, ...]:
    """Keep the failures of the chosen services; one that was asked for by name must be among them."""
    names = {service.name for service in services}
    kept = tuple(kind for kind in kinds if kind.service in names)
    if asked != ALL and len(kept) < len(kinds):
        missing = next(kind for kind in kinds if kind not in kept)
        raise typer.BadParameter(f"failure {missing.name!r} needs the service {missing.service!r}")
    return kept


@contextlib.contextmanager
def _target(to: str, seed: int) -> Iterator[Target]:
    if to == KINESIS:
        settings = load_settings()
        yield KinesisStream(_kinesis(settings.aws), settings.source.kinesis.stream, seed)
    elif to == STDOUT:
        yield LineFile(sys.stdout.buffer)
        sys.stdout.buffer.flush()
    else:
        with Path(to).open("wb") as stream:
            yield LineFile(stream)


def _kinesis(aws: AwsSettings) -> Any:
    try:
        return boto3.client("kinesis", region_name=aws.region, endpoint_url=aws.endpoint)
    except ValueError as error:  # boto3's word for an endpoint, which AWS_ENDPOINT_URL may also give
        raise NotSentError(str(error)) from None


@contextlib.contextmanager
def _progress(lines: int) -> Iterator[Callable[[Manifest], None]]:
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("log lines", total=lines)
        yield lambda manifest: bar.update(task, completed=manifest.lines)
