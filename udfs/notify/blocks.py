"""An alert as a Slack message: Block Kit, and a `text` for notifications and for a Slack that refuses the blocks.

Whatever log text and model words hold, the limits of https://docs.slack.dev/reference/block-kit/blocks are kept.
Log text stands in `plain_text` or code only, every `mrkdwn` is `verbatim`, so that Slack links and mentions nothing by
itself, and the only links are those of evidence and of the operators' own dashboard.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote, urlsplit

from jobs.log_insight.setting_types import INCIDENT_PLACE
from schemas.alert import Alert, AlertKind
from schemas.analysis import Analysis, AnalysisStatus, Evidence, KnowledgeKind
from schemas.base import WireModel
from schemas.incident import Incident
from schemas.log_entry import Severity
from udfs.notify.escape import clean, cut, defang, markup, one_line, size
from udfs.notify.texts import Texts

#: Slack's limits.
MAX_HEADER = 150
MAX_SECTION = 3000
MAX_FIELD = 2000
#: Slack cuts a longer `text`.
MAX_TEXT = 4000

_MAX_SERVICE = 60
_MAX_TITLE = 300
_MAX_WORDS = 1_200
_MAX_EXEMPLAR = 1_800
_MAX_EXEMPLAR_LINES = 25
_MAX_LINE = 220
_MAX_LABEL = 120
_MAX_URL = 600
_MAX_EVIDENCE = 5
_LATE_MS = 60_000
_LAST_TIME_MS = 253_402_300_799_000
_URL_CHARACTERS = ":/?#[]@!$&'()*+,;=%~"

Block = dict[str, Any]
M = TypeVar("M", bound=WireModel)


class Message(NamedTuple):
    """What is to be said: an alert, what is known of its cause by now, and the count that was told last.

    `dashboard_url` is the setting of this name.
    """

    alert: Alert
    analysis: Analysis | None
    told_count: int = 0
    dashboard_url: str | None = None


def render(message: Message, texts: Texts, now: int) -> dict[str, Any]:
    """Return the body of the webhook post; the last block's `block_id` is the alert's id. `now`: epoch milliseconds."""
    return {
        "text": cut(_summary(message, texts), MAX_TEXT),
        "blocks": list(_blocks(message, texts, now)),
        **_QUIET,
    }


def render_plain(message: Message, texts: Texts, now: int) -> dict[str, Any]:
    """Return the body of a post without blocks, for the message whose blocks Slack refused."""
    lines = list(_plain_lines(_defanged(message), texts, now))
    return {"text": _joined(lines, MAX_TEXT), **_QUIET}


#: No previews, no names made into mentions, no URL made into a link.
_QUIET = {"unfurl_links": False, "unfurl_media": False, "link_names": False, "parse": "none"}


def headline(message: Message, texts: Texts, service: str) -> str:
    """Return what happened in one line, for a service name that is already safe where the line goes."""
    template = _headline_template(message.alert, texts)
    return template.format(service=service, rolled_up=message.alert.rolled_up) + _match(message.analysis, texts)


def best_guide(analysis: Analysis | None) -> Evidence | None:
    """Return the evidence to open first: the best runbook with a usable link, else the best past incident."""
    linked = [evidence for evidence in _grounds(analysis) if safe_url(evidence.url)]
    runbooks = [evidence for evidence in linked if evidence.kind is KnowledgeKind.RUNBOOK]
    return next(iter(runbooks + linked), None)


def safe_url(url: str) -> str | None:
    """Return an http(s) URL in a form that cannot end its markup, or None where it is none or disguises its host."""
    try:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
            return None
        if not parts.netloc.isascii() or any(ord(character) <= 0x20 or character == "\\" for character in url):  # noqa: PLR2004 - the last control character and the space
            return None
        quoted = quote(url, safe=_URL_CHARACTERS)
    except ValueError:
        return None
    return quoted if len(quoted) <= _MAX_URL else None


def utc(milliseconds: int) -> str:
    """Return a time of epoch milliseconds to the second, with its zone: everyone of a channel reads the same."""
    seconds = min(max(milliseconds, 0), _LAST_TIME_MS) // 1000
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _headline_template(alert: Alert, texts: Texts) -> str:
    if alert.kind is AlertKind.UPDATE:
        return texts.update
    if alert.kind is AlertKind.ROLLUP:
        return texts.rollup
    if alert.kind is AlertKind.ANALYSIS:
        return texts.analysis
    if alert.incident.overflow:
        return texts.overflow
    return texts.firing_warning if alert.incident.severity is Severity.WARN else texts.firing


def _match(analysis: Analysis | None, texts: Texts) -> str:
    grounds = _grounds(analysis)
    incidents = [evidence for evidence in grounds if evidence.kind is KnowledgeKind.INCIDENT]
    if not grounds:
        return ""
    best = max(incidents or grounds, key=lambda evidence: evidence.score)
    return (texts.match_incident if incidents else texts.match_runbook).format(percent=round(best.score * 100))


def _grounds(analysis: Analysis | None) -> Sequence[Evidence]:
    return analysis.evidence if analysis is not None and analysis.status is AnalysisStatus.GROUNDED else ()


def _summary(message: Message, texts: Texts) -> str:
    line = headline(message, texts, markup(_service(message.alert.incident), _MAX_SERVICE * 2))
    return f"{line}. {link}" if (link := _guide_link(message.analysis, texts)) else line


def _blocks(message: Message, texts: Texts, now: int) -> Iterator[Block]:
    incident = message.alert.incident
    yield {"type": "header", "text": _plain(headline(message, texts, _service(incident)), MAX_HEADER, emoji=False)}
    if detail := _detail(message.alert, texts):
        yield _section(detail)
    if title := _code(incident.title, _MAX_TITLE):
        yield _section(title)
    yield {
        "type": "section",
        "fields": [_mrkdwn(f"*{name}*\n{value}", MAX_FIELD) for name, value in _facts(message, texts)],
    }
    yield from (_section(text) for text in _findings(message, texts))
    if link := _guide_link(message.analysis, texts):
        yield _section(link)
    if message.alert.kind in {AlertKind.FIRING, AlertKind.ROLLUP} and (exemplar := _exemplar(incident)):
        yield _section(f"```{exemplar}```")
    footer = _mrkdwn(_footer(message, texts, now), MAX_FIELD)
    yield {"type": "context", "block_id": message.alert.id, "elements": [footer]}


def _plain_lines(message: Message, texts: Texts, now: int) -> Iterator[str]:
    incident = message.alert.incident
    yield headline(message, texts, _code(_service(incident), _MAX_SERVICE))
    yield from filter(None, (_detail(message.alert, texts), _code(incident.title, _MAX_TITLE)))
    yield from (f"{name}: {value}" for name, value in _facts(message, texts))
    yield from _findings(message, texts)
    yield from filter(None, (_guide_link(message.analysis, texts),))
    yield _footer(message, texts, now)


def _defanged(message: Message) -> Message:
    """Return the message without URLs in the words of strangers: `text` has no `verbatim`."""
    alert, analysis = message.alert, message.analysis
    of = alert.incident
    incident = _with(of, id=of.id, title=of.title, exception_type=of.exception_type)
    if analysis is not None:
        evidence = tuple(_with(one, id=one.id, title=one.title, date=one.date) for one in analysis.evidence)
        analysis = _with(analysis, cause=analysis.cause, action=analysis.action).model_copy(
            update={"evidence": evidence}
        )
    return message._replace(alert=alert.model_copy(update={"incident": incident}), analysis=analysis)


def _with(model: M, **words: str | None) -> M:
    return model.model_copy(update={name: defang(text) for name, text in words.items() if text})


def _detail(alert: Alert, texts: Texts) -> str:
    if alert.kind is AlertKind.ROLLUP:
        service = _code(_service(alert.incident), _MAX_SERVICE)
        return texts.rollup_detail.format(rolled_up=alert.rolled_up, service=service)
    return texts.overflow_detail if alert.incident.overflow else ""


def _facts(message: Message, texts: Texts) -> Iterator[tuple[str, str]]:
    incident = message.alert.incident
    yield texts.service, _code(_service(incident), _MAX_SERVICE)
    yield texts.severity, incident.severity.value
    if incident.exception_type:
        yield texts.exception, _code(incident.exception_type, _MAX_LABEL)
    yield texts.occurrences, _count(message, texts)
    yield texts.first_seen, utc(incident.first_seen)
    yield texts.last_seen, utc(incident.last_seen)


def _count(message: Message, texts: Texts) -> str:
    total = message.alert.incident.count
    since = total - message.told_count
    if message.alert.kind is AlertKind.UPDATE and 0 < since < total:
        return texts.count_since.format(since=f"{since:,}", total=f"{total:,}")
    return texts.count_total.format(total=f"{total:,}")


def _findings(message: Message, texts: Texts) -> Iterator[str]:
    """Yield cause, action and evidence, or the one sentence that says why there are none."""
    analysis = message.analysis
    if analysis is None or analysis.status is not AnalysisStatus.GROUNDED:
        yield from filter(None, (_why_not(message, texts),))
        return
    for name, words in ((texts.cause, analysis.cause), (texts.action, analysis.action)):
        if words and (text := clean(words).strip()):
            yield f"*{name}*\n{markup(text, _MAX_WORDS)}"
    if lines := [_evidence_line(evidence, texts) for evidence in analysis.evidence[:_MAX_EVIDENCE]]:
        yield _joined([f"*{texts.evidence}*", *lines], MAX_SECTION)


def _why_not(message: Message, texts: Texts) -> str:
    if message.analysis is None:
        if message.alert.analysis_expected:
            return texts.pending
        return texts.not_requested if message.alert.kind is AlertKind.FIRING else ""
    return texts.no_similar if message.analysis.status is AnalysisStatus.NO_SIMILAR_INCIDENT else texts.unavailable


def _evidence_line(evidence: Evidence, texts: Texts) -> str:
    kind = texts.runbook if evidence.kind is KnowledgeKind.RUNBOOK else texts.incident
    label = _label(evidence.title or evidence.id)
    url = safe_url(evidence.url)
    title = _link(url, label) if url else label
    return f"• {title} ({kind}, {_label(evidence.date)}, {round(evidence.score * 100)}%)"


def _guide_link(analysis: Analysis | None, texts: Texts) -> str:
    guide = best_guide(analysis)
    if guide is None or (url := safe_url(guide.url)) is None:
        return ""
    return _link(url, texts.open_runbook if guide.kind is KnowledgeKind.RUNBOOK else texts.open_incident)


def _link(url: str, label: str) -> str:
    return f"<{url.replace('&', '&amp;')}|{label}>"


def _label(text: str) -> str:
    # A second bar would start the label anew.
    return markup(one_line(text).replace("|", "/"), _MAX_LABEL) or "–"  # noqa: RUF001 - a dash for nothing


def _exemplar(incident: Incident) -> str:
    if not incident.exemplars:
        return ""
    lines = clean(incident.exemplars[0].content).strip().split("\n")
    shown = [cut(line.rstrip(), _MAX_LINE) for line in lines[:_MAX_EXEMPLAR_LINES]]
    if len(lines) > _MAX_EXEMPLAR_LINES:
        shown.append("…")
    return markup("\n".join(shown), _MAX_EXEMPLAR)


def _footer(message: Message, texts: Texts, now: int) -> str:
    alert = message.alert
    footer = f"{texts.incident_id} {_code(alert.incident.id, _MAX_LABEL)}"
    if url := _dashboard_url(message):
        footer += f" · {_link(url, texts.open_dashboard)}"
    if now - alert.raised_at > _LATE_MS:
        footer += f" · {texts.delayed.format(raised_at=utc(alert.raised_at))}"
    return footer


def _dashboard_url(message: Message) -> str | None:
    if message.dashboard_url is None:
        return None
    incident = quote(message.alert.incident.id, safe="", errors="replace")
    return safe_url(message.dashboard_url.replace(INCIDENT_PLACE, incident))


def _service(incident: Incident) -> str:
    return cut(one_line(defang(incident.service)), _MAX_SERVICE) or "–"  # noqa: RUF001 - a dash for nothing


def _code(text: str, limit: int) -> str:
    """Return a text as code, in which Slack finds no markup; nothing for a text without a visible character."""
    line = one_line(text)
    return f"`{markup(line, limit)}`" if line else ""


def _joined(lines: Sequence[str], limit: int) -> str:
    """Join as many whole lines as fit: a line cut in two could leave markup open."""
    joined = lines[0]
    for line in lines[1:]:
        if size(joined) + 1 + size(line) > limit:
            break
        joined += f"\n{line}"
    return joined


def _section(text: str) -> Block:
    return {"type": "section", "text": _mrkdwn(text, MAX_SECTION)}


def _mrkdwn(text: str, limit: int) -> Block:
    return {"type": "mrkdwn", "text": cut(text, limit), "verbatim": True}


def _plain(text: str, limit: int, *, emoji: bool) -> Block:
    return {"type": "plain_text", "text": cut(text, limit), "emoji": emoji}
