"""Read the AWS provider's schema out of the JavaScript of its CDK bindings.

The bindings are generated from the provider's own schema, a folder for each resource and data source, and always in the
same shapes: anything else is an error here. README.md beside this file says what they keep of the schema and what they
lose. The result has the form of `terraform providers schema -json`.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

_CLASS = re.compile(r"^class (\w+) extends cdktf\.(\w+) \{\n(.*?)^\}$", re.MULTILINE | re.DOTALL)
_STRUCT = re.compile(r"^function (\w+)ToHclTerraform\(struct\) \{\n(.*?)^\}$", re.MULTILINE | re.DOTALL)
_ARGUMENT = re.compile(
    r"^ +(\w+): \{\n +value: (.+),\n +isBlock: (?:true|false),\n +type: \"(\w+)\",\n +storageClassType: \"(\w+)\",$",
    re.MULTILINE,
)
_GETTER = re.compile(r"^    get (\w+)\(\) \{\n        return (.+);$", re.MULTILINE)
_RESET = re.compile(r"^    reset(\w+)\(\) \{$", re.MULTILINE)
_MEMBER = re.compile(
    r"^        this\.(\w+) = new (?:\w+_\d+\.)?((?:cdktf\.)?\w+)\(this, \"(\w+)\"(?:, (true|false))?\);$", re.MULTILINE
)
_TYPE_NAME = re.compile(r"^            terraformResourceType: '(\w+)',$", re.MULTILINE)
_MAPPED_STRUCT = re.compile(r"(\w+)ToHclTerraform")
_QUOTED = re.compile(r"'(\w+)'")

# How the bindings read an attribute, and the type that it has then; None: as the argument says.
_GETTERS: dict[str, Any] = {
    "this.getStringAttribute('')": "string",
    "this.getNumberAttribute('')": "number",
    "this.getBooleanAttribute('')": "bool",
    "this.getStringMapAttribute('')": ["map", "string"],
    "this.getNumberMapAttribute('')": ["map", "number"],
    "this.getBooleanMapAttribute('')": ["map", "bool"],
    "this.getListAttribute('')": ["list", "string"],
    "this.getNumberListAttribute('')": ["list", "number"],
    "cdktf.Fn.tolist(this.getListAttribute(''))": ["set", "string"],
    "cdktf.Token.asNumberList(cdktf.Fn.tolist(this.getNumberListAttribute('')))": ["set", "number"],
    "this.interpolationForAttribute('')": None,
    "cdktf.Token.asAny(cdktf.Fn.tolist(this.interpolationForAttribute('')))": None,
}
_MAPS = {
    "cdktf.StringMap": ["map", "string"],
    "cdktf.NumberMap": ["map", "number"],
    "cdktf.BooleanMap": ["map", "bool"],
}
# What an argument's list, set or map is made of.
_ELEMENTS: dict[str, Any] = {
    "stringList": "string",
    "stringMap": "string",
    "numberList": "number",
    "numberMap": "number",
    "booleanMap": "bool",
    "stringListList": ["list", "string"],
    "stringMapList": ["map", "string"],
    "stringMapMap": ["map", "string"],
}
# `any` stands for blocks that nest too deep for the bindings.
_SIMPLE = {"string": "string", "number": "number", "boolean": "bool", "any": None}
_SCHEMAS = {"TerraformResource": "resource_schemas", "TerraformDataSource": "data_source_schemas"}
_ELEMENT_CLASS = "OutputReference"
_COLLECTION_CLASS = re.compile("(?:List|Map)$")


@dataclass(frozen=True)
class _Argument:
    """What can be written in a configuration."""

    value: str
    collection: str  # simple, list, set, map or struct
    storage: str

    def is_block(self) -> bool:
        """Say whether it is written as a block; a list of structs that is none is mapped with `false`."""
        return self.storage[0].isupper() and ", false)(" not in self.value

    def type(self) -> Any:
        if self.collection == "simple":
            return _SIMPLE[self.storage]
        return [self.collection, _ELEMENTS[self.storage]]

    def struct(self) -> str:
        """Return what a block holds."""
        return _found(_MAPPED_STRUCT, self.value)


@dataclass(frozen=True)
class _Member:
    """An attribute or block of structs."""

    made: str
    is_set: bool

    def element(self) -> str:
        """Return the class of one struct."""
        return _COLLECTION_CLASS.sub(_ELEMENT_CLASS, self.made)


@dataclass(frozen=True)
class _Entry:
    """An argument, a block or an attribute that only the provider sets."""

    name: str
    required: bool
    kind: Any  # a type or a _Member
    argument: _Argument | None

    def mode(self) -> dict[str, bool]:
        if self.argument is None:
            return {"computed": True}
        if self.required:
            return {"required": True}
        if self.name.endswith("_wo"):
            return {"optional": True, "write_only": True}
        return {"optional": True, "computed": True}


class _Bindings:
    """The classes of one resource, data source or provider."""

    def __init__(self, javascript: str) -> None:
        self.classes = {name: (base, body) for name, base, body in _CLASS.findall(javascript)}
        self._structs = dict(_STRUCT.findall(javascript))

    def block(self, name: str) -> dict[str, Any]:
        block: dict[str, Any] = {"attributes": {}, "block_types": {}}
        for entry in self._entries(name):
            if entry.argument and entry.argument.is_block():
                block["block_types"][entry.name] = self._nested(entry, entry.argument)
            else:
                block["attributes"][entry.name] = {"type": self._type(entry.kind), **entry.mode()}
        return block

    def struct(self, text: str) -> dict[str, Any]:
        """Return the provider's own block, or one in it: it has no state, so no classes that read one."""
        block: dict[str, Any] = {"attributes": {}, "block_types": {}}
        arguments = _arguments(text)
        arguments.pop("alias", None)  # belongs to the language
        for name, argument in arguments.items():
            if argument.is_block():
                nested = self.struct(self._structs[argument.struct()])
                block["block_types"][name] = {"nesting_mode": argument.collection, "block": nested}
            else:
                block["attributes"][name] = {"type": argument.type(), "optional": True}
        return block

    def _entries(self, name: str) -> Iterator[_Entry]:
        body = self.classes[name][1]
        arguments = _arguments(self._structs.get(_struct_of(name), body))
        optional = set(_RESET.findall(body))
        for getter, attribute, kind in _getters(body):
            argument = arguments.get(attribute)
            known = kind or (argument and argument.type())
            if known:
                yield _Entry(attribute, getter[0].upper() + getter[1:] not in optional, known, argument)

    def _nested(self, entry: _Entry, argument: _Argument) -> dict[str, Any]:
        least = {"min_items": 1} if entry.required else {}
        block = self.block(entry.kind.element())
        if entry.kind.made.endswith(_ELEMENT_CLASS):
            most = {"max_items": 1} if argument.collection != "struct" or entry.required else {}
            mode = "single" if argument.collection == "struct" else argument.collection
            return {"nesting_mode": mode, **least, **most, "block": block}
        return {"nesting_mode": "set" if entry.kind.is_set else "list", **least, "block": block}

    def _type(self, kind: Any) -> Any:
        if not isinstance(kind, _Member):
            return kind
        if kind.made in _MAPS:
            return _MAPS[kind.made]
        element = ["object", {entry.name: self._type(entry.kind) for entry in self._entries(kind.element())}]
        if kind.made.endswith(_ELEMENT_CLASS):
            return element
        if self.classes[kind.made][0] == "ComplexMap":
            return ["map", element]
        return ["set" if kind.is_set else "list", element]


