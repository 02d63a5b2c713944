"""The refresh of the knowledge base: documents of a folder or bucket are staged, checked against labels, promoted.

Each step works out from the documents themselves which collection it is about, so that steps may be processes of their
own and nothing is handed from one to the next. A promotion checks again by itself: whatever happened since the check,
it moves the alias only to what is staged whole and is no worse than what is live at that moment.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Self

from pymilvus import MilvusClient
from pymilvus.exceptions import MilvusException

from jobs.commands.analyze import LogText, incident_of, load_rules
from jobs.commands.objects import ObjectGoneError, folder
from jobs.log_insight.operator_ids import OperatorId
from jobs.log_insight.settings import AwsSettings, Secrets, Settings
from udfs.analyze.analyze import make_retriever
from udfs.analyze.embed import load_embedder
from udfs.analyze.evaluate import LabelError, LabelledQuery, Ranked, Verdict, countable, judge, parse_queries
from udfs.analyze.knowledge import MAX_BYTES, Document, KnowledgeError, is_document, parse_documents
from udfs.analyze.retrieve import RetrievalError, Retriever, query_of
from udfs.analyze.score import Query
from udfs.analyze.sync import (
    Live,
    NotStagedError,
    StageReport,
    SyncError,
    UnansweredError,
    find_live,
    find_staged,
    promote,
    stage,
)
from udfs.meters import Meters

CONNECT_TIMEOUT_SECONDS = 10.0
#: Where labelled queries lie beside the documents.
QUERIES = "eval/queries.ndjson"


class CheckReport(NamedTuple):
    """What a check found; `verdict` is None where a first knowledge base has no labelled queries."""

    collection: str
    live: str | None
    verdict: Verdict | None

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the collection must not go live; empty where it may."""
        return self.verdict.reasons if self.verdict else ()


class PromoteReport(NamedTuple):
    """What a promotion did: `live` is what the alias points to now, `before` what it pointed to.

    `check` is None where nothing was to be checked: on demand, or because the documents are live already.
    """

    collection: str
    live: str | None
    before: str | None
    check: CheckReport | None


class KnowledgeBase:
    """The documents of one source and the Milvus that is to hold them; to be used as a context manager.

    Raises:
        KnowledgeError: a document is wrong, or there is none.
        UnansweredError: Milvus does not answer.
    """

    def __init__(self, source: str, settings: Settings, secrets: Secrets, queries: str | None = None) -> None:
        """Read the documents of `source`, a folder or an `s3://` URL; `queries` is a labelled set kept elsewhere."""
        self._source = source
        self._queries = queries
        self._settings = settings
        self._secrets = secrets
        self._alias = settings.milvus.collection
        self._documents = read_documents(source, settings.aws)
        self._client = _connect(settings, secrets)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def stage(self) -> StageReport:
        """Fill a collection beside the live one with the documents."""
        return stage(self._client, self._alias, self._documents, load_embedder())

    def check(self) -> CheckReport:
        """Run the labelled queries against what is staged and what is live. Nothing is changed.

        Raises:
            SyncError: these documents are not staged, or there is nothing to compare them by.
            LabelError: the labelled queries cannot be used.
            RetrievalError: Milvus does not answer a query.
        """
        collection = self._staged()
        return self._check(collection, find_live(self._client, self._alias))

    def promote(self, *, unchecked: bool = False) -> PromoteReport:
        """Make what is staged live, unless a check speaks against it, as the report says then.

        Raises:
            SyncError: these documents are not staged, or there is nothing to compare them by.
            LabelError: the labelled queries cannot be used.
            RetrievalError: Milvus does not answer a query.
        """
        collection = self._staged()
        live = find_live(self._client, self._alias)
        before = live.collection if live else None
        if before == collection:
            return PromoteReport(collection, collection, before, check=None)
        check = None if unchecked else self._check(collection, live)
        if check and check.reasons:
            return PromoteReport(collection, before, before, check)
        promote(self._client, self._alias, collection, before)
        return PromoteReport(collection, collection, before, check)

    def _staged(self) -> str:
        try:
            return find_staged(self._client, self._alias, self._documents)
        except NotStagedError as error:
            raise NotStagedError(f"{self._source}: {error}; run `cali knowledge stage {self._source}`") from None

    def _check(self, collection: str, live: Live | None) -> CheckReport:
        queries = self._labelled()
        if queries is None:
            if live and live.collection != collection:
                raise SyncError(
                    f"{self._source} has no {QUERIES}: without labelled queries nobody can tell whether these documents"
                    f" are worse than those of {live.collection}; name some with --queries, or promote with --unchecked"
                )
            return CheckReport(collection, live.collection if live else None, verdict=None)
        return CheckReport(collection, live.collection if live else None, self._judge(queries, collection, live))

    def _judge(self, queries: Sequence[LabelledQuery], collection: str, live: Live | None) -> Verdict:
        documents = frozenset(document.id for document in self._documents)
        # What another release embedded, or what is not whole, is nothing to measure by.
        compared = live if live and live.is_whole else None
        counted = countable(queries, documents, *([compared.documents] if compared else []))
        return judge(
            queries,
            self._measure(collection, counted),
            self._measure(compared.collection, counted) if compared else None,
            documents=documents,
            live_documents=live.documents if live else frozenset(),
            threshold=self._settings.analyze.similarity_threshold,
        )

    def _measure(self, collection: str, queries: Sequence[LabelledQuery]) -> list[Ranked]:
        milvus = self._settings.milvus.model_copy(update={"collection": collection})
        settings = self._settings.model_copy(update={"milvus": milvus})
        retriever = make_retriever(settings, self._secrets, Meters(OperatorId.ANALYZE))
        return asyncio.run(_ranked(retriever, queries, settings))

    def _labelled(self) -> tuple[LabelledQuery, ...] | None:
        url = self._queries or f"{self._source.rstrip('/')}/{QUERIES}"
        try:
            return read_queries(url, self._settings.aws)
        except ObjectGoneError:
            if self._queries:
                raise LabelError(f"{url}: there is no such file") from None
            return None


