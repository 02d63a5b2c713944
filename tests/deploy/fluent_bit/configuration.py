"""Fluent Bit's own files, as Python data."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[3] / "fluent-bit"
MAIN, PARSERS, SCRIPT = FOLDER / "fluent-bit.yaml", FOLDER / "parsers.yaml", FOLDER / "records.lua"

_VARIABLE = re.compile(r"\$\{(\w+)\}")


def load(path: Path) -> dict[str, Any]:
    """Read a file; of keys that stand twice in a map both are kept, as a list.

    Raises:
        yaml.YAMLError: it is no YAML.
    """
    loaded: dict[str, Any] = yaml.load(path.read_text(), _Loader)  # noqa: S506 - a safe loader
    return loaded


def variables(text: str) -> set[str]:
    """Return the names of the environment variables that a file asks for."""
    return set(_VARIABLE.findall(text))


def plugins(main: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield kind and options of every plugin, those in `processors` too."""
    for kind in ("inputs", "filters", "outputs"):
        for entry in main["pipeline"].get(kind, []):
            options = dict(entry)
            units = options.pop("processors", {})
            yield kind, options
            for unit in units.get("logs", []):
                yield "filters", dict(unit)


class _Loader(yaml.SafeLoader):
    """Takes `on` and `off` as Fluent Bit does: as words."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, expression) for tag, expression in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
