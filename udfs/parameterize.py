"""Find what varies in a message: its template is what is left."""

from typing import NamedTuple

import re2

from udfs.cache import BoundedCache
from udfs.ruleset import PARAMETERIZE_DATE, Rule, load_rules, rule_file
from udfs.scan import spans_of

#: A fingerprint sees this in place of every variable: a slot may hold a name today and a number tomorrow.
_ANYTHING = b"<*>"
#: A rule that puts this there shows what it found.
ITSELF = r"\0"
#: Of the automaton of all rules, bytes. Where it does not fit, RE2 is slow, and a set finds nothing at all.
_MAX_MEMORY = 64 * 1024 * 1024
_PLACEHOLDER = re2.compile(rb"<[a-z-]+>")

#: What stands between the variables of a list. Of a list, however long, the first variable counts.
_BETWEEN = b" ,;|"

#: Short variables come again and again, save for their digits.
_MAX_CACHED = 24
_CACHED_KINDS = 20_000
_CACHED_TEMPLATES = 4_096
_ALL_DIGITS_ALIKE = bytes.maketrans(b"123456789", b"000000000")


#: Stands for a variable whose rule is not certain.
_UNCERTAIN = Rule("uncertain", "", "", replace="<value>")


class Variable(NamedTuple):
    """Something that varies, and the rule that said so."""

    rule: str
    text: str


class Template(NamedTuple):
    """A message without its variables.

    `text` names the kind of each variable, for people. `shape` does not, and is what a fingerprint is made of.
    """

    text: str
    shape: str


def load_parameterize_rules(date: str = PARAMETERIZE_DATE) -> tuple[Rule, ...]:
    """Read a released rule set.

    Raises:
        RuleError: the file is wrong.
    """
    return load_rules(rule_file("parameterize", date))


class Parameterizer:
    """Applies the rules in one pass over a text.

    Asking a pattern for its groups costs far more than matching it. So all rules are one pattern without groups,
    and what it found is asked which rule it fits: the first in the order of the rules.
    """

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self._rules = (*rules, _UNCERTAIN)
        self._replacements = [_replacement(rule) for rule in self._rules]
        options = re2.Options()
        options.never_capture = True
        options.longest_match = True
        options.max_mem = _MAX_MEMORY
        self._spans = spans_of(re2.compile("|".join(f"(?:{rule.pattern})" for rule in rules).encode(), options))
        self._templates: BoundedCache[bytes, Template] = BoundedCache(_CACHED_TEMPLATES)
        self._kinds: BoundedCache[bytes, int] = BoundedCache(_CACHED_KINDS)
        self._which = re2.Set.FullMatchSet(options)
        for rule in rules:
            self._which.Add(rule.pattern.encode())
        self._which.Compile()

    def template(self, text: str) -> Template:
        """Return the template of a text."""
        # No rule looks at which digit it is, and none leaves a digit: what differs in digits alone is the same.
        data = text.encode().translate(_ALL_DIGITS_ALIKE)
        return self._templates.get(data) or self._templates.keep(data, self._template(data))

    def _template(self, data: bytes) -> Template:
        typed: list[bytes] = []
        shape: list[bytes] = []
        end = 0
        in_list = False
        for start, stop in self._spans(data):
            found = data[start:stop]
            index = self._kinds.get(found)
            replacement = self._replacements[self._rule_of(found) if index is None else index]
            if replacement is None:
                in_list = False
                continue
            literal = data[end:start]
            if not (in_list and replacement.is_item and not literal.strip(_BETWEEN)):
                typed += (literal, replacement.text or found)
                shape += (literal, replacement.shape)
            end = stop
            in_list = True
        typed.append(data[end:])
        shape.append(data[end:])
        return Template(b"".join(typed).decode(), b"".join(shape).decode())

    def variables(self, text: str) -> list[Variable]:
        """Return what varies in a text, in its order."""
        data = text.encode()
        found = [data[start:stop] for start, stop in self._spans(data)]
        rules = [self._rules[self._rule_of(variable.translate(_ALL_DIGITS_ALIKE))] for variable in found]
        return [
            Variable(rule.name, variable.decode())
            for rule, variable in zip(rules, found, strict=True)
            if rule.replace is not None
        ]

    def _rule_of(self, found: bytes) -> int:
        # Alone, a variable may lack the word border that its rule asks for; then no rule's name is certain.
        index = min(self._which.Match(found) or (len(self._rules) - 1,))
        return self._kinds.keep(found, index) if len(found) <= _MAX_CACHED else index


class _Replacement(NamedTuple):
    """What a rule puts into the text of a template - nothing is what it found -, and into its shape.

    `is_item` says whether that is a variable alone, which may be one of a list.
    """

    text: bytes
    shape: bytes
    is_item: bool


def _replacement(rule: Rule) -> _Replacement | None:
    if rule.replace is None:
        return None
    if rule.replace == ITSELF:
        return _Replacement(b"", _ANYTHING, is_item=True)
    text = rule.replace.encode()
    shape = _PLACEHOLDER.sub(_ANYTHING, text)
    return _Replacement(text, shape, is_item=shape == _ANYTHING)
