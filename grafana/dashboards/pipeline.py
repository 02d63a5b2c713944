"""Whether CALI itself works: for the on-call of this pipeline."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.links import Uid, to_flink
from grafana.panels import Section, build_dashboard, figure, ranking, series
from grafana.promql import Flink, expression, increase, latest, mean, quantile, quantiles, rate, ratio, several
from grafana.variables import Addresses, Source, job
from jobs.log_insight import metrics


def build(given: Addresses) -> Dashboard:
    """Return the dashboard."""
    return build_dashboard(
        Uid.PIPELINE,
        "Pipeline health",
        "Whether CALI itself keeps up: read the first line from left to right, then the section of what is not green.",
        variables=[job()],
        sections=[_AT_A_GLANCE, _INPUT, _FLINK, _INDEX, _ALERTS, _STAGES],
        sources=[Source.METRICS],
        given=given,
    )


_AT_A_GLANCE = Section(
    "At a glance",
    [
        figure(
            "Lines a second",
            "Lines read from the stream. Zero while services run: source or stream is stuck; look at the Flink UI.",
            expression(rate(metrics.RECORDS)),
            unit="cps",
            links=[to_flink()],
        ),
        figure(
            "Behind the stream",
            "How far the slowest shard is behind its newest record. Rising: find the back-pressure below.",
            expression(latest(Flink.BEHIND_MS, how="max")),
            unit="ms",
            limits=(60_000, 600_000),
        ),
        figure(
            "Alert delay, 95 % within",
            "From the first record of an incident until its alert is posted. Above a minute: see alerts below.",
            expression(quantile(0.95, metrics.ALERT_DELAY)),
            unit="s",
            limits=(30, 60),
        ),
        figure(
            "Alerts waiting",
            "Alerts in the outbox. They are kept until Slack takes them: check Slack's status and the webhook.",
            expression(latest(metrics.OUTBOX_ALERTS)),
            limits=(10, 50),
        ),
        figure(
            "Dependencies down",
            "Open breakers, shown below by name. The job goes on without OpenSearch, Milvus, LLM or ledger.",
            expression(f"sum ({latest(metrics.BREAKER_OPEN, 'dependency', how='max')})"),
            limits=(1, 2),
        ),
        figure(
            "Restarts",
            "Restarts of the job in the time range. More than one an hour: open the exceptions in the Flink UI.",
            expression(increase(Flink.RESTARTS)),
            limits=(1, 3),
            links=[to_flink()],
        ),
    ],
)

_INPUT = Section(
    "Input",
    [
        series(
            "Lines by outcome",
            "Archived is good. Dead letters have no reading; a record that cannot be unpacked is one. The reasons are"
            " in data quality, how to read them is in docs/runbooks.md, CaliDeadLetterRatioHigh.",
            expression(rate(metrics.RECORDS, "outcome"), "{{outcome}}"),
            unit="cps",
            stacked=True,
            colors={"dead_letter": "red", "archived": "green"},
        ),
        series(
            "Arrival lag",
            "From the arrival of a batch's newest record until the batch is read. Half a second is normal.",
            quantiles(metrics.ARRIVAL_LAG),
            unit="s",
            limits=(30, 300),
        ),
        series(
            "Behind the stream by shard",
            "One shard alone: a hot partition key. All shards: the job is too slow or has restarted.",
            expression(latest(Flink.BEHIND_MS, "shardId", how="max"), "{{shardId}}"),
            unit="ms",
        ),
        series(
            "Lines and bytes of a batch",
            "Mean of a batch. Small batches cost time in crossings between JVM and Python.",
            several(expression(mean(metrics.BATCH_RECORDS), "lines"), expression(mean(metrics.BATCH_BYTES), "bytes")),
        ),
    ],
)

_FLINK = Section(
    "Flink",
    [
        series(
            "Back-pressure by task",
            "Milliseconds of a second in which a task waits for the next. The one behind the last waiting is slow.",
            expression(latest(Flink.BACK_PRESSURED_MS, "task", how="max"), "{{task}}"),
            unit="ms",
            limits=(500, 900),
            links=[to_flink()],
        ),
        series(
            "Busy by task",
            "Milliseconds of a second in which a task works. 1000 for long: it needs more parallelism.",
            expression(latest(Flink.BUSY_MS, "task", how="max"), "{{task}}"),
            unit="ms",
            limits=(800, 950),
        ),
        series(
            "Checkpoints",
            "Completed and failed in the time before. Failed ones in a row: archive and state stand still, look at S3.",
            several(
                expression(increase(Flink.CHECKPOINTS_DONE, window="5m"), "completed in 5 min"),
                expression(increase(Flink.CHECKPOINTS_FAILED, window="5m"), "failed in 5 min"),
            ),
            colors={"failed in 5 min": "red"},
            width=8,
        ),
        series(
            "Duration of a checkpoint",
            "Longer than the interval of a minute: files of the archive come late, and a restart repeats more.",
            expression(latest(Flink.CHECKPOINT_MS, how="max"), "last checkpoint"),
            unit="ms",
            limits=(30_000, 60_000),
            width=8,
        ),
        series(
            "State and heap",
            "Size of the last checkpoint and heap in use. State that only grows is a leak: incidents that never end.",
            several(
                expression(latest(Flink.CHECKPOINT_BYTES, how="max"), "last checkpoint"),
                expression(latest(Flink.HEAP_USED), "heap of task managers"),
            ),
            unit="bytes",
            width=8,
        ),
    ],
)

_INDEX = Section(
    "Index",
    [
        series(
            "Documents by outcome",
            "Backlog: OpenSearch did not take them in time; when it is well again, run `cali index catch-up`.",
            expression(rate(metrics.INDEX_DOCUMENTS, "outcome", "operator_name"), "{{operator_name}} {{outcome}}"),
            unit="cps",
            stacked=True,
        ),
        series(
            "Time of a batch in the index",
            "All attempts of one batch. Near the limit of 3 s: OpenSearch is overloaded and the backlog is next."
            " Nothing at all: the breaker is open, and nothing is tried.",
            quantiles(metrics.INDEX_SECONDS),
            unit="s",
            limits=(1, 3),
        ),
        ranking(
            "Documents that are not in the index",
            "In the time range, by what became of them. Refused ones are dead letters: a mapping does not fit.",
            expression(
                increase(metrics.INDEX_DOCUMENTS, "outcome", "operator_name", outcome="refused|backlog"),
                "{{operator_name}} {{outcome}}",
                instant=True,
            ),
        ),
        ranking(
            "Open breakers",
            "1 while a dependency is taken to be down. It is asked once per cool-down and closes by itself.",
            expression(latest(metrics.BREAKER_OPEN, "dependency", how="max"), "{{dependency}}", instant=True),
        ),
    ],
)

_ALERTS = Section(
    "Alerts",
    [
        series(
            "Alert delay",
            "From the first record of an incident until its first alert, with five seconds of waiting for the group.",
            quantiles(metrics.ALERT_DELAY),
            unit="s",
            limits=(30, 60),
        ),
        series(
            "Alerts by what became of them",
            "Rejected: Slack refuses for good, check channel and webhook. Throttled ones are told of in a roll-up.",
            expression(rate(metrics.ALERTS, "result"), "{{result}}"),
            unit="cps",
            stacked=True,
        ),
        series(
            "Attempts to post",
            "Rate_limited and failed are tried again. Unknown may have been posted: the only case of a second copy.",
            expression(rate(metrics.POSTS, "outcome"), "{{outcome}}"),
            unit="cps",
            stacked=True,
            width=8,
        ),
        series(
            "Time of one post",
            "Near 3 s, the time-out: Slack or the way to it is slow.",
            quantiles(metrics.POST_SECONDS),
            unit="s",
            limits=(1, 3),
            width=8,
        ),
        series(
            "Alerts by kind, and ledger misses",
            "A miss is an alert posted without the ledger's word: it may come twice after a restart.",
            several(
                expression(rate(metrics.ALERTS_POSTED, "kind"), "{{kind}}"),
                expression(rate(metrics.LEDGER_MISSES, "step"), "ledger miss: {{step}}"),
            ),
            unit="cps",
            width=8,
        ),
        series(
            "Incidents by event",
            "What incidents went through; how many are open is on the dashboard of incidents. Opened far above its"
            " usual rate is a storm: the gate rolls up and caps the analyses.",
            expression(rate(metrics.INCIDENTS, "event"), "{{event}}"),
            unit="cps",
        ),
        series(
            "Alerts waiting over time",
            "The outbox. It must come down to zero between two failures.",
            expression(latest(metrics.OUTBOX_ALERTS), "waiting"),
            limits=(10, 50),
        ),
    ],
)

_STAGES = Section(
    "Stages",
    [
        series(
            "Time of a batch in ingest",
            "From decoding to handing the results on. Rising at the same load: costly lines, or rules.",
            quantiles(metrics.INGEST_SECONDS),
            unit="s",
            width=8,
        ),
        series(
            "Time of an analysis",
            "Search, model and check. Alerts do not wait for it: a late analysis follows as an update.",
            quantiles(metrics.ANALYSIS_SECONDS),
            unit="s",
            limits=(10, 20),
            width=8,
        ),
        series(
            "Hits of caches",
            "Share of look-ups that are answered from memory. Low for fingerprints: many different errors.",
            expression(
                ratio(rate(metrics.CACHE_REQUESTS, "cache", result="hit"), rate(metrics.CACHE_REQUESTS, "cache")),
                "{{cache}}",
            ),
            unit="percentunit",
            width=8,
        ),
        series(
            "Error groups",
            "Overflow is a flood of new kinds of errors, counted together; late ones came after their second was over.",
            expression(rate(metrics.ERROR_GROUPS, "outcome"), "{{outcome}}"),
            unit="cps",
        ),
        ranking(
            "Dead letters",
            "In the time range, the ten most frequent by stage and error type. How to read them: docs/runbooks.md,"
            " CaliDeadLetterRatioHigh.",
            expression(f"topk(10, {increase(metrics.DEAD_LETTERS, 'reason')})", "{{reason}}", instant=True),
        ),
    ],
)
