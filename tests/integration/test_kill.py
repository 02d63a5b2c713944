"""A TaskManager dies, twice, under load: nothing is lost, nothing is there twice, nobody is told twice."""

import threading

import pytest

from local.audit import audit
from local.generator.failures import FAILURES
from local.run import Run, await_complete, await_that

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

LINES, SECONDS = 15_000, 45.0
KILLS = 2


def test_two_kills_of_the_task_manager_lose_and_double_nothing(run: Run):
    flink = run.stack.flink
    job = run.start()
    told = []
    sender = threading.Thread(target=lambda: told.append(run.tell(LINES, SECONDS, seed=2)))
    sender.start()
    for kill in range(KILLS):
        # A checkpoint with records in it, so that there is something to restore and something to do again.
        completed = flink.checkpoints(job)["completed"]
        await_that(lambda before=completed: flink.checkpoints(job)["completed"] >= before + 2, 60, "two checkpoints")
        flink.kill_task_manager()
        flink.start_task_manager()
        await_that(lambda number=kill: flink.restarts(job) > number, 60, "a restart")
        flink.await_state(job, "RUNNING", 120)
    sender.join()
    (manifest,) = told
    await_complete(run, manifest, alerts=len(manifest.failures))

    findings = audit(manifest, run.stores, run.messages(), FAILURES)

    assert flink.restarts(job) >= KILLS
    assert (findings.lost, findings.duplicated, findings.duplicate_alerts) == (0, 0, 0)
    assert findings.archived == findings.indexed == manifest.lines
    assert {name: len(alerts) for name, alerts in findings.failures.items()} == {
        failure.name: 1 for failure in manifest.failures
    }
