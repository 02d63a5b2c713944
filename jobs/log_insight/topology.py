"""The path of a record, wired. It reads as the diagram in the README does; nothing is decided here."""

from pyflink.common import WatermarkStrategy
from pyflink.datastream import AsyncDataStream, DataStream, StreamExecutionEnvironment

from jobs.log_insight.operator_ids import OperatorId, SlotGroup
from jobs.log_insight.settings import Settings
from jobs.log_insight.sinks import chunk_file_sink
from jobs.log_insight.sources import record_source
from jobs.log_insight.streams import keyed_by, named, side_output
from udfs.operators import analyze, index
from udfs.operators.admit import AdmitFunction
from udfs.operators.gate import ANALYSIS_REQUESTS, GateFunction
from udfs.operators.index import INDEX_BACKLOG, INDEX_DEAD_LETTERS, IndexTarget
from udfs.operators.ingest import ARCHIVE, DEAD_LETTERS, RECEIPTS, IngestFunction
from udfs.operators.notify import INCIDENT_DOCUMENTS, NotifyFunction
from udfs.operators.seal import SealFunction, all_hours
from udfs.operators.track import TrackFunction
from udfs.operators.type_info import BYTES, KEYED

INDEX_STEPS = {
    IndexTarget.LOGS: (OperatorId.INDEX_LOGS, OperatorId.INDEX_LOGS_OUTCOME),
    IndexTarget.INCIDENTS: (OperatorId.INDEX_INCIDENTS, OperatorId.INDEX_INCIDENTS_OUTCOME),
}


def build(env: StreamExecutionEnvironment, settings: Settings) -> None:
    """Add the whole job to `env`."""
    store = settings.store
    frames = read(env, settings)
    ingested = named(frames.process(IngestFunction(settings), KEYED), OperatorId.INGEST, SlotGroup.INGEST)
    archive = side_output(ingested, ARCHIVE)
    incidents = alert(ingested, settings)
    logs_outcome = indexed(archive, IndexTarget.LOGS, settings)
    incidents_outcome = indexed(incidents, IndexTarget.INCIDENTS, settings)
    if store.write_archive:
        write(archive, store.archive, OperatorId.ARCHIVE_SINK)
        receipts = side_output(ingested, RECEIPTS)
        write(receipts, store.receipts, OperatorId.RECEIPT_SINK)
        write(seal(receipts, settings), store.markers, OperatorId.MARKER_SINK)
    write(
        side_output(ingested, DEAD_LETTERS).union(
            side_output(logs_outcome, INDEX_DEAD_LETTERS), side_output(incidents_outcome, INDEX_DEAD_LETTERS)
        ),
        store.dead_letters,
        OperatorId.DEAD_LETTER_SINK,
    )
    write(side_output(logs_outcome, INDEX_BACKLOG), f"{store.index_backlog}/logs", OperatorId.LOGS_BACKLOG_SINK)
    write(
        side_output(incidents_outcome, INDEX_BACKLOG),
        f"{store.index_backlog}/incidents",
        OperatorId.INCIDENTS_BACKLOG_SINK,
    )


def read(env: StreamExecutionEnvironment, settings: Settings) -> DataStream:
    """Add the source; its elements are RecordBatch frames."""
    watermarks = WatermarkStrategy.no_watermarks()  # those of the source itself get through
    frames = env.from_source(record_source(settings), watermarks, OperatorId.SOURCE.value, type_info=BYTES)
    return named(frames, OperatorId.SOURCE, SlotGroup.INGEST)


def seal(receipts: DataStream, settings: Settings) -> DataStream:
    """Add what says which arrival hours are over, all in one place."""
    hours = keyed_by(receipts, OperatorId.SEAL_KEY, SlotGroup.INGEST, all_hours)
    return named(hours.process(SealFunction(settings), BYTES), OperatorId.SEAL, SlotGroup.INGEST).set_parallelism(1)


def alert(ingested: DataStream, settings: Settings) -> DataStream:
    """Add the alert path, from error groups to posted alerts; return the incident documents."""
    seconds = keyed_by(ingested, OperatorId.ADMIT_KEY, SlotGroup.INGEST)
    admitted = named(seconds.process(AdmitFunction(settings), KEYED), OperatorId.ADMIT, SlotGroup.ALERT)
    groups = keyed_by(admitted, OperatorId.TRACK_KEY, SlotGroup.ALERT)
    updates = named(groups.process(TrackFunction(settings), KEYED), OperatorId.TRACK, SlotGroup.ALERT)
    services = keyed_by(updates, OperatorId.GATE_KEY, SlotGroup.ALERT)
    routed = named(services.process(GateFunction(settings), KEYED), OperatorId.GATE, SlotGroup.ALERT)
    analyses = analyzed(side_output(routed, ANALYSIS_REQUESTS), settings)
    channels = keyed_by(routed, OperatorId.NOTIFY_ROUTED_KEY, SlotGroup.ALERT).connect(
        keyed_by(analyses, OperatorId.NOTIFY_ANALYSIS_KEY, SlotGroup.ANALYZE)
    )
    notified = named(channels.process(NotifyFunction(settings), BYTES), OperatorId.NOTIFY, SlotGroup.ALERT)
    return side_output(notified, INCIDENT_DOCUMENTS)


def analyzed(requests: DataStream, settings: Settings) -> DataStream:
    """Add the analysis of incidents, apart from the way of their alerts."""
    analyses = AsyncDataStream.unordered_wait(
        requests,
        analyze.AnalyzeFunction(settings),
        analyze.flink_timeout(settings.analyze),
        analyze.CAPACITY,
        KEYED,
    )
    return named(analyses, OperatorId.ANALYZE, SlotGroup.ANALYZE)


def indexed(documents: DataStream, target: IndexTarget, settings: Settings) -> DataStream:
    """Add the indexing of log chunks or incident documents; return what could not be indexed, by side output."""
    step, split = INDEX_STEPS[target]
    outcomes = AsyncDataStream.unordered_wait(
        documents,
        index.IndexFunction(settings.index, target),
        index.flink_timeout(settings.index),
        index.CAPACITY,
        BYTES,
    )
    outcomes = named(outcomes, step, SlotGroup.INDEX)
    return named(outcomes.process(index.SplitIndexOutcome(), BYTES), split, SlotGroup.INDEX)


def write(chunks: DataStream, path: str, operator: OperatorId) -> None:
    """Add a sink that writes chunks below `path`, in folders of their arrival hour."""
    sink = chunks.sink_to(chunk_file_sink(path, operator.value))
    sink.name(operator.value).uid(operator.value).slot_sharing_group(SlotGroup.INGEST.value)
