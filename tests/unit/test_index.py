"""Indexing decides by the answer alone: what is accepted, tried again, refused for ever or kept for later."""

import asyncio
import base64
from collections.abc import Callable, Mapping
from typing import Any

import orjson
import pytest

from schemas.dead_letter import DeadLetter, Stage
from udfs.breaker import Breaker
from udfs.chunk import chunk_hour, chunk_lines, encode_chunk, hour_of
from udfs.index import (
    Batch,
    Document,
    Hold,
    IndexTarget,
    Outcome,
    RefusedError,
    Reply,
    UnavailableError,
    backlog,
    bulk_body,
    dead_letters,
    deliver,
    log_index,
    read_batch,
    read_reply,
)

JUST_BEFORE_MIDNIGHT = 1_795_391_999_999  # 2026-11-22T23:59:59.999Z
HOUR = hour_of(JUST_BEFORE_MIDNIGHT)
LONG = Hold(max_seconds=30, request_timeout_seconds=10)
SHORT = Hold(max_seconds=0.05, request_timeout_seconds=10)


def line(number: int, arrival: int = JUST_BEFORE_MIDNIGHT) -> bytes:
    return orjson.dumps({"id": f"s/shard-0:7:{number}", "arrival_time": arrival, "body": f"text {number}"})


def batch_of(count: int) -> Batch:
    return read_batch(IndexTarget.LOGS, encode_chunk(HOUR, map(line, range(count))), "")


def item(status: int, error: str = "") -> dict[str, Any]:
    return {"index": {"status": status} | ({"error": {"type": error}} if error else {})}


def answer(*items: dict[str, Any]) -> dict[str, Any]:
    return {"errors": any("error" in entry["index"] for entry in items), "items": list(items)}


class ScriptedStore:
    """Answers each request with the next step of its script, and the last one for ever."""

    def __init__(self, *script: Callable[[list[str]], Mapping[str, Any]]) -> None:
        self.script = list(script)
        self.requests: list[list[str]] = []
        self.pings = 0
        self.alive = True

    async def bulk(self, index: str, body: bytes) -> Mapping[str, Any]:
        assert index == "logs-2026.11.22"
        ids = [orjson.loads(action)["index"]["_id"] for action in body.splitlines()[::2]]
        self.requests.append(ids)
        return (self.script.pop(0) if len(self.script) > 1 else self.script[0])(ids)

    async def ping(self) -> None:
        self.pings += 1
        if not self.alive:
            raise UnavailableError("down")


class HangingStore(ScriptedStore):
    async def bulk(self, index: str, body: bytes) -> Mapping[str, Any]:
        await super().bulk(index, body)
        return await asyncio.Event().wait()  # type: ignore[return-value]  # never returns

    async def ping(self) -> None:
        self.pings += 1
        await asyncio.Event().wait()


def all_accepted(ids: list[str]) -> Mapping[str, Any]:
    return answer(*(item(201) for _ in ids))


def unavailable(_: list[str]) -> Mapping[str, Any]:
    raise UnavailableError("down")


def breaker() -> Breaker:
    return Breaker(failures=1, cool_down_seconds=3600)


def run(batch: Batch, store: ScriptedStore, hold: Hold, breaker: Breaker) -> Outcome:
    return asyncio.run(deliver(batch, store, breaker, hold))


def test_the_index_is_chosen_by_the_utc_day_of_arrival():
    assert log_index(JUST_BEFORE_MIDNIGHT, "") == "logs-2026.11.22"
    assert log_index(JUST_BEFORE_MIDNIGHT + 1, "replay-1-") == "replay-1-logs-2026.11.23"


def test_a_bulk_body_writes_every_line_under_its_own_id_by_a_repeatable_operation():
    batch = batch_of(2)
    first_action, first_line, second_action, second_line = bulk_body(batch.documents).splitlines()
    assert orjson.loads(first_action) == {"index": {"_id": "s/shard-0:7:0"}}
    assert orjson.loads(second_action) == {"index": {"_id": "s/shard-0:7:1"}}
    assert [first_line, second_line] == [line(0), line(1)]


def test_an_id_with_quotes_is_the_same_id_in_the_action():
    text = orjson.dumps({"id": 's3://b/a"b\\c.gz:7:0', "arrival_time": JUST_BEFORE_MIDNIGHT})
    (document,) = read_batch(IndexTarget.LOGS, encode_chunk(HOUR, [text]), "").documents
    assert orjson.loads(document.action)["index"]["_id"] == 's3://b/a"b\\c.gz:7:0'


def test_an_incident_is_written_under_its_external_version():
    document = orjson.dumps({"id": "0123456789abcdef", "version": 7000, "last_seen": JUST_BEFORE_MIDNIGHT})
    batch = read_batch(IndexTarget.INCIDENTS, document, "replay-1-")
    action = orjson.loads(bulk_body(batch.documents).splitlines()[0])
    assert action == {"index": {"_id": "0123456789abcdef", "version": 7000, "version_type": "external"}}
    assert (batch.index_name, batch.hour) == ("replay-1-incidents", HOUR)


def test_a_line_that_is_no_document_is_refused_before_anything_is_sent():
    with pytest.raises(ValueError, match="not a log document"):
        read_batch(IndexTarget.LOGS, encode_chunk(HOUR, [b'{"body":"x"}']), "")


