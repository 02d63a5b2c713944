"""What must hold of all that Terraform makes. Each rule returns a line for each problem, with the address."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.deploy.terraform_plan import Plan

ANYWHERE = {"0.0.0.0/0", "::/0"}
#: The longest that records with secrets in them may stay, by the end of their bucket's name.
LONGEST_DAYS = {"-raw": 30, "-dlq": 90}
#: Actions that know no resource: AWS takes only "*" with them.
WITHOUT_RESOURCE = {"ecr:GetAuthorizationToken"}
#: Whose policies say what a role may do. In all others the resource is the one that the policy belongs to.
IDENTITY_POLICIES = {"aws_iam_policy", "aws_iam_role_policy", "aws_iam_group_policy", "aws_iam_user_policy"}
#: Policies of AWS that its own parts of the cluster need, with patterns that nobody but AWS can narrow.
POLICIES_FOR_EKS = {
    "AmazonEBSCSIDriverPolicy",
    "AmazonEC2ContainerRegistryPullOnly",
    "AmazonEKSClusterPolicy",
    "AmazonEKSWorkerNodePolicy",
    "AmazonEKS_CNI_Policy",
}
#: Whose policies only take away from what a role may do: they are no rights.
LIMITS = {"aws_vpc_endpoint"}
#: What binds a statement for everyone to somebody, where it is asked to be equal.
BINDING_KEYS = {"aws:PrincipalAccount", "aws:PrincipalArn", "aws:SourceAccount", "aws:SourceArn", "aws:SourceVpce"}
BINDING_TESTS = {"StringEquals", "ArnEquals", "ArnLike"}
GROUPS = ("aws_security_group", "aws_default_security_group")
#: Arguments that a state would keep in clear text.
SECRET_ARGUMENTS = {"secret_string", "secret_binary", "master_user_password", "password", "auth_token", "secret_key"}


@dataclass(frozen=True)
class Statement:
    """A statement of a policy, wherever it is written."""

    address: str
    kind: str
    body: dict[str, Any]

    @property
    def allows(self) -> bool:
        return bool(self.body["Effect"] == "Allow")

    def many(self, name: str) -> list[Any]:
        """Return an element that may be one or a list."""
        value = self.body.get(name, [])
        return value if isinstance(value, list) else [value]

    def principals(self) -> list[str]:
        principal = self.body.get("Principal", {})
        if isinstance(principal, str):
            return [principal]
        return [one for found in principal.values() for one in (found if isinstance(found, list) else [found])]

    def only_services(self) -> bool:
        """Say whether it is for AWS services only, which need patterns of KMS actions as AWS documents them."""
        principal = self.body.get("Principal")
        return isinstance(principal, dict) and set(principal) == {"Service"}

    def is_bound(self) -> bool:
        """Say whether a condition binds it to somebody."""
        conditions = self.body.get("Condition", {})
        return any(BINDING_KEYS & set(keys) for test, keys in conditions.items() if test in BINDING_TESTS)

    def __str__(self) -> str:
        return f"{self.address} {self.body.get('Sid', '(no Sid)')}"


def statements(plan: Plan) -> Iterator[Statement]:
    """Yield the statements of all policies that give rights: of every attribute that holds the JSON of one."""
    giving = ((address, kind, values) for address, (kind, values) in plan.all_resources().items() if kind not in LIMITS)
    for address, kind, values in giving:
        for value in values.values():
            for body in _policy(value):
                yield Statement(address, kind, body)


def wildcard_actions(plan: Plan) -> list[str]:
    """Find what is allowed by a pattern: it grows with AWS."""
    return [
        f"{one}: allows {action}"
        for one in statements(plan)
        if one.allows and not one.only_services()
        for action in [*one.many("Action"), *(f"all but {name}" for name in one.many("NotAction"))]
        if "*" in action or action.startswith("all but")
    ]


def wildcard_resources(plan: Plan) -> list[str]:
    """Find what a role may do to more than the environment's own: a pattern has to begin with the name of one thing."""
    return [
        f"{one}: allows {', '.join(one.many('Action'))} on {resource}"
        for one in statements(plan)
        if one.allows and one.kind in IDENTITY_POLICIES and not WITHOUT_RESOURCE.issuperset(one.many("Action"))
        for resource in one.many("Resource") or ["no named resource"]
        if not _named(resource, plan.environment)
    ]


def policies_of_aws(plan: Plan) -> list[str]:
    """Find policies of AWS attached to a role: they are made for everyone, so they allow more than one needs."""
    return [
        f"{address}: attaches {attached['policy_arn']}"
        for address, attached in plan.resources("aws_iam_role_policy_attachment").items()
        if ":aws:policy/" in attached["policy_arn"]
        if attached["policy_arn"].rpartition("/")[2] not in POLICIES_FOR_EKS
    ]


