"""Validation of tables that come in chunks: each by Great Expectations, and the results added up."""

import math
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import pandas as pd
from great_expectations.core import ExpectationValidationResult

import great_expectations as gx
from quality.shown import cut, one_line

#: Rows that are shown of those that broke an expectation.
EXAMPLES = 10


class EvaluationError(Exception):
    """An expectation could not be evaluated: a bug in its suite or table."""


class TableValidator:
    """Validates the chunks of one table against a suite, and adds up what came of them."""

    def __init__(self, suite: gx.ExpectationSuite) -> None:
        self._batches, suites = _library()
        self._suite = suites.add_or_update(suite)
        self._results: list[ExpectationValidationResult] = []

    def validate(self, table: pd.DataFrame, where: Callable[[int], str], unlisted: int = 0) -> None:
        """Validate a chunk; `where` names a row for people. So many more rows are `unlisted`: they are as expected.

        Raises:
            EvaluationError: an expectation could not be evaluated.
        """
        batch = self._batches.get_batch(batch_parameters={"dataframe": table})
        outcome = batch.validate(
            self._suite, result_format={"result_format": "SUMMARY", "partial_unexpected_count": EXAMPLES}
        )
        results = [_located(result, where, unlisted) for result in outcome.results]
        self._results = [_add(*pair) for pair in zip(self._results, results, strict=True)] if self._results else results

    @property
    def results(self) -> list[ExpectationValidationResult]:
        """One result for each expectation, over all chunks."""
        return self._results


@cache
def _library() -> tuple[Any, Any]:
    """Return where tables go in and where suites are kept. One for a process: each makes a folder for pages."""
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("pandas").add_dataframe_asset("table")
    return asset.add_batch_definition_whole_dataframe("chunk"), context.suites


def name_of(result: ExpectationValidationResult) -> str:
    """Return the name that the suite gave to the result's expectation."""
    return str(result.expectation_config.meta["name"])


def _located(
    result: ExpectationValidationResult, where: Callable[[int], str], unlisted: int
) -> ExpectationValidationResult:
    """Return a result with the places of unexpected values beside them, and with what was not listed counted."""
    if result.exception_info["raised_exception"]:
        raise EvaluationError(f"{name_of(result)}: {result.exception_info['exception_message']}")
    rows = result.result.pop("partial_unexpected_index_list", None) or ()
    values = result.result["partial_unexpected_list"]
    result.result["partial_unexpected_list"] = [
        f"{cut(_shown(value, result.expectation_config.kwargs))} ({cut(one_line(where(row)))})"
        for value, row in zip(values, rows, strict=True)
    ]
    result.result["element_count"] += unlisted
    return _completed(result)


def _add(total: ExpectationValidationResult, part: ExpectationValidationResult) -> ExpectationValidationResult:
    total.success = total.success and part.success
    for count in ("element_count", "unexpected_count", "missing_count"):
        if count in total.result:
            total.result[count] += part.result[count]
    shown = total.result["partial_unexpected_list"]
    shown += part.result["partial_unexpected_list"][: EXAMPLES - len(shown)]
    return _completed(total)


def _completed(result: ExpectationValidationResult) -> ExpectationValidationResult:
    """Derive from a result's counts and examples what else reports show of them."""
    outcome: dict[str, Any] = result.result
    elements, unexpected, missing = (
        outcome.get(count, 0) for count in ("element_count", "unexpected_count", "missing_count")
    )
    shares = {
        "unexpected_percent": (unexpected, elements - missing),
        "unexpected_percent_nonmissing": (unexpected, elements - missing),
        "unexpected_percent_total": (unexpected, elements),
        "missing_percent": (missing, elements),
    }
    for name, (part, whole) in shares.items():
        if name in outcome:
            outcome[name] = 100 * part / whole if whole else 0.0
    outcome["partial_unexpected_counts"] = [
        {"value": example, "count": 1} for example in outcome["partial_unexpected_list"]
    ]
    return result


def _shown(value: Any, columns: Mapping[str, Any]) -> str:
    if isinstance(value, tuple):
        pair = zip((columns["column_A"], columns["column_B"]), value, strict=True)
        return ", ".join(f"{column} {_text(each)}" for column, each in pair)
    return _text(value)


def _text(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "nothing"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return one_line(str(value))
