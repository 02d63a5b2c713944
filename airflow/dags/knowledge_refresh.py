"""## Does the knowledge base say what the runbooks say?

Each day: the documents of `KNOWLEDGE_URI` become a collection of Milvus beside the live one; labelled queries are asked
of both; the alias moves where the new one answers no worse.

| task | does |
|---|---|
| `stage` | fills the collection; nobody searches it yet |
| `check` | asks the labelled queries, staged against live |
| `promote` | checks once more itself, then moves the alias |

A collection's name is a hash of its documents: each task finds by itself what the one before has made, and a run over
unchanged documents does nothing.

**When it fails:** Slack names the queries that got worse. The alias is where it was, and alerts go on with yesterday's
knowledge. Correct the document or the query, then clear the run from `stage` on.

**Catch-up:** none. The documents are those of now, whatever day the run is for.
"""

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, chain
from cali_pods import DAG_ARGS, cali

#: Kubernetes puts the pod's variable there; ConfigMap cali-settings has that of the environment.
SOURCE = "$(KNOWLEDGE_URI)"
ABOUT = "the alias has not moved, searches go on with the documents of before"

with DAG(
    dag_id="knowledge_refresh",
    description="Runbooks and past incidents into Milvus, unless retrieval gets worse",
    doc_md=__doc__,
    tags=["cali", "knowledge"],
    schedule="0 3 * * *",
    start_date=datetime(2026, 11, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=10),
    **DAG_ARGS,
) as dag:
    chain(
        *(
            cali(
                command,
                ["knowledge", command, SOURCE],
                about=ABOUT,
                doc_md=doc_md,
                timeout=timedelta(minutes=20),
                pool="cali_knowledge",
                cpu="1",
                memory="1Gi",
            )
            for command, doc_md in (
                ("stage", "Fills a collection beside the live one."),
                ("check", "Labelled queries, staged against live; changes nothing."),
                ("promote", "Checks once more, then moves the alias."),
            )
        )
    )
