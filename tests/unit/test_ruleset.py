"""Rule files are read strictly: a wrong rule is named with its file and line."""

from pathlib import Path

import pytest

from udfs.fingerprint import load_fingerprint_rules
from udfs.redact import Redactor, RedactRules, load_redact_rules
from udfs.ruleset import PARAMETERIZE_DATE, REDACT_DATE, RULES_VERSION, RuleError, load_rules

GOOD = "rules:\n  - name: a\n    pattern: 'x+'\n    replace: <x>\n    reason: why\n"


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "redact@2026-01-01.yaml"
    path.write_text(text)
    return path


def test_rules_are_read_in_the_order_of_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD + "  - {name: b, pattern: y, reason: why}\n")

    assert [(rule.name, rule.pattern, rule.replace) for rule in load_rules(path)] == [
        ("a", "x+", "<x>"),
        ("b", "y", None),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "redact@2026-01-01.yaml: no list 'rules'"),
        ("rules: {}", "redact@2026-01-01.yaml: no list 'rules'"),
        (GOOD + "  - {name: b, pattern: '(', reason: why}\n", "redact@2026-01-01.yaml:6: rule 'b': not RE2"),
        (GOOD + "  - {name: b, pattern: '(?=x)', reason: why}\n", "redact@2026-01-01.yaml:6: rule 'b': not RE2"),
        (GOOD + "  - {name: b, pattern: x}\n", "redact@2026-01-01.yaml:6: rule 'b' lacks reason"),
        (GOOD + "  - {name: b, pattern: x, reason: why, flag: x}\n", "redact@2026-01-01.yaml:6: rule 'b': 'flag'"),
        (GOOD + "  - {name: b, pattern: 7, reason: why}\n", "redact@2026-01-01.yaml:6: rule 'b': 'pattern'"),
        (GOOD + "  - {name: a, pattern: x, reason: why}\n", "redact@2026-01-01.yaml:6: rule 'a' is there twice"),
        (GOOD + "  - text\n", "redact@2026-01-01.yaml:6: a rule is a mapping"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_a_wrong_rule_is_named_with_its_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(RuleError) as caught:
        load_rules(written(tmp_path, text))

    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("fields", "message"),
    [("replace: <x>, check: nothing", "no check 'nothing'; there are card, luhn"), ("check: luhn", "lacks replace")],
)
def test_a_redaction_needs_a_placeholder_and_a_check_that_exists(tmp_path: Path, fields: str, message: str) -> None:
    rules = load_rules(written(tmp_path, f"rules:\n  - {{name: a, pattern: x, reason: why, {fields}}}\n"))

    with pytest.raises(RuleError, match=message):
        Redactor(RedactRules(rules, rules, rules, rules))


def test_the_released_rules_are_sound_and_their_version_names_both_dates() -> None:
    Redactor(load_redact_rules())

    assert load_fingerprint_rules().version == RULES_VERSION
    assert REDACT_DATE in RULES_VERSION
    assert PARAMETERIZE_DATE in RULES_VERSION
