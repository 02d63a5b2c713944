"""What Fluent Bit's multiline filter makes of the lines of a chunk, with `buffer: off`.

A model of `src/multiline/flb_ml_rule.c` and `flb_ml.c` of 5.1.1; `test_fluent_bit_run.py` compares it with the program.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from tests.deploy.fluent_bit.onigmo import Expression, ExpressionError

START = "start_state"


class RuleError(Exception):
    """Fluent Bit would not load the rules, or they cannot do what they say. The message names the rule."""


class Rule(NamedTuple):
    """One rule: in the states `states` a line that `regex` matches goes on to the rules of `next_state`."""

    states: frozenset[str]
    regex: Expression
    next_state: str

    @property
    def starts(self) -> bool:
        """Whether it begins a record."""
        return START in self.states


class Line(NamedTuple):
    """A line of a container."""

    text: str
    stream: str = "stdout"


class Rules:
    """The rules of one `multiline_parsers` entry.

    Raises:
        RuleError: a state or an expression is wrong.
    """

    def __init__(self, parser: Mapping[str, Any]) -> None:
        self.limit: int | None = None
        self._rules = [_rule(number, entry) for number, entry in enumerate(parser["rules"], start=1)]
        _check(self._rules)

    def join(self, lines: Iterable[Line]) -> Iterator[Line]:
        """Yield the records of a chunk in the order of their last lines."""
        groups: dict[str, _Group] = {}
        for line in lines:
            group = groups.setdefault(line.stream, _Group(line.stream))
            yield from group.take(self._rules, line)
        for group in groups.values():
            yield from group.flush()


class _Group:
    """What one stream holds: the record so far, and the rule that its last line matched."""

    def __init__(self, stream: str) -> None:
        self._stream = stream
        self._text = ""
        self._rule: Rule | None = None

    def take(self, rules: list[Rule], line: Line) -> Iterator[Line]:
        following = next((rule for rule in _continuations(rules, self._rule) if rule.regex.matches(line.text)), None)
        if following is not None:
            self._append(line.text)
            self._rule = following
            return
        starting = next((rule for rule in rules if rule.starts and rule.regex.matches(line.text)), None)
        if starting is None:
            yield from self.flush()
            yield line
            return
        yield from self.flush()
        self._text, self._rule = line.text, starting

    def flush(self) -> Iterator[Line]:
        if self._text:
            yield Line(self._text, self._stream)
        self._text = ""

    def _append(self, text: str) -> None:
        if self._text and not self._text.endswith("\n"):
            self._text += "\n"
        self._text += text or "\n"


def _continuations(rules: list[Rule], last: Rule | None) -> Iterator[Rule]:
    return (rule for rule in rules if last is not None and last.next_state in rule.states and not rule.starts)


def _rule(number: int, entry: Mapping[str, str]) -> Rule:
    try:
        states = frozenset(state.strip() for state in entry["state"].split(","))
        return Rule(states, Expression(entry["regex"]), entry["next_state"])
    except KeyError as error:
        raise RuleError(f"rule {number} has no {error}") from None
    except ExpressionError as error:
        raise RuleError(f"rule {number}: {error}") from None


def _check(rules: list[Rule]) -> None:
    """Refuse what Fluent Bit refuses, and what it takes and does wrong."""
    if not rules or not rules[0].starts:
        raise RuleError("the first rule must begin a record: start_state")
    known = frozenset().union(*(rule.states for rule in rules))
    for number, rule in enumerate(rules, start=1):
        if rule.next_state not in known:
            raise RuleError(f"rule {number} goes on to {rule.next_state}, a state without rules")
        if rule.next_state == START:
            raise RuleError(f"rule {number} goes on to start_state: 5.1.1 sends such lines twice, or mixes up metadata")
        if rule.starts and len(rule.states) > 1:
            raise RuleError(f"rule {number} both begins and continues: Fluent Bit never continues with it")
    reached = {rule.next_state for rule in rules} | {START}
    for number, rule in enumerate(rules, start=1):
        if not rule.states & reached:
            raise RuleError(f"rule {number} is for {', '.join(sorted(rule.states))}, where no rule goes")
