"""Rules of operators split and merge fingerprints, by service; a wrong rule is named with its file and line."""

from pathlib import Path

import pytest

from udfs.fingerprint import FingerprintRules, explain, fingerprint, load_fingerprint_rules
from udfs.grouping import load_grouping_rules
from udfs.ruleset import RULES_VERSION, RuleError

DECLINED = "com.acme.pay.DeclinedException: {}\n\tat com.acme.pay.{}.charge(Gateway.java:42)"
OUTER = "com.acme.web.RequestException: 1\n\tat com.acme.web.Shop.post(Shop.java:1)\nCaused by: "


def written(tmp_path: Path, text: str, name: str = "grouping.yaml") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def rule(fields: str, name: str = "a") -> str:
    return f"  - {{name: {name}, reason: why, {fields}}}\n"


def rules_of(tmp_path: Path, *rules: str) -> FingerprintRules:
    return load_fingerprint_rules(str(written(tmp_path, "rules:\n" + "".join(rules))))


def of(content: str, rules: FingerprintRules, service: str = "checkout-api") -> str:
    return fingerprint(content, service, rules).value


PLAIN = load_fingerprint_rules()


@pytest.mark.parametrize(
    ("fields", "one", "other"),
    [
        pytest.param("service: checkout-*", "no stock", "no route", id="service"),
        pytest.param("service: 'checkout-??i'", "no stock", "no route", id="service-by-character"),
        pytest.param("message: '^no (?:stock|route)'", "no stock", "no route", id="message"),
        pytest.param("message: '재고|경로'", "재고 없음", "경로 없음", id="message-in-korean"),
        pytest.param("exception: '*.DeclinedException'", DECLINED.format(1, "A"), DECLINED.format(2, "B"), id="trace"),
        pytest.param(
            "exception: '*.DeclinedException'",
            OUTER + DECLINED.format(1, "A"),
            DECLINED.format(2, "B"),
            id="exception-that-is-a-cause",
        ),
        pytest.param("exception: '*Error'", "KeyError: 'a'", "ValueError: not b", id="exception-without-a-trace"),
        pytest.param("frame: com.acme.pay.*", DECLINED.format(1, "A"), DECLINED.format(2, "B"), id="frame"),
        pytest.param(
            "service: checkout-api, exception: '*.DeclinedException', frame: '*.charge', message: declined",
            DECLINED.format("card declined", "A"),
            DECLINED.format("bank declined", "B"),
            id="all",
        ),
    ],
)
def test_a_rule_merges_what_would_be_two_failures(tmp_path: Path, fields: str, one: str, other: str) -> None:
    rules = rules_of(tmp_path, rule(f"{fields}, fingerprint: [same]"))

    assert of(one, PLAIN) != of(other, PLAIN)
    assert of(one, rules) == of(other, rules)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param("service: checkout", id="service"),
        pytest.param("service: 'checkout.api'", id="a-dot-is-a-dot"),
        pytest.param("service: '[a-z]*'", id="a-bracket-is-a-bracket"),
        pytest.param("service: 'checkout-?'", id="one-character"),
        pytest.param("exception: DeclinedException", id="exception"),
        pytest.param("frame: '*.refund'", id="frame"),
        pytest.param("message: refunded", id="message"),
        pytest.param("message: DECLINED", id="message-in-capitals"),
        pytest.param("service: checkout-*, message: refunded", id="one-of-two"),
        pytest.param("exception: '*.DeclinedException', frame: '*.refund'", id="another-of-two"),
    ],
)
def test_a_rule_of_which_a_part_does_not_fit_changes_nothing(tmp_path: Path, fields: str) -> None:
    trace = DECLINED.format("card declined", "Gateway")

    assert of(trace, rules_of(tmp_path, rule(f"{fields}, fingerprint: [x]"))) == of(trace, PLAIN)


def test_names_of_nested_classes_are_no_patterns(tmp_path: Path) -> None:
    rules = rules_of(tmp_path, rule("exception: 'com.acme.Bank$DownException', fingerprint: [x]"))

    assert explain("com.acme.Bank$DownException: 1", "cart", rules).grouped_by == "a"


