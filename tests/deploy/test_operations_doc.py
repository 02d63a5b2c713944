"""What is written for those who run it holds: links, settings, paths, commands and names are there."""

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml

from jobs.log_insight.settings import SECRETS_DIR_VARIABLE, Secrets, Settings, describe, variable_name
from local.prometheus import ALERTS

ROOT = Path(__file__).parents[2]
FOLDERS = ("connectors", "docker", "flink-k8s", "fluent-bit", "grafana", "knowledge", "terraform")
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text()
    for path in (
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
        *(ROOT / "docs").rglob("*.md"),
        *(path for folder in FOLDERS for path in (ROOT / folder).glob("README.md")),
    )
}
INDEX = "docs/operations.md"
ENVIRONMENTS = ("dev", "prod")

#: Variables of others: the tests' seed, and Grafana's address of Prometheus.
OTHER_VARIABLES = {SECRETS_DIR_VARIABLE, "CALI_TEST_SEED", "CALI_PROMETHEUS_URL"}
KNOWN_VARIABLES = OTHER_VARIABLES | {
    variable_name(location[: depth + 1])
    for model in (Settings, Secrets)
    for location, _ in describe(model)
    for depth in range(len(location))
}
ALERT_NAMES = {rule["alert"] for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]}
#: What of a FlinkDeployment may be patched, and what a FlinkStateSnapshot has, in version 1.15 of the operator.
SPEC_FIELDS = {
    *("spec.image", "spec.flinkVersion", "spec.restartNonce"),
    *("spec.job.state", "spec.job.parallelism", "spec.job.upgradeMode", "spec.job.allowNonRestoredState"),
    *("spec.job.initialSavepointPath", "spec.job.savepointRedeployNonce", "spec.job.autoscalerResetNonce"),
    *("spec.backoffLimit", "spec.jobReference.kind", "spec.jobReference.name"),
    *("spec.savepoint.disposeOnDelete", "spec.savepoint.path", "spec.savepoint.formatType"),
}
#: Made by a build, so that a fresh clone does not have them.
GENERATED = ("connectors/target/", "build/")

FENCE = re.compile(r"^( *)```.*?^\1```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
VARIABLE = re.compile(r"\bCALI_[A-Z0-9_]*[A-Z0-9](?![A-Z0-9_…])")
MAKE = re.compile(r"(?:^|[`|;&] ?)make ([a-z][\w-]*)", re.MULTILINE)
PATCH = re.compile(r"--patch '(\{.*?\})'", re.DOTALL)
HERE_DOCUMENT = re.compile(r"<<'EOF'\n(apiVersion: flink\.apache\.org/.*?)^EOF$", re.MULTILINE | re.DOTALL)


def code(text: str) -> Iterator[str]:
    """Yield code blocks, then spans outside of them."""
    yield from (match.group() for match in FENCE.finditer(text))
    yield from SPAN.findall(FENCE.sub("", text))


def anchors(text: str) -> set[str]:
    """Return the anchors that GitHub makes of a page's headings."""
    found: dict[str, int] = {}
    for heading in HEADING.findall(FENCE.sub("", text)):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        slug = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        found[slug] = found.get(slug, -1) + 1
    return {slug if number == 0 else f"{slug}-{number}" for slug, last in found.items() for number in range(last + 1)}


def dead_links(page: str, text: str) -> Iterator[str]:
    for link in LINK.findall(FENCE.sub("", text)):
        address, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        target = (ROOT / page).parent / address if address else ROOT / page
        if not target.exists():
            yield f"{link}: there is no {address}"
        elif anchor and anchor not in anchors(target.read_text() if address else text):
            yield f"{link}: no heading makes the anchor {anchor}"


def unknown_variables(page: str, text: str) -> Iterator[str]:
    del page
    yield from sorted(set(VARIABLE.findall(text)) - KNOWN_VARIABLES)


def missing_paths(page: str, text: str) -> Iterator[str]:
    del page
    for token in {token for part in code(text) for token in re.split(r"[\s,;()'\"=>`]+", part)}:
        if _is_path(token) and not any(_exists(token, environment) for environment in ENVIRONMENTS):
            yield token


def unknown_targets(page: str, text: str) -> Iterator[str]:
    del page
    targets = set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        name
        for part in code(text)
        for name in re.findall(r"(?:^|[`|;&] ?)make ([a-z][\w-]*)", f"`{part}", re.MULTILINE)
    }
    yield from sorted(named - targets)


