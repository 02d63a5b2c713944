"""Rule sets: dated YAML files that are never edited after their release, so that a replay gives the same result."""

import re
from collections.abc import Iterable, Iterator, Mapping
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


class RuleFile:
    """A YAML file of rules, read so that a wrong one can be named with its line.

    Raises:
        RuleError: the file cannot be read, or is no mapping in YAML.
    """

    def __init__(self, path: Path) -> None:
        self.name = path.name
        try:
            self.text = path.read_text(encoding="utf-8")
            self._loader = yaml.SafeLoader(self.text)
            document = self._loader.get_single_node()
        except OSError as error:
            raise RuleError(f"{path}: {error.strerror}") from None
        except yaml.MarkedYAMLError as error:
            line = "" if error.problem_mark is None else f":{error.problem_mark.line + 1}"
            raise RuleError(f"{path.name}{line}: no YAML: {error.problem}") from None
        except (UnicodeDecodeError, yaml.YAMLError):
            raise RuleError(f"{path.name}: no YAML") from None
        _refuse_repeats(self.name, document)
        pairs = document.value if isinstance(document, yaml.MappingNode) else []
        self._sections = {key.value: value for key, value in pairs if isinstance(key, yaml.ScalarNode)}

    def entries(self, section: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the entries of a list, each with its place in the file."""
        node = self._sections.get(section)
        if not isinstance(node, yaml.SequenceNode):
            raise RuleError(f"{self.name}: no list {section!r}")
        for entry in node.value:
            where = f"{self.name}:{entry.start_mark.line + 1}"
            fields = self._read(where, entry)
            if not isinstance(fields, dict):
                raise RuleError(f"{where}: a rule is a mapping")
            yield where, fields

    def macros(self) -> dict[str, str]:
        """Return the macros of the file, each with those further up in it."""
        node = self._sections.get("macros")
        if node is None:
            return {}
        patterns = self._read(f"{self.name}:{node.start_mark.line + 1}", node)
        if not isinstance(patterns, dict):
            raise RuleError(f"{self.name}: 'macros' is no mapping")
        macros: dict[str, str] = {}
        for name, pattern in patterns.items():
            where = f"{self.name}: macro {name!r}"
            if not isinstance(pattern, str):
                raise RuleError(f"{where} is no text")
            macros[name] = _expand(where, pattern, macros)
        return macros

    def _read(self, where: str, node: yaml.Node) -> Any:
        _refuse_repeats(where, node)
        try:
            return self._loader.construct_object(node, deep=True)
        except yaml.MarkedYAMLError as error:
            raise RuleError(f"{where}: no YAML: {error.problem}") from None
        except ValueError as error:  # a date that there is not
            raise RuleError(f"{where}: no YAML: {error}") from None


def load_rules(path: Path, section: str = "rules") -> tuple[Rule, ...]:
    """Read a section of a rule file; the order in the file is the order of the rules.

    `(?&name)` in a pattern stands for the pattern of that name in the section `macros`.

    Raises:
        RuleError: a rule lacks a field, has an unknown one, repeats a name, or its pattern or hint is not RE2.
    """
    return load_sections(path, (section,))[0]


def load_sections(path: Path, sections: Iterable[str]) -> list[tuple[Rule, ...]]:
    """Read several sections of a rule file at once, each as `load_rules` does.

    Raises:
        RuleError: as of `load_rules`.
    """
    file = RuleFile(path)
    macros = file.macros()
    return [_section(file, section, macros) for section in sections]


def _section(file: RuleFile, section: str, macros: Mapping[str, str]) -> tuple[Rule, ...]:
    rules: dict[str, Rule] = {}
    for where, fields in file.entries(section):
        rule = _rule(where, fields, macros)
        if rule.name in rules:
            raise RuleError(f"{where}: rule {rule.name!r} is there twice")
        rules[rule.name] = rule
    return tuple(rules.values())


def compile_pattern(where: str, pattern: str) -> Any:
    """Compile a pattern.

    Raises:
        RuleError: it is not RE2.
    """
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        raise RuleError(f"{where}: not RE2: {error.args[0].decode()}") from None


def _refuse_repeats(where: str, node: yaml.Node | None) -> None:
    """Refuse a mapping with a key that is there twice; YAML's reader would take the last."""
    names = [key.value for key, _ in node.value] if isinstance(node, yaml.MappingNode) else []
    for index, name in enumerate(names):
        if name in names[:index]:
            raise RuleError(f"{where}: {name!r} is there twice")


def _expand(where: str, pattern: str, macros: Mapping[str, str]) -> str:
    """Put macros into a pattern."""

    def of(use: re.Match[str]) -> str:
        if use[1] not in macros:
            raise RuleError(f"{where}: no macro {use[1]!r}")
        return f"(?:{macros[use[1]]})"

    return _MACRO.sub(of, pattern)


def _rule(where: str, fields: dict[str, Any], macros: Mapping[str, str]) -> Rule:
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
            compiled = compile_pattern(f"{where}: rule {name!r}: {field!r}", fields[field])
            if field == "pattern" and compiled.groups and fields.get("word"):
                raise RuleError(f"{where}: rule {name!r}: a rule with 'word' has no groups")
    return Rule(**fields)
