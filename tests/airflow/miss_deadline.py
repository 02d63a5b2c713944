"""Lets the deadline of an hour pass in the environment of Airflow, as scheduler and triggerer do it, without waiting.

    python miss_deadline.py DAG LOGICAL_DATE

Prints as one JSON object when the hour was due, and how the callback ended.
"""

import asyncio
import json
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from airflow.configuration import conf
from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.dagbag import BundleDagBag, sync_bag_to_db
from airflow.models.dagbag import DBDagBag
from airflow.models.deadline import Deadline
from airflow.settings import Session
from airflow.triggers.callback import CallbackTrigger
from airflow.utils.state import DagRunState
from airflow.utils.types import DagRunTriggeredByType, DagRunType
from sqlalchemy import select


def main() -> None:
    dag_id, logical_date = sys.argv[1], datetime.fromisoformat(sys.argv[2])
    session = Session()
    create_run(dag_id, logical_date, session)
    deadline = session.scalars(select(Deadline)).one()
    due = deadline.deadline_time.isoformat()
    deadline.handle_miss(session)
    session.commit()
    state = asyncio.run(ended(CallbackTrigger(deadline.callback.data["path"], deadline.callback.data["kwargs"])))
    sys.stdout.write(f"\n{json.dumps({'due': due, 'callback': state})}\n")


def create_run(dag_id: str, logical_date: datetime, session: Any) -> None:
    """Create a run as the scheduler does it for an hour."""
    folder = Path(conf.get("core", "dags_folder"))
    DagBundlesManager().sync_bundles_to_db(session=session)
    session.commit()
    sync_bag_to_db(BundleDagBag(dag_folder=folder, bundle_path=folder, bundle_name="dags-folder"), "dags-folder", None)
    dag = DBDagBag().get_latest_version_of_dag(dag_id, session=session)
    hour = (logical_date, logical_date + timedelta(hours=1))
    dag.create_dagrun(
        run_id=f"scheduled__{logical_date.isoformat()}",
        run_type=DagRunType.SCHEDULED,
        logical_date=logical_date,
        data_interval=hour,
        run_after=hour[1],
        state=DagRunState.QUEUED,
        triggered_by=DagRunTriggeredByType.TIMETABLE,
        session=session,
    )
    session.commit()


async def ended(trigger: CallbackTrigger) -> str:
    """Run a trigger as the triggerer does, and return the state that it ends in."""
    states = [event.payload["state"] async for event in trigger.run()]
    return str(states[-1])


if __name__ == "__main__":
    main()
