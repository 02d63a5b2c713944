"""Alerts through a real OpenSearch ledger into the Slack inbox, which refuses what Slack would."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from opensearchpy import OpenSearch

from jobs.log_insight.opensearch import connect
from jobs.log_insight.opensearch_setup import install_templates
from jobs.log_insight.settings import IndexSettings, Secrets
from local.stack import Stack
from schemas.alert import Alert, AlertKind
from schemas.analysis import Analysis, AnalysisStatus, Evidence, KnowledgeKind
from schemas.error_group import Exemplar
from schemas.incident import Incident
from schemas.log_entry import Severity
from udfs.notify.blocks import Message, render, render_plain
from udfs.notify.ledger import Ledger
from udfs.notify.outcomes import Claimed, Failed, Held, Rejected, RetryAfter, Sent, Told, Unguarded, Unknown
from udfs.notify.slack import Slack, WebhookUrls
from udfs.notify.texts import EN, KO

pytestmark = pytest.mark.stack

NOW = 1_763_800_000_000


@pytest.fixture
def prefix() -> str:
    return f"test-{uuid.uuid4().hex[:8]}-"


@pytest.fixture
def client(stack: Stack, prefix: str) -> Iterator[OpenSearch]:
    with connect(IndexSettings(url=stack.opensearch.url), Secrets()) as connected:
        install_templates(connected, prefix)
        yield connected


def alert() -> Alert:
    evil = "<!here> <@U1> @channel <https://evil.example|login> https://evil.example ```"
    exemplar = Exemplar(record_id="r", rank=1, timestamp="t", arrival_time=NOW, content=evil * 100)
    incident = Incident(
        id=uuid.uuid4().hex[:16],
        environment="test",
        rules_version="2026-01-01",
        fingerprint="f" * 16,
        service="payment-api",
        severity=Severity.ERROR,
        title=evil,
        template=evil,
        started=NOW // 1000,
        first_seen=NOW,
        last_seen=NOW,
        count=10,
        revision=1,
        exemplars=(exemplar,),
    )
    identity = uuid.uuid4().hex[:16]
    return Alert(id=identity, kind=AlertKind.FIRING, channel="alerts", incident=incident, interval=0, raised_at=NOW)


def analysis(of: Alert) -> Analysis:
    evidence = Evidence(
        id="r", kind=KnowledgeKind.RUNBOOK, title="Pool", url="https://wiki.example/r", date="2026-01-01", score=0.95
    )
    return Analysis(
        incident_id=of.incident.id,
        channel=of.channel,
        status=AnalysisStatus.GROUNDED,
        analyst="extractive",
        cause="The pool is exhausted. <!channel> https://evil.example",
        action="Restart it.",
        evidence=(evidence,),
    )


def ledger(client: OpenSearch, prefix: str, owner: str) -> Ledger:
    return Ledger(client, prefix, owner, timeout_seconds=10.0)


def test_a_claim_is_its_owners_until_it_is_settled_and_then_nobodys(client, prefix):
    one = alert()
    first, second = ledger(client, prefix, "first"), ledger(client, prefix, "second")
    assert first.claim(one, None, NOW, 0.0) == Claimed()
    assert first.claim(one, None, NOW, 0.0) == Claimed(), "a retry is the owner's right"
    assert isinstance(second.claim(one, None, NOW, 0.0), Held)
    assert first.settle(one, Told(posted=True, analysed=True), NOW, 0.0)
    assert second.claim(one, None, NOW, 0.0) == Told(posted=True, analysed=True)
    assert first.claim(one, None, NOW, 0.0) == Told(posted=True, analysed=True)


def test_a_claim_that_was_waited_out_is_taken_over_by_one_process_only(client, prefix):
    one = alert()
    assert ledger(client, prefix, "dead").claim(one, None, NOW, 0.0) == Claimed()
    second, third = ledger(client, prefix, "second"), ledger(client, prefix, "third")
    held = second.claim(one, None, NOW, 0.0)
    assert isinstance(held, Held)
    assert third.claim(one, None, NOW, 0.0) == held
    assert second.claim(one, held.token, NOW, 0.0) == Claimed()
    assert isinstance(third.claim(one, held.token, NOW, 0.0), Held)


def test_what_was_set_aside_is_told_apart_from_what_was_posted(client, prefix):
    one = alert()
    first = ledger(client, prefix, "first")
    first.claim(one, None, NOW, 0.0)
    first.settle(one, Told(posted=False, analysed=False), NOW, 0.0)
    assert ledger(client, prefix, "second").claim(one, None, NOW, 0.0) == Told(posted=False, analysed=False)


def test_the_ledger_can_be_searched_by_channel_and_kind(client, prefix):
    one = alert()
    first = ledger(client, prefix, "first")
    first.claim(one, None, NOW, 0.0)
    first.settle(one, Told(posted=True, analysed=False), NOW, 0.0)
    client.indices.refresh(index=f"{prefix}alert-ledger")
    query = {"query": {"bool": {"filter": [{"term": {"channel": "alerts"}}, {"term": {"kind": "firing"}}]}}}
    (hit,) = client.search(index=f"{prefix}alert-ledger", body=query)["hits"]["hits"]
    assert (hit["_id"], hit["_source"]["posted_at"], hit["_source"]["status"]) == (one.id, NOW, "posted")


def test_without_opensearch_alerts_are_unguarded_and_the_breaker_saves_the_wait(prefix):
    with connect(IndexSettings(url="http://127.0.0.1:9"), Secrets()) as nobody:
        gone = ledger(nobody, prefix, "first")
        assert gone.claim(alert(), None, NOW, 0.0) == Unguarded()
        assert gone.settle(alert(), Told(posted=True, analysed=False), NOW, 0.0) is False


@pytest.fixture
def inbox(stack: Stack) -> Iterator[Any]:
    stack.inbox.clear()
    yield stack.inbox
    stack.inbox.clear()


@pytest.fixture
def slack(inbox: Any) -> Iterator[Slack]:
    poster = Slack(WebhookUrls(inbox.webhook_url("alerts"), {}), timeout_seconds=1.0)
    yield poster
    poster.close()


@pytest.mark.parametrize("texts", [EN, KO])
@pytest.mark.parametrize("form", [render, render_plain])
def test_slack_takes_both_forms_and_finds_no_mention_and_only_our_link(inbox, slack, texts, form):
    one = alert()
    assert slack.post("alerts", form(Message(one, analysis(one)), texts, NOW), NOW / 1000) == Sent()
    (message,) = inbox.messages()
    assert message["mentions"] == []
    assert {link if isinstance(link, str) else link["url"] for link in message["links"]} == {"https://wiki.example/r"}


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ({"status": 429, "retry_after": 7}, RetryAfter(7.0)),
        ({"status": 500}, Failed("status 500 rollup_error")),
        ({"reset": True, "keep": True}, Unknown("ConnectionError")),
        ({"delay_seconds": 3.0}, Unknown("ReadTimeout")),
    ],
)
def test_slacks_troubles_are_told_apart(inbox, slack, fault, outcome):
    inbox.fail(count=1, **fault)
    assert slack.post("alerts", {"text": "x"}, NOW / 1000) == outcome


def test_a_message_that_breaks_slacks_rules_is_refused_by_name(slack):
    assert slack.post("alerts", {"text": "x", "blocks": [{"type": "boo"}]}, NOW / 1000) == Rejected(
        "400 invalid_blocks"
    )
