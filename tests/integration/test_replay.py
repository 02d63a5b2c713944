"""The same records live from Kinesis and again from the archive: the same fingerprints, incidents and counts."""

from collections import Counter
from typing import Any

import pytest

from local.run import Run, await_that

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

LINES, SECONDS = 4_000, 8.0


def per_second(run: Run) -> Counter[tuple[str, int]]:
    """Count the indexed errors of each fingerprint by the second of their arrival."""
    return Counter(
        (document["fingerprint"], document["arrival_time"] // 1000)
        for document in run.stores.log_documents(["fingerprint", "arrival_time"])
        if "fingerprint" in document
    )


def incidents(run: Run) -> dict[str, dict[str, Any]]:
    return {incident["id"]: incident for incident in run.stores.incidents()}


def test_a_replay_of_the_archive_tells_the_same(run: Run):
    manifest = run.tell(LINES, SECONDS, seed=3)
    live = run.start({"CALI_SOURCE__KINESIS__STOP_POSITION": "now"})
    run.stack.flink.await_state(live, "FINISHED", 180)
    await_that(lambda: run.caught_up() >= manifest.lines, 60, "the whole index")
    live_incidents, live_seconds = incidents(run), per_second(run)
    posted = len(run.stack.inbox.messages())
    archived = Counter(document.id for document in run.stores.archive())

    again = run.start(
        {
            "CALI_SOURCE__KIND": "s3",
            "CALI_SOURCE__PATH": run.settings.store.archive,
            "CALI_SOURCE__CONTENT": "archive",
            "CALI_STORE__WRITE_ARCHIVE": "false",
            "CALI_STORE__DEAD_LETTERS": f"s3://cali-dlq/{run.name}/replay-dlq",
            "CALI_STORE__INDEX_BACKLOG": f"s3://cali-archive/{run.name}/replay-index-backlog",
            "CALI_NOTIFY__ENABLED": "false",
            "CALI_INDEX__PREFIX": f"{run.name}-again-",
        }
    )
    run.stack.flink.await_state(again, "FINISHED", 180)
    await_that(lambda: run.caught_up() >= manifest.lines, 60, "the whole index")

    assert len(live_incidents) == len(manifest.failures)
    assert {id_: incident["late"] for id_, incident in live_incidents.items()} == dict.fromkeys(live_incidents, 0)
    assert incidents(run) == live_incidents
    assert per_second(run) == live_seconds
    assert len(run.stack.inbox.messages()) == posted
    assert Counter(document.id for document in run.stores.archive()) == archived
    assert run.stores.dead_letter_ids() == []
