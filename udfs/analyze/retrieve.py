"""Documents of the knowledge base that look like an incident, found in Milvus."""

import asyncio
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import grpc
from pydantic import ValidationError
from pymilvus import AsyncMilvusClient
from pymilvus.exceptions import MilvusException

from jobs.log_insight.metrics import BREAKER_OPEN, CACHE_REQUESTS, RETRIEVAL_SECONDS
from jobs.log_insight.settings import AnalyzeSettings, MilvusSettings, Secrets
from schemas.incident import Incident
from udfs.analyze.embed import Embedder
from udfs.analyze.knowledge import Document
from udfs.analyze.score import Candidate, Match, Prepared, Query, prepare, rank
from udfs.analyze.text import MAX_CHARACTERS, MAX_QUERY_WORDS, condense, normalise, words
from udfs.breaker import Breaker
from udfs.cache import BoundedCache
from udfs.meters import Meters

#: Documents that are scored again. Of the labelled queries all have theirs among the first 15.
CANDIDATES = 20
#: Width of the search in the graph; Milvus wants at least the number of results.
SEARCH_WIDTH = 128
_CACHED_DOCUMENTS = 1_000
#: Milvus' code for a collection that lies on disk only, as after a restart of Milvus Lite.
_NOT_LOADED = 101
BREAKER_FAILURES = 3
BREAKER_COOL_DOWN_SECONDS = 30.0


class RetrievalError(Exception):
    """The knowledge base cannot be asked now. The message is for people: no log text, no secret."""


class Retriever(Protocol):
    """Finds similar documents."""

    async def search(self, query: Query) -> list[Match]:
        """Return documents by falling score.

        Raises:
            RetrievalError: there is no answer; also when it did not come in time.
        """
        ...

    async def aclose(self) -> None:
        """Free what the retriever holds."""
        ...


def query_of(incident: Incident) -> Query:
    """Return what to look for: the telling lines of the first exemplar, the title where there is none."""
    content = condense(incident.exemplars[0].content) if incident.exemplars else incident.title
    text = content if content.strip() else incident.title
    if incident.exception_type and incident.exception_type not in text:
        text = f"{incident.exception_type}\n{text}"
    return Query(incident.service, text[:MAX_CHARACTERS])


