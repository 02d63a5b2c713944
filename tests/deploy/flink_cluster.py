"""What the operator and Flink make of a FlinkDeployment: the pods, Services and memory that Kubernetes is asked for."""

import copy
import json
import math
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyflink

from jobs.log_insight.operator_ids import SlotGroup
from tests.deploy.manifests import OPERATOR_JARS, Manifest

HERE = Path(__file__).parent
DISTRIBUTION = Path(pyflink.__file__).parent / "lib" / "flink-dist-2.3.0.jar"
VALIDATOR = OPERATOR_JARS.parent / "cali-operator-validator.jar"
MAIN_CONTAINER = "flink-main-container"
SECONDS = 120


@dataclass(frozen=True)
class Pod:
    """A pod as Kubernetes is asked for it, how many there are of it, and who asks."""

    owner: str
    namespace: str
    labels: Mapping[str, str]
    spec: Mapping[str, Any]
    count: int


@dataclass(frozen=True)
class Cluster:
    """What Flink asks Kubernetes for on behalf of one FlinkDeployment; `problem` where it refuses to."""

    name: str
    configuration: Mapping[str, str]
    pods: tuple[Pod, ...] = ()
    #: Names of ConfigMaps that Flink makes itself.
    config_maps: frozenset[str] = frozenset()
    #: Parts of a process' memory in MB, by process and part.
    memory: Mapping[str, Mapping[str, float]] | None = None
    problem: str = ""


def objections(java: str, deployments: Sequence[Manifest]) -> list[str]:
    """Return what the operator's own validator says of each deployment; an empty text for nothing."""
    answers: list[str] = _answers(
        [java, "-cp", f"{VALIDATOR}:{OPERATOR_JARS}/*", "dev.cali.deploy.Validate"], deployments
    )
    return answers


def clusters(java: str, deployments: Sequence[Manifest]) -> list[Cluster]:
    """Return what Flink asks Kubernetes for, by its own code."""
    given = [handed_to_flink(each) for each in deployments]
    program = HERE / "flink_pods" / "FlinkPods.java"
    answers = _answers([java, "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp", str(DISTRIBUTION), str(program)], given)
    return [_cluster(*each) for each in zip(deployments, given, answers, strict=True)]


def handed_to_flink(deployment: Manifest) -> dict[str, Any]:
    """Return configuration and pod templates as the operator (1.15) hands them to Flink."""
    spec, name = deployment["spec"], deployment["metadata"]["name"]
    managers = {"jobmanager": spec["jobManager"], "taskmanager": spec["taskManager"]}
    configuration = spec["flinkConfiguration"] | {
        "kubernetes.cluster-id": name,
        "kubernetes.namespace": deployment["metadata"]["namespace"],
        "kubernetes.container.image.ref": spec["image"],
        "kubernetes.service-account": spec["serviceAccount"],
        "kubernetes.jobmanager.replicas": str(spec["jobManager"]["replicas"]),
        "execution.target": "kubernetes-application",
        "parallelism.default": str(spec["job"]["parallelism"]),
    }
    for key, manager in managers.items():
        configuration[f"{key}.memory.process.size"] = manager["resource"]["memory"]
        configuration[f"kubernetes.{key}.cpu.amount"] = str(manager["resource"]["cpu"])
    templates = {f"{key}Template": _template(spec, manager) for key, manager in managers.items()}
    return {"configuration": configuration} | templates


def task_managers(deployment: Manifest) -> int:
    """Return how many TaskManagers the job needs: each slot-sharing group has as many slots as its parallelism."""
    slots = int(deployment["spec"]["flinkConfiguration"]["taskmanager.numberOfTaskSlots"])
    return math.ceil(deployment["spec"]["job"]["parallelism"] * len(SlotGroup) / slots)


def merged(to: Any, given: Any) -> Any:
    """Merge pod templates as the operator does: lists element by element, by their place."""
    if isinstance(to, list) and isinstance(given, list):
        both = [merged(ours, theirs) for ours, theirs in zip(to, given, strict=False)]
        return both + to[len(both) :] + given[len(both) :]
    if isinstance(to, dict):
        return to | {key: merged(to[key], value) if key in to else value for key, value in given.items()}
    return given


def _template(spec: Mapping[str, Any], manager: Mapping[str, Any]) -> dict[str, Any]:
    template = merged(copy.deepcopy(spec["podTemplate"]), manager.get("podTemplate", {}))
    storage = manager["resource"]["ephemeralStorage"]
    for container in template["spec"]["containers"]:
        if container["name"] == MAIN_CONTAINER:
            container["resources"] = {kind: {"ephemeral-storage": storage} for kind in ("requests", "limits")}
    return {"apiVersion": "v1", "kind": "Pod", **template}


def _cluster(deployment: Manifest, given: Mapping[str, Any], answer: Mapping[str, Any]) -> Cluster:
    name, configuration = deployment["metadata"]["name"], given["configuration"]
    if "error" in answer:
        return Cluster(name, configuration, problem=f"Flink refuses {name}: {answer['error']}")
    template = answer["deployment"]["spec"]["template"]
    pods = (
        _pod(f"{name} JobManager", deployment, template, deployment["spec"]["jobManager"]["replicas"]),
        _pod(f"{name} TaskManager", deployment, answer["taskManager"], task_managers(deployment)),
    )
    made = frozenset(each["metadata"]["name"] for each in answer["others"] if each["kind"] == "ConfigMap")
    return Cluster(name, configuration, pods, made, answer["memory"])


def _pod(owner: str, deployment: Manifest, made: Mapping[str, Any], count: int) -> Pod:
    return Pod(owner, deployment["metadata"]["namespace"], made["metadata"]["labels"], made["spec"], count)


def _answers(command: Sequence[str], given: Iterable[Any]) -> Any:
    ran = subprocess.run(  # noqa: S603 - our program, no shell
        command, input=json.dumps(list(given)), capture_output=True, text=True, check=False, timeout=SECONDS
    )
    if ran.returncode:
        raise RuntimeError(f"exit code {ran.returncode}:\n{ran.stdout}\n{ran.stderr}")
    return json.loads(ran.stdout)
