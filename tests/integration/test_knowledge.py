"""The knowledge base in a real Milvus: staged, checked, promoted, searched, and out of order."""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import boto3
import pytest
from pymilvus import MilvusClient
from typer.testing import CliRunner, Result

from jobs.commands.knowledge import app
from jobs.knowledge import read_documents
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
from udfs.analyze.sync import StageReport, SyncError, find_live, find_staged, promote, stage
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
    # pymilvus shares a connection between clients of one address, and a command closes its own.
    client = MilvusClient(milvus.uri, alias="test")
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


def go_live(client: MilvusClient, alias: str, documents: list[Document], embedder: Embedder) -> StageReport:
    report = stage(client, alias, documents, embedder)
    promote(client, alias, report.collection, report.live)
    return report


def target(client: MilvusClient, alias: str) -> str:
    return str(client.describe_alias(alias)["collection_name"])


def test_staging_writes_what_is_new_and_a_second_time_nothing(
    client: MilvusClient, documents: list[Document], embedder: Embedder, milvus: Milvus
) -> None:
    first = stage(client, "twice", documents, embedder)
    second = stage(client, "twice", documents, embedder)
    assert first.written > len(documents)
    assert first[3:] == (len(documents), 0, 0, 0)
    assert second == first._replace(written=0)
    promote(client, "twice", first.collection, None)
    third = go_live(client, "twice", documents, embedder)
    assert third == StageReport(first.collection, first.collection, 0, 0, 0, 0, unchanged=len(documents))
    assert stored(client, "twice") == {document.id for document in documents}
    best = next(iter(found(milvus.uri, "twice").items()))
    assert best[0] == "rb-db-connection-pool-exhausted"
    assert best[1] > 0.9


def test_what_is_staged_is_found_when_it_is_promoted_and_not_before(
    client: MilvusClient, documents: list[Document], embedder: Embedder, milvus: Milvus
) -> None:
    go_live(client, "moving", documents, embedder)
    kept = [document for document in documents if document.id != "rb-db-connection-pool-exhausted"]
    kept[0] = kept[0].model_copy(update={"symptoms": ("the flux capacitor is detuned",)})
    before = found(milvus.uri, "moving")
    report = stage(client, "moving", kept, embedder)
    assert report[3:] == (0, 1, 1, len(documents) - 2)
    assert found(milvus.uri, "moving") == before
    promote(client, "moving", report.collection, report.live)
    assert stored(client, "moving") == {document.id for document in kept}
    assert "rb-db-connection-pool-exhausted" not in found(milvus.uri, "moving")
    assert next(iter(found(milvus.uri, "moving", Query("", "flux capacitor detuned")))) == kept[0].id


def test_the_one_before_stays_and_no_more(client: MilvusClient, documents: list[Document], embedder: Embedder) -> None:
    names = [go_live(client, "kept", documents[:count], embedder).collection for count in (1, 2, 3)]
    dropped = stage(client, "kept", documents[:4], embedder).collection
    staged = stage(client, "kept", documents[:5], embedder).collection
    there = {name for name in (*names, dropped, staged) if client.has_collection(name)}
    assert there == {names[1], names[2], staged}
    assert [target(client, alias) for alias in ("kept_before", "kept", "kept_staged")] == [*names[1:], staged]


def test_going_back_to_the_documents_before_writes_nothing(
    client: MilvusClient, documents: list[Document], embedder: Embedder
) -> None:
    first = go_live(client, "back", documents[:2], embedder)
    second = go_live(client, "back", documents[:3], embedder)
    again = go_live(client, "back", documents[:2], embedder)
    assert (again.collection, again.written, again.deleted) == (first.collection, 0, 1)
    assert (target(client, "back"), target(client, "back_before")) == (first.collection, second.collection)


def test_a_search_never_meets_a_missing_collection_while_others_go_live(
    client: MilvusClient, documents: list[Document], embedder: Embedder, milvus: Milvus
) -> None:
    go_live(client, "busy", documents, embedder)

    async def run() -> tuple[int, set[bool]]:
        answers = []
        async with retriever(milvus.uri, "busy") as made:
            for count in (40, 41, 42, 43):
                refresh = asyncio.create_task(asyncio.to_thread(go_live, client, "busy", documents[:count], embedder))
                while not refresh.done():
                    answers.append(bool(await made.search(POOL)))
                await refresh
        return len(answers), set(answers)

    searches, answers = asyncio.run(run())
    assert searches > 20
    assert answers == {True}