def test_groups_of_the_message_split_what_would_be_one_failure(tmp_path: Path) -> None:
    rules = rules_of(tmp_path, rule(r"""message: 'answered (\d{3})', fingerprint: ["{{ default }}", '\1']"""))

    assert of("upstream answered 502", PLAIN) == of("upstream answered 504", PLAIN)
    assert of("upstream answered 502", rules) != of("upstream answered 504", rules)
    assert of("upstream answered 502", rules) == of("upstream answered 502", rules)
    assert of("upstream answered 502", rules) != of("gateway answered 502", rules)


def test_without_the_default_groups_alone_tell_failures_apart(tmp_path: Path) -> None:
    rules = rules_of(tmp_path, rule(r"message: '(\w+) answered (\d{3})', fingerprint: ['\2 by \1']"))

    assert of("upstream answered 502", rules) == of("the upstream answered 502 again", rules)
    assert of("upstream answered 502", rules) != of("bank answered 502", rules)
    assert of("upstream answered 502", rules) != of("upstream answered 504", rules)


def test_the_default_alone_is_another_failure_than_without_the_rule(tmp_path: Path) -> None:
    """Whoever adds a rule sees from the fingerprint that it was applied."""
    rules = rules_of(tmp_path, rule("service: checkout-*, fingerprint: ['{{ default }}']"))

    assert of("no stock", rules) != of("no stock", PLAIN)
    assert of("no stock", rules) != of("no route", rules)


def test_a_group_that_found_nothing_is_empty(tmp_path: Path) -> None:
    rules = rules_of(tmp_path, rule(r"message: 'answered(?: (\d{3}))?', fingerprint: ['status \1']"))

    assert of("answered nothing", rules) == of("it answered late", rules)
    assert of("answered nothing", rules) != of("answered 502", rules)


def test_group_zero_is_all_that_the_message_found(tmp_path: Path) -> None:
    rules = rules_of(tmp_path, rule(r"message: 'answered \d', fingerprint: ['\0']"))

    assert of("upstream answered 502", rules) == of("bank answered 504", rules)
    assert of("upstream answered 502", rules) != of("upstream answered 404", rules)


@pytest.mark.parametrize(
    "word", ["C:\\", r"\d", r"\x", r"\u12", r"\N{x}", r"\g<7>", r"C:\new\table", "카드 거절", "%s"]
)
def test_a_word_is_taken_as_it_stands(tmp_path: Path, word: str) -> None:
    with_message = rules_of(tmp_path, rule(f"message: stock, fingerprint: ['{word}']"))
    with_service = rules_of(tmp_path, rule(f"service: checkout-*, fingerprint: ['{word}']"))

    assert of("no stock", with_message) == of("no stock", with_service)


def test_the_words_of_two_rules_are_different_failures(tmp_path: Path) -> None:
    rules = rules_of(tmp_path, rule("message: ^no, fingerprint: [x]"), rule("message: ^so, fingerprint: [y]", "b"))

    assert of("no stock", rules) != of("so what", rules)


def test_rules_that_say_the_same_merge_what_they_find(tmp_path: Path) -> None:
    rules = rules_of(tmp_path, rule("message: ^no, fingerprint: [x]"), rule("message: ^so, fingerprint: [x]", "b"))

    assert of("no stock", rules) == of("so what", rules)


def test_the_first_rule_that_applies_counts(tmp_path: Path) -> None:
    others, stock, all_of_it = (
        rule("service: cart, fingerprint: [others]", "others"),
        rule("message: stock, fingerprint: [stock]", "stock"),
        rule("service: checkout-*, fingerprint: [all]", "all"),
    )
    stock_first = rules_of(tmp_path, others, stock, all_of_it)
    all_first = rules_of(tmp_path, others, all_of_it, stock)

    assert [explain(text, "checkout-api", stock_first).grouped_by for text in ("no stock", "no")] == ["stock", "all"]
    assert [explain(text, "checkout-api", all_first).grouped_by for text in ("no stock", "no")] == ["all", "all"]
    assert of("no stock", stock_first) != of("no", stock_first)
    assert of("no stock", all_first) == of("no", all_first)


@pytest.mark.parametrize("content", ["no stock", DECLINED.format("no stock", "Gateway")])
def test_other_services_are_left_as_they_are(tmp_path: Path, content: str) -> None:
    rules = rules_of(tmp_path, rule("service: checkout-*, fingerprint: [x]"))

    assert of(content, rules, "cart") == of(content, PLAIN, "cart")
    assert explain(content, "cart", rules).grouped_by is None


