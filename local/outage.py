"""OpenSearch gone, the LLM hanging, Slack failing, under load: what still goes out, and what is there afterwards."""

import threading
import time
from typing import NamedTuple

from local.audit import Findings, audit
from local.generator.failures import FAILURES
from local.generator.manifest import Manifest
from local.run import Run, await_complete

#: Shares of the story's time. OpenSearch is gone from the first to the last, Slack fails from the second to the last.
OPENSEARCH_DOWN, SLACK_DOWN, ALL_BACK = 0.1, 0.45, 0.9


class Ridden(NamedTuple):
    """What was found.

    `while_slack_well` are the seconds from first record to alert of the failures that began long enough before Slack
    failed; `afterwards` how many were told of once Slack was back. `restarts` are the job's.
    """

    manifest: Manifest
    findings: Findings
    while_slack_well: list[float]
    afterwards: int
    restarts: int


def ride_out(run: Run, lines: int, seconds: float, bound_seconds: float) -> Ridden:
    """Tell a story of `seconds` through the outage, and await that everything is complete.

    The run's stack must have the LLM stub hanging. `bound_seconds` is how long before Slack's failure a failure must
    have begun to be counted as one that could still be told of.
    """
    flink = run.stack.flink
    told: list[Manifest] = []
    sender = threading.Thread(target=lambda: told.append(run.tell(lines, seconds, seed=4)))
    began = time.monotonic()
    sender.start()
    _sleep_until(began + OPENSEARCH_DOWN * seconds)
    run.stack.opensearch.kill()
    _sleep_until(began + SLACK_DOWN * seconds)
    slack_failed_at = time.time_ns() // 1_000_000
    run.stack.inbox.fail(status=500)
    _sleep_until(began + ALL_BACK * seconds)
    run.stack.inbox.clear_faults()
    run.stack.opensearch.start()
    sender.join()
    (manifest,) = told
    await_complete(run, manifest, alerts=len(manifest.failures))
    findings = audit(manifest, run.stores, run.messages(), FAILURES)
    first = {failure.name: failure.first_put_ms or 0 for failure in manifest.failures}
    in_time = [name for name, at in first.items() if at < slack_failed_at - bound_seconds * 1000]
    return Ridden(
        manifest,
        findings,
        [(findings.failures[name][0].received_at - first[name]) / 1000 for name in in_time if findings.failures[name]],
        sum(alerts[0].received_at > slack_failed_at for alerts in findings.failures.values() if alerts),
        flink.restarts(run.job_id),
    )


def _sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))
