"""`notify`: tells people. Key: channel; input 1: `Routed`, input 2: `Analysis`; no main output.

Alerts lie in an outbox in state and are posted from processing-time timers, one at a time; a failure sets the next
timer. When a bounded input ends, Flink drops processing-time timers and fires all event-time timers, so one just below
the end of time empties the outbox then.
"""

import time
import uuid
from collections.abc import Iterable, Iterator

from pyflink.common import Row, Types
from pyflink.datastream import KeyedCoProcessFunction, OutputTag, RuntimeContext, TimeDomain
from pyflink.datastream.state import MapStateDescriptor, ValueStateDescriptor

from jobs.log_insight.metrics import OUTBOX_ALERTS
from jobs.log_insight.opensearch import connect
from jobs.log_insight.operator_ids import OperatorId
from jobs.log_insight.settings import GateSettings, Secrets, Settings, SettingsError, TrackSettings, load_secrets
from schemas.alert import Routed
from schemas.analysis import Analysis
from schemas.incident_document import IncidentDocument
from udfs.notify.dispatch import Clock, Dispatcher
from udfs.notify.ledger import Ledger
from udfs.notify.outbox import Outbox, Policy, Tables
from udfs.notify.slack import Slack, WebhookUrls
from udfs.notify.texts import TEXTS
from udfs.operators.keyed_state import MAX_WATERMARK, safety_net
from udfs.operators.metric_group import open_meters
from udfs.operators.type_info import BYTES

__all__ = ["INCIDENT_DOCUMENTS", "NotifyFunction", "webhook_urls"]

#: `IncidentDocument`s in JSON, one an element.
INCIDENT_DOCUMENTS = OutputTag("incident_documents", BYTES)

#: Arrival time after which a resolved incident is forgotten, and between two looks for what is to be forgotten.
RESOLVED_SECONDS = 3_600
_END_OF_INPUT = MAX_WATERMARK - 1

Output = Iterator[tuple[OutputTag, bytes]]


class NotifyFunction(KeyedCoProcessFunction):  # type: ignore[misc]  # PyFlink is untyped
    """Keeps the outbox of each channel and posts from it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def open(self, runtime_context: RuntimeContext) -> None:
        """Make state, clients and meters.

        Raises:
            SettingsError: a channel has no webhook.
        """
        settings, secrets = self._settings, load_secrets()
        tables = _tables(runtime_context, settings.track)
        self._channel = tables.channel
        self._meters = open_meters(runtime_context, OperatorId.NOTIFY)
        #: Alerts in the outbox of each channel that was seen by this process, to count by.
        self._sizes: dict[str, int] = {}
        self._outbox = Outbox(tables, policy(settings), self._meters)
        self._opensearch = connect(settings.index, secrets)
        self._slack = Slack(webhook_urls(settings, secrets), settings.notify.request_timeout_seconds)
        self._dispatcher = Dispatcher(
            outbox=self._outbox,
            ledger=Ledger(
                self._opensearch, settings.index.prefix, uuid.uuid4().hex, settings.notify.ledger_timeout_seconds
            ),
            slack=self._slack,
            texts=TEXTS[settings.notify.language],
            clock=Clock(time.time, time.monotonic, time.sleep),
            meters=self._meters,
            dashboard_url=settings.notify.dashboard_url,
        )

    def close(self) -> None:
        """Close the clients."""
        self._slack.close()
        self._opensearch.close()

    def process_element1(self, value: Row, ctx: KeyedCoProcessFunction.Context) -> Output:
        """Take in an incident."""
        now, clock = self._times(ctx)
        yield from _tagged(self._outbox.on_routed(Routed.model_validate_json(value.body), now, clock))
        self._set_timer(ctx, now)

    def process_element2(self, value: Row, ctx: KeyedCoProcessFunction.Context) -> Output:
        """Take in an analysis."""
        now, clock = self._times(ctx)
        yield from _tagged(self._outbox.on_analysis(Analysis.model_validate_json(value.body), now, clock))
        self._set_timer(ctx, now)

    def on_timer(self, timestamp: int, ctx: KeyedCoProcessFunction.OnTimerContext) -> Output:
        """Post one alert; or forget what is old; or, at the end of the input, empty the outbox."""
        if ctx.time_domain() == TimeDomain.PROCESSING_TIME:
            now = max(timestamp, ctx.timer_service().current_processing_time())
            yield from _tagged(self._dispatcher.dispatch(now))
            self._set_timer(ctx, now)
        elif timestamp == _END_OF_INPUT:
            yield from _tagged(self._dispatcher.flush(ctx.get_current_key()))
        else:
            self._sweep(ctx)

    def _times(self, ctx: KeyedCoProcessFunction.Context) -> tuple[int, int]:
        timers = ctx.timer_service()
        if self._channel.value() is None:
            timers.register_event_time_timer(_END_OF_INPUT)
            timers.register_event_time_timer(max(timers.current_watermark(), 0) + RESOLVED_SECONDS * 1000)
        return timers.current_processing_time(), timers.current_watermark()

    def _set_timer(self, ctx: KeyedCoProcessFunction.Context, now: int) -> None:
        self._sizes[ctx.get_current_key()] = self._outbox.size()
        self._meters.set(OUTBOX_ALERTS, sum(self._sizes.values()))
        if (wake_up := self._outbox.wake_up(now)) is not None:
            ctx.timer_service().register_processing_time_timer(wake_up)

    def _sweep(self, ctx: KeyedCoProcessFunction.OnTimerContext) -> None:
        watermark = ctx.timer_service().current_watermark()
        if watermark < MAX_WATERMARK:  # a timer that is set at the end of time would fire for ever
            self._outbox.sweep(watermark)
            ctx.timer_service().register_event_time_timer(watermark + RESOLVED_SECONDS * 1000)


def policy(settings: Settings) -> Policy:
    """Return the outbox's policy."""
    notify = settings.notify
    return Policy(
        wait_ms=int(notify.analysis_wait_seconds * 1000),
        min_interval_ms=int(notify.min_post_interval_seconds * 1000),
        max_backoff_ms=int(notify.max_backoff_seconds * 1000),
        # A post, and a word to the ledger before and after it: by then its owner has spoken or is gone.
        hold_ms=int((2 * notify.request_timeout_seconds + 2 * notify.ledger_timeout_seconds) * 1000),
        retention_ms=_retention_seconds(settings.track) * 1000,
        resolved_ms=RESOLVED_SECONDS * 1000,
        enabled=notify.enabled,
    )