class MilvusRetriever:
    """Searches the collection (or alias) of the settings. It belongs to the event loop of its first search."""

    def __init__(
        self,
        milvus: MilvusSettings,
        analyze: AnalyzeSettings,
        secrets: Secrets,
        embedder: Embedder,
        *,
        meters: Meters,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._milvus = milvus
        self._timeout = min(analyze.retrieval_timeout_seconds, analyze.timeout_seconds)
        self._token = secrets.milvus_token.get_secret_value() if secrets.milvus_token else ""
        self._embedder = embedder
        self._meters = meters
        self._clock = clock
        self._breaker = Breaker(BREAKER_FAILURES, BREAKER_COOL_DOWN_SECONDS)
        self._connection: _Connection | None = None
        self._prepared: BoundedCache[str, Prepared] = BoundedCache(_CACHED_DOCUMENTS)

    async def search(self, query: Query) -> list[Match]:
        """Return documents by falling score, none for a text without words."""
        query_words = words(query.text)[:MAX_QUERY_WORDS]
        if not query_words:
            return []
        return rank(query, query_words, await self.candidates(query), self._embedder)

    async def candidates(self, query: Query) -> list[Candidate]:
        """Return what the vector search finds, by falling cosine.

        Raises:
            RetrievalError: there is no answer; also when it did not come in time.
        """
        if not self._breaker.allows(self._clock()):
            raise RetrievalError("knowledge base is down, not asked again yet")
        try:
            with self._meters.timed(RETRIEVAL_SECONDS):
                found = [self._candidate(hit) for hit in await self._hits(normalise(query.text))]
        except RetrievalError:
            self._breaker.failed(self._clock())
            raise
        else:
            self._breaker.succeeded()
        finally:
            self._meters.set(BREAKER_OPEN, self._breaker.is_open, dependency="milvus")
        return found

    async def aclose(self) -> None:
        """Close the client."""
        if self._connection:
            await self._connection.retire()
            self._connection = None

    async def _hits(self, text: str) -> Sequence[Any]:
        connection = self._connect()
        vectors = self._embedder.texts([text]).tolist()
        try:
            async with connection, asyncio.timeout(self._timeout):
                found = await self._search_loaded(connection.client, vectors)
        except TimeoutError:
            await self._forget(connection)
            raise RetrievalError(f"knowledge base did not answer within {self._timeout:g} s") from None
        except grpc.RpcError as error:
            await self._forget(connection)
            raise RetrievalError(f"knowledge base is not reachable ({_status(error)})") from None
        except MilvusException as error:
            raise RetrievalError(f"knowledge base refused the search (code {_code(error)})") from None
        return found[0] if found else ()

    async def _search_loaded(self, client: AsyncMilvusClient, vectors: list[list[float]]) -> Sequence[Any]:
        try:
            return await self._search(client, vectors)
        except MilvusException as error:
            if error.code != _NOT_LOADED:
                raise
        await client.load_collection(self._milvus.collection)
        return await self._search(client, vectors)

    async def _search(self, client: AsyncMilvusClient, vectors: list[list[float]]) -> Sequence[Any]:
        found: Sequence[Any] = await client.search(
            self._milvus.collection,
            vectors,
            limit=CANDIDATES,
            group_by_field="document_id",
            output_fields=["document"],
            search_params={"metric_type": "COSINE", "params": {"ef": SEARCH_WIDTH}},
        )
        return found

    def _candidate(self, hit: Any) -> Candidate:
        try:
            text, cosine = hit["entity"]["document"], float(hit["distance"])
            remembered = self._prepared.get(text)
            prepared = remembered or prepare(Document.model_validate_json(text))
        except (ValidationError, KeyError, TypeError):
            raise RetrievalError(
                "knowledge base holds documents of another version: run `cali knowledge sync`"
            ) from None
        self._meters.add(CACHE_REQUESTS, cache="documents", result="hit" if remembered else "miss")
        return Candidate(remembered or self._prepared.keep(text, prepared), cosine)

    def _connect(self) -> "_Connection":
        try:
            self._connection = self._connection or _Connection(self._milvus.uri, self._token)
        except (MilvusException, ValueError):
            raise RetrievalError("knowledge base has an address that Milvus does not take") from None
        return self._connection

    async def _forget(self, connection: "_Connection") -> None:
        # gRPC waits up to two minutes before it connects again; a new channel does so at once.
        if self._connection is connection:
            self._connection = None
            await connection.retire()


class _Connection:
    """A client that is closed when it is retired and its last user has left.

    Closing a channel cancels the calls of others on it, which would look like the cancellation of their own task.
    """

    def __init__(self, uri: str, token: str) -> None:
        # pymilvus shares a connection between clients of one address, across event loops, unless it has its own name.
        self.client = AsyncMilvusClient(uri, token=token, alias=f"cali-{uuid.uuid4().hex}")
        self._users = 0
        self._retired = False

    async def __aenter__(self) -> None:
        self._users += 1

    async def __aexit__(self, *_: object) -> None:
        self._users -= 1
        await self._close_when_unused()

    async def retire(self) -> None:
        """Close as soon as nobody uses it."""
        self._retired = True
        await self._close_when_unused()

    async def _close_when_unused(self) -> None:
        if self._retired and not self._users:
            await self.client.close()


def _status(error: grpc.RpcError) -> str:
    code = error.code() if isinstance(error, grpc.aio.AioRpcError) else None
    return code.name if code else type(error).__name__


def _code(error: MilvusException) -> int:
    return int(error.code) if isinstance(error.code, int) else -1
