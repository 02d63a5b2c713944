"""What a set of manifests must hold beyond their schemas. Each rule returns a line for each mistake."""

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.deploy.flink_cluster import Cluster, Pod
from tests.deploy.manifests import Manifest, name_of

#: Where a node gives its own credentials to whoever asks.
NODE_CREDENTIALS = ipaddress.ip_address("169.254.169.254")
IMAGE = re.compile(r"[\w.-]+(/[\w.-]+)+:\d+\.\d+\.\d+(@sha256:[0-9a-f]{64})?")
#: What a Python worker may need: a million different errors took 500 MB.
WORKER_MB = 512
#: What the Python that builds the job needs beside the JobManager's JVM.
DRIVER_MB = 512
#: What a JVM needs itself, outside of heap and metaspace.
JVM_MB = 192

Labels = Mapping[str, str]


@dataclass(frozen=True)
class Applied:
    """What is applied together, and the pods that come of it."""

    manifests: tuple[Manifest, ...]
    clusters: tuple[Cluster, ...]

    def all_of(self, kind: str) -> Iterator[Manifest]:
        return (each for each in self.manifests if each["kind"] == kind)

    def names(self, kind: str) -> set[str]:
        return {each["metadata"]["name"] for each in self.all_of(kind)}

    def pods(self) -> Iterator[Pod]:
        for cluster in self.clusters:
            yield from cluster.pods
        for job in self.all_of("Job"):
            template, meta = job["spec"]["template"], job["metadata"]
            yield Pod(name_of(job), meta["namespace"], template["metadata"]["labels"], template["spec"], 1)

    def selected(self, namespace: str, selector: Mapping[str, Any]) -> list[Pod]:
        """Return the pods of a namespace that a label selector means."""
        wanted = selector.get("matchLabels", {})
        return [pod for pod in self.pods() if pod.namespace == namespace and wanted.items() <= pod.labels.items()]


def mistakes(applied: Applied) -> list[str]:
    """Return what all rules find."""
    return [line for rule in RULES for line in rule(applied)]


def refused_by_flink(applied: Applied) -> Iterator[str]:
    return (cluster.problem for cluster in applied.clusters if cluster.problem)


def missing_references(applied: Applied) -> Iterator[str]:
    """Find ConfigMaps, Secrets and service accounts that a pod names and nobody makes."""
    made = {
        "configMap": applied.names("ConfigMap").union(*(cluster.config_maps for cluster in applied.clusters)),
        "secret": {each["spec"]["target"]["name"] for each in applied.all_of("ExternalSecret")},
        "serviceAccount": applied.names("ServiceAccount"),
    }
    for pod in applied.pods():
        for kind, name in _references(pod.spec):
            if name not in made[kind]:
                yield f"{pod.owner} names the {kind} {name}, which nobody makes"


def empty_selections(applied: Applied) -> Iterator[str]:
    """Find selectors that mean no pod."""
    for each in applied.manifests:
        selector = each.get("spec", {}).get("podSelector" if each["kind"] == "NetworkPolicy" else "selector")
        if selector is not None and not applied.selected(each["metadata"]["namespace"], selector):
            yield f"{name_of(each)} selects no pod: {selector}"


def blocked_evictions(applied: Applied) -> Iterator[str]:
    """Find disruption budgets that let no pod go, so that no node can ever be drained."""
    for each in applied.all_of("PodDisruptionBudget"):
        selected = applied.selected(each["metadata"]["namespace"], each["spec"]["selector"])
        count, wanted = sum(pod.count for pod in selected), each["spec"].get("minAvailable")
        if not isinstance(wanted, int):
            yield f"{name_of(each)} has no minAvailable in pods: nothing else counts for TaskManagers"
        elif selected and wanted >= count:
            yield f"{name_of(each)} allows no eviction: {wanted} of {count} pods must be available"


