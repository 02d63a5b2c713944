r"""Rules of operators that split or merge groups, by service: their own file, beside the released rules.

    rules:
      - name: card-declined
        reason: One team looks at all of them, whatever the bank said.
        service: "checkout-*"
        exception: "*.DeclinedException"
        fingerprint: ["card-declined"]

      - name: by-status
        reason: 502 and 504 have different runbooks.
        service: gateway
        message: 'upstream answered (\d{3})'
        fingerprint: ["{{ default }}", '\1']

A rule applies where all of `service`, `exception`, `frame` (`*` is any text, `?` any character) and `message` (RE2,
searched in the redacted text) fit; the first that applies counts. `fingerprint` is what then makes two errors of a
service the same: words, groups of `message` (`\0` is all that it found), and `{{ default }}` for what would count
without the rule.
"""

import hashlib
import re
from pathlib import Path
from typing import Any, NamedTuple

import re2

from udfs.cache import BoundedCache
from udfs.ruleset import RuleError, RuleFile, compile_pattern

DEFAULT = "{{ default }}"

#: Of a text the beginning is searched for `message`, characters.
_MAX_TEXT = 8_192
_MAX_SERVICES = 4_096

_GLOBS = ("service", "exception", "frame")
_TEXTS = ("name", "reason", *_GLOBS, "message")
_REQUIRED = ("name", "reason", "fingerprint")
_GROUP = re.compile(r"\\(\d+)", re.ASCII)
#: What is found in both of them is found in every text.
_ANY_TEXTS = ("", "x")


class GroupingRule(NamedTuple):
    """One rule. Compiled patterns, None where everything fits; `fingerprint` as it stands in the file."""

    name: str
    service: Any
    exception: Any
    frame: Any
    message: Any
    fingerprint: tuple[str, ...]


class Parts(NamedTuple):
    """What makes two errors the same, and the rule of the operators that said so."""

    parts: tuple[str, ...]
    rule: str | None


class GroupingRules:
    """The rules of a file, with a memory of which of them are for a service."""

    def __init__(self, rules: tuple[GroupingRule, ...] = (), version: str = "") -> None:
        self._rules = rules
        self._of_service: BoundedCache[str, tuple[GroupingRule, ...]] = BoundedCache(_MAX_SERVICES)
        #: What to add to the version of the rules: empty where there are none.
        self.version = version

    def apply(
        self, service: str, content: str, exceptions: tuple[str, ...], frames: tuple[str, ...], default: tuple[str, ...]
    ) -> Parts:
        """Return what makes two errors the same, given what would without these rules."""
        for rule in self._for(service):
            parts = _apply(rule, content, exceptions, frames, default)
            if parts is not None:
                return Parts(parts, rule.name)
        return Parts(default, None)

    def _for(self, service: str) -> tuple[GroupingRule, ...]:
        rules = self._of_service.get(service)
        if rules is None:
            rules = tuple(rule for rule in self._rules if rule.service is None or rule.service.fullmatch(service))
            self._of_service.keep(service, rules)
        return rules


def load_grouping_rules(path: Path | None) -> GroupingRules:
    """Read a file of rules; without one there are none.

    Raises:
        RuleError: the file cannot be read or is wrong. The message names file, line and rule.
    """
    if path is None:
        return GroupingRules()
    file = RuleFile(path)
    rules: dict[str, GroupingRule] = {}
    for where, fields in file.entries("rules"):
        rule = _rule(f"{where}: rule {fields.get('name')!r}", fields)
        if rule.name in rules:
            raise RuleError(f"{where}: rule {rule.name!r} is there twice")
        rules[rule.name] = rule
    return GroupingRules(tuple(rules.values()), f"-g{hashlib.blake2b(file.text.encode(), digest_size=4).hexdigest()}")


def _apply(
    rule: GroupingRule, content: str, exceptions: tuple[str, ...], frames: tuple[str, ...], default: tuple[str, ...]
) -> tuple[str, ...] | None:
    if rule.exception is not None and not any(map(rule.exception.fullmatch, exceptions)):
        return None
    if rule.frame is not None and not any(map(rule.frame.fullmatch, frames)):
        return None
    match = None if rule.message is None else rule.message.search(content[:_MAX_TEXT])
    if rule.message is not None and match is None:
        return None
    parts: list[str] = []
    for part in rule.fingerprint:
        if part == DEFAULT:
            parts += default
        else:
            parts.append(part if match is None else _with_groups(part, match))
    return ("grouped", *parts)


def _with_groups(part: str, match: Any) -> str:
    """Put groups into a part. RE2's `expand` would read any other backslash as an escape of Python's."""
    return _GROUP.sub(lambda group: match[int(group[1])] or "", part)


def _rule(where: str, fields: dict[str, Any]) -> GroupingRule:
    unknown = fields.keys() - {*_TEXTS, "fingerprint"}
    if unknown:
        raise RuleError(f"{where}: {min(unknown, key=str)!r} is unknown")
    missing = set(_REQUIRED) - fields.keys()
    if missing:
        raise RuleError(f"{where} lacks {', '.join(sorted(missing))}")
    for field in _TEXTS:
        if field in fields and not isinstance(fields[field], str):
            raise RuleError(f"{where}: {field!r} is no text")
    message = compile_pattern(where, fields["message"]) if "message" in fields else None
    if _is_for_everything(fields, message):
        raise RuleError(f"{where} would apply to everything; give service, exception, frame or message")
    fingerprint = _fingerprint(where, fields["fingerprint"], message)
    service, exception, frame = (_glob(where, fields.get(field)) for field in _GLOBS)
    return GroupingRule(fields["name"], service, exception, frame, message, fingerprint)


def _is_for_everything(fields: dict[str, Any], message: Any) -> bool:
    if fields.get("service", "*").strip("*") or "exception" in fields or "frame" in fields:
        return False
    return message is None or all(map(message.search, _ANY_TEXTS))


def _fingerprint(where: str, parts: Any, message: Any) -> tuple[str, ...]:
    if not isinstance(parts, list) or not parts or not all(isinstance(part, str) for part in parts):
        raise RuleError(f"{where}: 'fingerprint' is a list of texts")
    groups = -1 if message is None else message.groups
    for part in parts:
        if "{{" in part and part != DEFAULT:
            raise RuleError(f"{where}: {part!r} is neither a word nor {DEFAULT!r}")
        if any(int(group) > groups for group in _GROUP.findall(part)):
            raise RuleError(f"{where}: 'fingerprint' names a group that 'message' does not have")
    return tuple(parts)


def _glob(where: str, pattern: str | None) -> Any:
    if pattern is None:
        return None
    # Python's own translation uses what RE2 does not know.
    wildcards = {"*": ".*", "?": "."}
    return compile_pattern(where, "".join(wildcards.get(character) or re2.escape(character) for character in pattern))
