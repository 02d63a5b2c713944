"""The options `--from` and `--to` of verbs that are about whole hours."""

from typing import Annotated

import typer

from jobs.hours import Hours, HoursError, hours_between

From = Annotated[str, typer.Option("--from", help="First hour, ISO-8601; UTC where it names no zone.")]
To = Annotated[str, typer.Option("--to", help="End, exclusive: the start of an hour, too.")]


def hours_of(first: str, end: str) -> Hours:
    """Return the hours that the options name.

    Raises:
        typer.BadParameter: they name none.
    """
    try:
        return hours_between(first, end)
    except HoursError as error:
        raise typer.BadParameter(str(error), param_hint="--from, --to") from None
