"""What was written on a node, and what came of it: every line accounted for."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tests.deploy.fluent_bit.pipeline import Pipeline

_TRACES = {path.stem: path.read_text() for path in sorted((Path(__file__).parent / "traces").glob("*.txt"))}
LANGUAGES = tuple(_TRACES)


class Account(NamedTuple):
    """Traces, and of these in one record; lines missing, and too many; records that came again, by their uid."""

    traces: int
    whole: int
    lost: int
    extra: int
    again: int


class Ledger:
    """Makes traces, and knows which lines and records they are to become."""

    def __init__(self) -> None:
        self._pipeline = Pipeline()
        self._contents: Counter[str] = Counter()

    def trace(self, language: str, number: int) -> list[str]:
        """Return the lines of a trace, header first."""
        lines = _TRACES[language].replace("NUMBER", str(number)).splitlines()
        (record,) = self._pipeline.records(lines)
        self._contents[record["log_content"]] += 1
        return lines

    def account(self, records: Iterable[Mapping[str, Any]]) -> Account:
        """Compare what was written with the records that came."""
        arrived = list(records)
        once = {record["log.record.uid"]: record["log_content"] for record in arrived}
        contents = Counter(once.values())
        written, read = _lines(self._contents), _lines(contents)
        return Account(
            traces=self._contents.total(),
            whole=(self._contents & contents).total(),
            lost=(written - read).total(),
            extra=(read - written).total(),
            again=len(arrived) - len(once),
        )


def _lines(contents: Counter[str]) -> Counter[str]:
    """Count lines. Empty ones at the end of a record are not kept, so none are counted."""
    return Counter(_all_lines(contents.elements()))


def _all_lines(contents: Iterable[str]) -> Iterator[str]:
    return (line for content in contents for line in content.split("\n") if line)