def test_a_rule_for_all_services_merges_within_each_of_them(tmp_path: Path) -> None:
    rules = rules_of(tmp_path, rule("message: ^no, fingerprint: [x]"))

    assert of("no stock", rules, "cart") == of("no route", rules, "cart")
    assert of("no stock", rules, "cart") != of("no stock", rules, "order")


def test_how_a_failure_is_told_of_stays_the_same(tmp_path: Path) -> None:
    rules = rules_of(tmp_path, rule("service: checkout-*, fingerprint: [x]"))
    trace = DECLINED.format("card declined", "Gateway")

    of_rules, of_none = fingerprint(trace, "checkout-api", rules), fingerprint(trace, "checkout-api", PLAIN)

    assert of_rules[1:4] == of_none[1:4]


def test_only_the_beginning_of_a_text_is_searched(tmp_path: Path) -> None:
    rules = rules_of(tmp_path, rule("message: stock, fingerprint: [x]"))

    assert explain("x" * 8_187 + "stock", "cart", rules).grouped_by == "a"
    assert explain("x" * 8_188 + "stock", "cart", rules).grouped_by is None


def test_explanation_and_fingerprint_agree(tmp_path: Path) -> None:
    rules = rules_of(tmp_path, rule("message: stock, fingerprint: [x]"))

    assert explain("no stock", "cart", rules).fingerprint == fingerprint("no stock", "cart", rules)


def test_the_version_depends_on_the_text_of_the_file_alone(tmp_path: Path) -> None:
    text = "rules:\n" + rule("service: cart, fingerprint: [x]")
    other_folder = tmp_path / "other"
    other_folder.mkdir()

    version = load_grouping_rules(written(tmp_path, text)).version

    assert load_grouping_rules(written(other_folder, text, "renamed.yaml")).version == version
    assert load_grouping_rules(written(tmp_path, text + "# a comment\n")).version != version
    assert version == "-g5ce4fa1c"


def test_records_carry_the_version_of_both_kinds_of_rules(tmp_path: Path) -> None:
    """A rule that does not apply could have: what it leaves alone carries its version too."""
    rules = rules_of(tmp_path, rule("service: cart, fingerprint: [x]"))

    assert fingerprint("boom", "order", rules).rules_version == RULES_VERSION + rules.grouping.version


def test_without_a_file_there_are_no_rules_and_no_suffix() -> None:
    assert load_grouping_rules(None).version == ""
    assert PLAIN.version == RULES_VERSION


def test_a_list_without_rules_changes_versions_alone(tmp_path: Path) -> None:
    rules = load_fingerprint_rules(str(written(tmp_path, "rules: []\n")))

    assert of("boom", rules) == of("boom", PLAIN)
    assert rules.version != PLAIN.version


#: Stands in lines 2 and 3 of a file, so that a wrong rule stands in line 4.
GOOD = "rules:\n  - {name: good, reason: why, service: cart,\n     fingerprint: [x]}\n"


