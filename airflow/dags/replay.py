"""## Read hours of the archive again.

On demand, with a form: a bounded FlinkDeployment reads whole hours of the archive with today's rules and settings, into
indices of its own. Nothing is archived again, and nobody is told of old failures. Then counts are compared.

| task | does |
|---|---|
| `start` | applies the FlinkDeployment `log-insight-replay-NAME`; the same again is no second one |
| `wait` | until it has finished |
| `compare` | what came of each hour with what the receipts say of it |
| `remove` | the FlinkDeployment, also after `wait` or `compare` has failed: what Flink said is in their logs |

One at a time, as it takes nodes of its own. **When it fails:** Slack has the last words of the task, Airflow its log.
Clear `start` with all that follows it for another try under the same name.
"""

from datetime import timedelta

from airflow.sdk import DAG, Param
from cali_pods import DAG_ARGS, cali

#: How long a try waits. There are four, so a replay may take eight hours; a day of the archive takes less.
LONGEST = timedelta(hours=2)
POOL = "cali_replay"
#: Who gives no name gets the time of the run, which a retry does not change.
RUN = "{{ params.run or (dag_run.run_after | ts_nodash | lower) }}"
HOURS = ["--from", "{{ params['from'] }}", "--to", "{{ params['to'] }}"]
ABOUT = f"run `{RUN}`, {{{{ params['from'] }}}} to {{{{ params['to'] }}}}"
A_WHOLE_HOUR = {
    "type": "string",
    "format": "date-time",
    # Whether the format is checked depends on what else is installed; the pattern is, and asks for no less.
    "pattern": r"^[0-9]{4}-[0-1][0-9]-[0-3][0-9]T[0-2][0-9]:00:00(\.0+)?(Z|[+-][0-9]{2}:00)(?![\s\S])",
}

with DAG(
    dag_id="replay",
    description="Read hours of the archive again, and compare",
    doc_md=__doc__,
    tags=["cali", "archive", "replay"],
    schedule=None,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=20),
    params={
        "from": Param(title="From", description="The first hour, with its zone: 2026-11-22T09:00:00Z.", **A_WHOLE_HOUR),
        "to": Param(title="To", description="The hour after the last.", **A_WHOLE_HOUR),
        "run": Param(
            None,
            title="Name",
            description="Of the run, its indices and its FlinkDeployment. Left empty it is the time of the run.",
            type=["null", "string"],
            pattern=r"^[a-z0-9]+(-[a-z0-9]+)*(?![\s\S])",
            maxLength=26,
        ),
    },
    **DAG_ARGS,
) as dag:
    start = cali(
        "start",
        ["replay", "start", "--run", RUN, *HOURS],
        about=ABOUT,
        doc_md="Applies the FlinkDeployment, or finds it there.",
        timeout=timedelta(minutes=10),
        pool=POOL,
        asks_kubernetes=True,
        manifest="cali-replay",  # a deployment applies it
    )
    wait = cali(
        "wait",
        ["replay", "wait", "--run", RUN, "--timeout", f"{LONGEST.total_seconds() / 60:.0f}"],
        about=ABOUT,
        doc_md="Until Flink says FINISHED; a failed job fails it at once, with Flink's error.",
        timeout=LONGEST + timedelta(minutes=10),
        pool=POOL,
        asks_kubernetes=True,
    )
    compare = cali(
        "compare",
        ["replay", "compare", "--run", RUN, *HOURS],
        about=ABOUT,
        doc_md="Counts of the replay against those of the archive, an hour each.",
        timeout=timedelta(minutes=30),
        pool=POOL,
    )
    remove = cali(
        "remove",
        ["replay", "remove", "--run", RUN],
        about=ABOUT,
        doc_md="Deletes the FlinkDeployment and waits until it is gone. It runs whenever `start` has succeeded.",
        timeout=timedelta(minutes=15),
        pool=POOL,
        asks_kubernetes=True,
    )
    start >> wait >> compare >> remove.as_teardown(setups=start)
