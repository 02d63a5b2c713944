"""What fingerprint and redaction of a line cost, against the validation of the same line, on one core.

    python benchmarks/fingerprint.py [--lines 20000] [--rounds 5] [--json]

All contestants run in turn, in each of the rounds; of each ratio the median counts.

    plain       redaction and fingerprint of an ERROR line of one sentence / pydantic's validation of its JSON
    trace       the same of a stack trace of 30 lines
    prefilter   the search for what redaction has a closer look at, on a clean line / its validation
    drain3      lines a second that are redacted and fingerprinted / lines a second that Drain3 mines, the same ERROR
                lines; Drain3 has an environment of its own, made at the first run, for it does not go with apache-flink

A tenth of the lines comes first and is not counted, as a worker meets most of its lines' forms early. No two lines are
the same, so that no memory of whole texts helps.

Ends with 1 where a bar is missed: 15, 60, 2 and 1.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import orjson

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from local.generator.draw import fill  # noqa: E402 - a script is run from anywhere
from schemas.log_entry import LogEntry  # noqa: E402
from udfs.fingerprint import FingerprintRules, fingerprint, load_fingerprint_rules  # noqa: E402
from udfs.redact import Redactor, load_redact_rules  # noqa: E402

WORK = ROOT / "build" / "bench"
DRAIN3 = "drain3==0.9.11"
SERVICE = "payment-api"
SEED = 20261122

#: Gaps as in `local.generator.draw`.
PLAIN = (
    "Payment pay_{d13} for order {x8}-{x4}-4{x3}-a{x3}-{x12} failed after {n1}{d3} ms: 10.{n2}.{n1}.{n2}:5432 refused",
    "Could not reserve {n1} of sku {c3}-{d4} for cart {x12}: stock is {n1}",
    "PSP responded 503 for /v1/payments/{d12}/confirm, retry {n1} of 5 in {n1}{d2} ms",
    "Kafka send to topic orders-{n1} failed at offset {n1}{d7}: leader of partition {d2} is not available",
    "Timeout of {n1}000 ms exceeded while calling http://inventory.prod.svc.cluster.local:8080/items/{d6}?user={d5}",
    'Message "{k10}" of queue settlement-{n1} was rejected {n1} times, redelivered=true, consumer=worker-{d2}',
)
CLEAN = (
    "Order {x8}-{x4}-4{x3}-a{x3}-{x12} accepted in {n1}{d2} ms",
    "Processed batch of {n1}{d2} events for partition {d2} up to offset {n1}{d7}",
    "GET /v1/carts/{x10}/items 200 in {n1}{d1} ms, {n1}{d3} bytes",
    "Cache refreshed: {n1}{d3} entries of catalog version 2.{d2}.{d1}",
)
_LIBRARY = tuple(
    f"\tat org.springframework.{package}.{name}.{method}({name}.java:{{n1}}{{d{len(str(line)) - 1}}})"
    for package, name, method, line in (
        ("aop.framework", "CglibAopProxy$DynamicAdvisedInterceptor", "intercept", 703),
        ("transaction.interceptor", "TransactionInterceptor", "invoke", 119),
        ("web.method.support", "InvocableHandlerMethod", "doInvoke", 255),
        ("web.servlet", "DispatcherServlet", "doDispatch", 1089),
        ("web.servlet", "FrameworkServlet", "service", 885),
        ("web.filter", "OncePerRequestFilter", "doFilter", 116),
        ("security.web", "FilterChainProxy", "doFilterInternal", 233),
        ("boot.actuate.metrics.web.servlet", "WebMvcMetricsFilter", "doFilterInternal", 96),
    )
) + tuple(
    f"\tat org.apache.{package}.{name}.{method}({name}.java:{{n1}}{{d{len(str(line)) - 1}}})"
    for package, name, method, line in (
        ("catalina.core", "ApplicationFilterChain", "internalDoFilter", 205),
        ("catalina.core", "StandardWrapperValve", "invoke", 167),
        ("catalina.valves", "ErrorReportValve", "invoke", 93),
        ("coyote.http11", "Http11Processor", "service", 391),
        ("tomcat.util.net", "NioEndpoint$SocketProcessor", "doRun", 1744),
        ("tomcat.util.threads", "ThreadPoolExecutor", "runWorker", 1191),
    )
)
#: Each trace has line numbers of its own, as every release has.
TRACE = "\n".join(
    (
        "com.example.payment.PaymentException: payment pay_{d13} could not be stored",
        *(
            f"\tat com.example.payment.{name}.{method}({name}.java:{{n1}}{{d2}})"
            for name, method in (
                ("PaymentRepository", "insert"),
                ("PaymentService", "authorize"),
                ("PaymentService", "lambda$authorize$3"),
                ("PaymentController", "create"),
                ("AuditFilter", "doFilter"),
            )
        ),
        *_LIBRARY,
        "\tat java.base/java.lang.Thread.run(Thread.java:840)",
        "Caused by: java.sql.SQLTransientConnectionException: HikariPool-{n1} - not available after {n1}{d4}ms",
        "\tat com.zaxxer.hikari.pool.HikariPool.createTimeoutException(HikariPool.java:696)",
        "\tat com.zaxxer.hikari.pool.HikariPool.getConnection(HikariPool.java:197)",
        "\tat com.example.payment.PaymentRepository.connect(PaymentRepository.java:{n2})",
        "\tat com.example.payment.PaymentRepository.insert(PaymentRepository.java:{n2})",
        "Caused by: java.net.SocketTimeoutException: connect timed out after {n1}{d3} ms",
        "\tat java.base/sun.nio.ch.NioSocketImpl.timedFinishConnect(NioSocketImpl.java:546)",
        "\t... 21 more",
    )
)
BARS = {"plain": 15.0, "trace": 60.0, "prefilter": 2.0, "drain3": 1.0}


class Rates(NamedTuple):
    """Seconds a line of a round: validation and work for each kind of line, and both contestants of the last ratio."""

    plain: float
    trace: float
    prefilter: float
    drain3: float | None


def drawn(rng: random.Random, shapes: Sequence[str], count: int) -> list[str]:
    """Return lines of some shapes."""
    return [fill(rng, rng.choice(shapes)) for _ in range(count)]


def record(content: str) -> bytes:
    """Return a record as it comes from the edge."""
    fields = {"timestamp": "2026-11-22T14:00:01.123Z", "level": "ERROR", "service": SERVICE, "log_content": content}
    return orjson.dumps({**fields, "pod": f"{SERVICE}-7d9f6c5b8-x2x1p", "namespace": "shop"})


def seconds_a_line(work: Callable[[str], object] | Callable[[bytes], object], lines: Sequence[object]) -> float:
    """Return what a line costs; the first tenth is not counted."""
    warm_up = len(lines) // 10
    for line in lines[:warm_up]:
        work(line)  # type: ignore[arg-type]  # lines are what the work takes
    start = time.perf_counter()
    for line in lines[warm_up:]:
        work(line)  # type: ignore[arg-type]  # lines are what the work takes
    return (time.perf_counter() - start) / (len(lines) - warm_up)


def measure(rng: random.Random, count: int, redactor: Redactor, rules: FingerprintRules, drain: Path | None) -> Rates:
    """Run all contestants once, over new lines."""

    def work(content: str) -> object:
        return fingerprint(redactor.redact(content), SERVICE, rules)

    plain, trace = drawn(rng, PLAIN, count), drawn(rng, (TRACE,), count // 4)
    clean = drawn(rng, CLEAN, count)
    validated = {name: seconds_a_line(LogEntry.model_validate_json, [record(line) for line in lines])
                 for name, lines in (("plain", plain), ("trace", trace), ("clean", clean))}  # fmt: skip
    ours = seconds_a_line(work, plain)
    return Rates(
        plain=ours / validated["plain"],
        trace=seconds_a_line(work, trace) / validated["trace"],
        prefilter=seconds_a_line(lambda line: redactor.suspects((line.encode(),)), clean) / validated["clean"],
        drain3=None if drain is None else seconds_of_drain(drain, plain) / ours,
    )


def seconds_of_drain(python: Path, lines: Sequence[str]) -> float:
    """Return what a line costs Drain3."""
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump(lines, file)
        file.flush()
        command = [str(python), str(ROOT / "benchmarks" / "fingerprint_drain.py"), file.name]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 - our own
    figures = json.loads(output)
    return float(figures["seconds"]) / int(figures["lines"])


def drain_python() -> Path | None:
    """Return the interpreter of Drain3's environment, made at the first call; None where it cannot be installed."""
    folder = WORK / "drain3"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)  # noqa: S603 - our own
        install = [str(python), "-m", "pip", "install", "--quiet", DRAIN3]
        if subprocess.run(install, check=False).returncode:  # noqa: S603 - our own
            return None
        (folder / "ready").touch()
    return python


def main() -> int:
    """Print the ratios; return 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=20_000, help="plain lines a round; traces are a quarter of it")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    drain = drain_python()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    rng = random.Random(SEED)  # noqa: S311 - made-up data
    redactor, rules = Redactor(load_redact_rules()), load_fingerprint_rules()
    rounds = [measure(rng, options.lines, redactor, rules, drain) for _ in range(options.rounds)]
    figures = {name: [value for each in rounds if (value := getattr(each, name)) is not None] for name in Rates._fields}
    if options.json:
        print(json.dumps(figures))
    else:
        print("\n".join(_told(name, values) for name, values in figures.items()))
    return int(any(not values or _is_missed(name, median(values)) for name, values in figures.items()))


def _is_missed(name: str, value: float) -> bool:
    return value < BARS[name] if name == "drain3" else value > BARS[name]


def _told(name: str, values: Sequence[float]) -> str:
    if not values:
        return f"{name:10} not measured: {DRAIN3} could not be installed"
    bar = f"{'at least' if name == 'drain3' else 'at most'} {BARS[name]:g}"
    return f"{name:10} {median(values):6.2f}   {min(values):.2f} to {max(values):.2f}   {bar}"


if __name__ == "__main__":
    sys.exit(main())
