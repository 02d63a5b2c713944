"""Take secrets and personal data out of text.

What is redacted twice stays as it is, so that a replay from the archive sees what the live job saw.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import orjson
import re2

from udfs.cache import BoundedCache
from udfs.checks import CHECKS, Check, Values
from udfs.edits import Edit, places, replace
from udfs.ruleset import REDACT_DATE, Rule, RuleError, load_sections, rule_file
from udfs.scan import Search, search_of

SECRET = "<secret>"  # noqa: S105 # the placeholder, not a secret

#: The name under which the values of secret keys are counted.
SECRET_KEY = "secret-key"  # noqa: S105 # a rule's name

#: Stands for a whole text that did not settle: only one made for it does not.
UNSETTLED = "<unsettled>"

#: A text is redacted until nothing changes. One pass does, save where a placeholder made a new border.
_MAX_PASSES = 6

#: What makes JSON suspect whatever else it holds.
_ESCAPE = r"\\"

#: Whole numbers below cannot be a card or a telephone number.
_SMALL_NUMBER = 10**9
_MAX_KEYS = 4096
_MAX_KEY = 200

#: Candidates up to this length are looked into again where they are none, bytes.
_MAX_HIDING = 64

#: Of the automata of a pattern or of the set, bytes. With less, the set begins anew too often where lines differ much.
_MAX_MEMORY = 128 * 1024 * 1024

#: A counted repetition in a pattern, and how far the prefilter counts.
_COUNT = re.compile(r"(?<!\\)\{(\d+)(?:,\d*)?\}")
_MAX_COUNT = 4

_PLACEHOLDER = re2.compile(r"<[a-z][a-z-]{1,24}>")
#: Before what begins a word; a line feed or a quote may stand there as JSON and URLs write them.
_WORD = r"(?m:^|[^A-Za-z0-9\n]|\\[nrtbf]|\\u[0-9A-Fa-f]{4}|%%[0-9A-Fa-f]{2})(%s)"


class Hit(NamedTuple):
    """A place where a rule took something out: characters `start` to `end` of the text that was given.

    `field` says in which text of JSON data, as a path such as `a.0.b`; it is empty for a text alone.
    """

    rule: str
    field: str
    start: int
    end: int


class Redaction(NamedTuple):
    """What was given, redacted, and where rules changed it, in the order of the text."""

    value: Any
    hits: tuple[Hit, ...]


class _CompiledRule(NamedTuple):
    name: str
    search: Search
    placeholder: bytes
    check: Check | None


class RedactRules(NamedTuple):
    """A released rule set.

    Patterns for texts, for the keys whose values are secret, for values that hide nothing, and for words that go on
    with a sentence.
    """

    rules: tuple[Rule, ...]
    secret_keys: tuple[Rule, ...]
    no_secrets: tuple[Rule, ...]
    prose: tuple[Rule, ...]


def load_redact_rules(date: str = REDACT_DATE) -> RedactRules:
    """Read a released rule set.

    Raises:
        RuleError: the file is wrong.
    """
    return RedactRules(*load_sections(rule_file("redact", date), ("rules", "secret_keys", "no_secrets", "prose")))


class Redactor:
    """Applies a rule set.

    A text without a secret costs one search for what all rules look for, as good as it can be had without counting.
    What that finds are the rules that are to have a closer look.
    """

    def __init__(self, rules: RedactRules) -> None:
        self._values = Values(
            _search_for([rule.pattern for rule in rules.no_secrets]),
            _search_for([rule.pattern for rule in rules.prose]),
        )
        checks = CHECKS | {"value": self._values.value, "token": self._values.token}
        self._rules = [_compile(rule, checks) for rule in rules.rules]
        hints = [_hint(rule) for rule in rules.rules]
        secret_keys = [rule.pattern for rule in rules.secret_keys]
        # Two sets, one for texts and one for JSON, would take twice the memory.
        self._which = _set_of([*hints, *(f'"(?:{key})":' for key in secret_keys), _ESCAPE])
        self._secret_key = _search_for(secret_keys)
        self._key_is_secret: BoundedCache[str, bool] = BoundedCache(_MAX_KEYS)

    def redact(self, text: str) -> str:
        """Return the text with every secret replaced by a placeholder such as `<card>`."""
        data = text.encode()
        found = self._which.Match(data)
        if not found:
            return text
        redacted = self._redact(data, found)
        return text if redacted is data else redacted.decode()

    def redact_value(self, value: Any) -> Any:
        """Return JSON data with its texts redacted, its keys too, and the values of secret keys taken out."""
        if isinstance(value, str):
            return self.redact(value)
        if isinstance(value, dict):
            return {self.redact(key): self._field(key, item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.redact_value(item) for item in value]
        if isinstance(value, int | float) and abs(value) >= _SMALL_NUMBER:
            return self._number(value)
        return value

    def explain(self, value: Any) -> Redaction:
        """Return a text or JSON data redacted, and which rules changed it where; never what they found."""
        return Redaction(self.redact_value(value), tuple(self._hits(value, "")))

    def suspects(self, texts: Iterable[bytes]) -> list[int]:
        """Return the indices of the UTF-8 texts that `redact` may change, and of some that it does not."""
        return [index for index, found in enumerate(map(self._which.Match, texts)) if found]

    def suspect_values(self, values: Iterable[Any]) -> list[int]:
        """Return the indices of the JSON data that `redact_value` may change.

        They are searched as JSON. Where that has an escape, or cannot be written, the data count as suspect: an
        escape would be part of a word that it is not part of.
        """
        return self.suspects(map(_plain_json, values))

    def _field(self, key: str, value: Any) -> Any:
        if not self._is_secret_field(key, value):
            return self.redact_value(value)
        return SECRET

    def _is_secret_field(self, key: str, value: Any) -> bool:
        secret = self._key_is_secret.get(key)
        if secret is None:
            secret = self._secret_key.fullmatch(key.encode()) is not None
            if len(key) <= _MAX_KEY:
                self._key_is_secret.keep(key, secret)
        return secret and value is not None and self._values.is_secret(value)

    def _number(self, value: float) -> Any:
        text = str(value)
        redacted = self.redact(text)
        return value if redacted == text else redacted

    def _redact(self, data: bytes, suspects: Iterable[int], passes: list[list[Edit]] | None = None) -> bytes:
        """Apply the suspect rules until none is left, and note the edits of each where `passes` is given."""
        for _ in range(_MAX_PASSES):
            before = data
            for index in sorted(suspects):
                if index >= len(self._rules):
                    break
                edits = _find(self._rules[index], data)
                if edits:
                    data = replace(data, edits)
                    if passes is not None:
                        passes.append(edits)
            if data is before:
                return data
            suspects = self._which.Match(data) or ()
        return UNSETTLED.encode()

    def _hits(self, value: Any, field: str) -> list[Hit]:
        if isinstance(value, dict):
            hits = []
            for key, item in value.items():
                path = f"{field}.{self.redact(key)}".removeprefix(".")
                hits += self._hits(key, path)
                if self._is_secret_field(key, item):
                    hits.append(Hit(SECRET_KEY, path, 0, len(item) if isinstance(item, str) else 0))
                else:
                    hits += self._hits(item, path)
            return hits
        if isinstance(value, list):
            return [
                hit
                for index, item in enumerate(value)
                for hit in self._hits(item, f"{field}.{index}".removeprefix("."))
            ]
        if isinstance(value, str):
            return self._text_hits(value, field)
        if isinstance(value, int | float) and abs(value) >= _SMALL_NUMBER:
            return self._text_hits(str(value), field)
        return []

    def _text_hits(self, text: str, field: str) -> list[Hit]:
        data = text.encode()
        passes: list[list[Edit]] = []
        self._redact(data, self._which.Match(data) or (), passes)
        return [
            Hit(rule, field, len(data[:start].decode()), len(data[:end].decode()))
            for start, end, rule in places(passes)
        ]


def _find(rule: _CompiledRule, data: bytes) -> list[Edit]:
    """Return what a rule replaces in a text."""
    edits: list[Edit] = []
    found = rule.search(data, 0)
    while found is not None:
        match_start, start, end = found
        until = end if rule.check is None else rule.check(data, start, end)
        if until > start and _PLACEHOLDER.fullmatch(data[start:until]) is None:
            edits.append(Edit(rule.name, start, until, rule.placeholder))
        # A number that is none may hide one behind its first digits, and a value that is none may be a name. Long
        # candidates hide none, and to look into each of them again would take quadratic time.
        elif until == start and end - start <= _MAX_HIDING:
            until = max(start, match_start + 1)
        else:
            until = end
        found = rule.search(data, until)
    return edits


def _plain_json(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        return b"\\"


def _compile(rule: Rule, checks: Mapping[str, Check]) -> _CompiledRule:
    if rule.replace is None:
        raise RuleError(f"redact rule {rule.name!r} lacks replace")
    if rule.check is not None and rule.check not in checks:
        raise RuleError(f"redact rule {rule.name!r}: no check {rule.check!r}; there are {', '.join(checks)}")
    check = checks[rule.check] if rule.check else None
    return _CompiledRule(
        rule.name, search_of(re2.compile(_pattern(rule).encode(), _options())), rule.replace.encode(), check
    )


def _pattern(rule: Rule) -> str:
    return _WORD % rule.pattern if rule.word else rule.pattern


def _hint(rule: Rule) -> str:
    """Return a pattern that finds at least where the rule's does, and does so faster.

    Counting makes automata large: so much, that RE2 would have no room for all rules at once.
    """
    if rule.hint is not None:
        return rule.hint
    return _COUNT.sub(
        lambda count: "*" if count[1] == "0" else f"{{{min(int(count[1]), _MAX_COUNT)},}}", _pattern(rule)
    )


def _options(*, never_capture: bool = False) -> Any:
    options = re2.Options()
    options.never_capture = never_capture
    options.max_mem = _MAX_MEMORY
    return options


def _set_of(patterns: Sequence[str]) -> Any:
    """Return a set of patterns. When its automaton is full it forgets and goes on; that of one pattern gives up."""
    patterns_of_set = re2.Set.SearchSet(_options())
    for pattern in patterns:
        patterns_of_set.Add(pattern.encode())
    patterns_of_set.Compile()
    return patterns_of_set


def _search_for(patterns: Sequence[str]) -> Any:
    return re2.compile("|".join(f"(?:{pattern})" for pattern in patterns).encode(), _options(never_capture=True))
