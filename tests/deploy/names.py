"""What settings, manifests, Terraform and the edge must call the same. Each rule returns a line for each difference."""

import fnmatch
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from jobs.log_insight.settings import Secrets, Settings
from jobs.replay.manifest import Run
from tests.deploy.terraform_plan import Plan
from tests.deploy.terraform_rules import Statement, statements

Manifest = Mapping[str, Any]

#: What the job does with the files of a sink: writes them; on a restart it goes on with those that were not full, and
#: asks for those that may be complete. Who may not list is not told that one is not there.
WRITES = ("s3:PutObject", "s3:AbortMultipartUpload", "s3:GetObject", "s3:ListBucket")
#: What a command does with the files that the job wrote.
READS = ("s3:GetObject", "s3:ListBucket")
#: What S3 does with a bucket's key on behalf of who reads or writes.
KEY_ACTIONS = {"s3:GetObject": "kms:Decrypt", "s3:PutObject": "kms:GenerateDataKey"}
#: What Flink does with its state.
KEEPS = ("s3:PutObject", "s3:GetObject", "s3:DeleteObject")
STATE = ("execution.checkpointing.dir", "execution.checkpointing.savepoint-dir", "high-availability.storageDir")


@dataclass(frozen=True)
class Environment:
    """All that speaks of one environment: what stands in AWS, and what is given to Kubernetes."""

    plan: Plan
    account: Plan
    manifests: tuple[Manifest, ...]
    edge: Mapping[str, str]

    def named(self, kind: str, name: str) -> Manifest:
        """Return a manifest; one that is missing is a difference of its own (KeyError)."""
        found = {(each["kind"], each["metadata"]["name"]): each for each in self.manifests}
        return found[kind, name]

    def all_of(self, kind: str) -> Iterator[Manifest]:
        return (each for each in self.manifests if each["kind"] == kind)

    def variables(self, pod: Mapping[str, Any]) -> dict[str, str]:
        """Return the environment of a pod's first container: ConfigMaps, and over them what is set by name."""
        container = pod["containers"][0]
        found: dict[str, str] = {}
        for source in container.get("envFrom", []):
            found |= self.named("ConfigMap", source["configMapRef"]["name"])["data"]
        return found | {each["name"]: each["value"] for each in container.get("env", []) if "value" in each}

    def role(self, namespace: str, account: str) -> str:
        """Return the role's ARN that a service account is annotated with."""
        for each in self.all_of("ServiceAccount"):
            if (each["metadata"]["namespace"], each["metadata"]["name"]) == (namespace, account):
                return str(each["metadata"]["annotations"]["eks.amazonaws.com/role-arn"])
        raise KeyError(f"service account {namespace}/{account}")


@dataclass(frozen=True)
class Cluster:
    """A FlinkDeployment: who it is, what it is told and what Flink is told."""

    name: str
    role: str
    settings: Settings
    flink: Mapping[str, str]


def unknown_stream(environment: Environment, clusters: list[Cluster]) -> list[str]:
    """Find who names another stream than the one that is made, or may not do there what he does."""
    made = {str(each["name"]): str(each["arn"]) for each in environment.plan.resources("aws_kinesis_stream").values()}
    edge = environment.edge
    users = [(each.name, each.role, each.settings.source.kinesis.stream, "kinesis:GetRecords") for each in clusters]
    users.append(("fluent-bit", edge["role"], edge["stream"], "kinesis:PutRecords"))
    return [
        f"{user}: no stream {stream} is made" if stream not in made else f"{user}: {role} may not {action} on {stream}"
        for user, role, stream, action in users
        if stream not in made or not may(environment.plan, role, action, made[stream])
    ]


def closed_paths(environment: Environment, clusters: list[Cluster]) -> list[str]:
    """Find addresses on S3 whose bucket is not made, or where the role may not do what the job does."""
    return [
        problem
        for each in clusters
        for what, path, actions in _paths(each)
        for problem in _path_problems(environment, each.role, f"{each.name}: {what}", path, actions)
    ]


def closed_to_commands(environment: Environment, settings_of: Callable[[Mapping[str, str]], Settings]) -> list[str]:
    """Find addresses on S3 where the role of the command line may not do what a command of `cali` does."""
    variables = environment.named("ConfigMap", "cali-settings")["data"]
    role = environment.role("cali", "cali-tools")
    paths = [("KNOWLEDGE_URI", variables["KNOWLEDGE_URI"].rstrip("/"), READS), *_command_paths(settings_of(variables))]
    return [
        problem
        for what, path, actions in paths
        for problem in _path_problems(environment, role, f"cali-tools: {what}", path, actions)
    ]


