"""Every word that people read in an alert, in each language. `{…}` are filled in by `blocks`."""

from typing import NamedTuple


class Texts(NamedTuple):
    """The texts of one language."""

    firing: str
    firing_warning: str
    update: str
    rollup: str
    analysis: str
    overflow: str
    match_incident: str
    match_runbook: str
    count_since: str
    count_total: str
    rollup_detail: str
    overflow_detail: str
    service: str
    severity: str
    exception: str
    occurrences: str
    first_seen: str
    last_seen: str
    cause: str
    action: str
    evidence: str
    no_similar: str
    unavailable: str
    pending: str
    not_requested: str
    open_runbook: str
    open_incident: str
    open_dashboard: str
    runbook: str
    incident: str
    incident_id: str
    delayed: str


EN = Texts(
    firing="🚨 [Incident] {service} errors",
    firing_warning="⚠️ [Warning] {service} warnings",
    update="🔁 [Update] {service} errors continue",
    rollup="🌊 [Storm] {rolled_up} new failures in {service} within a minute",
    analysis="💡 [Analysis] {service}: a cause was found",
    overflow="🚨 [Incident] {service}: too many different new errors",
    match_incident=" ({percent}% match with a past incident)",
    match_runbook=" ({percent}% match with a runbook)",
    count_since="{since} more since the last message, {total} in total",
    count_total="{total} in total",
    rollup_detail="{rolled_up} new failures in {service} within a minute. The one that tipped the balance:",
    overflow_detail="More new kinds of failure than are followed one by one in a minute; they are counted together.",
    service="Service",
    severity="Severity",
    exception="Exception",
    occurrences="Count",
    first_seen="First seen",
    last_seen="Last seen",
    cause="Cause",
    action="Action",
    evidence="Evidence",
    no_similar="No similar incident found.",
    unavailable="Analysis unavailable.",
    pending="Analysis unavailable so far. It follows here if a cause is found.",
    not_requested="No analysis was asked for.",
    open_runbook="[Open runbook]",
    open_incident="[Open past incident]",
    open_dashboard="[Open dashboard]",
    runbook="runbook",
    incident="past incident",
    incident_id="Incident",
    delayed="Sent late: raised at {raised_at}",
)

KO = Texts(
    firing="🚨 [장애] {service} 에러 발생",
    firing_warning="⚠️ [경고] {service} 경고 발생",
    update="🔁 [업데이트] {service} 에러 지속",
    rollup="🌊 [장애 폭주] {service}에서 1분 내 새 장애 {rolled_up}건 발생",
    analysis="💡 [분석] {service} 원인 확인",
    overflow="🚨 [장애] {service} 서로 다른 새 에러 다수 발생",
    match_incident=" (과거 사례와 {percent}% 일치)",
    match_runbook=" (런북과 {percent}% 일치)",
    count_since="지난 알림 이후 {since}건 추가, 총 {total}건",
    count_total="총 {total}건",
    rollup_detail="{service}에서 1분 내 새 장애 {rolled_up}건이 발생했습니다. 기준을 넘긴 장애:",
    overflow_detail="1분 동안 새로 생긴 에러 종류가 개별 추적 한도를 넘어 한꺼번에 집계합니다.",
    service="서비스",
    severity="심각도",
    exception="예외",
    occurrences="발생 횟수",
    first_seen="최초 발생",
    last_seen="최근 발생",
    cause="원인",
    action="조치",
    evidence="근거",
    no_similar="유사한 과거 사례가 없습니다.",
    unavailable="분석 불가.",
    pending="아직 분석 불가. 원인을 찾으면 이어서 알립니다.",
    not_requested="분석을 요청하지 않았습니다.",
    open_runbook="[가이드 확인]",
    open_incident="[과거 사례 확인]",
    open_dashboard="[대시보드 열기]",
    runbook="런북",
    incident="과거 사례",
    incident_id="장애 ID",
    delayed="지연 전송: {raised_at} 발생",
)

TEXTS = {"en": EN, "ko": KO}
