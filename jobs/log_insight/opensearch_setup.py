"""What OpenSearch has to know before the first document: index templates, the lifecycle of logs, the mappings."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from importlib import resources
from typing import Any, NamedTuple

import orjson
from opensearchpy import OpenSearch
from opensearchpy.exceptions import (
    AuthorizationException,
    ConflictError,
    NotFoundError,
    RequestError,
    SerializationError,
    TransportError,
)

from jobs.log_insight.opensearch_mapping import Gap, is_same_template, mapping_gap
from jobs.log_insight.opensearch_policy import is_same_policy, load_policy

TEMPLATES = ("logs", "incidents", "alert-ledger")
#: The first version with `flat_object`.
MINIMUM_VERSION = (2, 7)

_NUMBER = re.compile(r"(\d+)\.(\d+)")
#: The answers that are about one request and not about the cluster's health.
_REFUSALS = (RequestError, AuthorizationException, ConflictError)
#: A running job made the index meanwhile, and from the template, which was there before.
_MADE_BY_ANOTHER = "resource_already_exists_exception"


class Kind(StrEnum):
    """What is installed."""

    INDEX_TEMPLATE = "index_template"
    ISM_POLICY = "ism_policy"
    MAPPING = "mapping"


class Action(StrEnum):
    """What was done to it. `SKIPPED` cannot be had on this cluster, `REFUSED` could not be done and should be."""

    CREATED = "created"
    UPGRADED = "upgraded"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"
    REFUSED = "refused"


class Report(NamedTuple):
    """What became of one object; `reason` says why it was skipped or refused."""

    object: str
    kind: Kind
    action: Action
    reason: str = ""


class Template(NamedTuple):
    """An index template, and the indices it is for: one that is called `pattern`, or all that are called as `daily`.

    OpenSearch's patterns know no more than `*`, so one for daily indices also fits names that others may have chosen.
    """

    name: str
    pattern: str
    daily: re.Pattern[str] | None
    body: dict[str, Any]


class VersionError(Exception):
    """The server is no OpenSearch, or too old."""


def set_up(client: OpenSearch, prefix: str, retention_days: int) -> Iterator[Report]:
    """Install or upgrade all that indices with this prefix need and tell of each object; what is right is left alone.

    A template that is not put, or that is newer than this release's, ends it: without the right templates no index is
    made, and what a newer release has set up is not mixed with this one's.

    Raises:
        VersionError: the server is no OpenSearch, or too old; nothing was written.
        OpenSearchException: no answer, or none of OpenSearch's.
    """
    require_version(client.info())
    templates = load_templates(prefix)
    present = _installed(client, prefix)
    if newer := list(_newer(templates, present)):
        yield from newer
        return
    are_right, to_create = True, []
    for template in templates:
        *mappings, installed = _install(client, template, present)
        yield from (*mappings, installed)
        are_right &= installed.action is not Action.REFUSED
        if not mappings and template.daily is None:
            to_create.append(template.pattern)
    if are_right:
        yield _put_policy(client, prefix, retention_days)
        yield from (_create_index(client, index) for index in to_create)


def install_templates(client: OpenSearch, prefix: str) -> None:
    """Install the index templates that are missing or older, before them the mappings of indices that exist.

    For a job that meets a cluster which nobody has set up for this release. It asks once and writes nothing where the
    templates are of this release or a newer one. An index with a clash is passed by: it can never be mended, and the
    new one that it needs takes its mapping from the template.

    Raises:
        OpenSearchException: no answer, or a mapping or template was refused; the next call goes on from there.
    """
    for template in outdated(client.indices.get_index_template(**versions_request(prefix)), prefix):
        for index, gap in _gaps(client, template):
            if gap.additions:
                client.indices.put_mapping(index=index, body=gap.additions)
        # Last, since it tells the next start that the mappings are done.
        client.indices.put_index_template(name=template.name, body=template.body)


def outdated(reply: Any, prefix: str) -> list[Template]:
    """Return the templates that are missing or older, by the answer to `versions_request`.

    Raises:
        SerializationError: the answer is none of OpenSearch's.
    """
    present = _templates_in(reply)
    return [
        each
        for each in load_templates(prefix)
        if each.name not in present or _version(present[each.name]) < _version(each.body)
    ]


def versions_request(prefix: str) -> dict[str, Any]:
    """Return the arguments of `get_index_template` that ask for no more than the versions of the templates."""
    versions = {"filter_path": "index_templates.name,index_templates.index_template.version"}
    return _templates_request(prefix) | {"params": versions}


def load_templates(prefix: str) -> list[Template]:
    """Read the index templates, for indices with this prefix."""
    return [_load_template(name, prefix) for name in TEMPLATES]


def require_version(info: Any) -> None:
    """Refuse a server that lacks what the templates need, by its answer to `GET /`.

    An OpenSearch that is told to pass for 7.10.2 (`compatibility.override_main_response_version`) is let through.

    Raises:
        VersionError: with the name and version of what answered, and what is needed.
    """
    needed = "OpenSearch {}.{} or later is needed, for flat_object".format(*MINIMUM_VERSION)
    try:
        number, distribution = info["version"]["number"], info["version"].get("distribution", "Elasticsearch")
    except (TypeError, KeyError, AttributeError):
        raise VersionError(f"what answers is no OpenSearch; {needed}") from None
    if distribution != "opensearch":
        raise VersionError(f"{distribution} {number} answers; {needed}")
    found = _NUMBER.match(str(number))
    if found is None or (int(found[1]), int(found[2])) < MINIMUM_VERSION:
        raise VersionError(f"OpenSearch {number} answers; {needed}")


def reason_of(error: TransportError) -> str:
    """Return what OpenSearch says of a request that it refused, in one line."""
    said = error.info.get("error") if isinstance(error.info, dict) else None
    text = said.get("reason", error.error) if isinstance(said, dict) else said or error.error
    return f"{error.status_code}: {' '.join(str(text).split())}"


def _load_template(name: str, prefix: str) -> Template:
    body = orjson.loads(resources.files("schemas").joinpath("opensearch", f"{name}.json").read_bytes())
    body["index_patterns"] = [f"{prefix}{pattern}" for pattern in body["index_patterns"]]
    pattern = ",".join(body["index_patterns"])
    daily = re.compile(rf"{re.escape(prefix)}{name}-[0-9]{{4}}\.[0-9]{{2}}\.[0-9]{{2}}") if "*" in pattern else None
    return Template(f"{prefix}cali-{name}", pattern, daily, body)


def _installed(client: OpenSearch, prefix: str) -> dict[str, dict[str, Any]]:
    return _templates_in(client.indices.get_index_template(**_templates_request(prefix)))


def _templates_in(reply: Any) -> dict[str, dict[str, Any]]:
    try:
        # What is empty is filtered out: the list where there is no template, a template that has no version.
        return {each["name"]: each.get("index_template", {}) for each in reply.get("index_templates", [])}
    except (AttributeError, KeyError, TypeError):
        raise SerializationError("the answer is not OpenSearch's") from None


def _templates_request(prefix: str) -> dict[str, Any]:
    return {"name": f"{prefix}cali-*", "ignore": 404}


def _version(body: Mapping[str, Any]) -> int:
    version: int = body.get("version", 0)
    return version


def _newer(templates: Iterable[Template], present: Mapping[str, Mapping[str, Any]]) -> Iterator[Report]:
    for template in templates:
        there, ours = _version(present.get(template.name, {})), _version(template.body)
        if there > ours:
            reason = f"version {there} is installed and this release has version {ours}; use the newer release"
            yield Report(template.name, Kind.INDEX_TEMPLATE, Action.REFUSED, reason)


def _put_template(
    client: OpenSearch, template: Template, present: Mapping[str, Mapping[str, Any]], *, are_mappings_done: bool
) -> Report:
    report = Report(template.name, Kind.INDEX_TEMPLATE, Action.UNCHANGED)
    if template.name in present and is_same_template(present[template.name], template.body):
        return report
    if not are_mappings_done:
        return report._replace(action=Action.REFUSED, reason="not before the mapping of each of its indices")
    return _attempt(
        report._replace(action=Action.UPGRADED if template.name in present else Action.CREATED),
        lambda: client.indices.put_index_template(name=template.name, body=template.body),
    )


def _put_policy(client: OpenSearch, prefix: str, retention_days: int) -> Report:
    name, body = f"{prefix}cali-logs", load_policy(prefix, retention_days)
    report = Report(name, Kind.ISM_POLICY, Action.CREATED)
    condition = {}
    try:
        present = client.plugins.index_management.get_policy(name)
    except NotFoundError:
        pass
    except RequestError as error:
        if not str(error.error).startswith("no handler found"):
            raise
        reason = "the cluster has no ISM plugin; delete old log indices yourself"
        return report._replace(action=Action.SKIPPED, reason=reason)
    except AuthorizationException as error:
        return report._replace(action=Action.REFUSED, reason=reason_of(error))
    else:
        if is_same_policy(present["policy"], body["policy"]):
            return report._replace(action=Action.UNCHANGED)
        report = report._replace(action=Action.UPGRADED)
        condition = {"if_seq_no": present["_seq_no"], "if_primary_term": present["_primary_term"]}
    return _attempt(report, lambda: client.plugins.index_management.put_policy(name, body=body, params=dict(condition)))


def _install(client: OpenSearch, template: Template, present: Mapping[str, Mapping[str, Any]]) -> list[Report]:
    """Add to the indices that exist what the template's mapping has and theirs have not, then put the template.

    That comes last, as its version tells the job that the mappings are done. An index with a clash may be another's, so
    nothing is written to it, and it is reported first; it does not hold the template up, which its successor needs.
    """
    gaps = _gaps(client, template)
    clashing = [
        Report(index, Kind.MAPPING, Action.REFUSED, f"needs a new index: {'; '.join(gap.clashes)}")
        for index, gap in gaps
        if gap.clashes
    ]
    upgraded = [_upgrade_mapping(client, index, gap) for index, gap in gaps if not gap.clashes]
    are_done = all(report.action is not Action.REFUSED for report in upgraded)
    return [*clashing, *upgraded, _put_template(client, template, present, are_mappings_done=are_done)]


def _gaps(client: OpenSearch, template: Template) -> list[tuple[str, Gap]]:
    """Return what the mappings of the template's indices lack, by index."""
    indices = client.indices.get_mapping(index=template.pattern, params={"ignore_unavailable": "true"})
    wanted = template.body["template"]["mappings"]
    return [
        (index, mapping_gap(found["mappings"], wanted))
        for index, found in sorted(indices.items())
        # What is called otherwise is another's; one index that never rolls may stand behind an alias of its name.
        if template.daily is None or template.daily.fullmatch(index)
    ]


def _upgrade_mapping(client: OpenSearch, index: str, gap: Gap) -> Report:
    report = Report(index, Kind.MAPPING, Action.UNCHANGED)
    if not gap.additions:
        return report
    return _attempt(
        report._replace(action=Action.UPGRADED), lambda: client.indices.put_mapping(index=index, body=gap.additions)
    )


def _create_index(client: OpenSearch, index: str) -> Report:
    """Make an index that never rolls, so that searches and dashboards find it before the first document."""
    return _attempt(Report(index, Kind.MAPPING, Action.CREATED), lambda: client.indices.create(index=index))


def _attempt(report: Report, write: Callable[[], Any]) -> Report:
    try:
        write()
    except _REFUSALS as error:
        if error.error == _MADE_BY_ANOTHER:
            return report._replace(action=Action.UNCHANGED)
        return report._replace(action=Action.REFUSED, reason=reason_of(error))
    return report
