"""Compare index templates and mappings: what is in OpenSearch with what should be there."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

#: What OpenSearch lets a field change after it was mapped; anything else needs a new index.
_CHANGEABLE = frozenset({"ignore_above", "fields"})


class Gap(NamedTuple):
    """What an existing mapping lacks.

    `additions` is the body of a put-mapping request, empty where there is nothing to add or where there are clashes.
    `clashes` are the fields that only a new index can have as they should be, with what is there and what is needed.
    """

    additions: dict[str, Any]
    clashes: tuple[str, ...]


def is_same_template(present: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Say whether an index template as OpenSearch returns it is the one that was put.

    OpenSearch sorts the settings below `index`, makes texts of their values, and adds an empty `composed_of`.
    """
    return bool(_canonical_template(present) == _canonical_template(wanted))


def mapping_gap(present: Mapping[str, Any], wanted: Mapping[str, Any]) -> Gap:
    """Compare the mapping of an index with the one of its template. What only the index has is left alone.

    An index that takes unknown fields and has some is somebody else's: made strict, it would refuse their documents.
    """
    clashes: list[str] = []
    additions: dict[str, Any] = {}
    if _canonical(present.get("dynamic", True)) != _canonical(wanted["dynamic"]):
        additions["dynamic"] = wanted["dynamic"]
        unknown = sorted(present.get("properties", {}).keys() - wanted["properties"].keys())
        clashes += [f"{name} is no field of CALI's" for name in unknown]
    if lacking := _lacking(present.get("properties", {}), wanted["properties"], "", clashes):
        additions["properties"] = lacking
    return Gap({} if clashes else additions, tuple(clashes))


def _lacking(present: Mapping[str, Any], wanted: Mapping[str, Any], path: str, clashes: list[str]) -> dict[str, Any]:
    """Return the fields to put; fields that cannot be put go to `clashes`."""
    lacking: dict[str, Any] = {}
    for name, field in wanted.items():
        if name not in present:
            lacking[name] = field
        elif "properties" in field and "properties" in present[name]:
            inner = _lacking(present[name]["properties"], field["properties"], f"{path}{name}.", clashes)
            if inner:
                lacking[name] = {"properties": inner}
        elif found := list(_clashes(present[name], field, f"{path}{name}")):
            clashes += found
        elif _differs(present[name], field):
            lacking[name] = field
    return lacking


def _clashes(present: Mapping[str, Any], wanted: Mapping[str, Any], path: str) -> Iterator[str]:
    if _type(present) != _type(wanted):
        yield f"{path} is {_type(present)} and should be {_type(wanted)}"
        return
    for option in sorted((present.keys() | wanted.keys()) - _CHANGEABLE - {"type", "properties"}):
        there, needed = _canonical(present.get(option)), _canonical(wanted.get(option))
        if there != needed:
            yield f"{path} has {option} {there} and should have {needed}"
    for name, field in wanted.get("fields", {}).items():
        if name in present.get("fields", {}):
            yield from _clashes(present["fields"][name], field, f"{path}.{name}")


def _differs(present: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    if present.get("ignore_above") != wanted.get("ignore_above"):
        return True
    fields = present.get("fields", {})
    return any(name not in fields or _differs(fields[name], field) for name, field in wanted.get("fields", {}).items())


def _type(field: Mapping[str, Any]) -> str:
    kind: str = field.get("type", "object")
    return kind


def _canonical_template(template: Mapping[str, Any]) -> Any:
    body = dict(template["template"])
    body["settings"] = dict(_flat(body.get("settings", {}), ""))
    rest = {name: value for name, value in template.items() if name != "template" and value != []}
    return _canonical(rest | body)


def _flat(settings: Mapping[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{path}{name}.")
        else:
            yield f"{path}{name}".removeprefix("index."), value


def _canonical(value: Any) -> Any:
    """Return a value as a text, as OpenSearch returns some of those that were numbers or truth values."""
    if isinstance(value, dict):
        return {name: _canonical(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    return str(value).lower() if isinstance(value, bool) else str(value)