def unknown_alerts(page: str, text: str) -> Iterator[str]:
    del page
    yield from sorted(set(re.findall(r"\bCali[A-Z]\w+", text)) - ALERT_NAMES)


def unknown_fields(page: str, text: str) -> Iterator[str]:
    """Yield fields of patches, of manifests and of spans such as `spec.job.state` that the operator does not know."""
    del page
    named = set(re.findall(r"`(spec\.\w+(?:\.\w+)*)[`:]", FENCE.sub("", text)))
    manifests = [yaml.safe_load(patch) for patch in PATCH.findall(text)]
    manifests += [yaml.safe_load(manifest) for manifest in HERE_DOCUMENT.findall(text)]
    named |= {path for manifest in manifests for path in _leaves({"spec": manifest["spec"]})}
    known = "\n".join(sorted(SPEC_FIELDS)) + "\n"
    yield from sorted(path for path in named if f"{path}\n" not in known and f"{path}." not in known)


def unknown_names(page: str, text: str) -> Iterator[str]:
    """Yield names of streams, buckets and roles, and outputs of Terraform, that are not those of terraform/."""
    del page
    named = {name for part in code(text) for name in re.findall(r"\bcali-(?:dev|prod)-[\w-]*\w", part)}
    yield from sorted(named - _names())
    roots = _terraform("*/outputs.tf") + _terraform("environments/*/outputs.tf")
    outputs = set(re.findall(r'^output "(\w+)"', roots, re.MULTILINE))
    yield from sorted(set(re.findall(r"\boutput -raw (\w+)", text)) - outputs)


@cache
def _names() -> frozenset[str]:
    text = _terraform("modules/names/*.tf")
    suffixes = re.findall(r'"\$\{local\.prefix\}-([\w-]+)"', text)
    (buckets,) = re.findall(r"buckets = \{ for use, suffix in \{(.*?)\}", text, re.DOTALL)
    suffixes += [f"123456789012-{suffix}" for suffix in re.findall(r'"([\w-]+)"', buckets)]
    return frozenset(f"cali-{environment}-{suffix}" for environment in ENVIRONMENTS for suffix in suffixes)


@cache
def _terraform(pattern: str) -> str:
    return "\n".join(path.read_text() for path in sorted((ROOT / "terraform").glob(pattern)))


def _leaves(value: object, path: str = "") -> Iterator[str]:
    if not isinstance(value, dict):
        yield path
        return
    for name, inner in value.items():
        yield from _leaves(inner, f"{path}.{name}" if path else name)


CHECKS: dict[str, Callable[[str, str], Iterator[str]]] = {
    check.__name__: check
    for check in (
        *(dead_links, unknown_variables, missing_paths, unknown_targets, unknown_alerts, unknown_fields, unknown_names),
    )
}


@cache
def _folders() -> frozenset[str]:
    return frozenset(path.name for path in ROOT.iterdir() if path.is_dir()) - {"build", ".venv", ".git"}


def _is_path(token: str) -> bool:
    first, slash, _ = token.partition("/")
    return bool(slash) and first in _folders() and re.fullmatch(r"[\w.@*/-]+", token) is not None


def _exists(token: str, environment: str) -> bool:
    path = re.sub(r"\bENV\b", environment, token).rstrip("/.")
    return path.startswith(GENERATED) or any(ROOT.glob(path))


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_names_is_there(page, check):
    assert list(CHECKS[check](page, PAGES[page])) == []