def open_to_anyone(plan: Plan) -> list[str]:
    """Find policies that let in whoever asks; an OpenSearch domain asks for user and password (see `open_search`)."""
    return [
        f"{one}: allows {', '.join(one.many('Action'))} to everyone"
        for one in statements(plan)
        if one.allows and "*" in one.principals() and not one.is_bound() and one.kind != "aws_opensearch_domain"
    ]


def trusted_by_pattern(plan: Plan) -> list[str]:
    """Find roles that others than named service accounts, or branches and tags of a repository, can take."""
    return [
        f"{one}: trusts {', '.join(subjects) or 'any subject'} for {', '.join(audiences) or 'any audience'}"
        for one in statements(plan)
        if one.allows and "sts:AssumeRoleWithWebIdentity" in one.many("Action")
        for subjects, audiences in [(_claimed(one, ":sub"), _claimed(one, ":aud"))]
        if not audiences or not subjects or not all(_is_certain(subject) for subject in subjects)
    ]


def public_buckets(plan: Plan) -> list[str]:
    """Find buckets that a policy or an ACL could open."""
    blocks = ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets")
    blocked = {
        block["bucket"]
        for block in plan.resources("aws_s3_bucket_public_access_block").values()
        if all(block[name] for name in blocks)
    }
    acls = [f"{address}: buckets have no ACLs" for address in plan.resources("aws_s3_bucket_acl")]
    return _buckets_without(plan, blocked, "public access is not blocked") + acls


def unencrypted_buckets(plan: Plan) -> list[str]:
    """Find buckets without encryption of their own, or that take and give without TLS."""
    encrypted = {
        values["bucket"] for values in plan.resources("aws_s3_bucket_server_side_encryption_configuration").values()
    }
    tls_only = {
        values["bucket"]
        for values in plan.resources("aws_s3_bucket_policy").values()
        if any(_denies_without_tls(body, values["bucket"]) for body in _policy(values["policy"]))
    }
    return [
        *_buckets_without(plan, encrypted, "is not encrypted"),
        *_buckets_without(plan, tls_only, "can be used without TLS"),
    ]


def buckets_that_only_grow(plan: Plan) -> list[str]:
    """Find buckets that keep the parts of uploads which were never finished, and raw records that stay too long."""
    aborting, ages = set(), {}
    for values in plan.resources("aws_s3_bucket_lifecycle_configuration").values():
        rules = [rule for rule in values["rule"] if rule["status"] == "Enabled"]
        if any(_of_all_objects(rule) and rule["abort_incomplete_multipart_upload"] for rule in rules):
            aborting.add(values["bucket"])
        ages[values["bucket"]] = [rule["expiration"][0]["days"] for rule in rules if _expires_all(rule)]
    short = {name for name in _buckets(plan).values() if min(ages.get(name, []), default=math.inf) <= _longest(name)}
    return [
        *_buckets_without(plan, aborting, "keeps unfinished uploads"),
        *_buckets_without(plan, short, "keeps records with secrets for too long"),
    ]


def open_ports(plan: Plan) -> list[str]:
    """Find security groups that let anyone in."""
    rules = [
        *plan.resources("aws_vpc_security_group_ingress_rule").items(),
        *((at, rule) for at, rule in plan.resources("aws_security_group_rule").items() if rule["type"] == "ingress"),
        *(
            (at, rule)
            for kind in GROUPS
            for at, group in plan.resources(kind).items()
            for rule in group["ingress"] or []
        ),
    ]
    return [f"{address}: anyone may come in" for address, rule in rules if ANYWHERE & set(_sources(rule))]


def open_clusters(plan: Plan) -> list[str]:
    """Find clusters whose API server answers anyone, as it does where nothing is said."""
    return [
        f"{address}: the API server answers anyone"
        for address, cluster in plan.resources("aws_eks_cluster").items()
        for network in cluster["vpc_config"]
        if network["endpoint_public_access"] is not False
        and (not network["public_access_cidrs"] or ANYWHERE & set(network["public_access_cidrs"]))
    ]


def keys_that_eks_cannot_take(plan: Plan) -> list[str]:
    """Find keys of clusters that are granted to nobody, or on the one condition that EKS does not meet.

    https://docs.aws.amazon.com/eks/latest/userguide/enable-kms.html: `kms:GrantIsForAWSResource` fails CreateCluster.
    """
    wanted = {
        block["provider"][0]["key_arn"]: address
        for address, cluster in plan.resources("aws_eks_cluster").items()
        for block in cluster["encryption_config"]
    }
    keys = plan.resources("aws_kms_key").values()
    policies = {wanted[key["arn"]]: key["policy"] for key in keys if key["arn"] in wanted}
    return [
        f"{address}: EKS gets no grant of its key" for address, policy in policies.items() if not _grants_to_eks(policy)
    ]


def unencrypted_streams(plan: Plan) -> list[str]:
    """Find streams whose records are not encrypted with a key of ours."""
    streams = plan.resources("aws_kinesis_stream").items()
    return [
        f"{address}: records are not encrypted with a KMS key"
        for address, stream in streams
        if stream["encryption_type"] != "KMS" or not stream["kms_key_id"]
    ]


