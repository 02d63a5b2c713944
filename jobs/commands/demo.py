"""`cali demo`: the whole pipeline on a story of failing services, from nothing to an account of it."""

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from jobs.log_insight.settings import load_secrets, load_settings
from local.demo import Account, DemoError, Plan, print_account, tell, write_report
from local.flink import FlinkError
from local.job import submit_job
from local.paths import ROOT
from local.process import PartError
from local.stack import Stack, StackError

REPORT = ROOT / "build" / "demo-report.json"


def demo(
    records: Annotated[int, typer.Option(min=1000, help="Log lines.")] = 50_000,
    duration: Annotated[float, typer.Option(min=1, help="Seconds that the story takes.")] = 50.0,
    seed: Annotated[int, typer.Option(help="The same seed tells the same story.")] = 1,
    report: Annotated[Path, typer.Option(help="Where the figures go.")] = REPORT,
) -> None:
    """Run the whole pipeline on this machine: logs of ten services in, alerts out, and an account of every record.

    Exits with 0 if nothing was lost or doubled and every failure was told of exactly once, else with 1.

    Examples:

      cali demo

      cali demo --records 100000 --duration 90 --seed 7
    """
    console = Console()
    began = time.monotonic()
    try:
        with Stack(watched=False) as stack:
            account = _run(stack, Plan(records, duration, seed), console)
    except (StackError, PartError, FlinkError, DemoError) as error:
        console.print(str(error), markup=False)
        raise typer.Exit(1) from None
    print_account(account, console)
    write_report(account, report)
    console.print(f"written to {report}; {time.monotonic() - began:.0f} s in all")
    raise typer.Exit(0 if account.findings.sound else 1)


def _run(stack: Stack, plan: Plan, console: Console) -> Account:
    began = time.monotonic()
    console.print("starting Kinesis, S3, OpenSearch, Milvus, the Slack inbox and Flink on 127.0.0.1 …")
    stack.start()
    for label, address in stack.addresses().items():
        console.print(f"  {label}: {address}")
    console.print("filling the knowledge base, submitting the job with flink run …")
    job = submit_job(stack, {"CALI_ENVIRONMENT": "demo"})
    console.print(f"the job runs after {time.monotonic() - began:.0f} s; now the story")
    try:
        return tell(stack, plan, load_settings(), load_secrets(), console)
    except DemoError as error:
        raise DemoError(f"{error}\n{stack.flink.root_exception(job)}") from None