def webhook_urls(settings: Settings, secrets: Secrets) -> WebhookUrls:
    """Return the webhooks of all channels that alerts are routed to.

    Raises:
        SettingsError: a channel has none, or one is not an http(s) URL; the message does not repeat it.
    """
    default = secrets.slack_webhook_url.get_secret_value() if secrets.slack_webhook_url else None
    own = {channel: url.get_secret_value() for channel, url in secrets.slack_webhook_urls.items()}
    example = "example: https://hooks.slack.com/services/…"
    try:
        urls = WebhookUrls(default, own)
    except ValueError as error:
        raise SettingsError(f"CALI_SLACK_WEBHOOK_URL or CALI_SLACK_WEBHOOK_URLS: {error}; {example}") from None
    without = [channel for channel in _channels(settings.gate) if urls.of(channel) is None]
    if without and settings.notify.enabled:
        raise SettingsError(
            f"CALI_SLACK_WEBHOOK_URL: not set, and CALI_SLACK_WEBHOOK_URLS has none for {', '.join(without)}; {example}"
            "; or CALI_NOTIFY__ENABLED=false to post nothing"
        )
    return urls


def _channels(gate: GateSettings) -> list[str]:
    return sorted({gate.default_channel, *gate.routes.values()})


def _retention_seconds(track: TrackSettings) -> int:
    return 3 * max(track.group_interval_seconds, track.repeat_interval_seconds, track.resolve_after_seconds)


def _tables(context: RuntimeContext, track: TrackSettings) -> Tables:
    """Return the state. Waiting room and queue never expire."""
    incidents = MapStateDescriptor("incidents", Types.STRING(), BYTES)
    seen = MapStateDescriptor("seen_alerts", Types.STRING(), BYTES)
    for swept in (incidents, seen):
        swept.enable_time_to_live(safety_net(track))
    return Tables(
        channel=context.get_state(ValueStateDescriptor("channel", BYTES)),
        incidents=context.get_map_state(incidents),
        waiting=context.get_map_state(MapStateDescriptor("waiting", Types.LONG(), BYTES)),
        queue=context.get_map_state(MapStateDescriptor("queue", Types.LONG(), BYTES)),
        seen=context.get_map_state(seen),
    )


def _tagged(documents: Iterable[IncidentDocument]) -> Output:
    return ((INCIDENT_DOCUMENTS, document.to_bytes()) for document in documents)
