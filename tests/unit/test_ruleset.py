"""Rule files are read strictly: a wrong rule is named with its file and line. Released ones stay as they are."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from jobs.rule_docs import tables
from udfs.fingerprint import load_fingerprint_rules
from udfs.frames import load_frame_rules
from udfs.parameterize import load_parameterize_rules
from udfs.redact import Redactor, RedactRules, load_redact_rules
from udfs.ruleset import (
    FOLDER,
    FRAMES_DATE,
    PARAMETERIZE_DATE,
    REDACT_DATE,
    RULES_VERSION,
    Rule,
    RuleError,
    load_rules,
    rule_file,
)

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
        (
            GOOD + "  - {name: b, pattern: '(', reason: why}\n",
            "redact@2026-01-01.yaml:6: rule 'b': 'pattern': not RE2: missing )",
        ),
        (GOOD + "  - {name: b, pattern: '(?=x)', reason: why}\n", "redact@2026-01-01.yaml:6: rule 'b': 'pattern': not"),
        (
            GOOD + "  - {name: b, pattern: x, hint: '(', reason: why}\n",
            "redact@2026-01-01.yaml:6: rule 'b': 'hint': not",
        ),
        (GOOD + "  - {name: b, pattern: x, word: 1, reason: why}\n", "redact@2026-01-01.yaml:6: rule 'b': 'word'"),
        (GOOD + "  - {name: b, pattern: x, hint: 7, reason: why}\n", "redact@2026-01-01.yaml:6: rule 'b': 'hint'"),
        (
            GOOD + "  - {name: b, pattern: (x), word: true, reason: why}\n",
            "redact@2026-01-01.yaml:6: rule 'b': a rule with 'word' has no groups",
        ),
        (GOOD + "  - {name: b, pattern: x, reason: 2026-13-45}\n", "redact@2026-01-01.yaml:6: no YAML: month"),
        (GOOD + "  - {name: b, name: c, pattern: x}\n", "redact@2026-01-01.yaml:6: 'name' is there twice"),
        (GOOD + "rules: []\n", "redact@2026-01-01.yaml: 'rules' is there twice"),
        (GOOD + "  - {name: b", "redact@2026-01-01.yaml:6: no YAML: expected ',' or '}'"),
        (GOOD + "  - {name: b, pattern: x}\n", "redact@2026-01-01.yaml:6: rule 'b' lacks reason"),
        (GOOD + "  - {name: b, pattern: x, reason: why, flag: x}\n", "redact@2026-01-01.yaml:6: rule 'b': 'flag'"),
        (GOOD + "  - {name: b, pattern: 7, reason: why}\n", "redact@2026-01-01.yaml:6: rule 'b': 'pattern'"),
        (GOOD + "  - {name: a, pattern: x, reason: why}\n", "redact@2026-01-01.yaml:6: rule 'a' is there twice"),
        (GOOD + "  - text\n", "redact@2026-01-01.yaml:6: a rule is a mapping"),
    ],
)
def test_a_wrong_rule_is_named_with_its_file_and_line(tmp_path: Path, text: str, message: str, capfd) -> None:
    with pytest.raises(RuleError) as caught:
        load_rules(written(tmp_path, text))

    assert str(caught.value).startswith(message)
    assert capfd.readouterr() == ("", "")


MACROS = "macros:\n  digit: '[0-9]|[a-f]'\n  number: '(?&digit)+'\n"


def with_macros(tmp_path: Path, fields: str) -> Rule:
    (rule,) = load_rules(written(tmp_path, f"{MACROS}rules:\n  - {{name: a, reason: why, {fields}}}\n"))
    return rule


def test_a_macro_stands_for_its_pattern_in_pattern_and_hint(tmp_path: Path) -> None:
    rule = with_macros(tmp_path, "pattern: 'x(?&digit)y(?&digit)', hint: 'x(?&digit)'")

    assert rule.pattern == "x(?:[0-9]|[a-f])y(?:[0-9]|[a-f])"
    assert rule.hint == "x(?:[0-9]|[a-f])"


def test_a_macro_may_use_those_further_up(tmp_path: Path) -> None:
    assert with_macros(tmp_path, "pattern: '(?&number)'").pattern == "(?:(?:[0-9]|[a-f])+)"


def test_every_section_of_a_file_has_its_macros(tmp_path: Path) -> None:
    path = written(tmp_path, MACROS + "other:\n  - {name: a, reason: why, pattern: '(?&digit)'}\n")

    assert [rule.pattern for rule in load_rules(path, "other")] == ["(?:[0-9]|[a-f])"]


@pytest.mark.parametrize("field", ["pattern: '(?&nmber)'", "pattern: x, hint: '(?&nmber)'"])
def test_a_macro_that_there_is_not_is_named_with_file_line_and_rule(tmp_path: Path, field: str) -> None:
    with pytest.raises(RuleError) as caught:
        with_macros(tmp_path, field)

    assert str(caught.value) == "redact@2026-01-01.yaml:5: rule 'a': no macro 'nmber'"


@pytest.mark.parametrize(
    ("macros", "message"),
    [
        ("{a: '(?&b)', b: x}", "redact@2026-01-01.yaml: macro 'a': no macro 'b'"),
        ("{a: '(?&a)'}", "redact@2026-01-01.yaml: macro 'a': no macro 'a'"),
        ("{a: 7}", "redact@2026-01-01.yaml: macro 'a' is no text"),
        ("{a: x, a: y}", "redact@2026-01-01.yaml:1: 'a' is there twice"),
        ("[a]", "redact@2026-01-01.yaml: 'macros' is no mapping"),
        ("", "redact@2026-01-01.yaml: 'macros' is no mapping"),
    ],
)
def test_a_wrong_macro_is_named_with_its_file(tmp_path: Path, macros: str, message: str) -> None:
    with pytest.raises(RuleError) as caught:
        load_rules(written(tmp_path, f"macros: {macros}\n{GOOD}"))

    assert str(caught.value) == message


def redactor_of(tmp_path: Path, fields: str) -> Redactor:
    rules = load_rules(written(tmp_path, f"rules:\n  - {{name: a, reason: why, replace: <x>, {fields}}}\n"))
    none = load_rules(written(tmp_path, "rules:\n  - {name: a, reason: why, pattern: '[^\\x{0}-\\x{10FFFF}]'}\n"))
    return Redactor(RedactRules(rules, none, none, none))


@pytest.mark.parametrize(
    ("text", "anywhere", "as_a_word"),
    [
        ("key-1", "<x>", "<x>"),
        ("(key-1)", "(<x>)", "(<x>)"),
        ("한key-1", "한<x>", "한<x>"),
        (r"\nkey-1", r"\n<x>", r"\n<x>"),
        ("monkey-1", "mon<x>", "monkey-1"),
        ("1key-1", "1<x>", "1key-1"),
        ("_key-1 key-1", "_<x> <x>", "_<x> <x>"),
    ],
)
def test_a_rule_for_a_word_applies_where_a_word_begins(
    tmp_path: Path, text: str, anywhere: str, as_a_word: str
) -> None:
    assert redactor_of(tmp_path, r"pattern: 'key-\d'").redact(text) == anywhere
    assert redactor_of(tmp_path, r"pattern: 'key-\d', word: true").redact(text) == as_a_word


def test_a_rule_looks_only_where_its_hint_is(tmp_path: Path) -> None:
    redactor = redactor_of(tmp_path, r"pattern: '[a-z]+-\d', hint: 'key-'")

    assert redactor.redact("key-1 hat-1") == "<x> <x>"
    assert redactor.redact("hat-1") == "hat-1"


@pytest.mark.parametrize(
    ("fields", "message"),
    [("replace: <x>, check: nothing", "no check 'nothing'; there are card, luhn"), ("check: luhn", "lacks replace")],
)
def test_a_redaction_needs_a_placeholder_and_a_check_that_exists(tmp_path: Path, fields: str, message: str) -> None:
    rules = load_rules(written(tmp_path, f"rules:\n  - {{name: a, pattern: x, reason: why, {fields}}}\n"))

    with pytest.raises(RuleError, match=message):
        Redactor(RedactRules(rules, rules, rules, rules))


RELEASED = sorted(file.name for file in FOLDER.glob("*.yaml"))


@pytest.mark.parametrize(
    "load",
    [
        pytest.param(lambda: Redactor(load_redact_rules()), id="redact"),
        pytest.param(load_parameterize_rules, id="parameterize"),
        pytest.param(load_frame_rules, id="frames"),
        pytest.param(load_fingerprint_rules, id="all-of-a-fingerprint"),
    ],
)
def test_the_released_rules_are_sound(load: Callable[[], object]) -> None:
    assert load()


def test_the_version_names_the_dates_of_all_released_sets() -> None:
    assert load_fingerprint_rules().version == RULES_VERSION
    assert f"r{REDACT_DATE}-p{PARAMETERIZE_DATE}-f{FRAMES_DATE}" == RULES_VERSION


@pytest.mark.parametrize(
    ("kind", "date"), [("redact", REDACT_DATE), ("parameterize", PARAMETERIZE_DATE), ("frames", FRAMES_DATE)]
)
def test_the_newest_released_set_is_in_use(kind: str, date: str) -> None:
    assert rule_file(kind, date).name == max(name for name in RELEASED if name.startswith(f"{kind}@"))


def read_checksums() -> dict[str, str]:
    lines = (FOLDER / "checksums.txt").read_text(encoding="utf-8").splitlines()
    return {name: checksum for checksum, name in (line.split("  ") for line in lines)}


def test_every_released_file_has_a_checksum() -> None:
    assert sorted(read_checksums()) == RELEASED


@pytest.mark.parametrize("name", RELEASED)
def test_a_released_file_is_as_it_was_released(name: str) -> None:
    checksum = hashlib.sha256((FOLDER / name).read_bytes()).hexdigest()

    assert checksum == read_checksums().get(name), (
        f"{name} was edited. A released file is never edited: add a new one with its date. Only while the version in "
        f"pyproject.toml is unreleased may the sums be renewed: cd {FOLDER} && sha256sum *.yaml > checksums.txt"
    )


def test_the_page_of_rules_is_up_to_date() -> None:
    page = Path(__file__).parents[2] / "docs" / "rules.md"

    assert page.read_text() == "\n".join(tables()), "python -m jobs.rule_docs >docs/rules.md"
