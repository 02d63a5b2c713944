"""What AWS answers, as far as it follows from what is configured: ARNs, host names, who asks and where."""

import hashlib
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.deploy.aws_provider.policy_document import policy_document
from tests.deploy.aws_provider.protocol import is_unknown

ACCOUNT = "123456789012"


@dataclass(frozen=True)
class Place:
    """Where the provider is configured to work, and what it tags."""

    region: str
    default_tags: dict[str, str] = field(default_factory=dict)


# Resource type → attribute → value, made of what is configured and of what stands above it. {hex}, {suffix} and {uuid}
# are made of the whole configuration of the resource.
_RESOURCES: dict[str, dict[str, Any]] = {
    "aws_cloudwatch_log_group": {"arn": "arn:aws:logs:{region}:{account}:log-group:{name}", "id": "{name}"},
    "aws_cloudwatch_metric_alarm": {"arn": "arn:aws:cloudwatch:{region}:{account}:alarm:{alarm_name}"},
    "aws_ecr_repository": {
        "arn": "arn:aws:ecr:{region}:{account}:repository/{name}",
        "registry_id": "{account}",
        "repository_url": "{account}.dkr.ecr.{region}.amazonaws.com/{name}",
    },
    "aws_eks_cluster": {
        "arn": "arn:aws:eks:{region}:{account}:cluster/{name}",
        "id": "{name}",
        "endpoint": "https://{hex}.gr7.{region}.eks.amazonaws.com",
        "identity": [{"oidc": [{"issuer": "https://oidc.eks.{region}.amazonaws.com/id/{hex}"}]}],
    },
    "aws_iam_openid_connect_provider": {"arn": "arn:aws:iam::{account}:oidc-provider/{host}"},
    "aws_iam_policy": {"path": "/", "arn": "arn:aws:iam::{account}:policy{path}{name}"},
    "aws_iam_role": {"path": "/", "arn": "arn:aws:iam::{account}:role{path}{name}", "id": "{name}"},
    "aws_kinesis_firehose_delivery_stream": {
        "arn": "arn:aws:firehose:{region}:{account}:deliverystream/{name}",
    },
    "aws_kinesis_stream": {"arn": "arn:aws:kinesis:{region}:{account}:stream/{name}"},
    "aws_kms_alias": {"arn": "arn:aws:kms:{region}:{account}:{name}"},
    "aws_kms_key": {"key_id": "{uuid}", "id": "{uuid}", "arn": "arn:aws:kms:{region}:{account}:key/{uuid}"},
    "aws_opensearch_domain": {
        "arn": "arn:aws:es:{region}:{account}:domain/{domain_name}",
        "endpoint": "vpc-{domain_name}-example.{region}.es.amazonaws.com",
    },
    "aws_s3_bucket": {
        "arn": "arn:aws:s3:::{bucket}",
        "id": "{bucket}",
        "bucket_domain_name": "{bucket}.s3.amazonaws.com",
        "bucket_regional_domain_name": "{bucket}.s3.{region}.amazonaws.com",
    },
    "aws_secretsmanager_secret": {
        "arn": "arn:aws:secretsmanager:{region}:{account}:secret:{name}-{suffix}",
        "id": "{arn}",
    },
    "aws_security_group": {"id": "sg-{hex}", "arn": "arn:aws:ec2:{region}:{account}:security-group/{id}"},
    "aws_sns_topic": {"arn": "arn:aws:sns:{region}:{account}:{name}", "id": "{arn}"},
    "aws_sqs_queue": {"arn": "arn:aws:sqs:{region}:{account}:{name}"},
    "aws_vpc": {"id": "vpc-{hex}", "arn": "arn:aws:ec2:{region}:{account}:vpc/{id}"},
    "aws_vpc_endpoint": {"id": "vpce-{hex}", "arn": "arn:aws:ec2:{region}:{account}:vpc-endpoint/{id}"},
}


def predicted(type_name: str, state: dict[str, Any], place: Place) -> dict[str, Any]:
    """Return those attributes that AWS makes of what is configured, without those that it does not tell."""
    made: dict[str, Any] = {}
    known = _known(state, place)
    for name, template in _RESOURCES.get(type_name, {}).items():
        if is_unknown(state[name]):
            made[name] = _rendered(template, known)
            known |= _strings({name: made[name]})
    return made


def read(type_name: str, config: dict[str, Any], place: Place) -> dict[str, Any]:
    """Return the state of a data source; raise `LookupError` for one that would have to be asked for."""
    if type_name not in _DATA_SOURCES:
        known = ", ".join(sorted(_DATA_SOURCES))
        raise LookupError(f"{type_name} has to be asked for at AWS. Known without AWS: {known}.")
    region = {"region": config["region"] or place.region} if "region" in config else {}
    return config | region | _DATA_SOURCES[type_name](config, place)


def _known(planned: dict[str, Any], place: Place) -> dict[str, str]:
    configured = _strings(planned)
    digest = hashlib.sha256(json.dumps(planned, default=repr, sort_keys=True).encode()).hexdigest()
    made = {"hex": digest[:17], "suffix": digest[:6], "uuid": str(uuid.UUID(digest[:32]))}
    host = {"host": configured["url"].removeprefix("https://")} if "url" in configured else {}
    return configured | made | host | {"account": ACCOUNT, "region": place.region}


def _strings(values: dict[str, Any]) -> dict[str, str]:
    return {name: value for name, value in values.items() if isinstance(value, str)}


def _rendered(template: Any, known: dict[str, str]) -> Any:
    if isinstance(template, list):
        return [_rendered(element, known) for element in template]
    if isinstance(template, dict):
        return {name: _rendered(value, known) for name, value in template.items()}
    return template.format_map(known)


def _caller_identity(_config: dict[str, Any], _place: Place) -> dict[str, Any]:
    arn = f"arn:aws:iam::{ACCOUNT}:user/offline"
    return {"account_id": ACCOUNT, "arn": arn, "user_id": "offline", "id": ACCOUNT}


def _partition(_config: dict[str, Any], _place: Place) -> dict[str, Any]:
    suffix = {"dns_suffix": "amazonaws.com", "reverse_dns_prefix": "com.amazonaws"}
    return {"partition": "aws", "id": "aws"} | suffix


def _region(_config: dict[str, Any], place: Place) -> dict[str, Any]:
    return {"name": place.region, "id": place.region, "endpoint": f"ec2.{place.region}.amazonaws.com"}


def _availability_zones(_config: dict[str, Any], place: Place) -> dict[str, Any]:
    names = [place.region + letter for letter in "abcd"]
    return {"names": names, "zone_ids": [f"zone-{name}" for name in names], "id": place.region}


def _policy_document(config: dict[str, Any], _place: Place) -> dict[str, Any]:
    document = policy_document(config)
    minified = json.dumps(json.loads(document), separators=(",", ":"))
    return {"json": document, "minified_json": minified, "id": hashlib.sha256(document.encode()).hexdigest()[:10]}


_DATA_SOURCES: dict[str, Callable[[dict[str, Any], Place], dict[str, Any]]] = {
    "aws_availability_zones": _availability_zones,
    "aws_caller_identity": _caller_identity,
    "aws_iam_policy_document": _policy_document,
    "aws_partition": _partition,
    "aws_region": _region,
}