def unknown_secrets(environment: Environment) -> list[str]:
    """Find secrets that Kubernetes asks for and AWS does not have, or does not give to who asks."""
    made = {each["name"]: each["arn"] for each in environment.plan.resources("aws_secretsmanager_secret").values()}
    role = environment.role("cali", "external-secrets")
    asked = [
        source["extract"]["key"] for each in environment.all_of("ExternalSecret") for source in each["spec"]["dataFrom"]
    ]
    return [
        f"ExternalSecret: no secret {key} is made" if key not in made else f"{role} may not read {key}"
        for key in asked
        if key not in made or not may(environment.plan, role, "secretsmanager:GetSecretValue", made[key])
    ]


def unmounted_secrets(environment: Environment) -> list[str]:
    """Find pods that look for secrets where none are mounted, or mount a Secret that nobody makes."""
    made = {each["spec"]["target"]["name"] for each in environment.all_of("ExternalSecret")}
    return [
        f"{name}: CALI_SECRETS_DIR is {folder}, and no Secret of {', '.join(sorted(made))} is mounted there"
        for name, pod in _pods(environment)
        if (folder := environment.variables(pod).get("CALI_SECRETS_DIR")) not in _mounted_secrets(pod, made)
    ]


def unknown_secret_files(told: str) -> list[str]:
    """Find credentials of the job that the instructions for the secrets (a text) do not name."""
    return [f"nothing is said of cali_{name}" for name in Secrets.model_fields if f"cali_{name}" not in told]


def untrusted_accounts(environment: Environment) -> list[str]:
    """Find service accounts whose role is not made, or does not trust them."""
    roles = environment.plan.resources("aws_iam_role").values()
    trust = {each["arn"]: str(each["assume_role_policy"]) for each in roles}
    accounts = [
        (each["metadata"]["namespace"], each["metadata"]["name"], annotations["eks.amazonaws.com/role-arn"])
        for each in environment.all_of("ServiceAccount")
        if (annotations := each["metadata"].get("annotations"))
    ]
    accounts.append((environment.edge["namespace"], environment.edge["service_account"], environment.edge["role"]))
    return [
        f"{namespace}/{name}: {role} is not made or does not trust it"
        for namespace, name, role in accounts
        if f'"system:serviceaccount:{namespace}:{name}"' not in trust.get(role, "")
    ]


def missing_nodes(environment: Environment) -> list[str]:
    """Find pods that ask for a group of nodes that is not made: they would wait for ever."""
    made = {each["labels"]["cali.dev/nodes"] for each in environment.plan.resources("aws_eks_node_group").values()}
    asked = {
        each["metadata"]["name"]: each["spec"]["podTemplate"]["spec"]["nodeSelector"].get("cali.dev/nodes")
        for each in environment.all_of("FlinkDeployment")
    }
    return [f"{name} asks for nodes {group}, not {sorted(made)}" for name, group in asked.items() if group not in made]


def unbound_accounts(environment: Environment) -> list[str]:
    """Find rights in Kubernetes of accounts and groups that nobody makes, and clusters whose account has none."""
    entries = environment.plan.resources("aws_eks_access_entry").values()
    made = {("Group", group) for entry in entries for group in entry["kubernetes_groups"] or []}
    made |= {("ServiceAccount", each["metadata"]["name"]) for each in environment.all_of("ServiceAccount")}
    subjects = [subject for each in environment.all_of("RoleBinding") for subject in each["subjects"]]
    bound = {(subject["kind"], subject["name"]) for subject in subjects}
    needed = {("ServiceAccount", each["spec"]["serviceAccount"]) for each in environment.all_of("FlinkDeployment")}
    needed |= {found for found in made if found[0] == "Group"}
    return [
        *(f"{kind} {name} is bound to a Role, and nobody makes it" for kind, name in sorted(bound - made)),
        *(f"{kind} {name} has no rights in Kubernetes" for kind, name in sorted(needed - bound)),
    ]


def other_images(environment: Environment) -> list[str]:
    """Find images that do not come from the repository that is made."""
    [repository] = environment.account.resources("aws_ecr_repository").values()
    address = repository["repository_url"]
    images = [each["spec"]["image"] for each in environment.all_of("FlinkDeployment")]
    images += [each["spec"]["template"]["spec"]["containers"][0]["image"] for each in environment.all_of("Job")]
    return [f"{image} is not from {address}" for image in images if image.split("@")[0].rpartition(":")[0] != address]


