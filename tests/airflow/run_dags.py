"""Runs DAGs with `dag.test()` in the environment of Airflow, one after the other: a request is a line of JSON.

A request on standard input has `dag`, `logical_date`, `conf`, `variables` of the environment, `retry_at_once`: whether
a failed task is tried again without a pause, and `restart`: whether the first pod sees a restart of Airflow. After the
log of a run comes a line that begins with `RAN` and says in JSON how the run and each task ended.
"""

import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from airflow.dag_processing.dagbag import BundleDagBag
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator

from airflow import configuration


def main() -> None:
    for line in sys.stdin:
        sys.stdout.write(f"\nRAN {json.dumps(ran(**json.loads(line)))}\n")
        sys.stdout.flush()


def ran(
    *,
    dag: str,
    logical_date: str,
    conf: dict[str, str] | None,
    variables: dict[str, str],
    retry_at_once: bool,
    restart: bool,
) -> dict[str, Any]:
    """Run a DAG, read anew, and say how it ended."""
    os.environ.update(variables)
    read = read_dag(dag)
    read.deadline = None  # `dag.test()` of Airflow 3.3.2 fails at the end of a good run that has one
    for task in read.tasks if retry_at_once else ():
        task.retry_delay = task.max_retry_delay = timedelta()
    with restarted() if restart else nullcontext():
        run = read.test(logical_date=datetime.fromisoformat(logical_date), run_conf=conf)
    tasks = {each.task_id: {"state": each.state, "tries": each.try_number} for each in run.get_task_instances()}
    return {"state": run.state, "tasks": tasks}


@contextmanager
def restarted() -> Iterator[None]:
    """Call what a task's process calls on SIGTERM, once, while the operator waits for the pod; it waits on."""
    awaited = KubernetesPodOperator.await_pod_completion
    kills = iter([True])

    def interrupted(operator: Any, *arguments: Any, **options: Any) -> Any:
        if next(kills, False):
            threading.Timer(0.5, operator.on_kill).start()
        return awaited(operator, *arguments, **options)

    KubernetesPodOperator.await_pod_completion = interrupted
    try:
        yield
    finally:
        KubernetesPodOperator.await_pod_completion = awaited


def read_dag(dag_id: str) -> Any:
    folder = Path(configuration.conf.get("core", "dags_folder"))
    return BundleDagBag(dag_folder=folder / f"{dag_id}.py", bundle_path=folder, bundle_name="dags-folder").dags[dag_id]


if __name__ == "__main__":
    main()
