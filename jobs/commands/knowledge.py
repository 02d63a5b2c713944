"""`cali knowledge`: the runbooks and past incidents that analyses rest on."""

import asyncio
import contextlib
import json
import logging
import sys
from collections.abc import Iterator
from typing import Annotated, Any, NoReturn

import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.table import Table

from jobs.commands.exit_codes import EXIT_FAILED, EXIT_UNKNOWN
from jobs.knowledge import CheckReport, KnowledgeBase, PromoteReport
from jobs.knowledge import sync as sync_documents
from jobs.log_insight.operator_ids import OperatorId
from jobs.log_insight.settings import Secrets, Settings, load_secrets, load_settings
from udfs.analyze.analyze import make_retriever
from udfs.analyze.evaluate import LabelError
from udfs.analyze.knowledge import KnowledgeError
from udfs.analyze.retrieve import RetrievalError
from udfs.analyze.score import Match, Query
from udfs.analyze.sync import SyncError, UnansweredError
from udfs.analyze.text import condense, words
from udfs.meters import Meters

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

#: Queries that got worse, in a message for people; the JSON has all.
TOLD = 10

Source = Annotated[str, typer.Argument(help="Folder or s3:// URL with *.md files.")]
Queries = Annotated[
    str | None, typer.Option(help="Labelled queries, a file or s3:// URL; SOURCE/eval/queries.ndjson by default.")
]
Unchecked = Annotated[bool, typer.Option("--unchecked", help="Go live without a check, as for a change that is meant.")]


