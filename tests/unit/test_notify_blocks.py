"""Alerts as people see them in Slack."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.inbox import block_kit
from local.inbox.mrkdwn import Link
from local.inbox.store import all_references
from schemas.alert import Alert, AlertKind
from schemas.analysis import Analysis, AnalysisStatus, Evidence, KnowledgeKind
from schemas.error_group import Exemplar
from schemas.incident import Incident
from schemas.log_entry import Severity
from udfs.notify.blocks import Message, best_guide, render, render_plain, safe_url, utc
from udfs.notify.texts import EN, KO, TEXTS

RAISED = 1_763_800_005_000  # 2025-11-22T08:26:45Z


def incident(**fields: Any) -> Incident:
    trace = "java.sql.SQLException: DB Connection timeout\n\tat com.shop.Pool.get(Pool.java:42)"
    values: dict[str, Any] = {
        "id": "00000000000000aa",
        "environment": "prod",
        "rules_version": "2026-01-01",
        "fingerprint": "00000000000000ff",
        "service": "payment-api",
        "severity": Severity.ERROR,
        "title": "DB Connection timeout",
        "template": "DB Connection timeout",
        "exception_type": "java.sql.SQLException",
        "started": RAISED // 1000 - 5,
        "first_seen": RAISED - 5_000,
        "last_seen": RAISED - 1_000,
        "count": 1520,
        "revision": 2,
        "exemplars": (Exemplar(record_id="r", rank=1, timestamp="t", arrival_time=RAISED, content=trace),),
    }
    return Incident(**(values | fields))


def alert(kind: AlertKind = AlertKind.FIRING, of: Incident | None = None, **fields: Any) -> Alert:
    return Alert(id="a", kind=kind, channel="alerts", incident=of or incident(), interval=0, raised_at=RAISED, **fields)


RUNBOOK = Evidence(
    id="rb-1",
    kind=KnowledgeKind.RUNBOOK,
    title="DB pool",
    url="https://wiki.example/rb-1",
    date="2025-03-01",
    score=0.81,
)
PAST = Evidence(
    id="in-7",
    kind=KnowledgeKind.INCIDENT,
    title="DB down",
    url="https://wiki.example/in-7",
    date="2025-06-30",
    score=0.95,
)
GROUNDED = Analysis(
    incident_id="00000000000000aa",
    channel="alerts",
    status=AnalysisStatus.GROUNDED,
    analyst="extractive",
    cause="The connection pool is exhausted.",
    action="Restart the pool & raise its size.",
    evidence=(PAST, RUNBOOK),
)
NO_SIMILAR = GROUNDED.model_copy(
    update={"status": AnalysisStatus.NO_SIMILAR_INCIDENT, "cause": None, "action": None, "evidence": ()}
)
UNAVAILABLE = NO_SIMILAR.model_copy(update={"status": AnalysisStatus.UNAVAILABLE, "reason": "time-out"})


DASHBOARD = "https://grafana.example/d/cali-incidents?orgId=1&var-incident={incident}"


def header(message: dict[str, Any]) -> str:
    return str(message["blocks"][0]["text"]["text"])


def words(message: dict[str, Any]) -> str:
    """Return all that is shown."""
    return "\n".join(
        part["text"]
        for block in message["blocks"]
        for part in [block.get("text", {"text": ""}), *block.get("fields", []), *block.get("elements", [])]
    )


@pytest.mark.parametrize(("texts", "label"), [(EN, "[Open dashboard]"), (KO, "[대시보드 열기]")])
def test_an_alert_links_to_its_incident_on_the_dashboard_where_there_is_one(texts, label):
    link = f"<https://grafana.example/d/cali-incidents?orgId=1&amp;var-incident=00000000000000aa|{label}>"
    message = Message(alert(), GROUNDED, dashboard_url=DASHBOARD)
    assert link in words(render(message, texts, RAISED))
    assert link in render_plain(message, texts, RAISED)["text"]
    assert label not in words(render(Message(alert(), GROUNDED), texts, RAISED))


def test_a_korean_alert_says_what_broke_how_well_it_is_known_and_where_the_guide_is():
    message = render(Message(alert(), GROUNDED), KO, RAISED)
    assert header(message) == "🚨 [장애] payment-api 에러 발생 (과거 사례와 95% 일치)"
    assert message["text"] == (
        "🚨 [장애] payment-api 에러 발생 (과거 사례와 95% 일치). <https://wiki.example/rb-1|[가이드 확인]>"
    )
    assert "<https://wiki.example/rb-1|[가이드 확인]>" in words(message)


def test_an_english_alert_has_count_times_cause_action_evidence_and_exemplar():
    message = render(Message(alert(), GROUNDED), EN, RAISED)
    shown = words(message)
    assert header(message) == "🚨 [Incident] payment-api errors (95% match with a past incident)"
    for part in (
        "*Count*\n1,520 in total",
        "*First seen*\n2025-11-22 08:26:40 UTC",
        "*Last seen*\n2025-11-22 08:26:44 UTC",
        "*Severity*\nERROR",
        "*Exception*\n`java.sql.SQLException`",
        "*Cause*\nThe connection pool is exhausted.",
        "*Action*\nRestart the pool &amp; raise its size.",
        "• <https://wiki.example/in-7|DB down> (past incident, 2025-06-30, 95%)",
        "• <https://wiki.example/rb-1|DB pool> (runbook, 2025-03-01, 81%)",
        "<https://wiki.example/rb-1|[Open runbook]>",
        "```java.sql.SQLException: DB Connection timeout\n    at com.shop.Pool.get(Pool.java:42)```",
        "`00000000000000aa`",
    ):
        assert part in shown


@pytest.mark.parametrize(
    ("analysis", "expected", "said"),
    [
        (None, True, "Analysis unavailable so far"),
        (UNAVAILABLE, True, "Analysis unavailable."),
        (NO_SIMILAR, True, "No similar incident found."),
        (None, False, "No analysis was asked for."),
    ],
)
def test_an_alert_without_a_cause_says_why(analysis, expected, said):
    message = render(Message(alert(analysis_expected=expected), analysis), EN, RAISED)
    assert said in words(message)
    assert header(message) == "🚨 [Incident] payment-api errors"
    assert "Cause" not in words(message)


def test_an_update_says_how_many_more():
    message = render(Message(alert(AlertKind.UPDATE), GROUNDED, told_count=1_400), EN, RAISED)
    assert header(message).startswith("🔁 [Update] payment-api errors continue")
    assert "120 more since the last message, 1,520 in total" in words(message)


def test_a_roll_up_says_how_many_failures_are_new():
    message = render(Message(alert(AlertKind.ROLLUP, rolled_up=12), None), EN, RAISED)
    assert header(message) == "🌊 [Storm] 12 new failures in payment-api within a minute"
    assert "DB Connection timeout" in words(message)


def test_a_late_analysis_is_told_as_such():
    message = render(Message(alert(AlertKind.ANALYSIS), GROUNDED), EN, RAISED)
    assert header(message) == "💡 [Analysis] payment-api: a cause was found (95% match with a past incident)"
    assert "*Cause*\nThe connection pool is exhausted." in words(message)


def test_an_overflow_says_that_many_kinds_are_counted_together():
    message = render(Message(alert(of=incident(overflow=True)), None), EN, RAISED)
    assert header(message) == "🚨 [Incident] payment-api: too many different new errors"
    assert "counted together" in words(message)


def test_a_warning_is_not_called_an_incident():
    message = render(Message(alert(of=incident(severity=Severity.WARN)), None), EN, RAISED)
    assert header(message) == "⚠️ [Warning] payment-api warnings"


def test_a_message_that_goes_out_late_says_so():
    punctual = render(Message(alert(), None), EN, RAISED + 60_000)
    late = render(Message(alert(), None), EN, RAISED + 60_001)
    assert "Sent late" not in words(punctual)
    assert "Sent late: raised at 2025-11-22 08:26:45 UTC" in words(late)


def test_without_a_past_incident_the_match_is_the_runbooks():
    only_runbook = GROUNDED.model_copy(update={"evidence": (RUNBOOK,)})
    assert header(render(Message(alert(), only_runbook), KO, RAISED)).endswith("(런북과 81% 일치)")


def test_the_guide_is_a_runbook_before_a_past_incident_and_always_a_usable_link():
    broken = RUNBOOK.model_copy(update={"url": "javascript:alert(1)"})
    assert best_guide(GROUNDED) == RUNBOOK
    assert best_guide(GROUNDED.model_copy(update={"evidence": (PAST, broken)})) == PAST
    assert best_guide(NO_SIMILAR) is None


def test_both_languages_fill_in_the_same_things():
    for name in EN._fields:
        blanks = [{part.split("}")[0] for part in getattr(texts, name).split("{")[1:]} for texts in TEXTS.values()]
        assert blanks[0] == blanks[1], name


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://wiki.example/a?b=1&c=2#d", "https://wiki.example/a?b=1&c=2#d"),
        ("https://wiki.example/장애", "https://wiki.example/%EC%9E%A5%EC%95%A0"),
        ("https://wiki.example/a|evil>b", "https://wiki.example/a%7Cevil%3Eb"),
        ("javascript:alert(1)", None),
        ("data:text/html,x", None),
        ("//wiki.example/a", None),
        ("https://", None),
        ("https://wiki.example@evil.example/", None),
        ("https://wiki.example\\@evil.example/", None),
        ("https://wiki.exa\u0440le/", None),
        ("https://wiki.example/\n<!here>", None),
        ("https://[::1", None),
        ("https://wiki.example/" + "a" * 1000, None),
    ],
)
def test_only_plain_web_addresses_become_links(url, expected):
    assert safe_url(url) == expected


def test_log_text_can_neither_mention_nor_link():
    evil = "<!here> <@U1> @channel <https://evil.example|login> https://evil.example `x` ```y``` \u202e"
    hostile = incident(
        service=evil,
        title=evil,
        exception_type=evil,
        exemplars=(Exemplar(record_id="r", rank=1, timestamp="t", arrival_time=0, content=evil),),
    )
    told = GROUNDED.model_copy(
        update={"cause": evil, "action": evil, "evidence": (PAST.model_copy(update={"title": evil, "date": evil}),)}
    )
    for message in (render, render_plain):
        payload = message(Message(alert(of=hostile), told), EN, RAISED)
        assert {reference.url for reference in all_references(payload) if isinstance(reference, Link)} == {PAST.url}
        assert all(isinstance(reference, Link) for reference in all_references(payload))


def test_an_exemplar_ends_its_code_block_only_where_we_do():
    hostile = incident(
        exemplars=(Exemplar(record_id="r", rank=1, timestamp="t", arrival_time=0, content="a ``` b\n" * 500),)
    )
    (block,) = (
        block["text"]["text"]
        for block in render(Message(alert(of=hostile), None), EN, RAISED)["blocks"]
        if block["type"] == "section" and "```" in block.get("text", {}).get("text", "")
    )
    assert block.startswith("```")
    assert block.endswith("…```")
    assert block.count("```") == 2


def test_times_beyond_the_calendar_are_shown_at_its_ends():
    assert (utc(-1), utc(10**18)) == ("1970-01-01 00:00:00 UTC", "9999-12-31 23:59:59 UTC")


ANY_TEXT = st.one_of(
    st.text(st.one_of(st.sampled_from("<>&`@|*_\n\u200b\u202e\ud800😀https://e.x"), st.characters()), max_size=60),
    st.builds(lambda text, times: text * times, st.text(st.characters(), max_size=20), st.integers(0, 2_000)),
)
EVIDENCE = st.builds(
    Evidence, id=ANY_TEXT, kind=st.sampled_from(KnowledgeKind), title=ANY_TEXT, url=ANY_TEXT, date=ANY_TEXT,
    score=st.floats(0, 1),
)  # fmt: skip
ANALYSES = st.none() | st.builds(
    Analysis, incident_id=st.just("i"), channel=st.just("c"), status=st.sampled_from(AnalysisStatus), analyst=ANY_TEXT,
    cause=st.none() | ANY_TEXT, action=st.none() | ANY_TEXT, evidence=st.lists(EVIDENCE, max_size=8).map(tuple),
)  # fmt: skip
EXEMPLARS = st.builds(
    Exemplar, record_id=ANY_TEXT, rank=st.just(1), timestamp=ANY_TEXT, arrival_time=st.just(0), content=ANY_TEXT
)
INCIDENTS = st.builds(
    incident, id=ANY_TEXT, service=ANY_TEXT, title=ANY_TEXT, exception_type=st.none() | ANY_TEXT,
    severity=st.sampled_from(Severity), first_seen=st.integers(), last_seen=st.integers(),
    count=st.integers(1, 10**30), overflow=st.booleans(),
    exemplars=st.lists(EXEMPLARS, max_size=3).map(tuple),
)  # fmt: skip


@settings(deadline=None)  # the machine may be busy
@given(INCIDENTS, ANALYSES, st.sampled_from(AlertKind), st.sampled_from([EN, KO]), st.integers(0, 10**30))
def test_slack_takes_every_message_and_nobody_is_mentioned(of, analysis, kind, texts, rolled_up):
    message = Message(alert(kind, of, rolled_up=rolled_up), analysis, dashboard_url=DASHBOARD)
    evidence = {safe_url(one.url) for one in analysis.evidence} if analysis else set()
    for payload in (render(message, texts, RAISED), render_plain(message, texts, RAISED)):
        block_kit.check(json.loads(json.dumps(payload).encode()))
        assert len(payload["text"].encode("utf-16-le")) // 2 <= 4_000
        for reference in all_references(payload):
            assert isinstance(reference, Link)
            assert reference.url in evidence or reference.url.startswith(DASHBOARD.partition("{")[0])
