"""Print `docs/metrics.md`, which lists every metric of the job.

python -m jobs.metric_docs >docs/metrics.md
"""

from collections.abc import Iterator

from jobs.log_insight.metrics import REGISTRY, Metric, Place

_HEAD = """# Metrics

What the job counts, by the names that it has after `grafana/prometheus/scrape.yaml`. Beside the labels here every
series has `job_name`, `job_id`, `operator_name`, `task`, `subtask_index` and `pod`. All series of an operator are there
from its first bundle on; `analyze` may have none for hours. Counters begin anew with their worker. Written by
`python -m jobs.metric_docs >docs/metrics.md`.
"""


def sections() -> Iterator[str]:
    """Yield the parts of the page."""
    yield _HEAD
    for metric in REGISTRY:
        places = (_place(place) for place in metric.places)
        yield "\n".join((f"## {metric.name}\n", _about(metric), "", *places, ""))


def _about(metric: Metric) -> str:
    bounds = ", ".join(f"{bound:g}" for bound in metric.buckets)
    return f"{metric.kind.value.capitalize()}{f' (buckets to {bounds})' if bounds else ''}. {metric.help}"


def _place(place: Place) -> str:
    labels = (f"`{name}` is {', '.join(f'`{value}`' for value in values)}" for name, values in place.labels.items())
    return "; ".join((f"- {place.operator.value}", *labels))


if __name__ == "__main__":
    print("\n".join(sections()), end="")  # noqa: T201 - it writes the page
