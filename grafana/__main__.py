"""Write the dashboards as JSON, one file each."""

import argparse
from pathlib import Path

from grafana.build import JSON_FOLDER, Addresses, render_all


def main() -> None:
    """Write all dashboards to a folder."""
    defaults = Addresses()
    parser = argparse.ArgumentParser(prog="python -m grafana", description=__doc__)
    parser.add_argument("--to", type=Path, default=JSON_FOLDER, help="folder, by default that of the repository")
    parser.add_argument("--flink-ui", default=defaults.flink_ui, help="where a reader's browser finds the Flink UI")
    parser.add_argument("--slack-team", default=defaults.slack_team, help="id of the Slack workspace, such as T0123ABC")
    given = parser.parse_args()
    given.to.mkdir(parents=True, exist_ok=True)
    for name, text in render_all(Addresses(given.flink_ui, given.slack_team)).items():
        (given.to / name).write_text(text)


if __name__ == "__main__":
    main()
