"""Print `docs/rules.md`, which lists what the newest rule sets take out, mask and leave out, and why.

python -m jobs.rule_docs >docs/rules.md
"""

from collections.abc import Iterable, Iterator

from udfs.frames import load_frame_rules
from udfs.parameterize import load_parameterize_rules
from udfs.redact import load_redact_rules
from udfs.ruleset import FRAMES_DATE, PARAMETERIZE_DATE, REDACT_DATE, Rule

_HEAD = """# The rules

What `udfs/rules/` holds, in its order; the patterns stand there. Written by `python -m jobs.rule_docs >docs/rules.md`.
"""


def tables() -> Iterator[str]:
    """Yield the parts of the page."""
    yield _HEAD
    redact = load_redact_rules()
    yield _table(f"Redaction, {REDACT_DATE}", redact.rules)
    yield _table("Fields whose values are secret", redact.secret_keys)
    yield _table("Values that hide nothing", (*redact.no_secrets, *redact.prose))
    yield _table(f"Parameterization, {PARAMETERIZE_DATE}", load_parameterize_rules())
    for language, names in load_frame_rules().items():
        yield _table(f"Stack frames of {language}, {FRAMES_DATE}", (*names.libraries, *names.names))


def _table(title: str, rules: Iterable[Rule]) -> str:
    rows = (f"| {rule.name} | {_code(rule.replace)} | {_cell(rule.reason)} |" for rule in rules)
    return "\n".join((f"## {title}\n", "| rule | leaves | why |", "|---|---|---|", *rows, ""))


def _code(replacement: str | None) -> str:
    return f"`{_cell(replacement)}`" if replacement else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    print("\n".join(tables()), end="")  # noqa: T201 - it writes the page
