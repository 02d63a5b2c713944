"""OpenSearch gone, the LLM hanging, Slack failing, under load: the job goes on, all is complete afterwards."""

import os
from collections.abc import Callable, Iterator

import pytest

from local.outage import Ridden, ride_out
from local.run import Run
from local.stack import Stack, watched_parts

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

LINES, SECONDS, BOUND_SECONDS = 8_000, 60.0, 10.0


@pytest.fixture(scope="module")
def run_with_hanging_llm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A stack of its own: its task managers know the LLM stub, and its OpenSearch dies."""
    before = dict(os.environ)
    with Stack(tmp_path_factory.mktemp("stack"), llm=True) as stack:
        stack.llm.hang()
        stack.start(watched_parts())
        made = Run(stack, "outage")
        made.create_stream()
        try:
            yield made
        finally:
            os.environ.clear()
            os.environ.update(before)


@pytest.fixture(scope="module")
def ridden(run_with_hanging_llm: Run) -> Ridden:
    run_with_hanging_llm.start()
    return ride_out(run_with_hanging_llm, LINES, SECONDS, BOUND_SECONDS)


def test_an_outage_of_three_dependencies_stops_nothing_and_loses_nothing(run_with_hanging_llm: Run, ridden: Ridden):
    findings = ridden.findings
    assert (findings.lost, findings.duplicated, findings.duplicate_alerts) == (0, 0, 0)
    assert findings.indexed == findings.archived == ridden.manifest.lines
    assert {name: len(alerts) for name, alerts in findings.failures.items()} == {
        failure.name: 1 for failure in ridden.manifest.failures
    }
    assert ridden.while_slack_well, "no failure began before Slack failed"
    assert ridden.afterwards > 0, "no failure began after Slack failed"
    assert ridden.restarts == 0
    assert run_with_hanging_llm.stack.llm.requests, "the LLM was not asked"


@pytest.mark.usefixtures("ridden")
@pytest.mark.parametrize(
    "expression",
    [
        'max_over_time(cali_breaker_open{dependency="opensearch", operator_name="index-logs"}[5m])',
        'max_over_time(cali_breaker_open{dependency="ledger"}[5m])',
        'max_over_time(cali_breaker_open{dependency="llm"}[5m])',
        "max_over_time(cali_outbox_alerts[5m])",
        'cali_index_documents_total{outcome="backlog", operator_name="index-logs"}',
        'cali_ledger_misses_total{step="claim"}',
        'cali_posts_total{outcome="failed"}',
        'cali_llm_calls_total{outcome="failed"}',
        'cali_analyses_total{status="fallback"}',
    ],
)
def test_an_outage_is_seen_in_the_metrics(
    run_with_hanging_llm: Run, require_tool: Callable[[str], str], expression: str
):
    require_tool("prometheus")
    (sample,) = run_with_hanging_llm.stack.prometheus.query(expression)
    assert sample.value > 0