def other_regions(environment: Environment, clusters: list[Cluster]) -> list[str]:
    """Find who asks another region than the one in which everything is made."""
    users = [(each.name, each.settings.aws.region) for each in clusters]
    users += [("fluent-bit", environment.edge["region"])]
    users += [
        (f"SecretStore {each['metadata']['name']}", each["spec"]["provider"]["aws"]["region"])
        for each in environment.all_of("SecretStore")
    ]
    made = {each["region"] for each in environment.plan.resources("aws_kinesis_stream").values()}
    return [f"{user}: {asked}, not {', '.join(made)}" for user, asked in users if {asked} != made]


def closed_ports(environment: Environment, clusters: list[Cluster]) -> list[str]:
    """Find ports that somebody uses and no NetworkPolicy opens, in the direction in which they are used."""
    used = [
        (each.name, direction, port, what)
        for each in clusters
        for direction, port, what in (
            ("egress", _port(each.settings.index.url), "OpenSearch"),
            ("egress", _port(each.settings.milvus.uri), "Milvus"),
            ("ingress", int(each.flink["metrics.reporter.prom.port"]), "metrics"),
            ("ingress", int(each.flink["rest.port"]), "Flink's REST API"),
        )
    ]
    opened = {direction: set(_opened(environment, direction)) for direction in ("ingress", "egress")}
    return [
        f"{name}: no NetworkPolicy opens {port} ({what})"
        for name, direction, port, what in used
        if port not in opened[direction]
    ]


def unscraped_ports(environment: Environment, clusters: list[Cluster], scraped: str) -> list[str]:
    """Find clusters whose reporter is not where Prometheus asks: at the container's port called `scraped`."""
    deployments = environment.all_of("FlinkDeployment")
    ports = {each["metadata"]["name"]: _container_ports(each["spec"]["podTemplate"]["spec"]) for each in deployments}
    return [
        f"{each.name}: port {scraped} is {ports[each.name].get(scraped)}, the reporter's is {reporter}"
        for each in clusters
        if str(ports[each.name].get(scraped)) != (reporter := each.flink["metrics.reporter.prom.port"])
    ]


def clusters(environment: Environment, settings_of: Callable[[Mapping[str, str]], Settings]) -> list[Cluster]:
    """Return the FlinkDeployments as they would run, given what makes settings of variables."""
    return [
        Cluster(
            each["metadata"]["name"],
            environment.role(each["metadata"]["namespace"], each["spec"]["serviceAccount"]),
            settings_of(environment.variables(each["spec"]["podTemplate"]["spec"])),
            each["spec"]["flinkConfiguration"],
        )
        for each in environment.all_of("FlinkDeployment")
    ]


def may(plan: Plan, role: str, action: str, resource: str, prefix: str = "") -> bool:
    """Say whether the policies of a role allow an action on a resource; of conditions, that on prefixes counts."""
    name = role.rpartition("/")[2]
    own = {address for address, each in plan.resources("aws_iam_role_policy").items() if each["role"] == name}
    return any(
        one.allows
        and action in one.many("Action")
        and any(fnmatch.fnmatchcase(resource, each) for each in one.many("Resource"))
        and any(fnmatch.fnmatchcase(prefix, each) for each in _listed(one))
        for one in statements(plan)
        if one.address in own
    )


def _pods(environment: Environment) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for each in environment.all_of("FlinkDeployment"):
        yield each["metadata"]["name"], each["spec"]["podTemplate"]["spec"]
    for each in environment.all_of("Job"):
        yield each["metadata"]["name"], each["spec"]["template"]["spec"]


