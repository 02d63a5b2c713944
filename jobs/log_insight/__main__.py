"""Submit the job: `flink run -pym jobs.log_insight`. What it does is set by `CALI_…` variables."""

import sys
from pathlib import Path
from typing import NamedTuple

from pyflink.common import Configuration
from pyflink.datastream import RuntimeExecutionMode, StreamExecutionEnvironment

from jobs.log_insight.settings import Settings, SettingsError, index_credentials, load_secrets, load_settings
from jobs.log_insight.streams import BUNDLE_SIZE, stream_graph
from jobs.log_insight.topology import build
from udfs.operators.notify import webhook_urls


class Bundle(NamedTuple):
    """What Flink hands to a Python worker at once; the JVM waits at its end. Elements are batches of records."""

    elements: int
    milliseconds: int


#: With Flink's own bundles, meant for single records, the first batch came out after 16 s.
LIVE_BUNDLE = Bundle(8, 100)
#: Nobody waits for the alerts of a replay, and fewer ends of bundles are a twentieth more throughput.
BOUNDED_BUNDLE = Bundle(16, 1_000)
#: Entries of one map state that PyFlink keeps in memory. An entry may be all errors of a batch. A million different
#: errors took 1.3 GB of a worker with the default of 1,000 entries and 0.5 GB with 4, for the same processor time.
CACHED_MAP_ENTRIES = 4


def main() -> None:
    """Build the job from the environment's settings and submit it; a wrong setting ends with exit code 2."""
    try:
        settings, secrets = load_settings(), load_secrets()
        # What is missing stops the start, not the first alert.
        webhook_urls(settings, secrets)
        index_credentials(settings.index, secrets)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from None
    env = StreamExecutionEnvironment.get_execution_environment(configuration(settings))
    # BATCH mode would fire processing-time timers early; a bounded source ends a STREAMING job just as well.
    env.set_runtime_mode(RuntimeExecutionMode.STREAMING)
    build(env, settings)
    env._j_stream_execution_environment.execute(stream_graph(env, settings.flink.job_name))  # noqa: SLF001 - no public way


def configuration(settings: Settings) -> Configuration:
    """Return what the job asks of Flink, whatever the cluster's own configuration says."""
    result = Configuration()
    bundle = BOUNDED_BUNDLE if settings.source.is_bounded else LIVE_BUNDLE
    result.set_integer(BUNDLE_SIZE, bundle.elements)
    result.set_integer("python.fn-execution.bundle.time", bundle.milliseconds)
    result.set_integer("python.map-state.read-cache-size", CACHED_MAP_ENTRIES)
    result.set_boolean("pipeline.auto-generate-uids", False)
    # Elements are immutable bytes of up to a megabyte: between chained operators they need not be copied.
    result.set_boolean("pipeline.object-reuse", True)
    result.set_string("execution.checkpointing.interval", f"{settings.flink.checkpoint_interval_ms} ms")
    result.set_boolean("execution.checkpointing.unaligned.enabled", True)
    if settings.flink.parallelism is not None:
        result.set_integer("parallelism.default", settings.flink.parallelism)
    if settings.flink.connectors_jar is not None:
        result.set_string("pipeline.jars", Path(settings.flink.connectors_jar).resolve().as_uri())
    return result


if __name__ == "__main__":
    main()
