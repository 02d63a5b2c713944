"""The sources of the job: thin wrappers of the Java module in `connectors/`.

The connectors jar must be known to the environment first (in Flink's `lib` folder, or by `env.add_jars`). Credentials
come from the SDK's own chain on the machine that reads; none pass through here.

Both emit `RecordBatch` frames, type `udfs.operators.type_info.BYTES`, and go with `WatermarkStrategy.no_watermarks()`:
that strategy adds no watermarks and lets those of `kinesis_source` through; a file source has but the one at its end.
"""

from datetime import UTC, datetime

from pyflink.datastream.connectors.base import Source
from pyflink.java_gateway import get_gateway

from jobs.log_insight.settings import Content, Settings, SourceKind


def record_source(settings: Settings) -> Source:
    """Return the source that `settings.source.kind` names."""
    return kinesis_source(settings) if settings.source.kind is SourceKind.KINESIS else file_source(settings)


def kinesis_source(settings: Settings) -> Source:
    """Return the source that reads `settings.source.kinesis`.

    Raises:
        py4j.protocol.Py4JJavaError: an option does not fit the others; the message names it.
    """
    gateway = get_gateway()
    options = gateway.jvm.java.util.HashMap()
    for key, value in kinesis_options(settings).items():
        options.put(key, value)
    return Source(gateway.jvm.dev.cali.connectors.Sources.kinesis(options))


def kinesis_options(settings: Settings) -> dict[str, str]:
    """Return the Java source's options, as `connectors/README.md` lists them."""
    kinesis = settings.source.kinesis
    options = {
        "stream": kinesis.stream,
        "aws.region": settings.aws.region,
        "aws.endpoint": settings.aws.endpoint,
        "source.init.position": kinesis.initial_position.value,
        "source.init.timestamp": _iso(kinesis.initial_timestamp),
        "source.stop.position": kinesis.stop_position.value.upper(),
        "source.stop.timestamp": _iso(kinesis.stop_timestamp),
        "source.poll.interval": f"{kinesis.poll_interval_ms} ms",
        "source.shard.discovery.interval": f"{kinesis.shard_discovery_interval_ms} ms",
        "source.batch.bytes": f"{settings.source.batch_bytes} b",
    }
    return {key: value for key, value in options.items() if value is not None}


def file_source(settings: Settings) -> Source:
    """Return the source that reads the lines below `settings.source.path`, once, in the order of the files' paths."""
    gateway = get_gateway()
    paths = gateway.jvm.java.util.ArrayList()
    for path in settings.source.path or ():
        paths.add(path)
    sources = gateway.jvm.dev.cali.connectors.Sources
    return Source(sources.files(paths, settings.source.batch_bytes, longest_line(settings)))


def longest_line(settings: Settings) -> int:
    """Return so many bytes of a file's line are read: a line of the archive is longer than the record was."""
    is_archive = settings.source.content is Content.ARCHIVE
    return settings.ingest.max_record_bytes if is_archive else settings.ingest.max_line_bytes


def _iso(time: datetime | None) -> str | None:
    return None if time is None else time.astimezone(UTC).isoformat()
