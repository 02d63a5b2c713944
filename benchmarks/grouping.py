"""How well messages are grouped, against labels that people gave.

    python benchmarks/grouping.py PATH [--worst 5]

PATH is a folder of `*.csv` files with the columns `content` and `template`, the label, such as LogHub-2k's (Zhu et al.,
"Loghub", ISSRE 2023; corrected labels of Khan et al., ICSE 2022). Each line goes the way of a record: read, redacted,
fingerprinted; all lines of a file have one service. Printed is the grouping accuracy (GA) of each file: the share of
lines for which the set of lines with the same fingerprint equals the set of lines with the same label.

Ends with 1 where the mean is below 95 % or one file below 85 %.
"""

import argparse
import csv
import sys
from collections import defaultdict
from collections.abc import Hashable, Sequence
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import orjson

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from jobs.commands.text import explain_line  # noqa: E402 - a script is run from anywhere
from udfs.fingerprint import Fingerprint, load_fingerprint_rules  # noqa: E402
from udfs.redact import Redactor, load_redact_rules  # noqa: E402

LEAST_MEAN = 0.95
LEAST = 0.85
COLUMNS = {"content", "template"}
SERVICE = "service"


class Labelled(NamedTuple):
    """A line, what people called its kind, and its fingerprint."""

    content: str
    label: str
    fingerprint: Fingerprint


def fingerprint_all(path: Path) -> list[Labelled]:
    """Read a file of labelled lines and fingerprint them."""
    redactor, rules = Redactor(load_redact_rules()), load_fingerprint_rules()
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if not set(reader.fieldnames or ()) >= COLUMNS:
            raise SystemExit(f"{path}: has no columns {' and '.join(sorted(COLUMNS))}")
        rows = list(reader)
    lines = (orjson.dumps({"service": SERVICE, "log_content": row["content"]}) for row in rows)
    found = (explain_line(line, redactor, rules).explanation.fingerprint for line in lines)
    return [Labelled(row["content"], row["template"], value) for row, value in zip(rows, found, strict=True)]


def groups(keys: Sequence[Hashable]) -> list[frozenset[int]]:
    """Return for each place the set of all places with the same key."""
    places: dict[Hashable, list[int]] = defaultdict(list)
    for place, key in enumerate(keys):
        places[key].append(place)
    sets = {key: frozenset(members) for key, members in places.items()}
    return [sets[key] for key in keys]


def wrong(lines: Sequence[Labelled]) -> list[Labelled]:
    """Return the lines whose group is not that of their label."""
    ours = groups([line.fingerprint.value for line in lines])
    theirs = groups([line.label for line in lines])
    return [line for line, mine, labelled in zip(lines, ours, theirs, strict=True) if mine != labelled]


def worst(lines: Sequence[Labelled], count: int) -> list[str]:
    """Say of the labels with the most wrong lines into which templates they fell."""
    templates: dict[str, list[str]] = defaultdict(list)
    for line in wrong(lines):
        templates[line.label].append(line.fingerprint.template)
    ranked = sorted(templates.items(), key=lambda item: -len(item[1]))[:count]
    return [
        f"    {len(found):5}  {label}\n" + "\n".join(f"           {t}" for t in sorted(set(found))[:3])
        for label, found in ranked
    ]


def main() -> int:
    """Print the accuracy of each file; return 1 where it is too low."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path, help="folder of *.csv files with the columns content and template")
    parser.add_argument("--worst", type=int, default=0, metavar="N", help="show the N labels with the most wrong lines")
    options = parser.parse_args()
    files = sorted(options.path.glob("*.csv"))
    if not files:
        sys.stderr.write(f"{options.path}: no *.csv files here; labelled lines are no part of the project\n")
        return 2
    accuracies = []
    for file in files:
        lines = fingerprint_all(file)
        accuracies.append(1 - len(wrong(lines)) / max(1, len(lines)))
        print(f"{file.stem:20} {accuracies[-1]:.4f}", *worst(lines, options.worst), sep="\n")
    print(f"{'mean':20} {fmean(accuracies):.4f}\n{'lowest':20} {min(accuracies):.4f}")
    return int(fmean(accuracies) < LEAST_MEAN or min(accuracies) < LEAST)


if __name__ == "__main__":
    sys.exit(main())
