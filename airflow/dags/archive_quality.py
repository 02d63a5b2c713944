"""## Is the archive whole?

Each hour, as soon as the job has marked it complete: `cali quality` over the archive and the dead letters of that hour,
with the receipts as the witness. The report goes to S3 as JSON and as a page.

| exit code | means | what happens |
|---|---|---|
| 0 | all expectations hold | |
| 1 | one does not | the run fails, Slack is told; no second try: the hour does not change by itself |
| 2 | a setting is wrong | likewise |
| 3 | no marker of the hour within 40 minutes: the job is down or far behind; or S3 did not answer | three more tries |
| other | the pod was lost, or killed | three more tries |

**When it fails:** open the report that Slack links, and look the expectation up in `docs/operations/quality.md`. Clear
the task to check the hour again; however often that is done, the outcome is that of once.

**Late hours:** a run that has not succeeded an hour after its hour has ended is told to Slack by a Deadline Alert.

**Catch-up:** hours that Airflow missed are checked afterwards, two at a time, from `ARCHIVE_SINCE` on.
"""

import os
from datetime import datetime, timedelta

from airflow.sdk import DAG, CronDataIntervalTimetable, DeadlineAlert, DeadlineReference
from cali_pods import DAG_ARGS, cali, late

#: How long the command waits for the marker: a checkpoint, a restart of the job and some backlog fit into it.
WAIT = timedelta(minutes=40)
#: The first hour to be checked, of the environment. Where nobody says it, nothing is caught up.
SINCE = os.environ.get("ARCHIVE_SINCE")
#: From the end of the hour.
LATE = timedelta(hours=1)
HOUR = timedelta(hours=1)

with DAG(
    dag_id="archive_quality",
    description="Great Expectations over an hour of archive and dead letters",
    doc_md=__doc__,
    tags=["cali", "archive", "quality"],
    # In UTC, as the folders of the archive; a run has an hour, not a moment, so that one caught up checks its own.
    schedule=CronDataIntervalTimetable("0 * * * *", timezone="UTC"),
    start_date=datetime.fromisoformat(SINCE or "2026-01-01T00:00:00+00:00"),
    catchup=bool(SINCE),
    max_active_runs=2,
    dagrun_timeout=timedelta(hours=6),
    deadline=DeadlineAlert(
        name="hour is late",
        reference=DeadlineReference.DAGRUN_LOGICAL_DATE,  # the beginning of the hour
        interval=HOUR + LATE,
        callback=late(
            "*archive_quality* is late: the hour that began {{ dag_run.data_interval_start }} was to be checked by "
            "{{ deadline.deadline_time }}, and its run is {{ dag_run.state }}"
        ),
    ),
    **DAG_ARGS,
) as dag:
    cali(
        "check",
        [
            "quality",
            "--from",
            "{{ data_interval_start | ts }}",
            "--to",
            "{{ data_interval_end | ts }}",
            "--wait",
            f"{WAIT.total_seconds() / 60:.0f}",
        ],
        about=(
            "hour {{ data_interval_start.strftime('%Y-%m-%d %H:%M') }} UTC\n"
            "Report: {{ var.value.cali_reports }}/{{ data_interval_start.strftime('dt=%Y-%m-%d/hour=%H') }}/index.html"
        ),
        doc_md="`cali quality` over the hour, once its complete-marker is there.",
        timeout=WAIT + timedelta(minutes=15),
        pool="cali_quality",
        cpu="2",
        memory="1Gi",
    )
