"""What the edge's files must be, as lists of what is wrong with them: an empty list is right."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.deploy.fluent_bit.configuration import plugins, variables
from tests.deploy.fluent_bit.multiline import RuleError, Rules
from tests.deploy.fluent_bit.onigmo import Expression, ExpressionError

#: Facts of Fluent Bit 5.1.1 and of the chart; each file says where they are from.
OPTIONS = json.loads((Path(__file__).parent / "options.json").read_text())
CHART = json.loads((Path(__file__).parent / "chart-values.json").read_text())

Tree = Mapping[str, Any]


def unknown_options(main: Tree, parsers: Tree) -> list[str]:
    """Find plugins and options that 5.1.1 does not have. It stops at most of them, and passes by those of `service`."""
    return [
        *_unknown("service", main["service"], OPTIONS["service"]),
        *(wrong for kind, options in plugins(main) for wrong in _unknown_of_plugin(kind, options)),
        *(wrong for kind in ("parsers", "multiline_parsers") for wrong in _unknown_of_parsers(kind, parsers[kind])),
    ]


def _unknown_of_plugin(kind: str, options: Tree) -> Iterator[str]:
    name = options["name"]
    if name not in OPTIONS[kind]:
        yield f"{kind}: there is no plugin {name}"
        return
    yield from _unknown(f"{kind} {name}", options, [*OPTIONS[kind][name], "name"])


def _unknown_of_parsers(kind: str, entries: Iterable[Tree]) -> Iterator[str]:
    return (wrong for entry in entries for wrong in _unknown(f"{kind} {entry['name']}", entry, OPTIONS[kind]))


def _unknown(where: str, options: Tree, known: Iterable[str]) -> Iterator[str]:
    names = [*known]
    groups = tuple(name.removesuffix("*") for name in names if name.endswith("*"))
    return (
        f"{where}: there is no option {option}"
        for option in options
        if option.lower() not in names and not (groups and option.lower().startswith(groups))
    )


def lossy(main: Tree) -> list[str]:
    """Find ways in which log lines would be lost."""
    return [complaint for is_lossy, complaint in _losses(main) if is_lossy]


def _losses(main: Tree) -> Iterator[tuple[bool, str]]:
    service = main["service"]
    yield "storage.path" not in service, "service: without storage.path nothing is stored on disk"
    yield (
        service.get("storage.checksum", "off") != "off",
        "service: storage.checksum throws open chunks away after a kill",
    )
    yield (
        int(service.get("scheduler.cap", 2000)) > 60,
        "service: scheduler.cap lets retries wait for longer than a minute",
    )
    for source in main["pipeline"]["inputs"]:
        yield source.get("storage.type", "memory") != "filesystem", f"{source['name']}: what is read waits in memory"
        yield "db" not in source, f"{source['name']}: without a db a restart does not know what was read"
        yield source.get("read_from_head") != "on", f"{source['name']}: what was written before the start is passed by"
        yield (
            source.get("threaded", "off") != "off",
            f"{source['name']}: a thread's lines are not on disk when they are counted as read",
        )
        yield "multiline" in _names(source), f"{source['name']}: multiline at the input holds lines in memory"
    for filter_ in main["pipeline"].get("filters", []):
        yield filter_["name"] == "multiline", "filters: multiline before the storage holds lines in memory"
    for target in main["pipeline"]["outputs"]:
        yield target.get("retry_limit") != "no_limits", f"{target['name']}: gives up after retry_limit tries"
        yield (
            "storage.total_limit_size" not in target,
            f"{target['name']}: without a limit the buffer fills the node's disk",
        )


def _names(plugin: Tree) -> list[str]:
    return [unit["name"] for unit in plugin.get("processors", {}).get("logs", [])]


def broken_joins(main: Tree, parsers: Tree) -> list[str]:
    """Find what keeps lines that belong together apart, or mixes the lines of two containers."""
    return [complaint for is_broken, complaint in _breaks(main, parsers) if is_broken]


def _breaks(main: Tree, parsers: Tree) -> Iterator[tuple[bool, str]]:
    source, target = main["pipeline"]["inputs"][0], main["pipeline"]["outputs"][0]
    yield (
        source.get("multiline.parser") != "docker, cri",
        "tail: lines over 16 KiB stay in pieces without `docker, cri`",
    )
    yield (
        str(target.get("workers")) != "1",
        "kinesis_streams: more than one worker mix up the state of the multiline filter",
    )
    yield (
        _names(target)[:2] != ["lua", "multiline"],
        "kinesis_streams: multiline needs the boundaries that lua puts before it",
    )
    for unit in target["processors"]["logs"]:
        if unit["name"] == "multiline":
            yield (
                unit.get("buffer", "on") != "off",
                "multiline: a buffer holds lines in memory, and sends them where processors do not run",
            )
            known = [entry["name"] for entry in parsers["multiline_parsers"]]
            yield unit["multiline.parser"] not in known, f"multiline: there is no parser {unit['multiline.parser']}"
        if unit["name"] == "parser":
            known = [entry["name"] for entry in parsers["parsers"]]
            yield from ((name not in known, f"parser: there is no parser {name}") for name in unit["parser"])
            yield from ((name not in unit["parser"], f"parser: nobody asks {name}") for name in known)


def wrong_rules(parsers: Tree) -> list[str]:
    """Find rules and expressions that cannot be loaded, or cannot do what they say."""
    problems = []
    for entry in parsers["multiline_parsers"]:
        try:
            Rules(entry)
        except RuleError as error:
            problems.append(f"{entry['name']}: {error}")
        problems += _unlike_free_text(entry["rules"])
    for entry in parsers["parsers"]:
        try:
            names = Expression(entry["regex"]).names
        except ExpressionError as error:
            problems.append(f"{entry['name']}: {error}")
        else:
            problems += [f"{entry['name']}: no group log_content"] * ("log_content" not in names)
    return problems


def _unlike_free_text(rules: Iterable[Tree]) -> list[str]:
    """Fluent Bit has no way to write an expression once and use it twice."""
    free = [rule["regex"] for rule in rules if "[[:alpha:]" in rule["regex"] and "(?!Traceback" in rule["regex"]]
    return [] if len(free) == 2 and free[0] == free[1] else ["the two expressions for free text differ"]


def unset_variables(text: str, values: Tree) -> list[str]:
    """Find ${...} that no value sets. Fluent Bit would go on with nothing in its place."""
    given = [entry["name"] for kind in ("env", "envWithTpl") for entry in values.get(kind, [])]
    return [
        *(f"${{{name}}} is set nowhere" for name in sorted(variables(text) - {*given})),
        *(f"{name} is set, and nothing asks for it" for name in sorted({*given} - variables(text))),
    ]


def unknown_values(values: Tree) -> list[str]:
    """Find values that the chart has no use for. Helm passes by them."""
    return [f"the chart has no value {path}" for path in _paths(values) if not _is_known(path)]


def _paths(values: Tree, before: str = "") -> Iterator[str]:
    for name, value in values.items():
        path = before + name
        if isinstance(value, dict) and path not in CHART["structures"]:
            yield from _paths(value, path + ".")
        else:
            yield path


def _is_known(path: str) -> bool:
    return path in CHART["scalars"] or path in CHART["structures"]


def unsafe(values: Tree) -> list[str]:
    """Find rights and credentials that Fluent Bit does not need."""
    return [complaint for is_unsafe, complaint in _risks(values) if is_unsafe]


def _risks(values: Tree) -> Iterator[tuple[bool, str]]:
    context = values["securityContext"]
    yield context.get("privileged", False), "the container is privileged"
    yield context.get("allowPrivilegeEscalation", True), "the container may gain rights"
    yield not context.get("readOnlyRootFilesystem", False), "the root file system can be written to"
    yield context.get("capabilities") != {"drop": ["ALL"]}, "the container keeps capabilities"
    yield values["rbac"].get("nodeAccess", False), "nodes/proxy lets its holder run commands in every pod"
    yield values.get("hostNetwork", False), "the pod is on the node's network"
    yield values["testFramework"].get("enabled", True), "helm test starts an image of no fixed version"
    for entry in values.get("env", []):
        yield (
            re.search(r"SECRET|PASSWORD|ACCESS_KEY|TOKEN$", entry["name"]) is not None,
            f"{entry['name']} is a static credential",
        )
    for volume, mount in zip(values["daemonSetVolumes"], values["daemonSetVolumeMounts"], strict=True):
        is_state = volume["hostPath"]["path"] == "/var/lib/fluent-bit"
        yield (
            not is_state and not mount.get("readOnly", False),
            f"{volume['hostPath']['path']} of the node can be written to",
        )


def unpinned(values: Tree) -> list[str]:
    """Find another version than the one that the options and the rules are known of."""
    tag = values["image"].get("tag")
    return (
        []
        if tag == OPTIONS["fluent_bit"] == CHART["appVersion"]
        else [f"the image is {tag}, not {OPTIONS['fluent_bit']}"]
    )
