"""All dashboards, and their one form as JSON."""

import json
from collections.abc import Callable
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.dashboards import data_quality, incidents, live_errors, llm, pipeline, service
from grafana.variables import Addresses

JSON_FOLDER = Path(__file__).parent / "json"

DASHBOARDS: tuple[Callable[[Addresses], Dashboard], ...] = (
    live_errors.build,
    service.build,
    incidents.build,
    pipeline.build,
    llm.build,
    data_quality.build,
)

__all__ = ["DASHBOARDS", "JSON_FOLDER", "Addresses", "render_all"]


def render_all(addresses: Addresses) -> dict[str, str]:
    """Return the text of every dashboard's file by the file's name, which is the dashboard's uid."""
    built = [build(addresses) for build in DASHBOARDS]
    return {f"{dashboard.uid}.json": _render(dashboard) for dashboard in built}


def _render(dashboard: Dashboard) -> str:
    return json.dumps(dashboard, cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
