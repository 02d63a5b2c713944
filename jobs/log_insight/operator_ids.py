"""The uid of every operator: what a savepoint knows an operator by. A uid in use is never changed or given again."""

from enum import StrEnum


class OperatorId(StrEnum):
    """Stable uids, named as in `docs/topology.md`."""

    SOURCE = "source"
    INGEST = "ingest"
    ARCHIVE_SINK = "archive-sink"
    RECEIPT_SINK = "receipt-sink"
    DEAD_LETTER_SINK = "dead-letter-sink"
    SEAL_KEY = "seal-key"
    SEAL = "seal"
    MARKER_SINK = "marker-sink"
    ADMIT_KEY = "admit-key"
    ADMIT = "admit"
    TRACK_KEY = "track-key"
    TRACK = "track"
    GATE_KEY = "gate-key"
    GATE = "gate"
    ANALYZE = "analyze"
    NOTIFY_ROUTED_KEY = "notify-routed-key"
    NOTIFY_ANALYSIS_KEY = "notify-analysis-key"
    NOTIFY = "notify"
    INDEX_LOGS = "index-logs"
    INDEX_LOGS_OUTCOME = "index-logs-outcome"
    INDEX_INCIDENTS = "index-incidents"
    INDEX_INCIDENTS_OUTCOME = "index-incidents-outcome"
    LOGS_BACKLOG_SINK = "logs-backlog-sink"
    INCIDENTS_BACKLOG_SINK = "incidents-backlog-sink"


class SlotGroup(StrEnum):
    """Slot-sharing groups: each has Python workers of its own, so that none waits for another's interpreter lock."""

    INGEST = "ingest"
    ALERT = "alert"
    ANALYZE = "analyze"
    INDEX = "index"