class SyncReport(NamedTuple):
    """What a sync did, step by step."""

    staged: StageReport
    promoted: PromoteReport


def sync(
    source: str, settings: Settings, secrets: Secrets, queries: str | None = None, *, unchecked: bool = False
) -> SyncReport:
    """Stage the documents of a folder or an `s3://` URL, check them and make them live: `KnowledgeBase` in one go."""
    with KnowledgeBase(source, settings, secrets, queries) as knowledge:
        return SyncReport(knowledge.stage(), knowledge.promote(unchecked=unchecked))


def read_documents(source: str, aws: AwsSettings) -> list[Document]:
    """Read the documents of a folder or an `s3://` URL.

    Raises:
        KnowledgeError: one of them is wrong, or there is none.
    """
    try:
        return parse_documents(_files(source, aws))
    except KnowledgeError as error:
        raise KnowledgeError(f"{source}: {error}") from None


def read_queries(url: str, aws: AwsSettings) -> tuple[LabelledQuery, ...]:
    """Read labelled queries from a file or an `s3://` URL.

    Raises:
        ObjectGoneError: there is no such file.
        LabelError: it cannot be read, or a line is wrong.
    """
    root, _, name = url.rpartition("/") if "://" in url else ("", "", url)
    try:
        with contextlib.closing(folder(root, aws).open(name)) as stream:
            return parse_queries(url, stream.read().decode("utf-8-sig").split("\n"))
    except OSError as error:
        raise LabelError(f"{url}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise LabelError(f"{url}: not UTF-8") from None


def as_incidents(queries: Sequence[LabelledQuery], settings: Settings) -> Iterator[Query]:
    """Yield what the job would look for if a service logged these texts: redacted, fingerprinted, condensed."""
    rules, now_ms = load_rules(settings.ingest.grouping_rules), int(time.time() * 1000)
    for query in queries:
        text = LogText(service=query.service, log_content=query.log_content)
        yield query_of(incident_of(text, rules, settings.environment, now_ms))


async def _ranked(retriever: Retriever, queries: Sequence[LabelledQuery], settings: Settings) -> list[Ranked]:
    ranked = []
    async with contextlib.aclosing(retriever):
        for labelled, query in zip(queries, as_incidents(queries, settings), strict=True):
            try:
                matches = await retriever.search(query)
            except RetrievalError as error:
                raise RetrievalError(f"{settings.milvus.collection}, query {labelled.id}: {error}") from None
            ranked.append(Ranked(labelled, tuple((match.document.id, match.score) for match in matches)))
    return ranked


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


def _connect(settings: Settings, secrets: Secrets) -> MilvusClient:
    token = secrets.milvus_token.get_secret_value() if secrets.milvus_token else ""
    try:
        return MilvusClient(settings.milvus.uri, token=token, timeout=CONNECT_TIMEOUT_SECONDS)
    except MilvusException as error:
        raise UnansweredError(f"Milvus at {settings.milvus.uri}: {error.message}") from None
