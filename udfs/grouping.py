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

A rule applies where all of `service`, `exception`, `frame` (patterns as for file names) and `message` (RE2, searched in
the redacted text) fit; the first that applies counts. `fingerprint` is what then makes two errors of a service the
same: words, groups of `message`, and `{{ default }}` for what would count without the rule.
"""

import hashlib
import re
from pathlib import Path
from typing import Any, NamedTuple

import re2

from udfs.cache import BoundedCache
from udfs.ruleset import RuleError, RuleFile

DEFAULT = "{{ default }}"

#: Of a text the beginning is searched for `message`, characters.
_MAX_TEXT = 8_192
_MAX_SERVICES = 4_096

_PATTERNS = ("service", "exception", "frame")
_REQUIRED = ("name", "reason", "fingerprint")
_GROUP = re.compile(r"\\(\d)")


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
    rules = tuple(_rule(where, fields) for where, fields in file.entries("rules"))
    return GroupingRules(rules, f"-g{hashlib.blake2b(file.text.encode(), digest_size=4).hexdigest()}")


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
            parts.append(part if match is None else match.expand(part))
    return ("grouped", *parts)


def _rule(where: str, fields: dict[str, Any]) -> GroupingRule:
    name = fields.get("name")
    unknown = fields.keys() - {*_REQUIRED, *_PATTERNS, "message"}
    if unknown:
        raise RuleError(f"{where}: rule {name!r}: {min(unknown, key=str)!r} is unknown")
    missing = set(_REQUIRED) - fields.keys()
    if missing:
        raise RuleError(f"{where}: rule {name!r} lacks {', '.join(sorted(missing))}")
    fingerprint = fields["fingerprint"]
    if not isinstance(fingerprint, list) or not fingerprint or not all(isinstance(part, str) for part in fingerprint):
        raise RuleError(f"{where}: rule {name!r}: 'fingerprint' is a list of texts")
    if not fields.keys() & {*_PATTERNS, "message"}:
        raise RuleError(f"{where}: rule {name!r} would apply to everything; give service, exception, frame or message")
    message = _compile(where, name, fields.get("message"))
    groups = 0 if message is None else message.groups
    if any(int(group) > groups for part in fingerprint for group in _GROUP.findall(part)):
        raise RuleError(f"{where}: rule {name!r}: 'fingerprint' names a group that 'message' does not have")
    service, exception, frame = (_compile(where, name, fields.get(field), is_glob=True) for field in _PATTERNS)
    return GroupingRule(str(name), service, exception, frame, message, tuple(fingerprint))


def _compile(where: str, name: Any, pattern: Any, *, is_glob: bool = False) -> Any:
    if pattern is None:
        return None
    if not isinstance(pattern, str):
        raise RuleError(f"{where}: rule {name!r}: {pattern!r} is no text")
    if is_glob:
        # Python's own translation uses what RE2 does not know.
        pattern = "".join({"*": ".*", "?": "."}.get(character, re2.escape(character)) for character in pattern)
    try:
        return re2.compile(pattern)
    except re2.error as error:
        raise RuleError(f"{where}: rule {name!r}: not RE2: {error}") from None