def unbounded_containers(applied: Applied) -> Iterator[str]:
    """Find containers that do not say what they need, or that may take all memory of a node."""
    needed = {"requests": ("cpu", "memory", "ephemeral-storage"), "limits": ("memory", "ephemeral-storage")}
    for pod, container in _containers(applied):
        resources = container.get("resources", {})
        for kind, names in needed.items():
            missing = [name for name in names if name not in resources.get(kind, {})]
            if missing:
                yield f"{pod.owner}: container {container['name']} has no {kind} of {', '.join(missing)}"


def privileged_containers(applied: Applied) -> Iterator[str]:
    """Find containers that may become root, gain rights or write to their image."""
    for pod, container in _containers(applied):
        security = pod.spec.get("securityContext", {}) | container.get("securityContext", {})
        found = {
            "may run as root": not security.get("runAsNonRoot") or security.get("runAsUser") == 0,
            "may gain rights": security.get("allowPrivilegeEscalation") is not False,
            "keeps capabilities": security.get("capabilities", {}).get("drop") != ["ALL"],
            "has no seccomp profile": security.get("seccompProfile", {}).get("type") != "RuntimeDefault",
            "can write to its image": security.get("readOnlyRootFilesystem") is not True,
        }
        yield from (f"{pod.owner}: container {container['name']} {what}" for what, is_so in found.items() if is_so)


def closed_or_unknown_ports(applied: Applied) -> Iterator[str]:
    """Find policies that open a port at which no selected pod listens, and ports of ours that none opens."""
    opened: dict[str, set[int]] = {pod.owner: set() for pod in applied.pods()}
    for policy in applied.all_of("NetworkPolicy"):
        selected = applied.selected(policy["metadata"]["namespace"], policy["spec"]["podSelector"])
        for port in _ingress_ports(policy):
            listening = [pod for pod in selected if port in _listens(applied, pod)]
            for pod in listening:
                opened[pod.owner].add(port)
            if selected and not listening:
                yield f"{name_of(policy)} opens {port}, and no pod that it selects listens there"
    for pod in applied.pods():
        for port in sorted(_listens(applied, pod) - opened[pod.owner]):
            yield f"{pod.owner} listens at {port}, and no NetworkPolicy opens it"


def unknown_probes(applied: Applied) -> Iterator[str]:
    """Find probes of a port that the container does not have."""
    for pod, container in _containers(applied):
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            asked = container.get(probe, {})
            port = asked.get("httpGet", asked.get("tcpSocket", {})).get("port")
            if port is not None and port not in {each["containerPort"] for each in container.get("ports", [])}:
                yield f"{pod.owner}: {probe} asks port {port}, which container {container['name']} does not have"


def unscraped_pods(applied: Applied) -> Iterator[str]:
    """Find pods of Flink that no PodMonitor finds."""
    for cluster in applied.clusters:
        for pod in cluster.pods:
            ports = {port["name"] for container in pod.spec["containers"] for port in container["ports"]}
            if not any(
                pod in applied.selected(each["metadata"]["namespace"], each["spec"]["selector"])
                and {endpoint["port"] for endpoint in each["spec"]["podMetricsEndpoints"]} <= ports
                for each in applied.all_of("PodMonitor")
            ):
                yield f"{pod.owner} is found by no PodMonitor"


def reachable_node_credentials(applied: Applied) -> Iterator[str]:
    """Find policies through which a pod gets at the node's credentials."""
    for policy in applied.all_of("NetworkPolicy"):
        for rule in policy["spec"].get("egress", []):
            blocks = [to["ipBlock"] for to in rule.get("to", []) if "ipBlock" in to]
            if "to" not in rule or any(map(_has_node_credentials, blocks)):
                yield f"{name_of(policy)} lets pods ask {NODE_CREDENTIALS} for the node's credentials"


def other_images(applied: Applied) -> Iterator[str]:
    """Find images without a version, and pods that do not run the same one."""
    used = {pod.owner: container["image"] for pod, container in _containers(applied)}
    for owner, image in used.items():
        if not IMAGE.fullmatch(image):
            yield f"{owner}: image {image} is not repository:version, with a digest or without"
    if len(set(used.values())) > 1:
        yield f"not one image: {used}"


