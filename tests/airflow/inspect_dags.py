"""Reads a folder of DAGs as Airflow's DAG processor does, and prints what it finds as one JSON object.

    python -W error inspect_dags.py FOLDER

With `-W error` a warning in a DAG file is an import error. What a file does while it is read is watched: `asked` has
the files it opens, the programs it starts and the addresses it speaks to, beyond the modules it imports.
"""

import json
import sys
import sysconfig
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.dag_processing.dagbag import BundleDagBag
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.slack.notifications.slack_webhook import SlackWebhookNotifier
from airflow.sdk import DAG
from kubernetes.client import ApiClient

#: Of Python's audit events those that reach beyond the process.
WATCHED = {
    "open",
    "socket.connect",
    "socket.getaddrinfo",
    "sqlite3.connect",
    "subprocess.Popen",
    "os.system",
    "os.exec",
}


def main() -> None:
    (argument,) = sys.argv[1:]
    folder = Path(argument)
    asked = _watch(folder)
    bag = BundleDagBag(dag_folder=folder, bundle_path=folder, bundle_name="dags-folder")
    found = {
        "errors": bag.import_errors,
        "warnings": [each for file in bag.captured_warnings.values() for each in file],
        "asked": asked.copy(),
        "seconds": {Path(each.file).name: each.duration.total_seconds() for each in bag.dagbag_stats},
        "dags": {dag_id: _dag(dag) for dag_id, dag in bag.dags.items()},
    }
    sys.stdout.write(f"\n{json.dumps(found, default=str)}\n")


def _watch(folder: Path) -> list[str]:
    """Return a list that grows by each thing that is asked for from now on."""
    asked: list[str] = []
    modules = (str(folder), sysconfig.get_paths()["stdlib"], sysconfig.get_paths()["purelib"])

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if event in WATCHED and not (event == "open" and str(arguments[0]).startswith(modules)):
            asked.append(f"{event} {arguments[0]}")

    sys.addaudithook(note)
    return asked


def _dag(dag: DAG) -> dict[str, Any]:
    return {
        "doc": dag.doc_md,
        "tags": sorted(dag.tags),
        "catchup": dag.catchup,
        "timetable": repr(dag.timetable),
        "max_active_runs": dag.max_active_runs,
        "timeout": _seconds(dag.dagrun_timeout),
        "params": {name: param.schema for name, param in dag.params.items()},
        "tasks": {task.task_id: _task(task) for task in dag.tasks},
    }


def _task(task: Any) -> dict[str, Any]:
    facts = {
        "operator": f"{type(task).__module__}.{type(task).__name__}",
        "owner": task.owner,
        "doc": task.doc_md,
        "pool": task.pool,
        "retries": task.retries,
        "backoff": task.retry_exponential_backoff,
        "longest_delay": _seconds(task.max_retry_delay),
        "timeout": _seconds(task.execution_timeout),
        "teardown": task.is_teardown,
        "upstream": sorted(task.upstream_task_ids),
        "tells_slack": [isinstance(each, SlackWebhookNotifier) for each in task.on_failure_callback] == [True],
    }
    if isinstance(task, KubernetesPodOperator):
        facts["durable"] = task.durable
        facts["on_finish"] = task.on_finish_action.value
        facts["pod"] = ApiClient().sanitize_for_serialization(task.build_pod_request_obj(dry_run=True))
    return facts


def _seconds(time: timedelta | None) -> float | None:
    return time.total_seconds() if time else None


if __name__ == "__main__":
    main()
