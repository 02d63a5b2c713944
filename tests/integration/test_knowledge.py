"""The knowledge base in a real Milvus: kept in line, searched, and out of order."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import boto3
import pytest
from pymilvus import MilvusClient
from typer.testing import CliRunner

from jobs.commands.knowledge import app, read_documents
from jobs.log_insight.operator_ids import OperatorId
from jobs.log_insight.settings import AnalyzeSettings, AwsSettings, MilvusSettings, Secrets
from local.milvus import Milvus
from local.ports import free_port
from local.stack import Stack
from udfs.analyze import sync as sync_module
from udfs.analyze.embed import Embedder, load_embedder
from udfs.analyze.knowledge import Document
from udfs.analyze.retrieve import BREAKER_COOL_DOWN_SECONDS, BREAKER_FAILURES, MilvusRetriever, RetrievalError
from udfs.analyze.score import Query
from udfs.analyze.sync import SyncError, SyncReport, sync
from udfs.meters import Meters

pytestmark = pytest.mark.stack

ROOT = Path(__file__).parents[2]
POOL = Query("payment-api", "[ERROR] payment-api: DB Connection timeout at 14:00:01")
#: A test that waits longer has found a call that is not bounded.
PATIENCE_SECONDS = 20.0


class Clock:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def milvus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Milvus]:
    """A server of this module alone: it is stopped in its tracks and killed here."""
    with Milvus(tmp_path_factory.mktemp("milvus")) as started:
        yield started


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    return read_documents(str(ROOT / "knowledge"), AwsSettings())


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return load_embedder()


@pytest.fixture
def client(milvus: Milvus) -> Iterator[MilvusClient]:
    client = MilvusClient(milvus.uri)
    yield client
    client.close()


@asynccontextmanager
async def retriever(
    uri: str, collection: str, clock: Clock | None = None, seconds: float = 3.0
) -> AsyncIterator[MilvusRetriever]:
    made = MilvusRetriever(
        MilvusSettings(uri=uri, collection=collection),
        AnalyzeSettings(retrieval_timeout_seconds=seconds),
        Secrets(),
        load_embedder(),
        meters=Meters(OperatorId.ANALYZE),
        clock=clock or Clock(),
    )
    async with aclosing(made), asyncio.timeout(PATIENCE_SECONDS):
        yield made


def found(uri: str, collection: str, query: Query = POOL) -> dict[str, float]:
    async def search() -> dict[str, float]:
        async with retriever(uri, collection) as made:
            return {match.document.id: match.score for match in await made.search(query)}

    return asyncio.run(search())


def stored(client: MilvusClient, alias: str) -> set[str]:
    rows = client.query(alias, filter='id != ""', output_fields=["document_id"], limit=10_000)
    return {row["document_id"] for row in rows}


def test_a_sync_writes_what_is_new_and_a_second_one_nothing(
    client: MilvusClient, documents: list[Document], embedder: Embedder, milvus: Milvus
) -> None:
    first = sync(client, "twice", documents, embedder)
    second = sync(client, "twice", documents, embedder)
    assert first == SyncReport(first.collection, added=len(documents), changed=0, deleted=0, unchanged=0)
    assert second == SyncReport(first.collection, added=0, changed=0, deleted=0, unchanged=len(documents))
    assert stored(client, "twice") == {document.id for document in documents}
    best = next(iter(found(milvus.uri, "twice").items()))
    assert best[0] == "rb-db-connection-pool-exhausted"
    assert best[1] > 0.9


def test_a_document_that_vanished_is_not_found_any_more_and_a_changed_one_is_found_by_its_new_words(
    client: MilvusClient, documents: list[Document], embedder: Embedder, milvus: Milvus
) -> None:
    sync(client, "moving", documents, embedder)
    kept = [document for document in documents if document.id != "rb-db-connection-pool-exhausted"]
    kept[0] = kept[0].model_copy(update={"symptoms": ("the flux capacitor is detuned",)})
    report = sync(client, "moving", kept, embedder)
    assert (report.added, report.changed, report.deleted, report.unchanged) == (0, 1, 1, len(documents) - 2)
    assert stored(client, "moving") == {document.id for document in kept}
    assert "rb-db-connection-pool-exhausted" not in found(milvus.uri, "moving")
    assert next(iter(found(milvus.uri, "moving", Query("", "flux capacitor detuned")))) == kept[0].id


def test_another_embedding_gets_a_collection_of_its_own_and_the_alias_moves_to_it(
    client: MilvusClient,
    documents: list[Document],
    embedder: Embedder,
    milvus: Milvus,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = sync(client, "moved", documents[:5], embedder)
    monkeypatch.setattr(sync_module, "EMBEDDING", "another")
    after = sync(client, "moved", documents, embedder)
    assert after.collection != before.collection
    assert after.added == len(documents)
    assert not client.has_collection(before.collection)
    assert "rb-db-connection-pool-exhausted" in found(milvus.uri, "moved")


def test_a_sync_that_was_cut_short_is_completed_by_the_next_one(
    client: MilvusClient, documents: list[Document], embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sync_module, "BATCH", 30)
    with monkeypatch.context() as patch:
        patch.setattr(sync_module, "_point", stop)
        with pytest.raises(KeyboardInterrupt):
            sync(client, "cut", documents[:10], embedder)
    assert not client.has_collection("cut")
    report = sync(client, "cut", documents, embedder)
    assert (report.added, report.unchanged) == (len(documents) - 10, 10)
    assert stored(client, "cut") == {document.id for document in documents}


def test_a_collection_of_the_alias_s_name_is_not_touched(
    client: MilvusClient, documents: list[Document], embedder: Embedder
) -> None:
    client.create_collection("occupied", dimension=8)
    with pytest.raises(SyncError, match="occupied is a collection, not an alias"):
        sync(client, "occupied", documents[:1], embedder)
    assert client.has_collection("occupied")


def test_a_knowledge_base_that_was_never_filled_is_an_error_in_words(milvus: Milvus) -> None:
    with pytest.raises(RetrievalError, match=r"^knowledge base refused the search \(code 100\)$"):
        found(milvus.uri, "never_filled")


def test_a_collection_of_another_version_is_an_error_in_words(
    client: MilvusClient, documents: list[Document], embedder: Embedder, milvus: Milvus
) -> None:
    report = sync(client, "older", documents[:2], embedder)
    rows = client.query(report.collection, filter='id != ""', output_fields=["*"], limit=100)
    client.upsert(report.collection, [row | {"document": '{"id": "x"}'} for row in rows])
    with pytest.raises(RetrievalError, match="run `cali knowledge sync`"):
        found(milvus.uri, "older")


def test_a_text_without_words_finds_nothing_and_asks_nobody() -> None:
    assert found(f"http://127.0.0.1:{free_port()}", "none", Query("payment-api", "12 :: 0x")) == {}


@pytest.mark.parametrize("uri", ["http://[::1]", "http://[1.2.3]:9"])
def test_an_address_that_is_none_is_an_error_in_words(uri: str) -> None:
    with pytest.raises(RetrievalError, match="an address that Milvus does not take"):
        found(uri, "none")


def test_where_nothing_listens_a_search_fails_in_time_and_soon_nobody_is_asked() -> None:
    async def run() -> list[str]:
        reasons = []
        async with retriever(f"http://127.0.0.1:{free_port()}", "none", seconds=0.2) as made:
            for _ in range(BREAKER_FAILURES + 2):
                with pytest.raises(RetrievalError) as error:
                    await made.search(POOL)
                reasons.append(str(error.value))
        return reasons

    reasons = asyncio.run(run())
    assert set(reasons[:BREAKER_FAILURES]) == {"knowledge base did not answer within 0.2 s"}
    assert set(reasons[BREAKER_FAILURES:]) == {"knowledge base is down, not asked again yet"}


def test_a_milvus_that_hangs_is_given_up_by_all_callers_and_asked_again_after_the_cool_down(
    client: MilvusClient, documents: list[Document], embedder: Embedder, milvus: Milvus
) -> None:
    sync(client, "hanging", documents, embedder)
    clock = Clock()

    async def run() -> None:
        async with retriever(milvus.uri, "hanging", clock, seconds=0.5) as made:
            assert await made.search(POOL)
            milvus.pause()
            try:
                results = await asyncio.gather(*(made.search(POOL) for _ in range(8)), return_exceptions=True)
                with pytest.raises(RetrievalError, match="not asked again yet"):
                    await made.search(POOL)
            finally:
                milvus.resume()
            assert [type(result) for result in results] == [RetrievalError] * 8
            clock.now += BREAKER_COOL_DOWN_SECONDS
            assert await _eventually(made)

    asyncio.run(run())


def test_a_milvus_that_was_killed_is_found_again_when_it_is_back(
    client: MilvusClient, documents: list[Document], embedder: Embedder, tmp_path: Path
) -> None:
    del client
    clock = Clock()

    async def run() -> None:
        with Milvus(tmp_path) as server:
            mine = MilvusClient(server.uri)
            sync(mine, "killed", documents, embedder)
            mine.close()
            async with retriever(server.uri, "killed", clock, seconds=1.0) as made:
                assert await made.search(POOL)
                server.kill()
                with pytest.raises(RetrievalError):
                    await made.search(POOL)
                await asyncio.to_thread(server.start)
                clock.now += BREAKER_COOL_DOWN_SECONDS
                assert await _eventually(made)

    asyncio.run(run())


async def _eventually(made: MilvusRetriever) -> bool:
    """Search until there is an answer; the caller's patience is the deadline."""
    while True:
        try:
            return bool(await made.search(POOL))
        except RetrievalError:
            await asyncio.sleep(0.05)