def open_namespaces(applied: Applied) -> Iterator[str]:
    """Find namespaces of pods in which what is not named is open."""
    for namespace in {pod.namespace for pod in applied.pods()}:
        closed = [
            each
            for each in applied.all_of("NetworkPolicy")
            if each["metadata"]["namespace"] == namespace
            and each["spec"]["podSelector"] == {}
            and set(each["spec"]["policyTypes"]) == {"Ingress", "Egress"}
            and not each["spec"].keys() & {"ingress", "egress"}
        ]
        if not closed:
            yield f"namespace {namespace} has no policy that closes what no other opens"


def scarce_memory(applied: Applied) -> Iterator[str]:
    """Find processes of which the parts do not fit, Python's included."""
    for cluster in applied.clusters:
        if cluster.memory:
            yield from _scarce_task_manager(cluster, cluster.memory["taskManager"])
            spare = cluster.memory["jobManager"]["overhead"] - JVM_MB
            if spare < DRIVER_MB:
                yield f"{cluster.name} JobManager: {spare:.0f} MB are left for the Python that builds the job"


def _scarce_task_manager(cluster: Cluster, memory: Mapping[str, float]) -> Iterator[str]:
    parts = sum(memory[part] for part in ("heap", "direct", "managed", "metaspace", "overhead"))
    if abs(parts - memory["process"]) > 1:
        yield f"{cluster.name} TaskManager: parts have {parts:.0f} MB, the process {memory['process']:.0f}"
    worker = memory["managed"] * _python_share(cluster) / int(cluster.configuration["taskmanager.numberOfTaskSlots"])
    if worker < WORKER_MB:
        yield f"{cluster.name} TaskManager: {worker:.0f} MB are left for a Python worker, which may need {WORKER_MB}"


def _python_share(cluster: Cluster) -> float:
    """Return Python's part of the managed memory of a slot that has RocksDB too."""
    weights = cluster.configuration["taskmanager.memory.managed.consumer-weights"].split(",")
    weight = {name: int(value) for name, _, value in (each.partition(":") for each in weights)}
    return weight["PYTHON"] / (weight["PYTHON"] + weight["STATE_BACKEND"])


def _references(pod: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield kind and name of all that a pod needs to be there."""
    yield "serviceAccount", pod["serviceAccountName"]
    for volume in pod.get("volumes", []):
        if "secret" in volume:
            yield "secret", volume["secret"]["secretName"]
        if "configMap" in volume:
            yield "configMap", volume["configMap"]["name"]
    for container in pod["containers"]:
        for source in container.get("envFrom", []):
            yield from ((kind.removesuffix("Ref"), value["name"]) for kind, value in source.items())


def _containers(applied: Applied) -> Iterator[tuple[Pod, Mapping[str, Any]]]:
    for pod in applied.pods():
        for container in (*pod.spec.get("initContainers", []), *pod.spec["containers"]):
            yield pod, container


def _ingress_ports(policy: Manifest) -> Iterable[int]:
    return [port["port"] for rule in policy["spec"].get("ingress", []) for port in rule["ports"]]


def _listens(applied: Applied, pod: Pod) -> set[int]:
    """Return the ports at which a pod listens: those of its containers, and Flink's that have none there."""
    ports = {port["containerPort"] for each in pod.spec["containers"] for port in each.get("ports", [])}
    for cluster in applied.clusters:
        if pod in cluster.pods:
            ports.add(int(cluster.configuration["metrics.internal.query-service.port"]))
            if pod.labels["component"] == "taskmanager":
                ports.add(int(cluster.configuration["taskmanager.data.port"]))
    return ports


def _has_node_credentials(block: Mapping[str, Any]) -> bool:
    left_out = [ipaddress.ip_network(each) for each in block.get("except", [])]
    return NODE_CREDENTIALS in ipaddress.ip_network(block["cidr"]) and not any(
        NODE_CREDENTIALS in each for each in left_out
    )


RULES = (
    refused_by_flink,
    missing_references,
    empty_selections,
    blocked_evictions,
    unbounded_containers,
    privileged_containers,
    closed_or_unknown_ports,
    unknown_probes,
    unscraped_pods,
    reachable_node_credentials,
    other_images,
    open_namespaces,
    scarce_memory,
)
