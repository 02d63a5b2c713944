"""OpenSearch gone, the LLM hanging, Slack failing, under load: the job goes on, all is complete afterwards."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.outage import ride_out
from local.run import Run
from local.stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

LINES, SECONDS, BOUND_SECONDS = 8_000, 60.0, 10.0


@pytest.fixture
def run_with_hanging_llm(tmp_path: Path) -> Iterator[Run]:
    """A stack of its own: its task managers know the LLM stub, and its OpenSearch dies."""
    before = dict(os.environ)
    with Stack(tmp_path / "stack", llm=True) as stack:
        stack.llm.hang()
        stack.start()
        made = Run(stack, "outage")
        made.create_stream()
        try:
            yield made
        finally:
            os.environ.clear()
            os.environ.update(before)


def test_an_outage_of_three_dependencies_stops_nothing_and_loses_nothing(run_with_hanging_llm: Run):
    run = run_with_hanging_llm
    run.start()

    ridden = ride_out(run, LINES, SECONDS, BOUND_SECONDS)

    findings = ridden.findings
    assert (findings.lost, findings.duplicated, findings.duplicate_alerts) == (0, 0, 0)
    assert findings.indexed == findings.archived == ridden.manifest.lines
    assert {name: len(alerts) for name, alerts in findings.failures.items()} == {
        failure.name: 1 for failure in ridden.manifest.failures
    }
    assert ridden.while_slack_well, "no failure began before Slack failed"
    assert ridden.afterwards > 0, "no failure began after Slack failed"
    assert ridden.restarts == 0
    assert run.stack.llm.requests, "the LLM was not asked"
