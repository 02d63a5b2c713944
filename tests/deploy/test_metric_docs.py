"""The page of metrics lists the registry."""

from pathlib import Path

from jobs.metric_docs import sections


def test_the_page_of_metrics_is_up_to_date():
    page = Path(__file__).parents[2] / "docs" / "metrics.md"

    assert page.read_text() == "\n".join(sections()), "python -m jobs.metric_docs >docs/metrics.md"