def _paths(cluster: Cluster) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Yield what a cluster calls an address, the address, and what it does there."""
    source, store = cluster.settings.source, cluster.settings.store
    if source.kind == "s3":
        yield from (("source.path", path, ("s3:GetObject",)) for path in source.path or ())
    sinks = ["dead_letters", "index_backlog", *(["archive", "receipts", "markers"] if store.write_archive else [])]
    for sink in sinks:
        yield f"store.{sink}", getattr(store, sink), WRITES
        yield f"an unfinished file of store.{sink}", f"{getattr(store, sink)}/any/.incomplete", ("s3:DeleteObject",)
    for option in STATE:
        yield option, cluster.flink[option], KEEPS


def _command_paths(settings: Settings) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Yield what a command of `cali` calls an address, the address, and what the command does there."""
    store, run = settings.store, Run("1")
    for folder in ("archive", "receipts", "markers"):
        yield f"store.{folder}", getattr(store, folder), READS
    yield "quality.reports", settings.quality.reports, (*READS, "s3:PutObject")
    yield "store.dead_letters", store.dead_letters, (*READS, "s3:PutObject")  # `index catch-up` makes some
    yield "store.index_backlog", store.index_backlog, (*READS, "s3:DeleteObject")
    yield "a replay's dead letters", run.dead_letters(settings), READS
    yield "a replay's backlog", run.index_backlog(settings), (*READS, "s3:DeleteObject")


def _path_problems(environment: Environment, role: str, who: str, path: str, actions: Iterable[str]) -> list[str]:
    plan, address = environment.plan, urlsplit(path)
    bucket, prefix = address.netloc, f"{address.path}/".lstrip("/")
    if address.scheme != "s3" or bucket not in {each["bucket"] for each in plan.resources("aws_s3_bucket").values()}:
        return [f"{who} is {path}, and no such bucket is made"]
    return [
        f"{who} is {path}, where {refused}"
        for action in actions
        for refused in _refusals(plan, role, action, bucket, prefix)
    ]


def _refusals(plan: Plan, role: str, action: str, bucket: str, prefix: str) -> Iterator[str]:
    """Yield why a role cannot do something below a prefix: by its own policies, by the bucket's, by that of its key."""
    arn = f"arn:aws:s3:::{bucket}"
    resource = arn if action == "s3:ListBucket" else f"{arn}/{prefix}any"
    if not may(plan, role, action, resource, prefix):
        yield f"{role} may not {action}"
    policies = _addresses(plan, "aws_s3_bucket_policy", "bucket", bucket)
    if any(_keeps_out(one, role, action) for one in statements(plan) if one.address in policies):
        yield f"the bucket refuses {role} {action}"
    keys = _addresses(plan, "aws_kms_key", "arn", _key_of(plan, bucket))
    use = KEY_ACTIONS.get(action)
    if use and not any(_lets_use(one, role, use) for one in statements(plan) if one.address in keys):
        yield f"the bucket's key refuses {role} {use}"


def _addresses(plan: Plan, kind: str, attribute: str, value: str) -> set[str]:
    return {address for address, each in plan.resources(kind).items() if each[attribute] == value}


def _key_of(plan: Plan, bucket: str) -> str:
    encrypted = plan.resources("aws_s3_bucket_server_side_encryption_configuration").values()
    [rule] = [each["rule"][0] for each in encrypted if each["bucket"] == bucket]
    return str(rule["apply_server_side_encryption_by_default"][0]["kms_master_key_id"])


def _keeps_out(statement: Statement, role: str, action: str) -> bool:
    """Say whether a statement denies an action to all but some, and a role is none of them."""
    few = statement.body.get("Condition", {}).get("ArnNotLike", {}).get("aws:PrincipalArn", [role])
    return not statement.allows and action in statement.many("Action") and role not in few


def _lets_use(statement: Statement, role: str, action: str) -> bool:
    return statement.allows and action in statement.many("Action") and role in statement.principals()


def _listed(statement: Statement) -> list[str]:
    """Return the patterns of prefixes that a statement is for."""
    prefixes: list[str] = statement.body.get("Condition", {}).get("StringLike", {}).get("s3:prefix", ["*"])
    return prefixes


def _mounted_secrets(pod: Mapping[str, Any], made: set[str]) -> set[str]:
    volumes = {each["name"] for each in pod["volumes"] if each.get("secret", {}).get("secretName") in made}
    return {each["mountPath"] for each in pod["containers"][0]["volumeMounts"] if each["name"] in volumes}


def _opened(environment: Environment, direction: str) -> Iterator[int]:
    for each in environment.all_of("NetworkPolicy"):
        for rule in each["spec"].get(direction, []):
            yield from (port["port"] for port in rule["ports"])


def _container_ports(pod: Mapping[str, Any]) -> dict[str, int]:
    return {each["name"]: each["containerPort"] for each in pod["containers"][0].get("ports", [])}


def _port(address: str) -> int:
    parts = urlsplit(address)
    return parts.port or {"https": 443, "http": 80}[parts.scheme]
