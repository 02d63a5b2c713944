"""Runs a DAG once with `dag.test()` in the environment of Airflow, and prints how each task ended as one JSON object.

    python run_dag.py DAG LOGICAL_DATE CONF [RETRY_SECONDS]

`CONF` is JSON, or `null`. With `RETRY_SECONDS` a failed task waits so long for its next try, not the DAG's minutes.
"""

import json
import sys
from datetime import datetime, timedelta
from pathlib import Path

from airflow.configuration import conf
from airflow.dag_processing.dagbag import BundleDagBag


def main() -> None:
    dag_id, logical_date, run_conf, *retry_seconds = sys.argv[1:]
    folder = Path(conf.get("core", "dags_folder"))
    bag = BundleDagBag(dag_folder=folder / f"{dag_id}.py", bundle_path=folder, bundle_name="dags-folder")
    dag = bag.dags[dag_id]
    dag.deadline = None  # `dag.test()` of Airflow 3.3.2 fails at the end of a good run that has one
    for task in dag.tasks if retry_seconds else ():
        task.retry_delay = timedelta(seconds=float(retry_seconds[0]))
        task.max_retry_delay = task.retry_delay
    run = dag.test(logical_date=datetime.fromisoformat(logical_date), run_conf=json.loads(run_conf))
    tasks = {each.task_id: {"state": each.state, "tries": each.try_number} for each in run.get_task_instances()}
    sys.stdout.write(f"\n{json.dumps({'state': run.state, 'tasks': tasks})}\n")


if __name__ == "__main__":
    main()
