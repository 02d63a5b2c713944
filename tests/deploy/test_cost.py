"""The formulas of what a month costs."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.cost import (
    EXAMPLES,
    Case,
    items,
    on_demand,
    page,
    parallelism_of,
    provisioned,
    s3_puts_of,
    search_gb_of,
    stream_of,
    unaggregated,
    vcpus_of,
    with_values,
)

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "operations" / "cost.md"


def test_the_page_has_what_the_code_says():
    (generated,) = re.findall(r"<!-- cost: begin -->\n(.*)\n<!-- cost: end -->", PAGE.read_text(), re.DOTALL)
    assert generated == page(), "put the output of `python -m benchmarks.cost` between the marks"


def test_lines_of_a_container_and_a_flush_share_a_record():
    # 86.4 GB a day are 1 MB a second: 2,000 lines of 500 bytes, 20 a record, of 2,500 bytes packed.
    stream = stream_of(Case(gb_per_day=86.4, line_bytes=500, writers=500, flush_seconds=5, gzip_ratio=4))
    assert (stream.lines_per_record, stream.record_bytes, stream.records_per_second) == pytest.approx((20, 2_500, 100))


def test_a_record_is_never_larger_than_fluent_bit_makes_it():
    stream = stream_of(Case(gb_per_day=10_000, writers=1, flush_seconds=60, gzip_ratio=1))
    assert stream.record_bytes == pytest.approx(1_048_556)


def test_a_provisioned_stream_counts_units_of_25_kb():
    # 100 records a second of 2,500 bytes: a unit each, 262.8 million a month; two shards.
    case = Case(gb_per_day=86.4, line_bytes=500, writers=500, flush_seconds=5, gzip_ratio=4, peak=1, kept_days=1)
    assert provisioned(case) == pytest.approx(730 * 2 * 0.015 + 262.8 * 0.014)


def test_an_on_demand_stream_rounds_each_record_up_to_a_kilobyte():
    case = Case(gb_per_day=86.4, line_bytes=500, writers=500, flush_seconds=5, gzip_ratio=4, kept_days=1)
    written, read = 262.8e6 * 3 * 1024 / 1e9, 2 * 262.8e6 * 2_500 / 1e9
    assert on_demand(case) == pytest.approx(730 * 0.04 + written * 0.08 + read * 0.04)


def test_what_is_kept_for_longer_than_a_day_is_paid_for():
    case = Case(gb_per_day=86.4, line_bytes=500, writers=500, flush_seconds=5, gzip_ratio=4, peak=1, kept_days=7)
    a_day = replace(case, kept_days=1)
    assert provisioned(case) - provisioned(a_day) == pytest.approx(730 * 2 * 0.02)
    assert on_demand(case) - on_demand(a_day) == pytest.approx(8.64e6 * 3 * 1024 / 1e9 * 6 * 0.10)


def test_a_record_a_line_costs_a_multiple():
    case = EXAMPLES["1 TB a day"]
    assert stream_of(unaggregated(case)).lines_per_record == 1
    assert provisioned(unaggregated(case)) > 5 * provisioned(case)
    assert on_demand(unaggregated(case)) > 3 * on_demand(case)


def test_parallelism_follows_the_peak():
    # 23,148 lines a second on average, 69,444 at the peak, 23,000 for half of a core.
    assert parallelism_of(Case(gb_per_day=1_000, line_bytes=500, peak=3)) == 4
    assert parallelism_of(Case(gb_per_day=1)) == 2


def test_disks_hold_days_copies_and_overhead():
    case = Case(gb_per_day=10, document_ratio=1.37, index_days=14, copies=2)
    assert search_gb_of(case) == pytest.approx(10 * 1.37 * 14 * 2 * 1.45)


def test_airflow_costs_a_database_and_its_share_of_the_nodes():
    # 4 TaskManagers of 2, 12 of others and 3 of Airflow need 27 processors (0.85 of a node are theirs); without it 24.
    case = Case(gb_per_day=1_000, least_vcpus=4)
    assert (vcpus_of(case), vcpus_of(replace(case, airflow_vcpus=0))) == (28, 24)
    assert dict(items(case))["Airflow's database"] == pytest.approx(730 * 0.032 + 20 * 0.115)


def test_an_hour_makes_files_whatever_comes_in_it():
    # A file a checkpoint of an hour for archive and receipts, 20 of state; a marker; a report of six files.
    case = Case(gb_per_day=1, checkpoint_seconds=3_600)
    assert s3_puts_of(case) == pytest.approx(730 * (2 * (2 * 3 + 20) + 3 + 6))


def test_nothing_is_free_but_slack():
    assert [name for name, cost in items(Case()) if cost == 0] == ["Slack webhooks"]


def test_variables_and_prices_can_be_set():
    case = with_values(Case(), ["gb_per_day=7", "prices.nat_hour=0.059"])
    assert (case.gb_per_day, case.prices.nat_hour) == (7, 0.059)


@pytest.mark.parametrize(
    ("assignment", "complaint"),
    [
        ("gzip=4", "there is no variable gzip"),
        ("prices.gzip_ratio=4", "there is no variable prices.gzip_ratio"),
        ("prices=4", "there is no variable prices"),
        ("writers=many", "not a number of zero or more"),
        ("writers=-1", "not a number of zero or more"),
        ("writers=nan", "not a number of zero or more"),
    ],
)
def test_a_wrong_assignment_is_named(assignment, complaint):
    with pytest.raises(ValueError, match=complaint):
        with_values(Case(), [assignment])


def test_the_command_works_out_one_case():
    command = [sys.executable, "-m", "benchmarks.cost", "--gb-per-day", "200", "--set", "gzip_ratio=6"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)  # noqa: S603
    assert "| dollars a month | 200 GB a day |" in ran.stdout