def refusal(path: Path) -> str:
    with pytest.raises(RuleError) as caught:
        load_grouping_rules(path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ("service: cart, fingerprint: [x], sevrice: y", ": 'sevrice' is unknown"),
        ("service: cart, fingerprint: [x], 7: y", ": 7 is unknown"),
        ("service: cart", " lacks fingerprint"),
        ("fingerprint: [x]", " would apply to everything; give service, exception, frame or message"),
        ("fingerprint: [x], service: '*'", " would apply to everything"),
        ("fingerprint: [x], message: ''", " would apply to everything"),
        ("fingerprint: [x], service: '**', message: '(\\d*)'", " would apply to everything"),
        ("fingerprint: [x], service:", ": 'service' is no text"),
        ("fingerprint: [x], service: cart, message:", ": 'message' is no text"),
        ("fingerprint: [x], service: [cart]", ": 'service' is no text"),
        ("fingerprint: [x], exception: 7", ": 'exception' is no text"),
        ("fingerprint: [x], frame: yes", ": 'frame' is no text"),
        ("service: cart, fingerprint: x", ": 'fingerprint' is a list of texts"),
        ("service: cart, fingerprint: []", ": 'fingerprint' is a list of texts"),
        ("service: cart, fingerprint: [x, 7]", ": 'fingerprint' is a list of texts"),
        ("service: cart, fingerprint: [2026-11-22]", ": 'fingerprint' is a list of texts"),
        ("service: cart, fingerprint: {x: y}", ": 'fingerprint' is a list of texts"),
        ("service: cart, fingerprint: ['{{default}}']", ": '{{default}}' is neither a word nor '{{ default }}'"),
        ("service: cart, fingerprint: ['a {{ default }}']", ": 'a {{ default }}' is neither a word nor"),
        ("fingerprint: [x], message: '('", ": not RE2: missing ): ("),
        ("fingerprint: [x], message: '(?=x)'", ": not RE2: invalid perl operator: (?="),
        ("service: cart, fingerprint: ['\\1']", ": 'fingerprint' names a group that 'message' does not have"),
        ("service: cart, fingerprint: ['\\0']", ": 'fingerprint' names a group that 'message' does not have"),
        ("message: '(x)', fingerprint: ['\\1', 'y\\2']", ": 'fingerprint' names a group that 'message' does not have"),
        ("message: '(x)', fingerprint: ['\\10']", ": 'fingerprint' names a group that 'message' does not have"),
    ],
)
def test_a_wrong_rule_is_named_with_its_file_and_line(tmp_path: Path, fields: str, problem: str, capfd) -> None:
    message = refusal(written(tmp_path, GOOD + rule(fields)))

    assert message.startswith(f"grouping.yaml:4: rule 'a'{problem}")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("{reason: why, service: cart, fingerprint: [x]}", "rule None lacks name"),
        ("{name: a, service: cart}", "rule 'a' lacks fingerprint, reason"),
        ("{name: 7, reason: why, service: cart, fingerprint: [x]}", "rule 7: 'name' is no text"),
        ("{name: a, reason: , service: cart, fingerprint: [x]}", "rule 'a': 'reason' is no text"),
        ("{name: good, reason: why, service: cart, fingerprint: [y]}", "rule 'good' is there twice"),
        ("{name: a, reason: why, service: cart, service: order, fingerprint: [x]}", "'service' is there twice"),
        ("a word", "a rule is a mapping"),
        ("", "a rule is a mapping"),
        ("[name, a]", "a rule is a mapping"),
        ("{name: a, reason: 2026-13-45, service: cart, fingerprint: [x]}", "no YAML: month must be in 1..12"),
        ("{name: !python/name:os.system a}", "no YAML: could not determine a constructor for the tag"),
        ("{name: a, [b]: c}", "no YAML: found unhashable key"),
    ],
)
def test_an_entry_that_is_no_rule_is_named_with_its_file_and_line(tmp_path: Path, entry: str, problem: str) -> None:
    assert refusal(written(tmp_path, f"{GOOD}  - {entry}\n")).startswith(f"grouping.yaml:4: {problem}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "grouping.yaml: no list 'rules'"),
        ("rules:", "grouping.yaml: no list 'rules'"),
        ("rules: {a: b}", "grouping.yaml: no list 'rules'"),
        ("- name: a", "grouping.yaml: no list 'rules'"),
        ("[rules]: []", "grouping.yaml: no list 'rules'"),
        ("a word", "grouping.yaml: no list 'rules'"),
        (GOOD + "rules: []", "grouping.yaml: 'rules' is there twice"),
        (GOOD + "  - {name: a", "grouping.yaml:4: no YAML: expected ',' or '}', but got '<stream end>'"),
        (GOOD + '  - name: "\\d"', "grouping.yaml:4: no YAML: found unknown escape character 'd'"),
        (GOOD + "---\n" + GOOD, "grouping.yaml:4: no YAML: but found another document"),
        ("rules: \x07", "grouping.yaml: no YAML"),
    ],
)
def test_a_wrong_file_is_named_with_the_line_where_there_is_one(tmp_path: Path, text: str, message: str) -> None:
    assert refusal(written(tmp_path, text)) == message


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "grouping.yaml"
    path.write_bytes(b"rules: \xff")

    assert refusal(path) == "grouping.yaml: no YAML"


def test_a_file_that_cannot_be_read_is_named_with_its_folder(tmp_path: Path) -> None:
    missing = tmp_path / "missing.yaml"

    assert refusal(missing) == f"{missing}: No such file or directory"
    assert refusal(tmp_path) == f"{tmp_path}: Is a directory"
