"""What becomes of a container's lines, by the configuration's own rules, expressions and script."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tests.deploy.fluent_bit.configuration import MAIN, PARSERS, load, plugins
from tests.deploy.fluent_bit.multiline import Line, Rules
from tests.deploy.fluent_bit.onigmo import Expression
from tests.deploy.fluent_bit.script import Script

#: What is the same for all records of a container.
_OF_THE_CONTAINER = ("service", "k8s.", "log.record.uid", "log.iostream")


class Pipeline:
    """The `processors` of the output, one after the other."""

    def __init__(self, parsers: Mapping[str, Any] | None = None) -> None:
        parsers = parsers or load(PARSERS)
        self._rules = Rules(parsers["multiline_parsers"][0])
        self._headers = headers(parsers)
        self._script = Script()

    def records(self, lines: Iterable[str], stream: str = "stdout") -> Iterator[dict[str, Any]]:
        """Yield the records of a chunk, without what is the same for all of a container."""
        tidied = (record for line in lines for record in self._script.call("line", {"log": line, "stream": stream}))
        for text, _ in self._rules.join(Line(record["log"], record["stream"]) for record in tidied):
            if text == "\x1e":
                continue
            for record in self._script.call("record", {"log": text, "stream": stream} | self._header(text)):
                yield {name: record[name] for name in sorted(record) if not name.startswith(_OF_THE_CONTAINER)}

    def _header(self, text: str) -> dict[str, str]:
        found = (expression.groups(text) for expression in self._headers.values())
        return next((groups for groups in found if groups is not None), {})


def headers(parsers: Mapping[str, Any]) -> dict[str, Expression]:
    """Return the expressions for headers in the order in which they are tried."""
    expressions = {parser["name"]: Expression(parser["regex"]) for parser in parsers["parsers"]}
    filters = [options for _, options in plugins(load(MAIN)) if options["name"] == "parser"]
    return {name: expressions[name] for name in filters[0]["parser"]}
