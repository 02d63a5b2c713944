"""A kubectl of a cluster that is a file: what was applied, and what an operator is to say of it next.

The file is $CLUSTER: `objects` (kind → object), `next` (kind → statuses, one for each question; the last one stays),
`deployments` (the `next` of the FlinkDeployment after each change), `refused` (kind, asked for or applied, or kind and
name → error),
`calls` and `applied`.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

STATE = Path(os.environ["CLUSTER"])


def main(arguments: list[str]) -> int:
    """Do what is asked, and remember that it was."""
    cluster = json.loads(STATE.read_text())
    cluster["calls"].append(arguments)
    try:
        return answer(cluster, arguments)
    finally:
        STATE.write_text(json.dumps(cluster))


def answer(cluster: dict[str, Any], arguments: list[str]) -> int:
    _, _, verb, *rest = arguments
    things = read_manifests() if verb in {"apply", "create"} else []
    named = [f"{thing['kind']} {thing['metadata'].get('name')}" for thing in things]
    for kind in named + [thing["kind"] for thing in things] + rest[:1] * (verb == "get"):
        if kind in cluster["refused"]:
            sys.stderr.write(cluster["refused"][kind])
            return 1
    for thing in things:
        write(cluster, thing)
    if verb == "delete":
        cluster["objects"].pop(rest[0], None)
    elif verb == "get":
        read(cluster, rest[0])
    elif verb == "logs":
        sys.stdout.write("the last line of the log\n")
    return 0


def read_manifests() -> list[dict[str, Any]]:
    import yaml  # noqa: PLC0415 - takes longer than most commands

    return list(yaml.load_all(sys.stdin, yaml.CSafeLoader))


def write(cluster: dict[str, Any], thing: dict[str, Any]) -> None:
    kind = thing["kind"].lower()
    there = cluster["objects"].get(kind, {})
    cluster["applied"].append(thing)
    if kind == "flinkdeployment" and there.get("spec") != thing["spec"]:
        cluster["next"][kind] = cluster["deployments"].pop(0)
    if kind == "flinkstatesnapshot":
        taken = "savepoint" if "savepoint" in thing["spec"] else "checkpoint"
        cluster["next"][kind] = cluster["snapshots"][taken]
    generation = there.get("metadata", {}).get("generation", 0) + (there.get("spec") != thing.get("spec"))
    thing["metadata"]["generation"] = generation
    cluster["objects"][kind] = {**thing, "status": there.get("status", {})}


def read(cluster: dict[str, Any], kind: str) -> None:
    thing = cluster["objects"].get(kind)
    if thing is None:
        return
    following = cluster["next"].get(kind, [])
    if following:
        thing["status"] = following[0]
        cluster["next"][kind] = following[1:] or following
    sys.stdout.write(json.dumps(thing))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