def open_search(plan: Plan) -> list[str]:
    """Find OpenSearch domains that do not ask each user who he is, or that can be reached or read in clear text."""
    domains = plan.resources("aws_opensearch_domain").items()
    wanted = {
        "advanced_security_options": {"enabled": True, "anonymous_auth_enabled": False},
        "encrypt_at_rest": {"enabled": True},
        "node_to_node_encryption": {"enabled": True},
        "domain_endpoint_options": {"enforce_https": True},
    }
    return [
        f"{address}: {block}.{name} is not {str(value).lower()}"
        for address, domain in domains
        for block, arguments in wanted.items()
        for name, value in arguments.items()
        if not domain[block] or (domain[block][0][name] or False) is not value
    ] + [f"{address}: is not in the VPC" for address, domain in domains if not domain["vpc_options"]]


def secrets_in_clear(plan: Plan) -> list[str]:
    """Find secrets that the state, or an output, would keep in clear text."""
    kept = [
        f"{address}: the state keeps its {name}"
        for address, (_, values) in plan.all_resources().items()
        for name, value in _arguments(values)
        if name in SECRET_ARGUMENTS and value
    ]
    told = [f"output {name}: outputs are kept in clear text" for name in plan.outputs if _sounds_secret(name)]
    return kept + told


RULES = (
    wildcard_actions,
    wildcard_resources,
    policies_of_aws,
    open_to_anyone,
    trusted_by_pattern,
    public_buckets,
    unencrypted_buckets,
    buckets_that_only_grow,
    open_ports,
    open_clusters,
    keys_that_eks_cannot_take,
    unencrypted_streams,
    open_search,
    secrets_in_clear,
)


def _policy(value: Any) -> list[dict[str, Any]]:
    """Return the statements in a policy's JSON, and none of what is no policy."""
    if not isinstance(value, str) or '"Statement"' not in value:
        return []
    statement = json.loads(value)["Statement"]
    return statement if isinstance(statement, list) else [statement]


def _grants_to_eks(policy: str) -> bool:
    return any(
        "kms:CreateGrant" in body["Action"] and "kms:GrantIsForAWSResource" not in json.dumps(body)
        for body in _policy(policy)
    )


def _named(resource: str, environment: str) -> bool:
    """Say whether a resource is one thing, or all below a name of this environment's own."""
    certain = resource.partition("*")[0].partition("?")[0]
    if certain == resource:
        return resource.startswith("arn:")
    of_bucket = certain.startswith("arn:aws:s3:::")
    ours = f"cali-{environment}" in certain or f"cali/{environment}/" in certain
    return ours and ("/" in certain or not of_bucket)


def _claimed(statement: Statement, claim: str) -> list[str]:
    """Return the values that a claim of a web identity has to have."""
    conditions = statement.body.get("Condition", {})
    found = [
        values
        for test in ("StringEquals", "StringLike")
        for key, values in conditions.get(test, {}).items()
        if key.endswith(claim)
    ]
    return [value for values in found for value in (values if isinstance(values, list) else [values])]


def _is_certain(subject: str) -> bool:
    """Say whether a subject is named, at least as far as the kind of branch or tag of one repository."""
    return "*" not in subject or ":ref:refs/" in subject.partition("*")[0]


def _longest(bucket: str) -> float:
    return next((days for end, days in LONGEST_DAYS.items() if bucket.endswith(end)), math.inf)


def _denies_without_tls(body: dict[str, Any], bucket: str) -> bool:
    arn = f"arn:aws:s3:::{bucket}"
    return (
        body["Effect"] == "Deny"
        and body["Principal"] == "*"
        and body["Action"] == "s3:*"
        and {arn, f"{arn}/*"}.issubset(body["Resource"])
        and body["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    )


def _buckets(plan: Plan) -> dict[str, str]:
    return {address: bucket["bucket"] for address, bucket in plan.resources("aws_s3_bucket").items()}


def _buckets_without(plan: Plan, having: set[str], problem: str) -> list[str]:
    return [f"{address}: {name}: {problem}" for address, name in _buckets(plan).items() if name not in having]


def _of_all_objects(rule: dict[str, Any]) -> bool:
    return not any(value for block in rule["filter"] for value in block.values())


def _expires_all(rule: dict[str, Any]) -> bool:
    return _of_all_objects(rule) and bool(rule["expiration"]) and bool(rule["expiration"][0]["days"])


def _sources(rule: dict[str, Any]) -> Iterator[str]:
    yield from (rule[name] for name in ("cidr_ipv4", "cidr_ipv6") if rule.get(name))
    for name in ("cidr_blocks", "ipv6_cidr_blocks"):
        yield from rule.get(name) or []


def _arguments(values: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(values, dict):
        for name, value in values.items():
            yield name, value
            yield from _arguments(value)
    elif isinstance(values, list):
        for value in values:
            yield from _arguments(value)


def _sounds_secret(name: str) -> bool:
    return any(word in name for word in ("password", "token", "secret_value", "api_key", "webhook"))
