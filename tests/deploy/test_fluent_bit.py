"""The edge's files by themselves: what its rules make of log lines, and what must not be missing in them."""

import copy
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.deploy.fluent_bit import checks
from tests.deploy.fluent_bit.configuration import FOLDER, MAIN, PARSERS, SCRIPT, load
from tests.deploy.fluent_bit.multiline import Line, Rules
from tests.deploy.fluent_bit.onigmo import Expression
from tests.deploy.fluent_bit.pipeline import Pipeline, headers
from tests.deploy.fluent_bit.script import Script

LAYOUTS = sorted((Path(__file__).parent / "fluent_bit" / "layouts").glob("*.log"))
TRACES = Path(__file__).parents[1] / "data" / "traces"
PIPELINE = Pipeline()
HEADER = "2026-11-22 14:03:11,482 ERROR mailer.tasks: it failed"
NEXT = "2026-11-22 14:03:12,001 INFO mailer.tasks: next"
#: Traces that say when they were, or that nobody caught: they are records of their own.
OWN_RECORD = re.compile(r"\[?\d{4}[-/]|\d\d:|[A-Z]{4,8} |fail: |Exception in thread |Unhandled |Uncaught |file://|/")

MAIN_FILE, PARSERS_FILE = load(MAIN), load(PARSERS)
RULES = len(PARSERS_FILE["multiline_parsers"][0]["rules"])
VALUES = yaml.safe_load((FOLDER / "values.yaml").read_text())
ENVIRONMENTS = ("dev", "prod")


def contents(*lines: str) -> list[str]:
    return [record["log_content"] for record in PIPELINE.records(lines)]


@pytest.mark.parametrize("path", LAYOUTS, ids=lambda path: path.stem)
def test_the_lines_of_a_layout_become_the_records_beside_them(path: Path):
    records = list(PIPELINE.records(path.read_text().split("\n")[:-1]))

    assert records == [json.loads(line) for line in path.with_suffix(".ndjson").read_text().splitlines()]


def traces() -> Iterator[tuple[str, list[str]]]:
    """Yield what the tests of the fingerprint know of traces."""
    for path in sorted(TRACES.glob("*.txt")):
        for case in re.split(r"^=== ", path.read_text(), flags=re.MULTILINE)[1:]:
            title, *lines = case.rstrip("\n").split("\n")
            yield f"{path.stem}: {title}", lines


@pytest.mark.parametrize(("title", "lines"), [*traces()], ids=lambda value: value if isinstance(value, str) else "")
def test_a_trace_is_one_record_with_the_line_before_it_and_without(title: str, lines: list[str]):
    text = "\n".join(lines).rstrip()
    alone = list(Rules(PARSERS_FILE["multiline_parsers"][0]).join(map(Line, [*lines, NEXT])))
    assert [line.text.rstrip() for line in alone] == [text, NEXT], title
    if not OWN_RECORD.match(lines[0]):
        assert contents(HEADER, *lines, NEXT) == [f"it failed\n{text}", "next"], title


def test_an_exception_that_nobody_logged_is_not_a_part_of_the_info_before_it():
    assert contents(NEXT, "Traceback (most recent call last):", '  File "a.py", line 1, in f', "ValueError: x") == [
        "next",
        'Traceback (most recent call last):\n  File "a.py", line 1, in f\nValueError: x',
    ]


def test_a_level_in_the_message_is_not_the_level_of_the_line():
    first, second = PIPELINE.records(
        ["2026-11-22 14:03:11 INFO a.b - no ERROR here", "2026-11-22 14:03:11 ERROR a.b - INFO"]
    )
    assert (first["level"], second["level"]) == ("INFO", "ERROR")


def test_stdout_and_stderr_are_joined_apart():
    lines = [Line(HEADER, "stderr"), Line(NEXT), Line("\tat a.B.c(B.java:1)", "stderr"), Line("  and this", "stdout")]

    assert [*Rules(PARSERS_FILE["multiline_parsers"][0]).join(lines)] == [
        Line(f"{HEADER}\n\tat a.B.c(B.java:1)", "stderr"),
        Line(f"{NEXT}\n  and this", "stdout"),
    ]