def test_cali_knowledge_sync_reads_a_bucket_and_search_finds_what_was_in_it(
    stack: Stack, milvus: Milvus, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in stack.moto.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CALI_MILVUS__URI", milvus.uri)
    monkeypatch.setenv("CALI_MILVUS__COLLECTION", "from_s3")
    s3 = boto3.client("s3", endpoint_url=stack.moto.endpoint, region_name="ap-northeast-2")
    s3.create_bucket(Bucket="knowledge-test", CreateBucketConfiguration={"LocationConstraint": "ap-northeast-2"})
    for path in (ROOT / "knowledge" / "runbooks").glob("*.md"):
        s3.put_object(Bucket="knowledge-test", Key=f"team/runbooks/{path.name}", Body=path.read_bytes())
    s3.put_object(Bucket="knowledge-test", Key="team/README.md", Body=b"no document")
    synced = CliRunner().invoke(app, ["sync", "s3://knowledge-test/team"])
    assert synced.exit_code == 0, synced.output
    assert json.loads(synced.stdout)["added"] == 30
    searched = CliRunner().invoke(
        app, ["search", "-", "--limit", "2"], input="redis: OOM command not allowed, maxmemory"
    )
    lines = [json.loads(line) for line in searched.stdout.splitlines()]
    assert lines[0]["id"] == "rb-redis-out-of-memory"
    assert [line["similar"] for line in lines] == [True, False]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sync", "/nowhere"], "/nowhere: no documents"),
        (["sync", "{folder}"], "wrong.md: front matter"),
        (["search", "boom"], "knowledge base did not answer"),
    ],
)
def test_a_command_that_fails_says_why_with_exit_code_1(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALI_MILVUS__URI", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("CALI_ANALYZE__RETRIEVAL_TIMEOUT_SECONDS", "0.2")
    (tmp_path / "wrong.md").write_text("# no front matter")
    result = CliRunner().invoke(app, [argument.format(folder=tmp_path) for argument in arguments])
    assert result.exit_code == 1
    assert message in result.stderr


def test_retrieval_is_as_good_as_it_was(milvus: Milvus) -> None:
    """The bars are a little below what `benchmarks/retrieval.py` prints."""
    command = [sys.executable, str(ROOT / "benchmarks" / "retrieval.py"), "--uri", milvus.uri, "--json"]
    report = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)  # noqa: S603
    for split, found_bar, alarm_bar in (("fit", 0.94, 0.065), ("unseen", 0.8, 0.05)):
        figures = report[split]["score"]
        assert figures["hit_at_1"] >= 0.95
        assert figures["hit_at_3"] >= 0.97
        assert figures["mrr"] >= 0.96
        assert figures["found"] >= found_bar
        assert figures["false_alarms"] <= alarm_bar
        assert figures["hit_at_1"] > report[split]["cosine"]["hit_at_1"]
