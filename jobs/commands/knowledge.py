"""`cali knowledge`: the runbooks and past incidents that analyses rest on."""

import asyncio
import contextlib
import json
import sys
from collections.abc import Iterator
from typing import Annotated, NoReturn

import typer
from botocore.exceptions import BotoCoreError, ClientError
from pymilvus import MilvusClient
from pymilvus.exceptions import MilvusException
from rich.console import Console
from rich.table import Table

from jobs.commands.objects import folder
from jobs.log_insight.operator_ids import OperatorId
from jobs.log_insight.settings import AwsSettings, Secrets, Settings, load_secrets, load_settings
from udfs.analyze.analyze import make_retriever
from udfs.analyze.embed import load_embedder
from udfs.analyze.knowledge import MAX_BYTES, Document, KnowledgeError, is_document, parse_documents
from udfs.analyze.retrieve import RetrievalError
from udfs.analyze.score import Match, Query
from udfs.analyze.sync import SyncError, SyncReport
from udfs.analyze.sync import sync as sync_documents
from udfs.analyze.text import condense
from udfs.meters import Meters

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

CONNECT_TIMEOUT_SECONDS = 10.0
EXIT_FAILED = 1


@app.callback()
def knowledge() -> None:
    """Keep and search the knowledge base: runbooks and past incidents."""


@app.command()
def sync(
    source: Annotated[str, typer.Argument(help="Folder or s3:// URL with *.md files.")] = "knowledge",
) -> None:
    """Bring Milvus in line with the documents: changed ones are written, vanished ones deleted, the rest left alone.

    It may run as often as you like, also while the job searches. One JSON line says what was done. Exit code 0: Milvus
    holds exactly these documents; 1: a document is wrong (named with its field) or Milvus does not answer, and nothing
    is lost; 2: a setting is wrong.

    Examples:

      cali knowledge sync

      cali knowledge sync s3://acme-runbooks/payments

      CALI_MILVUS__URI=http://milvus:19530 cali knowledge sync ./runbooks
    """
    settings, secrets = load_settings(), load_secrets()
    try:
        report = sync_folder(source, settings, secrets)
    except (KnowledgeError, SyncError) as error:
        _fail(str(error))
    except (BotoCoreError, ClientError) as error:
        _fail(f"S3: {error}")
    typer.echo(json.dumps(report._asdict()))


@app.command()
def search(
    text: Annotated[str, typer.Argument(help="Log text; - reads it from standard input.")],
    service: Annotated[str, typer.Option(help="Service that the text is from.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=20, help="Documents to show.")] = 5,
) -> None:
    """Show the documents that an incident with this text would find, a table on a terminal, NDJSON in a pipe.

    `score` is the probability that a document is about the same failure; those below
    CALI_ANALYZE__SIMILARITY_THRESHOLD are not given to the analyst (`similar` is false).

    Examples:

      cali knowledge search "HikariPool-1 - Connection is not available" --service payment-api

      kubectl logs payment-api-0 --tail 40 | cali knowledge search - | jq -r .url
    """
    settings, secrets = load_settings(), load_secrets()
    content = sys.stdin.read() if text == "-" else text
    try:
        matches = asyncio.run(_search(Query(service, condense(content)), settings, secrets))[:limit]
    except RetrievalError as error:
        _fail(str(error))
    threshold = settings.analyze.similarity_threshold
    if sys.stdout.isatty():
        Console().print(_table(matches, threshold))
        return
    for match in matches:
        typer.echo(json.dumps(_line(match, threshold), ensure_ascii=False))


def read_documents(source: str, aws: AwsSettings) -> list[Document]:
    """Read the documents of a folder or an `s3://` URL.

    Raises:
        KnowledgeError: one of them is wrong, or there is none.
    """
    try:
        return parse_documents(_files(source, aws))
    except KnowledgeError as error:
        raise KnowledgeError(f"{source}: {error}") from None


def _files(source: str, aws: AwsSettings) -> Iterator[tuple[str, str]]:
    documents = folder(source, aws)
    for name in documents.names(""):
        if not is_document(name):
            continue
        with contextlib.closing(documents.open(name)) as stream:
            content = stream.read(MAX_BYTES + 1)
        try:
            yield name, content.decode()
        except UnicodeDecodeError:
            raise KnowledgeError(f"{name}: not UTF-8, or longer than {MAX_BYTES} bytes") from None


def sync_folder(source: str, settings: Settings, secrets: Secrets) -> SyncReport:
    """Bring Milvus in line with the documents of a folder or an `s3://` URL.

    Raises:
        KnowledgeError: a document is wrong, or there is none.
        SyncError: Milvus does not answer; nothing is lost.
    """
    documents = read_documents(source, settings.aws)
    token = secrets.milvus_token.get_secret_value() if secrets.milvus_token else ""
    try:
        client = MilvusClient(settings.milvus.uri, token=token, timeout=CONNECT_TIMEOUT_SECONDS)
    except MilvusException as error:
        raise SyncError(f"Milvus at {settings.milvus.uri}: {error.message}") from None
    with contextlib.closing(client):
        return sync_documents(client, settings.milvus.collection, documents, load_embedder())


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


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(EXIT_FAILED)
