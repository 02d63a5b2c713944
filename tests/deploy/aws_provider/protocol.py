"""The messages of Terraform's plugin protocol, version 5, that planning and applying need.

Field numbers are those of `tfplugin5.proto`; fields that nothing here reads or writes are left out, and protobuf skips
them. Values travel as MessagePack, an unknown one as extension type 0.
"""

import json
from functools import cache
from typing import Any

import msgpack
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

SERVICE = "tfplugin5.Provider"
UNKNOWN = msgpack.ExtType(0, b"\x00")
_ERROR = 1

# message → field → (number, type); a type in brackets is repeated. A map is a repeated message of key and value.
_MESSAGES: dict[str, dict[str, tuple[int, str]]] = {
    "Value": {"msgpack": (1, "bytes"), "json": (2, "bytes")},
    "RawState": {"json": (1, "bytes")},
    "Diagnostic": {"severity": (1, "int64"), "summary": (2, "string"), "detail": (3, "string")},
    "Attribute": {
        "name": (1, "string"),
        "type": (2, "bytes"),
        "required": (4, "bool"),
        "optional": (5, "bool"),
        "computed": (6, "bool"),
        "write_only": (10, "bool"),
    },
    "NestedBlock": {
        "type_name": (1, "string"),
        "block": (2, "Block"),
        "nesting": (3, "int64"),
        "min_items": (4, "int64"),
        "max_items": (5, "int64"),
    },
    "Block": {"attributes": (2, "[Attribute]"), "block_types": (3, "[NestedBlock]")},
    "Schema": {"block": (2, "Block")},
    "NamedSchema": {"key": (1, "string"), "value": (2, "Schema")},
    "Capabilities": {"get_provider_schema_optional": (2, "bool")},
    "GetSchemaResponse": {
        "provider": (1, "Schema"),
        "resource_schemas": (2, "[NamedSchema]"),
        "data_source_schemas": (3, "[NamedSchema]"),
        "server_capabilities": (6, "Capabilities"),
    },
    "ConfigRequest": {"config": (1, "Value")},
    "ConfigResponse": {"prepared_config": (1, "Value"), "diagnostics": (2, "[Diagnostic]")},
    "TypeConfigRequest": {"type_name": (1, "string"), "config": (2, "Value")},
    "DiagnosticsResponse": {"diagnostics": (1, "[Diagnostic]")},
    "ConfigureRequest": {"config": (2, "Value")},
    "UpgradeRequest": {"raw_state": (3, "RawState")},
    "UpgradeResponse": {"upgraded_state": (1, "Value")},
    "ReadRequest": {"current_state": (2, "Value")},
    "ReadResponse": {"new_state": (1, "Value")},
    "PlanRequest": {"type_name": (1, "string"), "prior_state": (2, "Value"), "proposed_new_state": (3, "Value")},
    "PlanResponse": {"planned_state": (1, "Value")},
    "ApplyRequest": {"type_name": (1, "string"), "planned_state": (3, "Value")},
    "ApplyResponse": {"new_state": (1, "Value")},
    "ReadDataResponse": {"state": (1, "Value"), "diagnostics": (2, "[Diagnostic]")},
    "StopResponse": {"error": (1, "string")},
    "Nothing": {},
}
_NESTING = {"single": 1, "list": 2, "set": 3, "map": 4}


@cache
def message(name: str) -> Any:
    """Return the class of a message."""
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"tfplugin5.{name}"))


def decode(value: Any) -> Any:
    """Return what a `Value` carries."""
    return msgpack.unpackb(value.msgpack, strict_map_key=False)


def encode(value: Any) -> Any:
    """Return the `Value` of an object."""
    return message("Value")(msgpack=msgpack.packb(value))


def schema_response(schema: dict[str, Any]) -> Any:
    """Return the answer to GetSchema, given what `terraform providers schema -json` prints of a provider."""
    return message("GetSchemaResponse")(
        provider=_schema(schema["provider"]),
        resource_schemas=_named(schema["resource_schemas"]),
        data_source_schemas=_named(schema["data_source_schemas"]),
        # Without it each command asks twice.
        server_capabilities=message("Capabilities")(get_provider_schema_optional=True),
    )


def diagnostic(summary: str, detail: str) -> Any:
    """Return an error."""
    return message("Diagnostic")(severity=_ERROR, summary=summary, detail=detail)


def _named(schemas: dict[str, Any]) -> list[Any]:
    return [message("NamedSchema")(key=name, value=_schema(schema)) for name, schema in schemas.items()]


def _schema(schema: dict[str, Any]) -> Any:
    return message("Schema")(block=_block(schema["block"]))


def _block(block: dict[str, Any]) -> Any:
    return message("Block")(
        attributes=[_attribute(name, attribute) for name, attribute in block["attributes"].items()],
        block_types=[_nested(name, nested) for name, nested in block["block_types"].items()],
    )


def _attribute(name: str, attribute: dict[str, Any]) -> Any:
    return message("Attribute")(**attribute | {"name": name, "type": json.dumps(attribute["type"]).encode()})


def _nested(name: str, nested: dict[str, Any]) -> Any:
    return message("NestedBlock")(
        type_name=name,
        block=_block(nested["block"]),
        nesting=_NESTING[nested["nesting_mode"]],
        min_items=nested.get("min_items", 0),
        max_items=nested.get("max_items", 0),
    )


def _pool() -> descriptor_pool.DescriptorPool:
    file = descriptor_pb2.FileDescriptorProto(name="tfplugin5.proto", package="tfplugin5", syntax="proto3")
    for name, fields in _MESSAGES.items():
        described = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            described.field.add(name=field, number=number, **_kind(kind))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


def _kind(kind: str) -> dict[str, Any]:
    descriptor = descriptor_pb2.FieldDescriptorProto
    label = descriptor.LABEL_REPEATED if kind.startswith("[") else descriptor.LABEL_OPTIONAL
    inner = kind.strip("[]")
    if inner in _MESSAGES:
        return {"label": label, "type": descriptor.TYPE_MESSAGE, "type_name": f".tfplugin5.{inner}"}
    return {"label": label, "type": getattr(descriptor, f"TYPE_{inner.upper()}")}


_POOL = _pool()


def is_unknown(value: Any) -> bool:
    """Say whether a value is only known when the plan is applied."""
    return isinstance(value, msgpack.ExtType)
