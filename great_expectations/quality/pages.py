"""The pages of checked hours: Great Expectations' Data Docs of each suite, and lists to find them by.

Its own page template fetches scripts and styles of seven sites. What it renders is put into a template of ours, which
fetches nothing, and in which nothing runs.
"""

import html
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from great_expectations.core import ExpectationSuiteValidationResult, ExpectationValidationResult
from great_expectations.render.renderer import ValidationResultsPageRenderer
from great_expectations.render.view import DefaultJinjaPageView

from great_expectations import __version__ as library_version
from jobs.commands.objects import Folder
from quality.check import DAY_MS, REPORT, Checked
from quality.report import HourReport
from udfs.chunk import HOUR_MS, hour_folder

PAGE = "index.html"
_TEMPLATES = Path(__file__).with_name("templates")


class _Entry(NamedTuple):
    """A line of a list."""

    title: str
    link: str
    success: bool | None = None
    note: str = ""


def page_of(hour: int) -> str:
    """Return the name of an hour's page in the folder of reports."""
    return f"{hour_folder(hour)}/{PAGE}"


def render_hour(checked: Checked) -> dict[str, str]:
    """Return the pages of an hour, HTML by name in the folder of reports."""
    folder = hour_folder(checked.report.hour)
    titles = _titles(checked.report.hour)
    pages = {}
    for suite, results in checked.results:
        content = _data_docs(suite.title, results, titles["hour_title"], checked.report.checked_at)
        page = _view().render(content, template="suite.j2", suite_title=suite.title, **titles)
        pages[f"{folder}/{suite.name}.html"] = page
    suites = [
        {
            "name": result.suite.name,
            "title": result.suite.title,
            "findings": [finding for finding in checked.report.findings if finding.suite == result.suite.name],
        }
        for result in checked.results
    ]
    checked_at = f"{datetime.fromtimestamp(checked.report.checked_at / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
    pages[f"{folder}/{PAGE}"] = _fill("hour.j2", report=checked.report, suites=suites, checked_at=checked_at, **titles)
    return pages


def render_day(hours: Iterable[HourReport]) -> str:
    """Return the page of a day, given the reports of its hours, HTML."""
    reports = sorted(hours, key=lambda report: report.hour)
    entries = [
        _Entry(
            _titles(report.hour)["hour_title"],
            f"{hour_folder(report.hour).partition('/')[2]}/{PAGE}",
            report.success,
            f"{report.lines:,} lines" + "".join(f" · {finding.expectation}" for finding in report.failed),
        )
        for report in reports
    ]
    return _fill("list.j2", title=_titles(reports[0].hour)["day_title"], entries=entries, up=True)


def render_days(days: Iterable[str]) -> str:
    """Return the page of all days, given the names of their folders, HTML."""
    entries = [_Entry(day.removeprefix("dt="), f"{day}/{PAGE}") for day in sorted(days, reverse=True)]
    return _fill("list.j2", title="Quality of archive and dead letters", entries=entries, up=False)


def write_pages(reports: Folder, checked: Checked, of_the_day: Sequence[HourReport]) -> None:
    """Write an hour's report and pages, and the lists that it is in.

    `of_the_day` are the other reports of its day. The report is written last: who finds it finds its pages, too.

    Raises:
        BotoCoreError, ClientError: S3 failed.
    """
    hour = checked.report.hour
    folder = hour_folder(hour)
    pages = render_hour(checked)
    day = folder.partition("/")[0]
    pages[f"{day}/{PAGE}"] = render_day([*of_the_day, checked.report])
    for name, page in pages.items():
        reports.write(name, page.encode())
    reports.write(f"{folder}/{REPORT}", checked.report.to_bytes())
    days = [name for name in reports.folders() if name.startswith("dt=")]
    reports.write(PAGE, render_days(days).encode())


def hours_of_day(hour: int) -> range:
    """Return the starts of the hours of the day that an hour is of, epoch milliseconds."""
    start = hour - hour % DAY_MS
    return range(start, start + DAY_MS, HOUR_MS)


def _data_docs(title: str, results: Iterable[ExpectationValidationResult], data_asset: str, checked_at: int) -> Any:
    """Return what Great Expectations shows of a suite. Texts of logs are escaped: not all of its templates do it."""
    shown = [_escaped(each) for each in results]
    met = sum(bool(each.success) for each in shown)
    return ValidationResultsPageRenderer(run_info_at_end=True).render(
        ExpectationSuiteValidationResult(
            success=met == len(shown),
            results=shown,
            suite_name=title,
            statistics={
                "evaluated_expectations": len(shown),
                "successful_expectations": met,
                "unsuccessful_expectations": len(shown) - met,
                "success_percent": 100 * met / len(shown),
            },
            meta={
                "great_expectations_version": library_version,
                "expectation_suite_name": title,
                "batch_spec": {"data_asset_name": data_asset},
                "run_id": {
                    "run_name": "cali quality",
                    "run_time": datetime.fromtimestamp(checked_at / 1000, UTC).isoformat(),
                },
            },
        )
    )


def _escaped(result: ExpectationValidationResult) -> ExpectationValidationResult:
    copy = deepcopy(result)
    examples = [html.escape(example) for example in copy.result["partial_unexpected_list"]]
    copy.result["partial_unexpected_list"] = examples
    copy.result["partial_unexpected_counts"] = [{"value": example, "count": 1} for example in examples]
    return copy


@cache
def _view() -> DefaultJinjaPageView:
    """Return what fills templates; it keeps them compiled."""
    return DefaultJinjaPageView(custom_views_directory=str(_TEMPLATES))


def _fill(template: str, **values: Any) -> str:
    page: str = _view().env.get_template(template).render(**values)
    return page


def _titles(hour: int) -> Mapping[str, str]:
    start = datetime.fromtimestamp(hour / 1000, UTC)
    return {"day_title": f"{start:%Y-%m-%d}", "hour_title": f"{start:%Y-%m-%d %H}:00 UTC"}