def provider_schema(folders: Iterable[str]) -> dict[str, Any]:
    """Return the schema of the provider, given the JavaScript of each folder."""
    schema: dict[str, Any] = {"provider": None, "resource_schemas": {}, "data_source_schemas": {}}
    for bindings in map(_Bindings, folders):
        for name, (base, body) in bindings.classes.items():
            if base in _SCHEMAS:
                schema[_SCHEMAS[base]][_found(_TYPE_NAME, body)] = {"block": bindings.block(name)}
            elif base == "TerraformProvider":
                schema["provider"] = {"block": bindings.struct(body)}
    return schema


def _arguments(text: str) -> dict[str, _Argument]:
    return {name: _Argument(value, collection, storage) for name, value, collection, storage in _ARGUMENT.findall(text)}


def _getters(body: str) -> Iterator[tuple[str, str, Any]]:
    """Yield getter, attribute and type; the getters of what was configured are left out."""
    members = {field: (name, _Member(made, is_set == "true")) for field, made, name, is_set in _MEMBER.findall(body)}
    for getter, expression in _GETTER.findall(body):
        field = expression.removeprefix("this.")
        if field in members:
            yield getter, *members[field]
        elif "Attribute('" in expression:
            yield getter, _found(_QUOTED, expression), _GETTERS[_QUOTED.sub("''", expression)]


def _struct_of(name: str) -> str:
    struct = name.removesuffix(_ELEMENT_CLASS)
    return struct[0].lower() + struct[1:]


def _found(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    if found is None:
        raise ValueError(f"no {pattern.pattern} in {text[:200]}")
    return found[1]