@app.callback()
def knowledge() -> None:
    """Keep and search the knowledge base: runbooks and past incidents."""
    # What pymilvus logs it throws as well, and then it is told in our words.
    for name in ("pymilvus", "pymilvus.milvus_client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


@app.command()
def sync(source: Source = "knowledge", queries: Queries = None, *, unchecked: Unchecked = False) -> None:
    """Bring Milvus in line with the documents, unless they are found worse than those that are live.

    It is `stage`, `check` and `promote` in one go, and may run as often as you like, also while the job searches. One
    JSON line (on a terminal a table) says what was done. Exit code 0: searches find exactly these documents; 1: they
    do worse on the labelled queries, or there are none, or a document is wrong (named with its field), and what is live
    has not changed; 2: a setting is wrong; 3: Milvus or S3 does not answer, run it again.

    Examples:

      cali knowledge sync

      cali knowledge sync s3://acme-runbooks/payments

      CALI_MILVUS__URI=http://milvus:19530 cali knowledge sync ./runbooks --unchecked
    """
    settings, secrets = load_settings(), load_secrets()
    with _told_failures():
        staged, promoted = sync_documents(source, settings, secrets, queries, unchecked=unchecked)
    _print_promotion(staged._asdict() | _promote_line(promoted), promoted.check)


@app.command()
def stage(source: Source = "knowledge") -> None:
    """Fill a collection beside the live one with the documents; no search sees it.

    Documents that are staged already are left alone, and a run that was cut short is completed. `added`, `changed`,
    `deleted` and `unchanged` count documents, against those that are live. To look at what is staged, search it under
    its own name, as below. Exit code 0: all is staged; 1: a document is wrong; 2: a setting is wrong; 3: Milvus or S3
    does not answer.

    Examples:

      cali knowledge stage s3://acme-runbooks/payments

      CALI_MILVUS__COLLECTION=cali_knowledge_staged cali knowledge search "connection pool"
    """
    settings, secrets = load_settings(), load_secrets()
    with _told_failures(), KnowledgeBase(source, settings, secrets) as base:
        report = base.stage()
    _print(report._asdict(), _listed(report._asdict()))


@app.command()
def check(source: Source = "knowledge", queries: Queries = None) -> None:
    """Run the labelled queries against the staged documents and the live ones, and compare. Nothing is changed.

    Worse is: hit@1, hit@3, MRR or the share found is lower, or that of false alarms higher, by more than 0.02; or a
    document that queries name is gone, or is not among the first three for any of its queries any more. So delete a
    document together with its labels. A first knowledge base needs no labelled queries; if it has some, half of them
    must find a document among the first three. Exit code 0: it may go live; 1: it is worse, as standard error says and
    the JSON in full, or it is not staged as SOURCE is now, or there are no labelled queries; 2: a setting is wrong; 3:
    Milvus or S3 does not answer.

    Examples:

      cali knowledge check s3://acme-runbooks/payments

      cali knowledge check ./runbooks --queries s3://acme-labels/queries.ndjson | jq '.worse[]'
    """
    settings, secrets = load_settings(), load_secrets()
    with _told_failures(), KnowledgeBase(source, settings, secrets, queries) as base:
        report = base.check()
    _print(_check_line(report), _figures(report))
    _refuse(report)


@app.command()
def promote(source: Source = "knowledge", queries: Queries = None, *, unchecked: Unchecked = False) -> None:
    """Make the staged documents the live ones, unless a check now speaks against it.

    It checks by itself, so nothing gets between. What was live stays beside it until the next promotion. Exit code 0:
    they are live; 1: refused, for the reasons that `check` gives, and what is live has not changed; 2: a setting is
    wrong; 3: Milvus or S3 does not answer.

    Examples:

      cali knowledge promote s3://acme-runbooks/payments
    """
    settings, secrets = load_settings(), load_secrets()
    with _told_failures(), KnowledgeBase(source, settings, secrets, queries) as base:
        report = base.promote(unchecked=unchecked)
    _print_promotion(_promote_line(report), report.check)


@app.command()
def search(
    text: Annotated[str, typer.Argument(help="Log text; - reads it from standard input.")],
    service: Annotated[str, typer.Option(help="Service that the text is from.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=20, help="Documents to show.")] = 5,
) -> None:
    """Show the documents that an incident with this text would find, a table on a terminal, NDJSON in a pipe.

    `score` is the probability that a document is about the same failure; those below
    CALI_ANALYZE__SIMILARITY_THRESHOLD are not given to the analyst (`similar` is false). A text without telling words
    finds nothing, as standard error says. Exit code 2: a setting is wrong; 3: Milvus does not answer.

    Examples:

      cali knowledge search "HikariPool-1 - Connection is not available" --service payment-api

      kubectl logs payment-api-0 --tail 40 | cali knowledge search - | jq -r .url
    """
    settings, secrets = load_settings(), load_secrets()
    query = Query(service, condense(sys.stdin.read() if text == "-" else text))
    if not words(query.text):
        typer.echo("the text has no telling words, so nothing was searched", err=True)
    with _told_failures():
        matches = asyncio.run(_search(query, settings, secrets))[:limit]
    threshold = settings.analyze.similarity_threshold
    if sys.stdout.isatty():
        Console().print(_table(matches, threshold))
        return
    for match in matches:
        typer.echo(json.dumps(_line(match, threshold), ensure_ascii=False))


async def _search(query: Query, settings: Settings, secrets: Secrets) -> list[Match]:
    async with contextlib.aclosing(make_retriever(settings, secrets, Meters(OperatorId.ANALYZE))) as retriever:
        return await retriever.search(query)


def _line(match: Match, threshold: float) -> dict[str, object]:
    return match.document.evidence(match.score).model_dump(mode="json") | {"similar": match.score >= threshold}


def _table(matches: list[Match], threshold: float) -> Table:
    table = Table("score", "kind", "title", "date", "link")
    for match in matches:
        document = match.document
        style = None if match.score >= threshold else "dim"
        table.add_row(
            f"{match.score:.0%}", document.kind.value, document.title, document.date, document.url, style=style
        )
    return table


@contextlib.contextmanager
def _told_failures() -> Iterator[None]:
    try:
        yield
    except (UnansweredError, RetrievalError) as error:
        _end(EXIT_UNKNOWN, str(error))
    except (KnowledgeError, LabelError, SyncError) as error:
        _end(EXIT_FAILED, str(error))
    except (BotoCoreError, ClientError) as error:
        _end(EXIT_UNKNOWN, f"S3: {error}")


def _promote_line(report: PromoteReport) -> dict[str, Any]:
    return report._asdict() | {"check": _check_line(report.check) if report.check else None}


def _check_line(report: CheckReport) -> dict[str, Any]:
    line: dict[str, Any] = {"collection": report.collection, "live": report.live, "passed": not report.reasons}
    if report.verdict is None:
        return line | {"reasons": [], "figures": None, "worse": [], "lost": [], "buried": [], "unknown": []}
    verdict = report.verdict._asdict()
    figures = {name: found._asdict() if (found := verdict.pop(name)) else None for name in ("staged", "live")}
    return line | verdict | {"figures": figures, "worse": [query._asdict() for query in report.verdict.worse]}


def _print(line: dict[str, Any], *tables: Table) -> None:
    """Write tables on a terminal, one JSON line into a pipe."""
    if sys.stdout.isatty():
        Console().print(*tables)
    else:
        typer.echo(json.dumps(line))


def _print_promotion(line: dict[str, Any], check: CheckReport | None) -> None:
    report = _listed({name: value for name, value in line.items() if name != "check"})
    _print(line, report, *([_figures(check)] if check else []))
    if check:
        _refuse(check)


def _listed(values: dict[str, Any]) -> Table:
    table = Table(show_header=False)
    for name, value in values.items():
        table.add_row(name, "-" if value is None else str(value))
    return table


def _figures(report: CheckReport) -> Table:
    verdict = report.verdict
    table = Table("", f"live: {report.live or '-'}", f"staged: {report.collection}")
    for label, name in (
        ("queries", "queries"),
        ("unrelated queries", "unrelated"),
        ("hit@1", "hit_at_1"),
        ("hit@3", "hit_at_3"),
        ("MRR", "mrr"),
        ("found", "found"),
        ("false alarms", "false_alarms"),
    ):
        shelves = (verdict.live, verdict.staged) if verdict else (None, None)
        values = [getattr(shelf, name) if shelf else None for shelf in shelves]
        table.add_row(label, *("-" if value is None else f"{value:.3g}" for value in values))
    return table


def _refuse(report: CheckReport) -> None:
    """Exit with 1 if a check found reasons, and name them and the queries that got worse."""
    if not report.reasons:
        return
    lines = ["not to go live:", *report.reasons]
    worse = [query.query for query in report.verdict.worse] if report.verdict else []
    if worse:
        more = f" and {len(worse) - TOLD} more" if len(worse) > TOLD else ""
        lines.append(f"queries that got worse: {', '.join(worse[:TOLD])}{more}")
    _end(EXIT_FAILED, "\n  ".join(lines))


def _end(code: int, message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(code)
