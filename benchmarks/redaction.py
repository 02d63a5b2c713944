"""How well redaction works: on secrets that were planted, on lines that only look so, and on lines of real systems.

    python benchmarks/redaction.py PATH [--count 20000] [--seed 1]

PATH is a folder of `*.csv` files with the logs of public systems in the column `content`, such as loghub's
(github.com/logpai/loghub, the files `*_2k.log_structured.csv` with their column `Content` renamed). They hold no
secrets: whatever is changed there counts as a false positive. Printed are

    recall            share of the planted secrets of which no larger piece is left, for each kind
    lookalikes        share of the lines without a secret that were changed
    false positives   share of the lines of PATH that were changed, and which rules changed how many

Ends with 1 where the recall is below 99.5 % or the false positives are 0.1 % or more.
"""

import argparse
import csv
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from local.generator.lookalikes import lookalikes  # noqa: E402 - a script is run from anywhere
from local.generator.secrets import is_left, secrets  # noqa: E402
from udfs.redact import Redactor, load_redact_rules  # noqa: E402

LEAST_RECALL = 0.995
FALSE_POSITIVES_BELOW = 0.001
COLUMN = "content"


class Share(NamedTuple):
    """How many of how many."""

    part: int
    whole: int

    def __str__(self) -> str:
        return f"{self.share:8.3%}  {self.part}/{self.whole}"

    @property
    def share(self) -> float:
        """Between 0 and 1; nothing of nothing is all."""
        return self.part / self.whole if self.whole else 1.0


def recall_by_kind(redactor: Redactor, seed: int, count: int) -> dict[str, Share]:
    """Plant secrets and return the share that is gone, by kind."""
    planted: Counter[str] = Counter()
    gone: Counter[str] = Counter()
    for secret in secrets(seed, count):
        planted[secret.kind] += 1
        gone[secret.kind] += not is_left(secret.secret, redactor.redact(secret.log_content))
    return {kind: Share(gone[kind], planted[kind]) for kind in planted}


def changed(redactor: Redactor, lines: Iterable[str]) -> tuple[Share, Counter[str]]:
    """Return the share of lines that are changed, and how many of them each rule changed."""
    whole = part = 0
    rules: Counter[str] = Counter()
    for line in lines:
        whole += 1
        found = {hit.rule for hit in redactor.explain(line).hits}
        part += bool(found)
        rules.update(found)
    return Share(part, whole), rules


def read_lines(folder: Path) -> Iterator[str]:
    """Yield the column `content` of all files of a folder."""
    for path in sorted(folder.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            if COLUMN not in (reader.fieldnames or ()):
                sys.exit(f"{path} has no column {COLUMN!r}.")
            yield from (row[COLUMN] for row in reader)


def print_recall(kinds: dict[str, Share]) -> Share:
    """Print the recall, kinds of which something is left first, and return that of all together."""
    for kind, share in sorted(kinds.items(), key=lambda item: (item[1].share, item[0])):
        print(f"  {kind:28} {share}")
    total = Share(sum(share.part for share in kinds.values()), sum(share.whole for share in kinds.values()))
    print(f"recall, {len(kinds)} kinds{'':15} {total}")
    return total


def print_changed(title: str, share: Share, rules: Counter[str]) -> None:
    """Print a share of changed lines and the rules that changed them."""
    print(f"{title:30} {share}")
    for rule, count in rules.most_common():
        print(f"  {rule:28} {count:>10}")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("path", type=Path, help="folder of *.csv files with a column `content`")
    parser.add_argument("--count", type=int, default=20_000, help="lines to generate of either sort")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def main() -> int:
    """Measure, print, and tell whether it is good enough."""
    options = arguments()
    if not any(options.path.glob("*.csv")):
        sys.exit(
            f"{options.path} holds no *.csv files: give a folder of logs with a column {COLUMN!r}, such as loghub's."
        )
    redactor = Redactor(load_redact_rules())
    recall = print_recall(recall_by_kind(redactor, options.seed, options.count))
    similar = (each.log_content for each in lookalikes(options.seed, options.count))
    print_changed("lookalikes changed", *changed(redactor, similar))
    real, rules = changed(redactor, read_lines(options.path))
    print_changed("false positives", real, rules)
    return int(recall.share < LEAST_RECALL or real.share >= FALSE_POSITIVES_BELOW)


if __name__ == "__main__":
    sys.exit(main())
