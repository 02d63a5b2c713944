"""What the AWS provider plans for a resource, and what it returns once applied, as far as its schema tells."""

from typing import Any

from tests.deploy.aws_provider.predictions import Place, predicted
from tests.deploy.aws_provider.protocol import UNKNOWN, is_unknown

# The schema has them as optional, as older resources do, yet no configuration sets them.
_ALWAYS_SET = ("id", "arn")


def planned(
    block: dict[str, Any], prior: dict[str, Any] | None, proposed: dict[str, Any], place: Place
) -> dict[str, Any]:
    """Return the planned state of a resource: in a new one what is not configured is unknown.

    Which of the optional arguments it does set, the schema does not tell. So a reference to one that is not configured
    gives an unknown value, and never an error that the provider would not give.
    """
    state = _filled(block, proposed, unset=UNKNOWN) if prior is None else proposed
    return state | _set_by_the_provider(block, proposed, place)


def applied(type_name: str, block: dict[str, Any], state: dict[str, Any], place: Place) -> dict[str, Any]:
    """Return the planned state with nothing unknown: as predicted, or made up for what only the provider sets.

    An optional argument that is not configured is null, even where AWS has a default: so it reads as not configured.
    """
    return _known(type_name, block, state | predicted(type_name, state, place))


def _known(label: str, block: dict[str, Any], state: dict[str, Any]) -> dict[str, Any]:
    known = dict(state)
    for name, attribute in block["attributes"].items():
        if is_unknown(state[name]):
            given = name in _ALWAYS_SET or not attribute.get("optional")
            known[name] = _made_up(attribute["type"], f"{label}.{name}") if given else None
    for name, nested in block["block_types"].items():
        single = nested["nesting_mode"] == "single"
        elements = [state[name]] if single else state[name]
        done = [element and _known(f"{label}.{name}", nested["block"], element) for element in elements]
        known[name] = done[0] if single else done
    return known


def _made_up(kind: Any, label: str) -> Any:
    """Return a value of a type; a list of objects has one, for whoever asks for the first."""
    match kind:
        case ["object", attributes]:
            return {name: _made_up(inner, f"{label}.{name}") for name, inner in attributes.items()}
        case ["list" | "set", element]:
            return [_made_up(element, label)] if element[0] == "object" else []
        case ["map", _]:
            return {}
    return {"string": label, "number": 0, "bool": False}[kind]


def _set_by_the_provider(block: dict[str, Any], proposed: dict[str, Any], place: Place) -> dict[str, Any]:
    """Return the region, and the tags that all resources have."""
    state: dict[str, Any] = {}
    if "region" in block["attributes"]:
        state["region"] = proposed["region"] or place.region
    if "tags_all" in block["attributes"]:
        state["tags"] = tags = proposed["tags"]
        state["tags_all"] = UNKNOWN if is_unknown(tags) else place.default_tags | (tags or {})
    return state


def _filled(block: dict[str, Any], proposed: dict[str, Any], unset: Any) -> dict[str, Any]:
    state = {name: _attribute(schema, proposed[name], unset) for name, schema in block["attributes"].items()}
    for name, nested in block["block_types"].items():
        state[name] = _nested(nested, proposed[name])
    return state


def _attribute(schema: dict[str, Any], value: Any, unset: Any) -> Any:
    if schema.get("write_only"):
        return None
    if value is not None or not schema.get("computed"):
        return value
    return unset if schema.get("optional") else UNKNOWN


def _nested(nested: dict[str, Any], value: Any) -> Any:
    # Arguments left out of a nested block stay null: unknown values in a set of blocks would hide how many there are.
    if value is None or is_unknown(value):
        return value
    if nested["nesting_mode"] == "single":
        return _filled(nested["block"], value, unset=None)
    return [element if is_unknown(element) else _filled(nested["block"], element, unset=None) for element in value]
