"""`cali setup`: prepare the stores that the job writes to."""

import json
from typing import NoReturn

import typer
from opensearchpy.exceptions import OpenSearchException, TransportError

from jobs.commands.exit_codes import EXIT_FAILED
from jobs.log_insight.opensearch import connect
from jobs.log_insight.opensearch_setup import Action, Report, VersionError, reason_of, set_up
from jobs.log_insight.settings import load_secrets, load_settings

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def setup() -> None:
    """Prepare the stores that the job writes to."""


@app.command()
def opensearch() -> None:
    """Install or upgrade the index templates, the lifecycle of log indices, and the mappings of indices that exist.

    It may run as often as you like, also while the job runs: what is as it should be is not written. Run it before a
    new release of the job starts. One JSON line an object says what was done: created, upgraded, unchanged, skipped
    (this cluster cannot have it) or refused, the last two with the reason. Exit code 0: all is as it should be, as far
    as the cluster can have it; 1: something was refused, or OpenSearch does not answer, or it is none or too old;
    2: a setting is wrong.

    Examples:

      cali setup opensearch

      CALI_INDEX__RETENTION_DAYS=30 cali setup opensearch

      cali setup opensearch | jq -c 'select(.action != "unchanged")'
    """
    settings, secrets = load_settings().index, load_secrets()
    refused = False
    try:
        with connect(settings, secrets) as client:
            for report in set_up(client, settings.prefix, settings.retention_days):
                typer.echo(json.dumps(_line(report)))
                refused |= report.action is Action.REFUSED
    except VersionError as error:
        _fail(f"{settings.url}: {error}")
    except TransportError as error:
        if not isinstance(error.status_code, int):
            _fail(f"{settings.url}: OpenSearch does not answer: {type(error).__name__}")
        _fail(f"{settings.url}: {reason_of(error)}")
    except OpenSearchException as error:
        _fail(f"{settings.url}: the answer is not OpenSearch's: {type(error).__name__}")
    if refused:
        raise typer.Exit(EXIT_FAILED)


def _line(report: Report) -> dict[str, str]:
    return {name: value for name, value in report._asdict().items() if value}


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(EXIT_FAILED)