def test_another_embedding_gets_a_collection_of_its_own_and_what_is_live_is_no_measure_any_more(
    client: MilvusClient, documents: list[Document], embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = go_live(client, "moved", documents[:5], embedder)
    live = find_live(client, "moved")
    assert live is not None
    assert live.is_whole
    monkeypatch.setattr(sync_module, "EMBEDDING", "another")
    old = find_live(client, "moved")
    assert old == live._replace(is_whole=False)
    after = go_live(client, "moved", documents[:5], embedder)
    assert after.collection != before.collection
    assert after.written == before.written
    assert target(client, "moved") == after.collection


def test_a_run_that_was_cut_short_is_not_promoted_and_completed_by_the_next_one(
    client: MilvusClient, documents: list[Document], embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def once(collection: str, rows: list[dict[str, object]]) -> None:
        if stored(client, collection):
            raise KeyboardInterrupt
        write(collection, rows)

    write = client.upsert
    monkeypatch.setattr(sync_module, "BATCH", 30)
    with monkeypatch.context() as patch:
        patch.setattr(client, "upsert", once)
        with pytest.raises(KeyboardInterrupt):
            stage(client, "cut", documents[:10], embedder)
    with pytest.raises(SyncError, match="is staged in part only"):
        find_staged(client, "cut", documents[:10])
    assert find_live(client, "cut") is None
    report = stage(client, "cut", documents[:10], embedder)
    assert report.written == len(sync_module._wanted(documents[:10])) - 30
    assert find_staged(client, "cut", documents[:10]) == report.collection


@pytest.mark.parametrize("step", ["drop_collection", "create_alias", "alter_alias"])
def test_a_promotion_that_was_cut_short_is_completed_by_the_next_one(
    step: str, client: MilvusClient, documents: list[Document], embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    alias = f"half_{step}"
    names = [go_live(client, alias, documents[:count], embedder).collection for count in (1, 2)]
    staged = stage(client, alias, documents[:3], embedder).collection
    with monkeypatch.context() as patch:
        patch.setattr(client, step, stop)
        with pytest.raises(KeyboardInterrupt):
            promote(client, alias, staged, names[1])
    assert target(client, alias) == names[1]
    promote(client, alias, find_staged(client, alias, documents[:3]), names[1])
    assert (target(client, alias), target(client, f"{alias}_before")) == (staged, names[1])


def test_a_promotion_is_refused_when_another_one_came_first(
    client: MilvusClient, documents: list[Document], embedder: Embedder
) -> None:
    first = stage(client, "raced", documents[:2], embedder)
    promote(client, "raced", first.collection, None)
    second = stage(client, "raced", documents[:3], embedder)
    with pytest.raises(SyncError, match=f"{first.collection} became live meanwhile, instead of None: promote again"):
        promote(client, "raced", second.collection, None)


def test_a_promotion_that_another_one_of_the_same_documents_came_before_is_done(
    client: MilvusClient, documents: list[Document], embedder: Embedder
) -> None:
    staged = stage(client, "came_first", documents[:2], embedder)
    for _ in range(2):
        promote(client, "came_first", staged.collection, None)
    assert target(client, "came_first") == staged.collection


def test_a_collection_of_the_alias_s_name_is_not_touched(
    client: MilvusClient, documents: list[Document], embedder: Embedder
) -> None:
    client.create_collection("occupied", dimension=8)
    with pytest.raises(SyncError, match="occupied is a collection, not an alias"):
        stage(client, "occupied", documents[:1], embedder)
    assert client.has_collection("occupied")


def test_a_knowledge_base_that_was_never_filled_is_an_error_in_words(milvus: Milvus) -> None:
    with pytest.raises(RetrievalError, match=r"^knowledge base refused the search \(code 100\)$"):
        found(milvus.uri, "never_filled")


def test_a_collection_of_another_version_is_an_error_in_words(
    client: MilvusClient, documents: list[Document], embedder: Embedder, milvus: Milvus
) -> None:
    report = go_live(client, "older", documents[:2], embedder)
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
    go_live(client, "hanging", documents, embedder)
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
            go_live(mine, "killed", documents, embedder)
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
    labels = (ROOT / "knowledge" / "eval" / "queries.ndjson").read_text().splitlines()[:20]
    s3.put_object(Bucket="knowledge-test", Key="team/eval/queries.ndjson", Body="\n".join(labels).encode())
    synced = CliRunner().invoke(app, ["sync", "s3://knowledge-test/team"])
    assert synced.exit_code == 0, synced.output
    report = json.loads(synced.stdout)
    assert report["added"] == 30
    # Two of the labelled queries are about incidents alone, which this bucket does not hold.
    assert report["check"]["figures"]["staged"]["queries"] == 18
    assert report["check"]["unknown"]
    searched = CliRunner().invoke(
        app, ["search", "-", "--limit", "2"], input="redis: OOM command not allowed, maxmemory"
    )
    lines = [json.loads(line) for line in searched.stdout.splitlines()]
    assert lines[0]["id"] == "rb-redis-out-of-memory"
    assert [line["similar"] for line in lines] == [True, False]


class Refresh:
    """The commands on a copy of the knowledge folder, with a knowledge base of its own."""

    def __init__(self, folder: Path, client: MilvusClient, alias: str) -> None:
        self.folder = folder
        self.client = client
        self.alias = alias
        self.queries = folder / "eval" / "queries.ndjson"
        self.redis = folder / "runbooks" / "rb-redis-out-of-memory.md"

    def run(self, command: str, *options: str) -> Result:
        return CliRunner().invoke(app, [command, str(self.folder), *options])

    def garble(self) -> None:
        """Make one runbook say nothing that anybody looks for, as a bad export does."""
        front, _, body = self.redis.read_text().partition("title:")
        _, _, rest = body.partition("url:")
        garbled = rest.partition("symptoms:")[0] + "symptoms:\n  - lorem ipsum dolor\n---\n"
        sections = "## Symptoms\n\nsit amet\n\n## Cause\n\nconsectetur\n\n## Fix\n\nadipiscing\n"
        self.redis.write_text(f"{front}title: Lorem ipsum\ndate: 2025-11-18\nurl:{garbled}{sections}")

    @property
    def live(self) -> str:
        return target(self.client, self.alias)


@pytest.fixture
def refresh(
    tmp_path: Path,
    milvus: Milvus,
    client: MilvusClient,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> Refresh:
    alias = f"refresh_{abs(hash(request.node.name))}"
    monkeypatch.setenv("CALI_MILVUS__URI", milvus.uri)
    monkeypatch.setenv("CALI_MILVUS__COLLECTION", alias)
    made = Refresh(Path(shutil.copytree(ROOT / "knowledge", tmp_path / "knowledge")), client, alias)
    lines = made.queries.read_text().splitlines()
    kept = [line for line in lines if "redis-out-of-memory" in line] + lines[:30] + lines[-5:]
    made.queries.write_text("\n".join(dict.fromkeys(kept)))
    return made


def test_documents_that_labelled_queries_miss_do_not_go_live(refresh: Refresh, milvus: Milvus) -> None:
    redis = Query("checkout", "redis: OOM command not allowed, maxmemory")
    first = refresh.run("sync")
    assert first.exit_code == 0, first.output
    live, before = refresh.live, found(milvus.uri, refresh.alias, redis)
    refresh.garble()
    for command in ("sync", "check", "promote"):
        refused = refresh.run(command)
        assert refused.exit_code == 1, refused.output
        report = json.loads(refused.stdout)
        assert report["live"] == live != report["collection"]
        check = report if command == "check" else report["check"]
        assert (check["passed"], check["buried"]) == (False, ["rb-redis-out-of-memory"])
        assert {worse["query"] for worse in check["worse"]} >= {"q009", "q010"}
        assert "rb-redis-out-of-memory is not among the first 3 any more for any of q009" in refused.stderr
        assert "queries that got worse: q009" in refused.stderr
    assert refresh.live == live
    assert found(milvus.uri, refresh.alias, redis) == before
    # Whoever means it says so.
    assert refresh.run("promote", "--unchecked").exit_code == 0
    assert found(milvus.uri, refresh.alias, redis) != before


def test_the_steps_one_by_one_do_what_a_sync_does(refresh: Refresh) -> None:
    assert refresh.run("stage").exit_code == 0
    checked = json.loads(refresh.run("check").stdout)
    assert (checked["live"], checked["passed"], checked["figures"]["live"]) == (None, True, None)
    promoted = json.loads(refresh.run("promote").stdout)
    assert promoted["live"] == promoted["collection"] == checked["collection"] == refresh.live
    assert promoted["check"] == checked
    refresh.redis.write_text(refresh.redis.read_text().replace("## Fix", "## Fix\n\nFirst of all:"))
    changed = json.loads(refresh.run("sync").stdout)
    assert (changed["changed"], changed["unchanged"], changed["before"]) == (1, 50, promoted["live"])
    assert changed["check"]["figures"]["live"] == changed["check"]["figures"]["staged"]
    again = json.loads(refresh.run("sync").stdout)
    assert (again["live"], again["written"], again["check"]) == (changed["live"], 0, None)


def test_what_somebody_else_staged_meanwhile_is_not_promoted(refresh: Refresh, documents: list[Document]) -> None:
    assert refresh.run("stage").exit_code == 0
    assert refresh.run("check").exit_code == 0
    other = stage(refresh.client, refresh.alias, documents[:3], load_embedder())
    for command in ("check", "promote"):
        refused = refresh.run(command)
        assert refused.exit_code == 1
        assert f"{refresh.folder}: these documents are not staged, {other.collection} is" in refused.stderr
        assert f"run `cali knowledge stage {refresh.folder}`" in refused.stderr
    assert not refresh.client.has_collection(refresh.alias)


def test_documents_that_changed_after_they_were_staged_are_not_promoted(refresh: Refresh) -> None:
    assert refresh.run("stage").exit_code == 0
    refresh.garble()
    refused = refresh.run("promote")
    assert refused.exit_code == 1
    assert "they have changed since" in refused.stderr


def test_a_document_that_is_gone_must_be_gone_from_the_labels_too(refresh: Refresh) -> None:
    assert refresh.run("sync").exit_code == 0
    refresh.redis.unlink()
    refused = refresh.run("sync")
    assert refused.exit_code == 1
    assert "rb-redis-out-of-memory is gone, and queries name it: q009" in refused.stderr
    lines = refresh.queries.read_text().splitlines()
    refresh.queries.write_text("\n".join(line for line in lines if "rb-redis-out-of-memory" not in line))
    assert refresh.run("sync").exit_code == 0


def test_without_labels_only_a_first_knowledge_base_goes_live_unasked(refresh: Refresh) -> None:
    labels = refresh.queries.rename(refresh.folder / "elsewhere.ndjson")
    first = refresh.run("sync")
    assert first.exit_code == 0, first.output
    assert json.loads(first.stdout)["check"]["figures"] is None
    refresh.garble()
    refused = refresh.run("sync")
    assert refused.exit_code == 1
    assert f"{refresh.folder} has no eval/queries.ndjson" in refused.stderr
    assert "rb-redis-out-of-memory" in refresh.run("sync", "--queries", str(labels)).stderr
    assert refresh.run("sync", "--unchecked").exit_code == 0


def test_a_first_knowledge_base_that_answers_next_to_nothing_does_not_go_live(refresh: Refresh) -> None:
    pool = json.loads(refresh.queries.read_text().splitlines()[1])
    nonsense = [pool | {"id": f"n{number}", "log_content": "zebra quokka"} for number in range(3)]
    refresh.queries.write_text("\n".join(map(json.dumps, [pool, *nonsense])))
    refused = refresh.run("sync")
    assert refused.exit_code == 1
    assert "and 0.5 is the least for a first knowledge base" in refused.stderr
    assert not refresh.client.has_collection(refresh.alias)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (Path.exists, "labels.ndjson: there is no such file"),
        (Path.mkdir, "labels.ndjson: Is a directory"),
        (lambda path: path.write_bytes(b"\xff"), "labels.ndjson: not UTF-8"),
        (lambda path: path.write_text('{"id": "q1"}'), "labels.ndjson:1: service: Field required"),
    ],
)
def test_labels_that_cannot_be_read_are_named(
    make: Callable[[Path], object], message: str, refresh: Refresh, tmp_path: Path
) -> None:
    make(tmp_path / "labels.ndjson")
    refused = refresh.run("sync", "--queries", str(tmp_path / "labels.ndjson"))
    assert refused.exit_code == 1
    assert message in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["sync", "/nowhere"], 1, "/nowhere: no documents"),
        (["sync", "{folder}"], 1, "wrong.md: front matter"),
        (["stage", str(ROOT / "knowledge")], 3, "Milvus at http://127.0.0.1:"),
        (["stage", "s3://no-such-bucket"], 3, "S3: "),
        (["search", "boom"], 3, "knowledge base did not answer"),
    ],
)
def test_a_command_that_fails_says_why_and_whether_to_try_again(
    arguments: list[str], code: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALI_MILVUS__URI", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("CALI_AWS__ENDPOINT", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("CALI_ANALYZE__RETRIEVAL_TIMEOUT_SECONDS", "0.2")
    (tmp_path / "wrong.md").write_text("# no front matter")
    result = CliRunner().invoke(app, [argument.format(folder=tmp_path) for argument in arguments])
    assert result.exit_code == code, result.output
    assert message in result.stderr


@pytest.mark.parametrize("text", ["... 12 !!", "the", "", "-"])
def test_a_text_without_telling_words_finds_nothing_and_it_is_said(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Milvus is not even asked: it is not there."""
    monkeypatch.setenv("CALI_MILVUS__URI", f"http://127.0.0.1:{free_port()}")
    result = CliRunner().invoke(app, ["search", text], input="42\n")
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert result.stderr == "the text has no telling words, so nothing was searched\n"


def test_a_milvus_that_is_not_there_is_told_of_once() -> None:
    """The library logs it on its own, too."""
    environment = os.environ | {"CALI_MILVUS__URI": f"http://127.0.0.1:{free_port()}"}
    command = [Path(sys.executable).with_name("cali"), "knowledge", "stage", ROOT / "knowledge"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - our own
    assert ended.returncode == 3
    assert re.fullmatch(r"Milvus at http://127.0.0.1:\d+: .+\n", ended.stderr)


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