@pytest.mark.parametrize(
    ("check", "written", "complaint"),
    [
        ("dead_links", "[scaling](operations/scalling.md)", "operations/scalling.md"),
        ("dead_links", "[the way back](operations/upgrade.md#rollback)", "no heading makes the anchor rollback"),
        ("dead_links", "[above](#when-a-dependency-is-dawn)", "when-a-dependency-is-dawn"),
        ("unknown_variables", "set `CALI_INDEX__MAX_HOLD_SECOND`", "CALI_INDEX__MAX_HOLD_SECOND"),
        ("unknown_variables", "export CALI_SOURCE__KINESIS__STREAMS=logs", "CALI_SOURCE__KINESIS__STREAMS"),
        ("missing_paths", "as `udfs/operators/notfy.py` says", "udfs/operators/notfy.py"),
        (
            "missing_paths",
            "```sh\nkubectl apply -k flink-k8s/overlays/production\n```",
            "flink-k8s/overlays/production",
        ),
        ("missing_paths", "see `flink-k8s/overlays/ENV/terrafrom.env`", "flink-k8s/overlays/ENV/terrafrom.env"),
        ("unknown_targets", "run `make tests`", "tests"),
        ("unknown_alerts", "that is CaliSourceBehindd", "CaliSourceBehindd"),
        ("unknown_names", "`aws s3 ls s3://cali-prod-123456789012-dql/dlq/`", "cali-prod-123456789012-dql"),
        ("unknown_names", "`terraform output -raw cluster`", "cluster"),
        ("unknown_fields", "set `spec.job.upgradeMod`", "spec.job.upgradeMod"),
        (
            "unknown_fields",
            """kubectl patch x --patch '{"spec":{"job":{"restartNonce":1}}}'""",
            "spec.job.restartNonce",
        ),
        (
            "unknown_fields",
            "```sh\ncat <<'EOF'\napiVersion: flink.apache.org/v1beta1\nspec: {savepoint: {dispose: false}}\nEOF\n```",
            "spec.savepoint.dispose",
        ),
    ],
)
def test_a_mistake_on_a_page_is_found(check, written, complaint):
    (found,) = CHECKS[check](INDEX, PAGES[INDEX] + written)
    assert complaint in found


@pytest.mark.parametrize(
    ("check", "written"),
    [
        ("dead_links", "```md\n[no link](in/code.md)\n```"),
        ("dead_links", "[elsewhere](https://example.com/#x)"),
        ("unknown_variables", "`CALI_SLACK_WEBHOOK_URL` or `…_URLS`, all of `CALI_INDEX__…`"),
        ("missing_paths", "`s3://bucket/logs/dt=2026-11-22`, `grafana/grafana:11.6.0`, `connectors/target/x.jar`"),
        ("missing_paths", "`flink-k8s/overlays/ENV/terraform.env` and `docs/adr/*.md`"),
        ("unknown_targets", "make sure that it runs; `make test`"),
    ],
)
def test_what_only_looks_like_a_mistake_is_none(check, written):
    assert list(CHECKS[check](INDEX, PAGES[INDEX] + written)) == []


def test_anchors_are_those_of_github():
    text = "# A `b`, c & d\n\n## Twice\n\n## Twice\n\n```sh\n# no heading\n```\n\n## [linked](x.md) text\n"
    assert anchors(text) == {"a-b-c--d", "twice", "twice-1", "linked-text"}


def test_the_index_leads_to_the_runbook_of_every_alert():
    assert {f"[{name}](runbooks.md#{name.lower()})" for name in ALERT_NAMES} <= set(
        re.findall(r"\[Cali\w+\]\([^)]+\)", PAGES[INDEX])
    )


def test_the_index_leads_to_every_page_of_operations():
    pages = {path.name for path in (ROOT / "docs" / "operations").iterdir()}
    assert pages == {link.rpartition("/")[2] for link in re.findall(r"\((operations/[^)#]+\.md)\)", PAGES[INDEX])}


def test_the_rights_on_the_page_are_those_of_the_roles():
    roles = [json.loads(path.read_text()) for path in (ROOT / "terraform/modules/opensearch/security").glob("*.json")]
    granted = {
        action
        for role in roles
        for actions in (role["cluster_permissions"], *(each["allowed_actions"] for each in role["index_permissions"]))
        for action in actions
    }
    assert set(re.findall(r"`((?:cluster|indices):[^`]+)`", PAGES["docs/operations/opensearch.md"])) == granted