def test_the_first_line_of_a_container_is_not_read_in_the_state_of_another_one():
    """Free text behind an error belongs to it; of another container it is a line like any other."""
    rules, script = Rules(PARSERS_FILE["multiline_parsers"][0]), Script()
    tags = [
        "kube.var.log.containers.a_ns_c-1.log",
        "kube.var.log.containers.a_ns_c-1.log",
        "kube.var.log.containers.b_ns_c-2.log",
    ]
    texts = [HEADER, "free text", "free text"]

    tidied = [
        record
        for tag, text in zip(tags, texts, strict=True)
        for record in script.call("line", {"log": text, "stream": "stdout"}, tag)
    ]
    joined = [
        text
        for text, stream in rules.join(Line(record["log"], record["stream"]) for record in tidied)
        if stream == "stdout"
    ]

    assert joined == ["\x1e", f"{HEADER}\nfree text", "\x1e", "free text"]


def test_a_boundary_is_no_record():
    assert Script().call("record", {"log": "\x1e", "stream": "stdout", "boundary": True}) == []


@pytest.mark.parametrize(
    "unit",
    [
        "a-",
        "a ",
        "a.",
        ".",
        "A",
        "(",
        "[",
        "{",
        "<",
        "=",
        ":",
        " ",
        "\t",
        "-",
        "|",
        "1",
        "안",
        "/a",
        '"',
        "' ",
        "[a] ",
        "(a) ",
    ],
)
def test_no_line_keeps_an_expression_busy(unit: str):
    """Whatever somebody writes, an expression is through 32 KiB of it in far less than a second."""
    rules = [Expression(rule["regex"]) for rule in PARSERS_FILE["multiline_parsers"][0]["rules"]]
    expressions = [*rules, *headers(PARSERS_FILE).values()]
    starts = (
        "",
        "2026-11-22 14:03:11 ",
        "2026-11-22 14:03:11 ERROR [",
        "2026-11-22 14:03:11.482 ERROR 1 --- [x] a",
        "[ERROR] [",
        "java.",
        "\tat ",
        "panic: ",
        "/",
    )
    for start in starts:
        line = start + unit * (32_768 // len(unit.encode())) + "\x01"
        began = time.monotonic()
        for expression in expressions:
            expression.matches(line)
        assert time.monotonic() - began < 1, start


def test_a_line_is_cut_before_it_is_joined_and_says_so():
    *_, tidied = Script().call("line", {"log": "안" * 60_000, "stream": "stdout"})
    assert tidied == {"log": "안" * 43_690, "stream": "stdout", "bytes": 180_000}


@pytest.mark.parametrize("character", ["x", "안", "\n", '"', "\\", "\x01", "\x7f", "\U0001f600"])
def test_a_record_is_never_longer_than_the_job_takes(character: str):
    (record,) = Script().call("record", {"log": "x" + character * 196_608 + "x", "stream": "stdout"})

    assert len(json.dumps(record, ensure_ascii=False).encode()) < 250_000
    assert ("log.bytes" in record) == (len(record["log_content"]) < 196_610)


def test_a_long_run_of_blanks_costs_nothing():
    began = time.monotonic()
    Script().call("record", {"log": "a" + " " * 190_000 + "b", "stream": "stdout"})
    assert time.monotonic() - began < 1


@pytest.mark.parametrize(
    ("labels", "pod", "service"),
    [
        ({"app.kubernetes.io/name": "cart", "app": "other"}, "x-0", "cart"),
        ({"app": "cart"}, "x-0", "cart"),
        ({"k8s-app": "kube-dns"}, "coredns-7d9f8b6c5b-x2x4k", "kube-dns"),
        ({"app": ""}, "cart-5c689d88bb-qkz7n", "cart"),
        ({}, "cart-5c689d88bb-qkz7n", "cart"),
        ({}, "db-0", "container"),
    ],
)
def test_the_service_is_what_kubernetes_says(labels: dict[str, str], pod: str, service: str):
    tag = f"kube.var.log.containers.{pod}_shop_container-{'0' * 64}.log"
    (record,) = Script().call("record", {"log": "x", "stream": "stdout", "kubernetes": {"labels": labels}}, tag)
    assert (record["service"], record["service.name"], record["k8s.pod.name"]) == (service, service, pod)


def test_a_record_has_the_names_of_open_telemetry():
    kubernetes = {"labels": {"app": "cart", "app.kubernetes.io/version": "1.2.3"}, "host": "node-1", "pod_id": "u-1"}
    (record,) = Script().call("record", {"log": "x", "stream": "stderr", "level": "ERROR", "kubernetes": kubernetes})
    assert record == {
        "level": "ERROR",
        "service": "cart",
        "log_content": "x",
        "log.iostream": "stderr",
        "log.record.uid": "0123456789ab-1795323791482123456-e",
        "service.name": "cart",
        "service.version": "1.2.3",
        "k8s.namespace.name": "shop",
        "k8s.pod.name": "cart-5c689d88bb-qkz7n",
        "k8s.pod.uid": "u-1",
        "k8s.container.name": "app",
        "k8s.node.name": "node-1",
    }


# --- The files: right as they are, and wrong with one mistake ---


def values_of(environment: str) -> dict[str, Any]:
    """Return the values as Helm merges them: maps are merged, the rest is replaced."""
    merged = copy.deepcopy(VALUES)
    _merge(merged, yaml.safe_load((FOLDER / f"values-{environment}.yaml").read_text()))
    return merged


def _merge(into: dict[str, Any], values: dict[str, Any]) -> None:
    for name, value in values.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into[name] = value


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_files_are_right(environment: str):
    assert findings(Files(MAIN_FILE, PARSERS_FILE, values_of(environment))) == []


class Files(NamedTuple):
    """The edge's files as data, to be changed."""

    main: dict[str, Any]
    parsers: dict[str, Any]
    values: dict[str, Any]


def tail(files: Files) -> dict[str, Any]:
    return files.main["pipeline"]["inputs"][0]


def kinesis(files: Files) -> dict[str, Any]:
    return files.main["pipeline"]["outputs"][0]


def rule(files: Files, number: int) -> dict[str, Any]:
    return files.parsers["multiline_parsers"][0]["rules"][number]


def findings(files: Files) -> list[str]:
    return [
        *checks.unknown_options(files.main, files.parsers),
        *checks.lossy(files.main),
        *checks.broken_joins(files.main, files.parsers),
        *checks.wrong_rules(files.parsers),
        *checks.unset_variables(json.dumps(files.main), files.values),
        *checks.unknown_values(files.values),
        *checks.unsafe(files.values),
        *checks.unpinned(files.values),
    ]


#: A mistake: what makes it, and what is said of it.
MISTAKES: dict[str, tuple[Callable[[Files], object], str]] = {
    "an option of another plugin": (
        lambda files: tail(files).update({"Path_Kee": "file"}),
        "inputs tail: there is no option Path_Kee",
    ),
    "an option of later versions": (
        lambda files: kinesis(files).update(aggregation="on"),
        "outputs kinesis_streams: there is no option aggregation",
    ),
    "an option of service that is passed by": (
        lambda files: files.main["service"].update({"storage.maxchunks": 1}),
        "service: there is no option storage.maxchunks",
    ),
    "a plugin under its old name": (
        lambda files: kinesis(files).update(name="kinesis"),
        "outputs: there is no plugin kinesis",
    ),
    "retry_limit forgotten": (
        lambda files: kinesis(files).pop("retry_limit"),
        "kinesis_streams: gives up after retry_limit tries",
    ),
    "retry_limit false": (
        lambda files: kinesis(files).update(retry_limit="5"),
        "kinesis_streams: gives up after retry_limit tries",
    ),
    "buffering in memory": (lambda files: tail(files).pop("storage.type"), "tail: what is read waits in memory"),
    "no place to store": (
        lambda files: files.main["service"].pop("storage.path"),
        "service: without storage.path nothing is stored on disk",
    ),
    "no limit for the buffer": (
        lambda files: kinesis(files).pop("storage.total_limit_size"),
        "kinesis_streams: without a limit the buffer fills the node's disk",
    ),
    "sums of chunks": (
        lambda files: files.main["service"].update({"storage.checksum": "on"}),
        "service: storage.checksum throws open chunks away after a kill",
    ),
    "the default pause between tries": (
        lambda files: files.main["service"].pop("scheduler.cap"),
        "service: scheduler.cap lets retries wait for longer than a minute",
    ),
    "no memory of what was read": (
        lambda files: tail(files).pop("db"),
        "tail: without a db a restart does not know what was read",
    ),
    "multiline as a filter": (
        lambda files: files.main["pipeline"]["filters"].append({"name": "multiline"}),
        "filters: multiline before the storage holds lines in memory",
    ),
    "multiline with a buffer": (
        lambda files: kinesis(files)["processors"]["logs"][1].pop("buffer"),
        "multiline: a buffer holds lines in memory, and sends them where processors do not run",
    ),
    "two workers": (
        lambda files: kinesis(files).update(workers="2"),
        "kinesis_streams: more than one worker mix up the state of the multiline filter",
    ),
    "no boundaries": (
        lambda files: kinesis(files)["processors"]["logs"].pop(0),
        "kinesis_streams: multiline needs the boundaries that lua puts before it",
    ),
    "no joining of split lines": (
        lambda files: tail(files).pop("multiline.parser"),
        "tail: lines over 16 KiB stay in pieces without `docker, cri`",
    ),
    "a parser that is not there": (lambda files: files.parsers["parsers"].pop(), "parser: there is no parser jul"),
    "a parser that nobody asks": (
        lambda files: kinesis(files)["processors"]["logs"][2]["parser"].remove("klog"),
        "parser: nobody asks klog",
    ),
    "a state without rules": (
        lambda files: rule(files, 2).update(next_state="pyhton"),
        "cali: rule 3 goes on to pyhton, a state without rules",
    ),
    "a state that nothing leads to": (
        lambda files: rule(files, -1).update(state="texts"),
        f"cali: rule {RULES} is for texts, where no rule goes",
    ),
    "no beginning": (
        lambda files: files.parsers["multiline_parsers"][0]["rules"].insert(0, rule(files, -1)),
        "cali: the first rule must begin a record: start_state",
    ),
    "back to the start": (
        lambda files: rule(files, 1).update(next_state="start_state"),
        "cali: rule 2 goes on to start_state: 5.1.1 sends such lines twice, or mixes up metadata",
    ),
    "a rule that begins and continues": (
        lambda files: rule(files, 2).update(state="start_state, head"),
        "cali: rule 3 both begins and continues: Fluent Bit never continues with it",
    ),
    "an expression that is none": (
        lambda files: rule(files, 2).update(regex="/(Traceback/"),
        "cali: rule 3: end pattern with unmatched parenthesis: /(Traceback/",
    ),
    "free text changed in one place": (
        lambda files: rule(files, -1).update(regex=rule(files, -1)["regex"].replace("Uncaught", "Uncought")),
        "the two expressions for free text differ",
    ),
    "a header without a message": (
        lambda files: files.parsers["parsers"][0].update(regex="/\\A(?<level>ERROR)/"),
        "spring: no group log_content",
    ),
    "a variable that nobody sets": (lambda files: files.values["envWithTpl"].pop(0), "${KINESIS_PORT} is set nowhere"),
    "a variable that nobody reads": (
        lambda files: files.values["env"].append({"name": "KINESIS_REGION", "value": "x"}),
        "KINESIS_REGION is set, and nothing asks for it",
    ),
    "a value that the chart does not know": (
        lambda files: files.values.update(priorityClass="x"),
        "the chart has no value priorityClass",
    ),
    "a value at the wrong place": (
        lambda files: files.values["serviceAccount"].update(roleArn="x"),
        "the chart has no value serviceAccount.roleArn",
    ),
    "a static key": (
        lambda files: files.values["env"].append({"name": "AWS_SECRET_ACCESS_KEY", "value": "x"}),
        "AWS_SECRET_ACCESS_KEY is a static credential",
    ),
    "capabilities": (
        lambda files: files.values["securityContext"].pop("capabilities"),
        "the container keeps capabilities",
    ),
    "the node's logs open to writing": (
        lambda files: files.values["daemonSetVolumeMounts"][0].pop("readOnly"),
        "/var/log of the node can be written to",
    ),
    "the kubelet's API": (
        lambda files: files.values["rbac"].update(nodeAccess=True),
        "nodes/proxy lets its holder run commands in every pod",
    ),
    "another image": (lambda files: files.values["image"].update(tag="5.1.2"), "the image is 5.1.2, not 5.1.1"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named(mistake: str):
    files = Files(copy.deepcopy(MAIN_FILE), copy.deepcopy(PARSERS_FILE), values_of("prod"))
    make, said = MISTAKES[mistake]
    make(files)

    assert said in findings(files)


def without(change: Callable[[dict[str, Any]], object]) -> Pipeline:
    """Return the pipeline with rules that were changed."""
    parsers = copy.deepcopy(PARSERS_FILE)
    change(parsers["multiline_parsers"][0])
    return Pipeline(parsers)


def forget(word: str) -> Callable[[dict[str, Any]], object]:
    """Make a change that takes the rules away that continue a record and speak of something."""

    def change(parser: dict[str, Any]) -> None:
        parser["rules"] = [
            each for each in parser["rules"] if each["state"] == "start_state" or word not in each["regex"]
        ]

    return change


@pytest.mark.parametrize(
    ("layout", "forgotten"),
    [
        ("java", "Caused by"),
        ("python", "During handling"),
        ("go", "goroutine"),
        ("node", "Node\\.js v"),
        ("korean", "심각"),
    ],
)
def test_a_rule_that_is_missing_is_found_by_the_layouts(layout: str, forgotten: str):
    path = next(path for path in LAYOUTS if path.stem == layout)

    records = list(without(forget(forgotten)).records(path.read_text().split("\n")[:-1]))

    assert records != [json.loads(line) for line in path.with_suffix(".ndjson").read_text().splitlines()]


@pytest.mark.parametrize("name", ["fluent-bit.yaml", "parsers.yaml", "records.lua"])
def test_helm_takes_the_file_as_it_is(name: str):
    """Chart values are templates: two braces in a file of ours would be filled in."""
    assert "{{" not in (FOLDER / name).read_text()
    key = name.replace(".", r"\.")
    assert f"--set-file 'config.extraFiles.{key}={name}'" in (FOLDER / "README.md").read_text()


def test_the_readme_names_the_versions():
    told = (FOLDER / "README.md").read_text()
    assert f"--version {checks.CHART['version']}" in told
    assert checks.OPTIONS["fluent_bit"] in told


def test_all_functions_that_are_called_are_in_the_script():
    called = [
        unit["call"] for unit in MAIN_FILE["pipeline"]["outputs"][0]["processors"]["logs"] if unit["name"] == "lua"
    ]
    assert all(f"\nfunction {name}(tag, ts, record)\n" in SCRIPT.read_text() for name in called)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_an_environment_says_no_more_than_where_to(environment: str):
    values = yaml.safe_load((FOLDER / f"values-{environment}.yaml").read_text())
    assert {entry["name"]: entry["value"] for entry in values["env"]} == {
        "AWS_REGION": "ap-northeast-2",
        "KINESIS_STREAM": f"cali-{environment}-logs",
        "KINESIS_ENDPOINT": "kinesis.ap-northeast-2.amazonaws.com",
    }
    role = f"arn:aws:iam::123456789012:role/cali-{environment}-fluent-bit"
    assert values["serviceAccount"] == {"annotations": {"eks.amazonaws.com/role-arn": role}}
    assert values.keys() == {"serviceAccount", "env"}
