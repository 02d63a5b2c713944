"""Five minutes without OpenSearch under load, the LLM hanging, Slack answering 500 for half of that.

    python benchmarks/outage.py [--seconds 375] [--rate 800]

OpenSearch is gone for 80 % of the time: 300 of the default 375 seconds. Prints how soon alerts came with Slack well
and what the stores hold afterwards; exits with 1 if anything is missing, twice, or late, or the job was restarted.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from local.audit import percentile
from local.outage import ride_out
from local.run import Run
from local.stack import Stack

#: `group_wait` and four seconds.
BOUND_SECONDS = 9.0


def main() -> int:
    """Run the outage and print its figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=375.0)
    parser.add_argument("--rate", type=int, default=800, help="log lines a second")
    arguments = parser.parse_args()
    with TemporaryDirectory() as directory, Stack(Path(directory)) as stack:
        stack.llm.hang()
        os.environ.update(stack.llm.environment())
        stack.start()
        run = Run(stack, "outage")
        run.create_stream()
        run.start()
        ridden = ride_out(run, int(arguments.rate * arguments.seconds), arguments.seconds, BOUND_SECONDS)
    findings = ridden.findings
    p95 = percentile(ridden.while_slack_well, 0.95)
    figures = {
        "seconds": arguments.seconds,
        "sent": findings.sent,
        "archived": findings.archived,
        "indexed": findings.indexed,
        "dead_letters": findings.dead_letters,
        "lost": findings.lost,
        "duplicated": findings.duplicated,
        "failures": len(findings.failures),
        "each_told_once": all(len(alerts) == 1 for alerts in findings.failures.values()),
        "duplicate_alerts": findings.duplicate_alerts,
        "alerts_while_slack_was_well": len(ridden.while_slack_well),
        "their_latency_p95_seconds": p95,
        "alerts_after_slack_came_back": ridden.afterwards,
        "restarts": ridden.restarts,
    }
    print(json.dumps(figures, indent=2))
    in_time = p95 is not None and p95 <= BOUND_SECONDS
    return 0 if findings.sound and in_time and ridden.restarts == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