@pytest.mark.parametrize(
    ("status", "error", "verdict"),
    [
        (201, "", "accepted"),
        (200, "", "accepted"),
        (409, "version_conflict_engine_exception", "accepted"),
        (429, "opensearch_rejected_execution_exception", "retryable"),
        (503, "unavailable_shards_exception", "retryable"),
        (500, "internal_error", "retryable"),
        (403, "security_exception", "retryable"),
        (404, "index_not_found_exception", "retryable"),
        (400, "validation_exception", "retryable"),
        (400, "index_closed_exception", "retryable"),
        (400, "mapper_parsing_exception", "rejected"),
        (400, "illegal_argument_exception", "rejected"),
        (413, "too_large", "rejected"),
    ],
)
def test_an_item_is_judged_by_whether_the_document_or_the_cluster_is_at_fault(status, error, verdict):
    (document,) = batch_of(1).documents
    reply = read_reply([document], {"errors": True, "items": [item(status, error)]})
    expected = {
        "accepted": Reply(),
        "retryable": Reply(retryable=(document,)),
        "rejected": Reply(rejected=((document, status, error),)),
    }
    assert reply == expected[verdict]


@pytest.mark.parametrize(
    "reply",
    [
        "OK",
        [],
        {},
        {"message": "maintenance"},
        {"errors": None},
        {"errors": True},
        {"errors": True, "items": [{}, {}]},
        {"errors": True, "items": ["a", "b"]},
        {"errors": True, "items": [{"index": {}}, {"index": {"status": "bad"}}]},
        {"errors": True, "items": [item(429, "busy")]},
    ],
)
def test_an_answer_that_is_not_opensearchs_counts_as_none(reply):
    with pytest.raises(UnavailableError):
        read_reply(batch_of(2).documents, reply)


def test_only_what_is_missing_is_sent_again():
    store = ScriptedStore(
        lambda _: answer(item(201), item(429, "busy"), item(400, "mapper_parsing_exception"), item(201)),
        all_accepted,
    )
    outcome = run(batch_of(4), store, LONG, breaker())
    assert store.requests[1:] == [["s/shard-0:7:1"]]
    assert (outcome.accepted, len(outcome.rejected), outcome.missing) == (3, 1, ())


def test_a_short_outage_is_waited_for():
    outcome = run(batch_of(3), ScriptedStore(unavailable, unavailable, all_accepted), LONG, breaker())
    assert outcome == Outcome(3, (), ())


def test_what_is_not_accepted_within_the_hold_is_missing():
    batch = batch_of(3)
    outcome = run(batch, ScriptedStore(unavailable), SHORT, breaker())
    assert outcome == Outcome(0, (), batch.documents)


def test_a_request_that_hangs_ends_with_the_hold():
    batch = batch_of(3)
    assert run(batch, HangingStore(all_accepted), SHORT, breaker()).missing == batch.documents


def test_after_one_lost_hold_the_next_batch_is_not_tried_at_all():
    store, once = ScriptedStore(unavailable), breaker()
    run(batch_of(1), store, SHORT, once)
    tried = len(store.requests)
    outcome = run(batch_of(3), store, LONG, once)
    assert len(outcome.missing) == 3
    assert (len(store.requests), store.pings) == (tried, 0)


def test_after_the_cool_down_a_sign_of_life_comes_first():
    store, quick = ScriptedStore(all_accepted), Breaker(failures=1, cool_down_seconds=1e-9)
    quick.failed(0.0)
    store.alive = False
    assert len(run(batch_of(1), store, LONG, quick).missing) == 1
    assert store.requests == []
    store.alive = True
    assert run(batch_of(1), store, LONG, quick).accepted == 1
    assert not quick.is_open


def test_a_probe_of_a_hanging_store_does_not_cost_a_hold(monkeypatch):
    monkeypatch.setattr("udfs.index.PROBE_TIMEOUT_SECONDS", 0.01)
    store, quick = HangingStore(all_accepted), Breaker(failures=1, cool_down_seconds=1e-9)
    quick.failed(0.0)
    assert len(run(batch_of(1), store, LONG, quick).missing) == 1
    assert (store.pings, store.requests) == (1, [])


def test_a_request_refused_as_a_whole_is_halved_until_the_culprit_stands_alone():
    culprit = "s/shard-0:7:5"

    def refuse_the_culprit(ids: list[str]) -> Mapping[str, Any]:
        if culprit in ids:
            raise RefusedError(400, "action_request_validation_exception")
        return all_accepted(ids)

    outcome = run(batch_of(8), ScriptedStore(refuse_the_culprit), LONG, breaker())
    assert outcome.accepted == 7
    assert [(rejection.document.line, rejection.status) for rejection in outcome.rejected] == [(line(5), 400)]


def test_a_rejected_document_becomes_a_dead_letter_with_its_line_and_without_its_text_in_the_reason():
    store = ScriptedStore(lambda _: answer(item(201), item(400, "mapper_parsing_exception")))
    batch = batch_of(2)
    chunk = dead_letters(IndexTarget.LOGS, batch, run(batch, store, LONG, breaker()).rejected)
    (text,) = chunk_lines(chunk)
    letter = DeadLetter.model_validate_json(text)
    assert chunk_hour(chunk) == HOUR
    assert (letter.id, letter.stage, letter.error_type) == ("s/shard-0:7:1", Stage.INDEX, "mapper_parsing_exception")
    assert letter.arrival_time == JUST_BEFORE_MIDNIGHT
    assert base64.b64decode(letter.raw) == line(1)
    assert letter.size == len(line(1))
    assert "text 1" not in letter.reason


def test_a_backlog_chunk_reads_back_as_the_same_batch():
    batch = batch_of(3)
    assert read_batch(IndexTarget.LOGS, backlog(batch, batch.documents), "") == batch


def test_a_document_is_its_action_and_its_line():
    assert batch_of(1).documents == (Document(b'{"index":{"_id":"s/shard-0:7:0"}}', line(0)),)
