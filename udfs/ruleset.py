"""Rule sets: dated YAML files that are never edited after their release, so that a replay gives the same result."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import re2
import yaml

FOLDER = Path(__file__).parent / "rules"

#: The newest released sets.
REDACT_DATE = "2026-11-22"
PARAMETERIZE_DATE = "2026-11-22"
FRAMES_DATE = "2026-11-22"

#: What is written beside everything that was computed by the rules.
RULES_VERSION = f"r{REDACT_DATE}-p{PARAMETERIZE_DATE}-f{FRAMES_DATE}"

_MACRO = re.compile(r"\(\?&([a-z_]+)\)")

_FIELDS = {"name": str, "pattern": str, "reason": str}
_OPTIONAL_FIELDS = {"replace": str, "check": str, "word": bool, "hint": str}


class RuleError(Exception):
    """A rule file is wrong. The message names file, line and rule."""


class Rule(NamedTuple):
    r"""One rule. `pattern` is in RE2's syntax; `replace` may refer to its groups as `\1`."""

    name: str
    pattern: str
    reason: str
    replace: str | None = None
    check: str | None = None
    word: bool = False
    hint: str | None = None


def rule_file(kind: str, date: str) -> Path:
    """Return the file of a released set, e.g. of `("redact", "2026-11-22")`."""
    return FOLDER / f"{kind}@{date}.yaml"


def load_rules(path: Path, section: str = "rules") -> tuple[Rule, ...]:
    """Read a section of a rule file; the order in the file is the order of the rules.

    `(?&name)` in a pattern stands for the pattern of that name in the section `macros`.

    Raises:
        RuleError: a rule lacks a field, has an unknown one, repeats a name, or its pattern is not RE2.
    """
    loader = yaml.SafeLoader(path.read_text(encoding="utf-8"))
    document = loader.get_single_node()
    nodes = [value for key, value in document.value if key.value == section] if document else []
    if not nodes or not isinstance(nodes[0], yaml.SequenceNode):
        raise RuleError(f"{path.name}: no list {section!r}")
    macros = _macros(path.name, loader, document)
    rules: dict[str, Rule] = {}
    for node in nodes[0].value:
        where = f"{path.name}:{node.start_mark.line + 1}"
        rule = _rule(where, loader.construct_object(node, deep=True), macros)
        if rule.name in rules:
            raise RuleError(f"{where}: rule {rule.name!r} is there twice")
        rules[rule.name] = rule
    return tuple(rules.values())


def _macros(file: str, loader: yaml.SafeLoader, document: yaml.MappingNode) -> dict[str, str]:
    """Return the macros of a file, each with those further up in it."""
    macros: dict[str, str] = {}
    for key, value in document.value:
        if key.value == "macros":
            for name, pattern in loader.construct_object(value, deep=True).items():
                macros[name] = _expand(f"{file}: macro {name!r}", pattern, macros)
    return macros


def _expand(where: str, pattern: str, macros: Mapping[str, str]) -> str:
    """Put macros into a pattern."""

    def of(use: re.Match[str]) -> str:
        if use[1] not in macros:
            raise RuleError(f"{where}: no macro {use[1]!r}")
        return f"(?:{macros[use[1]]})"

    return _MACRO.sub(of, pattern)


def _rule(where: str, fields: Any, macros: Mapping[str, str]) -> Rule:
    if not isinstance(fields, dict):
        raise RuleError(f"{where}: a rule is a mapping")
    name = fields.get("name")
    known = _FIELDS | _OPTIONAL_FIELDS
    for field, value in fields.items():
        if field not in known or not isinstance(value, known[field]):
            raise RuleError(f"{where}: rule {name!r}: {field!r} is unknown or of another type")
    missing = _FIELDS.keys() - fields.keys()
    if missing:
        raise RuleError(f"{where}: rule {name!r} lacks {', '.join(sorted(missing))}")
    for field in ("pattern", "hint"):
        if field in fields:
            fields[field] = _expand(f"{where}: rule {name!r}", fields[field], macros)
    try:
        re2.compile(fields["pattern"])
    except re2.error as error:
        raise RuleError(f"{where}: rule {name!r}: not RE2: {error}") from error
    return Rule(**fields)
