"""Real stack traces, each with what may differ where the failure is the same, and what may not.

The traces are in tests/data/traces, a file for each language. A row says how a second trace differs from the first.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from udfs.fingerprint import fingerprint, load_fingerprint_rules

FOLDER = Path(__file__).parents[1] / "data" / "traces"

RULES = load_fingerprint_rules()

Edit = Callable[[str], str]


def read(file: Path) -> dict[str, str]:
    parts = re.split(r"(?m)^=== (\w+):.*\n", file.read_text(encoding="utf-8"))[1:]
    return {f"{file.stem}/{name}": text.strip("\n") for name, text in zip(parts[::2], parts[1::2], strict=True)}


TRACES = {name: text for file in sorted(FOLDER.glob("*.txt")) for name, text in read(file).items()}


class Row(NamedTuple):
    """The name of a trace, how another differs from it, and the edits that make the other.

    `both` are edits that come first, and make the one too.
    """

    trace: str
    name: str
    edits: tuple[Edit, ...]
    both: tuple[Edit, ...] = ()


def row(trace: str, name: str, *edits: Edit, both: tuple[Edit, ...] = ()) -> Row:
    return Row(trace, name, edits, both)


def swap(*words: str) -> Edit:
    """Put every second word in place of the one before it."""

    def edit(text: str) -> str:
        for old, new in zip(words[::2], words[1::2], strict=True):
            assert old in text, f"not in the trace: {old!r}"
            text = text.replace(old, new)
        return text

    return edit


def sub(pattern: str, replacement: str) -> Edit:
    def edit(text: str) -> str:
        text, count = re.subn(pattern, replacement, text, flags=re.MULTILINE)
        assert count, f"not in the trace: {pattern!r}"
        return text

    return edit


def drop(*words: str) -> Edit:
    """Leave the lines out that have one of the words in them."""

    def edit(text: str) -> str:
        for word in words:
            assert word in text, f"not in the trace: {word!r}"
        return "\n".join(line for line in text.split("\n") if not any(word in line for word in words))

    return edit


def cut(word: str) -> Edit:
    """Leave everything out that follows on a word."""
    return lambda text: text[: text.index(word) + len(word)]


def begin(word: str) -> Edit:
    """Leave everything out that stands before the line with a word."""
    return lambda text: text[text.rindex("\n", 0, text.index(word)) + 1 :]


def put(before: str, *lines: str) -> Edit:
    """Put lines before each line that has a word in it."""

    def edit(text: str) -> str:
        assert before in text, f"not in the trace: {before!r}"
        return "\n".join(each for line in text.split("\n") for each in ((*lines, line) if before in line else (line,)))

    return edit


def start(prefix: str) -> Edit:
    return lambda text: prefix + text


def each(prefix: str) -> Edit:
    return lambda text: "\n".join(prefix + line for line in text.split("\n"))


def drift(text: str) -> str:
    """Make all line numbers others."""
    return re.sub(
        r"(\.(?:java|kt|go|s|m?js|ts):|, line |:line )(\d+)", lambda match: match[1] + str(int(match[2]) + 7), text
    )


def crlf(text: str) -> str:
    return text.replace("\n", "\r\n")


def appended(line: str) -> Edit:
    return lambda text: f"{text}\n{line}"


#: What is read of each trace as it stands: the exceptions and the frames.
READ: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "java/checkout": (
        ("com.acme.shop.CheckoutException", "com.acme.pay.PaymentException", "java.net.SocketTimeoutException"),
        ("com.acme.shop.order.OrderService.place", "com.acme.shop.api.CheckoutController.post"),
    ),
    "java/export": (
        ("java.io.UncheckedIOException", "java.io.IOException"),
        ("com.acme.export.CsvWriter.write", "com.acme.export.ExportJob.run"),
    ),
    "java/stock": (
        (
            "com.acme.stock.ReservationException",
            "org.springframework.dao.CannotAcquireLockException",
            "org.postgresql.util.PSQLException",
        ),
        ("com.acme.stock.StockTable.decrement", "com.acme.stock.StockService.reserve"),
    ),
    "java/prices": (
        ("java.util.concurrent.CompletionException", "java.lang.NullPointerException"),
        ("com.acme.price.Quote.total", "com.acme.price.QuoteService.get"),
    ),
    "java/ledger": (
        ("java.lang.IllegalStateException",),
        ("com.acme.ledger.Book.post", "com.acme.ledger.Transfer.execute"),
    ),
    "python/cart": (("shop.errors.OutOfStock", "KeyError"), ("shop/stock.py:reserve", "shop/cart.py:add")),
    "python/mail": (
        ("mailer.relay.RelayDown", "TimeoutError"),
        ("mailer/relay.py:_connect", "mailer/relay.py:send"),
    ),
    "python/fetch": (
        ("ValueError", "feeds.errors.BadFeed", "ExceptionGroup"),
        ("feeds/parse.py:parse", "feeds/fetch.py:fetch"),
    ),
    "python/menu": (("RecursionError",), ("tree.py", "tree.py:render")),
    "python/report": (
        ("psycopg2.errors.UndefinedColumn",),
        ("reports/queries.py:totals", "reports/views.py:detail"),
    ),
    "go/orders": (
        ("panic: runtime error: invalid memory address or nil pointer dereference",),
        (
            "github.com/acme/shop/internal/order.Service.Total",
            "github.com/acme/shop/internal/api.Server.getOrder",
        ),
    ),
    "go/ledger": (
        ("panic: assignment to entry in nil map",),
        ("github.com/acme/ledger/book.Book.Post", "github.com/acme/ledger/book.Transfer"),
    ),
    "go/cache": (
        ("fatal error: concurrent map writes",),
        ("github.com/acme/cache.LRU.Put", "github.com/acme/cache.Loader.refresh"),
    ),
    "go/invoice": (
        ("panic: runtime error: index out of range",),
        ("invoice.Lines.Sum", "invoice.Handler.Create"),
    ),
    "go/refund": (("panic: runtime error: integer divide by zero",), ("refund/share.go", "refund/handler.go")),
    "go/import": (
        (),
        ("github.com/acme/importer/feed.Open", "github.com/acme/importer/feed.Reader.Next"),
    ),
    "node/cart": (("TypeError",), ("cart.js:Cart.total", "quote.js:Quote")),
    "node/sync": (("SyncError", "FetchError", "Error"), ("feed.js:Feed.sync", "scheduler.js:Scheduler.tick")),
    "node/upload": (("RangeError",), ("upload.js:Upload.checkPart", "upload.js:Upload")),
    "node/worker": (("Error",), ("queue.js:Queue.take", "queue.js:Queue")),
    "node/pool": (("AggregateError", "Error"), ("db/pool.js:Pool.connect", "db/store.js:Store.open")),
    "dotnet/order": (
        ("System.InvalidOperationException", "Npgsql.PostgresException"),
        ("Acme.Shop.Data.OrderTable.InsertAsync", "Acme.Shop.Orders.OrderService.PlaceAsync"),
    ),
    "dotnet/batch": (
        ("System.AggregateException", "Acme.Batch.RowException"),
        ("Acme.Batch.Row.Parse", "Acme.Batch.Import.Run"),
    ),
    "dotnet/quote": (
        ("System.Net.Http.HttpRequestException", "System.Net.WebException"),
        ("Acme.Quotes.RateClient.FetchAsync", "Acme.Quotes.QuoteService.QuoteAsync"),
    ),
    "dotnet/tax": (
        ("System.Collections.Generic.KeyNotFoundException",),
        ("Acme.Tax.RateTable.Find", "Acme.Tax.Worker.ComputeAsync"),
    ),
}

SAME_JAVA = [
    row("java/checkout", "newer release", drift, swap("23 more", "31 more", "26 more", "34 more")),
    row("java/checkout", "another order", swap("81723", "90001", "42.17 EUR refused", "1999.00 USD refused")),
    row("java/checkout", "message in another language", swap("could not be placed", "konnte nicht bestellt werden")),
    row(
        "java/checkout",
        "other numbers of proxies and accessors",
        swap("$$5e1a7c1", "$$c0ffee12", "$$9b2d3f10", "$$1", "Accessor212", "Accessor7", "$Proxy143", "$Proxy9"),
    ),
    row(
        "java/checkout",
        "a proxy of newer Spring",
        drop("FastClassBySpring", "cglib.proxy"),
        swap("$$EnhancerBySpringCGLIB$$9b2d3f10", "$$SpringCGLIB$$0"),
    ),
    row("java/checkout", "no proxies", drop("CGLIB", "Cglib", "Accessor", "$Proxy143")),
    row(
        "java/checkout",
        "an older runtime without modules",
        swap("java.base/", ""),
        sub(r"jdk\.internal\.reflect", "sun.reflect"),
    ),
    row("java/checkout", "a newer runtime with versions of modules", swap("java.base/", "java.base@21.0.5/")),
    row("java/checkout", "a class loader's name", swap("\tat com.acme", "\tat app//com.acme")),
    row("java/checkout", "names of jars", sub(r"(\tat com\.acme.*\))$", r"\1 ~[shop-3.1.0.jar!/:3.1.0]")),
    row("java/checkout", "no lines and files", sub(r"\(\w+\.java:\d+\)", "(Unknown Source)")),
    row(
        "java/checkout",
        "frames of an agent",
        put("OrderService.place(", "\tat co.elastic.apm.agent.Trace.on(T.java:1)"),
    ),
    row(
        "java/checkout", "fewer frames of libraries", drop("org.springframework", "org.apache", "okhttp3", "java.base")
    ),
    row("java/checkout", "lambda of another number", swap("lambda$authorize$3", "lambda$authorize$11")),
    row("java/checkout", "tail cut in the last cause", cut("java.net.SocketTimeoutException: Read ti")),
    row("java/checkout", "lines lost in the middle", drop("Accessor212", "doDispatch", "Retry.call", "okhttp3")),
    row(
        "java/checkout",
        "another thread's log between",
        put("\t... 23", "14:03:11.483 INFO  [kafka-3] rebalanced: 3 of 4"),
    ),
    row(
        "java/checkout",
        "access log between",
        put("DispatcherServlet", '10.2.3.4 - - [22/Nov/2026:14:03:11 +0000] "GET /health HTTP/1.1" 200 2'),
    ),
    row("java/checkout", "no line before", begin("com.acme.shop.CheckoutException")),
    row(
        "java/checkout",
        "exception at the end of the log line",
        swap("81723 failed\n", "81723 failed: "),
    ),
    row("java/checkout", "thread that died", begin("com.acme.shop.Check"), start('Exception in thread "http-7" ')),
    row("java/checkout", "indented by spaces", crlf, swap("\t", "    ")),
    row("java/export", "newer release", drift, swap("3 more", "4 more", "export-2", "export-5")),
    row("java/export", "nothing suppressed", sub(r"\tSuppressed: (?:.*\n\t\t)+.*\n", "")),
    row(
        "java/export",
        "something else suppressed",
        swap("Suppressed: java.io.IOException: Stream closed", "Suppressed: x.YException: z"),
    ),
    row(
        "java/export",
        "frames in common that are not left out",
        swap(
            "\t... 6 common frames omitted",
            "\tat com.acme.export.ExportJob.run(ExportJob.java:39)\n\tat java.base/java.lang.Thread.run(T.java:1)",
        ),
    ),
    row(
        "java/export",
        "another file system's message",
        swap("No space left on device", "Disk quota exceeded (os error 122)"),
    ),
    row("java/stock", "newer release", drift, swap("sku 4711-B", "sku 0815-A")),
    row("java/stock", "another driver's frames", drop("com.zaxxer", "org.postgresql.jdbc")),
    row("java/prices", "newer release", drift, swap("2.14.0", "2.15.0-SNAPSHOT", "lambda$total$2", "lambda$total$0")),
    row(
        "java/prices",
        "lambda of another start",
        swap("$$Lambda$1471/0x00007f1c3c8a1b08", "$$Lambda$88/0x000000080012d440"),
    ),
    row(
        "java/prices", "lambda of an older runtime", swap("$$Lambda$1471/0x00007f1c3c8a1b08", "$$Lambda$88/1922154895")
    ),
    row("java/prices", "class without a name of another number", swap("QuoteService$1.", "QuoteService$4.")),
    row("java/prices", "without helpful messages", sub(r"NullPointerException: .*", "NullPointerException")),
    row(
        "java/ledger",
        "newer release",
        drift,
        swap("Routes$install$1$2", "Routes$install$3$1", "execute$2", "execute$3"),
    ),
    row("java/ledger", "not suspended", drop("invokeSuspend", "$suspendImpl", "kotlin")),
]

SAME_PYTHON = [
    row("python/cart", "newer release", drift, swap("A-4711", "B-0815")),
    row("python/cart", "no carets", sub(r"\n +[~^]+$", "")),
    row("python/cart", "no lines of source", sub(r"(line \d+, in \w+)\n    .*", r"\1")),
    row("python/cart", "another root", swap('"/app/shop/', '"/home/runner/work/shop/')),
    row("python/cart", "a root with a version", swap('"/app/shop/', '"/srv/releases/20261122140311/shop/')),
    row("python/cart", "Windows", sub(r'"/app/shop/(\w+)', r'"C:\\\\srv\\\\shop\\\\\1')),
    row("python/cart", "another runtime", swap("/app/.venv/lib/python3.11/", "/usr/local/lib/python3.13/")),
    row("python/cart", "another framework's version", drop("line 1484", "dispatch_request()")),
    row(
        "python/cart",
        "behind a logger's line",
        start("2026-11-22 14:03:11,482 ERROR in app: Exception on /items [POST]\n"),
    ),
    row("python/cart", "logger's line without an end", start("ERROR:shop.api:request failed ")),
    row(
        "python/cart",
        "another service's lines between",
        put('  File "/app/shop/cart.py"', "INFO:     10.2.3.4:5432 - GET /health 200"),
    ),
    row("python/cart", "method with its class", swap("in add", "in Cart.add", "in reserve", "in Stock.reserve")),
    row(
        "python/cart",
        "a message of several lines",
        swap("nothing left of A-4711", "nothing left:\n  A-4711: 0\nask the depot"),
    ),
    row("python/cart", "a note", appended("seen by 10.2.3.4")),
    row("python/mail", "newer release", drift, swap("smtp-2.internal", "smtp-3.internal", "mail 9912", "mail 17")),
    row("python/mail", "another runtime", swap("/usr/lib/python3.11/", "/root/.pyenv/versions/3.12.1/lib/python3.12/")),
    row(
        "python/mail",
        "frames frozen into the runtime",
        put('  File "/usr/lib/python3.11/socket', '  File "<frozen runpy>", line 88, in _run_code'),
    ),
    row("python/mail", "lines of the middle lost", drop("smtplib", "readline(")),
    row("python/fetch", "newer release", drift, swap("entry 17", "entry 18", "/rss", "/atom")),
    row("python/fetch", "another runtime", swap("/usr/local/lib/python3.12/", "/opt/python/lib/python3.13/")),
    row("python/menu", "a deeper recursion", drift, swap("978 more", "2971 more")),
    row(
        "python/menu",
        "a recursion of which nothing was left out",
        swap(
            "  [Previous line repeated 978 more times]",
            '  File "/app/site/tree.py", line 44, in render\n    return ""\n'
            '  File "/app/site/tree.py", line 44, in <genexpr>\n    return ""',
        ),
    ),
    row("python/report", "a comprehension without a frame", sub(r'  File ".*<listcomp>\n.*\n', "")),
    row(
        "python/report",
        "another venv",
        swap("/opt/venv/lib/python3.10/", "/code/.tox/py312/lib/python3.12/", "/code/", "/usr/src/app/"),
    ),
    row("python/report", "the message cut", cut("UndefinedColumn: column")),
    row("python/report", "without the exception's second line", drop("LINE 1", "          ^")),
]

SAME_GO = [
    row(
        "go/orders",
        "newer release",
        drift,
        swap("goroutine 34", "goroutine 90211", "0xc0001e8000", "0xc0009a1200", "+0x1a", "+0x2b"),
    ),
    row("go/orders", "closures of other numbers", swap("getOrder.func1(", "getOrder.func3.1(")),
    row("go/orders", "a workspace of modules", swap("/go/src/github.com/acme/shop/", "/home/runner/work/shop/")),
    row(
        "go/orders",
        "trimmed paths",
        swap("/go/src/github.com", "github.com", "/usr/local/go/src/", "", "/go/pkg/mod/", ""),
    ),
    row(
        "go/orders",
        "vendored modules",
        swap(
            "/go/pkg/mod/github.com/go-chi/chi/v5@v5.0.11/",
            "/go/src/github.com/acme/shop/vendor/github.com/go-chi/chi/v5/",
        ),
    ),
    row("go/orders", "Windows", swap("/go/src/github.com/acme/", "C:/work/")),
    row("go/orders", "arguments left out", sub(r"^(github\.com/acme\S*)\(.*\)$", r"\1(...)")),
    row("go/orders", "receiver without a pointer", swap("(*Service)", "Service")),
    row("go/orders", "no offsets", sub(r" \+0x[0-9a-f]+$", "")),
    row("go/orders", "no line about the signal", drop("signal SIGSEGV")),
    row(
        "go/orders",
        "a server that goes on",
        swap("panic: runtime", "2026/11/22 14:03:11 http: panic serving 10.2.3.4:5432: runtime"),
    ),
    row("go/orders", "older header of a goroutine", swap(" in goroutine 1", "")),
    row(
        "go/orders",
        "the stacks of others",
        lambda text: text.replace(
            "exit status 2", "\ngoroutine 1 [IO wait]:\nmain.main()\n\t/go/src/github.com/acme/shop/main.go:9 +0x1"
        ),
    ),
    row("go/orders", "tail cut", cut("go-chi/chi/v5@v5")),
    row("go/ledger", "newer release", drift, swap("goroutine 7", "goroutine 18", "run.func2", "run.func5")),
    row(
        "go/ledger",
        "not recovered in between",
        swap(" [recovered]\n\tpanic: assignment to entry in nil map", ""),
        drop("tRunner", "testing.go", "panic(", "panic.go"),
    ),
    row(
        "go/ledger",
        "newer words for that",
        swap("[recovered]\n\tpanic: assignment to entry in nil map", "[recovered, repanicked]"),
    ),
    row(
        "go/ledger",
        "other clean-up called",
        put("panic({", "github.com/acme/ledger/book.(*Book).unlock(0xc00012)", "\t/build/ledger/book/lock.go:12 +0x1d"),
    ),
    row("go/cache", "newer release", drift, swap("goroutine 118", "goroutine 64", "pc=0x43b6fc", "pc=0x43c001")),
    row("go/cache", "type parameters of an older version", swap("LRU[...]", "LRU[go.shape.string_0,go.shape.int_1]")),
    row("go/cache", "other goroutines", cut("loader.go:38 +0x8a")),
    row("go/invoice", "newer release", drift, swap("0x91f2c5", "0xa00001", "[3] with length 3", "[9] with length 4")),
    row("go/invoice", "another request", swap("POST /v1/invoices", "PUT /v2/invoices/17"), drop("Accept:")),
    row("go/invoice", "another root", swap("/app/internal", "/src/internal")),
    row(
        "go/invoice",
        "source of which nothing is known",
        swap("total += l.prices[i]", "???", "sum := lines.Sum()", "???"),
    ),
    row("go/refund", "newer release", drift, swap("0x91f2c5", "0xa00001", "curl/8.5.0", "curl/8.6.0")),
    row("go/refund", "paths trimmed", swap("/usr/local/go/src/", "", "/go/pkg/mod/", "", "/app/", "refunds/")),
    row("go/refund", "tail cut", cut("refund/handler.go:44 (0x91fd08)")),
    row("go/import", "newer release", drift, swap("9912", "17", "run.func1", "run.func2")),
    row("go/import", "another root", swap("/home/runner/work/importer/", "/go/src/github.com/acme/importer/")),
]

SAME_NODE = [
    row("node/worker", "what was built of it", swap("queue.ts", "queue.js")),
    row("node/cart", "newer release", sub(r":(\d+):(\d+)\)", r":1\1:\2)"), swap("'price'", "'vat'")),
    row("node/cart", "another root", swap("/app/", "/usr/src/app/")),
    row("node/cart", "Windows", swap("/app/src/", "D:\\srv\\src\\", "/app/node_modules/", "D:\\srv\\node_modules\\")),
    row("node/cart", "ES modules", swap("(/app/src", "(file:///app/src")),
    row("node/cart", "modules of an older runtime", swap("node:internal/", "internal/", "node:events", "events.js")),
    row(
        "node/cart",
        "another framework's version",
        drop("layer.js", "body-parser"),
        swap("express", ".pnpm/express@4.18.2/node_modules/express"),
    ),
    row("node/cart", "receiver of an older runtime", swap("at checkout (", "at Object.checkout (")),
    row("node/cart", "a longer stack", put("processTicks", "    at Socket.emit (node:events:518:28)")),
    row("node/cart", "ten frames only", cut("index.js:346:12)")),
    row("node/cart", "behind a logger's word", start("[2026-11-22T14:03:11.482Z] error: ")),
    row("node/cart", "not caught", start("Uncaught ")),
    row(
        "node/cart",
        "the line that failed above",
        start("/app/src/cart.js:48\n    return sum + item.price\n                      ^\n\n"),
    ),
    row("node/cart", "a request's log between", put("quote.js", "::ffff:10.2.3.4 - GET /health 200 2 - 0.4 ms")),
    row(
        "node/sync",
        "newer release",
        sub(r":(\d+):(\d+)", r":2\1:\2"),
        swap("9912", "17", "ECONNREFUSED 10.3", "ECONNREFUSED 10.4"),
    ),
    row("node/sync", "no properties", drop("errno", "syscall", "code:", "feed: 9912")),
    row("node/sync", "tail cut", cut("ECONNREFUSED 10.3")),
    row("node/sync", "compiled elsewhere", swap("/srv/feeds/dist/", "/builds/feeds/build/")),
    row("node/upload", "newer release", sub(r"(mjs:)(\d+)", r"\g<1>9\2"), swap("part 17", "part 3")),
    row("node/upload", "CommonJS paths", swap("file://", "")),
    row("node/upload", "another runtime", swap("v20.9.0", "v22.11.0"), drop("ESMLoader", "loadESM")),
    row("node/worker", "newer release", sub(r"ts:(\d+):", r"ts:3\1:"), swap("9912", "17")),
    row("node/worker", "Linux", swap("C:\\Services\\jobs\\src\\", "/services/jobs/src/")),
    row("node/worker", "generators that are not compiled", drop("Generator.next", "fulfilled")),
    row("node/pool", "other hosts", swap("10.0.0.5", "10.0.0.7", "10.0.0.6", "10.0.0.8")),
    row("node/pool", "one error less", sub(r"    Error: connect ETIMEDOUT 10.0.0.6(?:.*\n)+?    \}\n", "")),
]

SAME_DOTNET = [
    row("dotnet/order", "newer release", drift, swap("81723", "17", "233_0", "240_1")),
    row("dotnet/order", "without files", sub(r" in /src/.*", "")),
    row("dotnet/order", "another root", swap("/src/Shop/", "D:\\a\\1\\s\\Shop\\")),
    row("dotnet/order", "message in another language", swap("could not be stored", "n'a pas été enregistrée")),
    row(
        "dotnet/order",
        "behind the logger's line",
        start("fail: Acme.Shop[13]\n      An unhandled exception has occurred.\n      "),
    ),
    row("dotnet/order", "not handled", start("Unhandled exception. ")),
    row("dotnet/order", "state machines", sub(r"(Acme[\w.]+)\.(\w+Async)\(.*\)", r"\1.<\2>d__7.MoveNext()")),
    row("dotnet/order", "fewer frames of the framework", drop("AspNetCore", "Npgsql.Internal")),
    row("dotnet/order", "tail cut", cut("OrdersController.cs:li")),
    row(
        "dotnet/order",
        "awaited elsewhere",
        put("OrderService.PlaceAsync", "--- End of stack trace from previous location ---"),
    ),
    row("dotnet/batch", "newer release", drift, swap("DisplayClass7_0.<Run>b__1", "DisplayClass9_2.<Run>b__0")),
    row("dotnet/batch", "other rows", swap("Row 17", "Row 5", "Row 18", "Row 6")),
    row("dotnet/batch", "one exception less", cut("Program.cs:line 21")),
    row(
        "dotnet/quote",
        "newer release",
        drift,
        swap("<FetchAsync>d__9", "<FetchAsync>d__12", "Class4_0.<<Quote", "Class5_1.<<Quote"),
    ),
    row(
        "dotnet/quote",
        "without state machines",
        drop("ExceptionServices", "TaskAwaiter", "End of stack trace"),
        swap("<FetchAsync>d__9.MoveNext", "FetchAsync"),
    ),
    row("dotnet/quote", "causes on lines of their own", swap(" ---> System.Net.Web", "\n ---> System.Net.Web")),
    row(
        "dotnet/tax",
        "newer release",
        drift,
        swap("Lookup|5_0", "Lookup|6_2", "<>c.<ComputeAsync>b__3_1", "<>c.<ComputeAsync>b__4_0"),
    ),
    row(
        "dotnet/tax",
        "the types of arguments",
        swap("Find(String country)", "Find(System.String country, Boolean& isEu)"),
    ),
    row("dotnet/tax", "local function inlined", drop("g__Lookup")),
    row("dotnet/tax", "log between", put("System.Linq.Enumerable.Sum", "info: Microsoft.Hosting.Lifetime[14]")),
]

#: What may be done to any trace.
EVERYWHERE: dict[str, Edit] = {
    "newer release": drift,
    "CRLF": crlf,
    "spaces for tabs": lambda text: text.replace("\t", "    "),
    "CRI": each("2026-11-22T14:03:11.482123456Z stderr F "),
    "kubectl": each("[pod/shop-7d9f6c-x2x1p/app] "),
    "kubectl with times": each("[pod/shop-7d9f6c-x2x1p/app] 2026-11-22T14:03:11.482123456Z "),
    "compose": each("shop-1  | "),
    "syslog": each("<11>Nov 22 14:03:11 node-3 shop[1]: "),
    "the next record": appended("2026-11-22 14:03:12,019 INFO  ready again"),
}

SAME = [*SAME_JAVA, *SAME_PYTHON, *SAME_GO, *SAME_NODE, *SAME_DOTNET]

DIFFERENT = [
    row("java/checkout", "another exception", swap("shop.CheckoutException", "shop.StockException")),
    row("java/checkout", "another cause", swap("pay.PaymentException", "pay.FraudException")),
    row(
        "java/checkout",
        "another root cause",
        swap("SocketTimeoutException: Read timed out", "ConnectException: refused"),
    ),
    row("java/checkout", "another method in the same file", swap("OrderService.place(", "OrderService.cancel(")),
    row("java/checkout", "another class", swap("OrderService.place(", "BasketService.place(")),
    row(
        "java/checkout",
        "another package",
        swap("com.acme.shop.order.OrderService.", "com.acme.shop.legacy.OrderService."),
    ),
    row("java/checkout", "another caller", swap("CheckoutController.post", "CheckoutController.put")),
    row(
        "java/checkout",
        "another method of the class of a lambda",
        swap("OrderService.place(", "OrderService.lambda$cancel$3("),
    ),
    row(
        "java/export", "another root cause", swap("java.io.IOException: No", "java.nio.file.AccessDeniedException: No")
    ),
    row("java/stock", "another root cause", swap("org.postgresql.util.PSQLException", "java.sql.SQLTimeoutException")),
    row("java/stock", "another exception", swap("stock.ReservationException", "stock.ReturnException")),
    row(
        "java/prices",
        "another method of the lambda",
        swap("lambda$total$2", "lambda$discount$2", "Quote.total", "Quote.discount"),
    ),
    row("java/ledger", "another method", swap("Book.post(", "Book.close(")),
    row("python/cart", "another exception", swap("shop.errors.OutOfStock", "shop.errors.SoldElsewhere")),
    row("python/cart", "another root cause", swap("KeyError", "IndexError")),
    row("python/cart", "another function in the same file", swap("in reserve", "in release")),
    row("python/cart", "another file", swap("shop/stock.py", "shop/depot.py")),
    row("python/cart", "another package", swap("/shop/", "/shop_legacy/")),
    row("python/mail", "another root cause", swap("TimeoutError: timed out", "ConnectionRefusedError: refused")),
    row("python/mail", "another function", swap("in _connect", "in _greet")),
    row("python/fetch", "another exception in the group", swap("feeds.errors.BadFeed", "feeds.errors.EmptyFeed")),
    row("python/menu", "another function", swap("in render", "in measure")),
    row("python/report", "another exception", swap("UndefinedColumn", "UndefinedTable")),
    row("python/report", "another caller", swap("in detail", "in overview")),
    row(
        "go/orders",
        "another panic",
        swap("invalid memory address or nil pointer dereference", "integer divide by zero"),
    ),
    row("go/orders", "another method in the same file", swap("(*Service).Total", "(*Service).Tax")),
    row("go/orders", "another type", swap("(*Service).Total", "(*Draft).Total")),
    row("go/orders", "another package", swap("internal/order", "internal/offer")),
    row("go/ledger", "another function", swap("(*Book).Post", "(*Book).Close")),
    row("go/cache", "another fatal error", swap("concurrent map writes", "concurrent map read and map write")),
    row("go/invoice", "another method", swap("(*Lines).Sum:", "(*Lines).Vat:")),
    row("go/invoice", "another file", swap("invoice/lines.go", "credit/lines.go")),
    row("go/invoice", "another panic", swap("index out of range [3] with length 3", "integer divide by zero")),
    row("go/refund", "another file", swap("refund/share.go", "refund/fee.go")),
    row("go/import", "another function", swap("feed.Open", "feed.Create")),
    row("node/cart", "another exception", swap("TypeError", "RangeError")),
    row("node/cart", "another method", swap("Cart.total", "Cart.vat")),
    row("node/cart", "another file", swap("src/cart.js", "src/basket.js")),
    row("node/sync", "another cause", swap("FetchError", "ParseError")),
    row("node/sync", "another function in the same file", swap("Feed.sync", "Feed.reset")),
    row("node/upload", "another method", swap("Upload.checkPart", "Upload.checkName")),
    row("node/upload", "another exception", swap("RangeError", "TypeError")),
    row("node/worker", "another file", swap("src\\queue.ts", "src\\topic.ts")),
    row("dotnet/order", "another exception", swap("System.InvalidOperationException", "System.TimeoutException")),
    row("dotnet/order", "another inner exception", swap("Npgsql.PostgresException", "Npgsql.NpgsqlException")),
    row("dotnet/order", "another method", swap("OrderTable.InsertAsync", "OrderTable.UpdateAsync")),
    row("dotnet/order", "another namespace", swap("Acme.Shop.Data", "Acme.Shop.Archive")),
    row("dotnet/batch", "another inner exception", swap("Acme.Batch.RowException", "Acme.Batch.HeadException")),
    row("dotnet/quote", "another method", swap("<FetchAsync>", "<RefreshAsync>")),
    row("dotnet/quote", "another root cause", swap("System.Net.WebException", "System.IO.IOException")),
    row("dotnet/tax", "another method around a local function", swap("<Find>", "<FindAll>", "1.Find(", "1.FindAll(")),
]


#: Where the reader errs: what would be right, what it says, and why.
KNOWN_WRONG = [
    (
        row("java/checkout", "the third own frame", swap("com.acme.pay.Gateway.charge(", "com.acme.pay.Card.charge(")),
        "different",
        "same",
        "two own frames count, so that a cut tail does not matter",
    ),
    (
        row("go/import", "what was said", swap("connection refused", "certificate has expired")),
        "different",
        "same",
        "Go's errors have no type, and words count only where there is no own frame",
    ),
    (
        row("node/worker", "the code of an error", swap("ERR_JOB_LOST", "ERR_JOB_LOCKED")),
        "different",
        "same",
        "codes are not part of the type",
    ),
    (
        row(
            "java/export",
            "what was suppressed",
            swap("java.io.IOException: Stream closed", "x.LostDataException: gone"),
        ),
        "different",
        "same",
        "what else fails while a failure is cleaned up is mostly chance",
    ),
    (
        row(
            "java/checkout",
            "own package that is taken for a library",
            swap("com.sap.shop.order.OrderService.place(", "com.sap.shop.order.OrderService.cancel("),
            both=(swap("com.acme", "com.sap"),),
        ),
        "different",
        "same",
        "makers of libraries have services too",
    ),
    (
        row(
            "python/report",
            "another lambda of the file",
            swap("cursor.execute(SQL, [month])", "cursor.execute(SQL_OF_YEAR, [year])"),
            both=(swap("in totals", "in <lambda>"),),
        ),
        "different",
        "same",
        "functions without a name differ in their lines only, and lines drift",
    ),
    (
        row("python/cart", "exception cut off", cut("raise OutOfStock(sku) from None if quiet else error")),
        "same",
        "different",
        "the exception comes last",
    ),
    (
        row("python/mail", "second half cut off", cut("TimeoutError: timed out")),
        "same",
        "different",
        "the outermost exception comes last",
    ),
    (
        row("java/checkout", "last cause cut off", cut("\t... 23 more")),
        "same",
        "different",
        "the root cause comes last",
    ),
    (
        row("java/checkout", "top own frame lost", drop("OrderService.java:118", "OrderService.java:112")),
        "same",
        "different",
        "what is not there cannot be read",
    ),
    (
        row(
            "java/checkout",
            "library that is not known",
            put("OrderService.place(OrderService.java:118)", "\tat org.retryz.Retry.call(Retry.java:9)"),
        ),
        "same",
        "different",
        "what is not in the list is taken for the sender's own",
    ),
    (
        row(
            "python/report", "packages beside the code", swap("/opt/venv/lib/python3.10/site-packages/", "/code/deps/")
        ),
        "same",
        "different",
        "nothing in the path says that they were installed",
    ),
    (
        row(
            "java/checkout",
            "exception in a line between",
            put("\t... 23", "com.acme.pay.RetryException: attempt 1 of 3"),
        ),
        "same",
        "different",
        "a line that begins with an exception is taken for one of the chain",
    ),
    (
        row(
            "python/fetch",
            "tasks of a group that failed in another order",
            swap("feeds.errors.BadFeed", "x.X", "ValueError", "feeds.errors.BadFeed", "x.X", "ValueError"),
        ),
        "same",
        "different",
        "the order in the text counts",
    ),
    (
        row("go/invoice", "sources not at hand", sub(r"\n\t.*", "")),
        "same",
        "different",
        "without sources gin writes the files alone",
    ),
    (
        row("node/sync", "no frames of what was awaited", drop("at async")),
        "same",
        "different",
        "older runtimes do not write them",
    ),
    (
        row("node/cart", "minified", swap("Cart.total", "t.a", "src/cart.js", "main.4f1c.js", "new Quote", "new e")),
        "same",
        "different",
        "minified names change with every release",
    ),
    (
        row("java/ledger", "obfuscated", swap("com.acme.ledger.Book", "a.b.c", "com.acme.ledger.Transfer", "a.b.d")),
        "same",
        "different",
        "obfuscated names change with every release",
    ),
    (
        row("java/prices", "no frames any more", cut('because "tariff" is null')),
        "same",
        "different",
        "an exception that is thrown often loses its frames, and its message is all there is",
    ),
    (
        row("dotnet/order", "runtime that speaks German", sub(r"^   at (.*)$", r"   bei \1")),
        "same",
        "different",
        "frames are read in English only",
    ),
]


def value(text: str) -> str:
    return fingerprint(text, "shop", RULES).value


def texts(case: Row) -> tuple[str, str]:
    one = TRACES[case.trace]
    for edit in case.both:
        one = edit(one)
    other = one
    for edit in case.edits:
        other = edit(other)
    assert one != other, "the edits change nothing"
    return one, other


def name_of(case: object) -> str | None:
    return f"{case.trace}: {case.name}" if isinstance(case, Row) else None


@pytest.mark.parametrize("name", TRACES)
def test_of_each_trace_the_exceptions_and_the_innermost_own_frames_are_read(name: str) -> None:
    trace = RULES.traces.read(TRACES[name])

    assert trace is not None
    assert (trace.exceptions, trace.frames) == READ[name]


def test_each_trace_is_another_failure() -> None:
    assert len({value(text) for text in TRACES.values()}) == len(TRACES) == len(READ)


@pytest.mark.parametrize("case", SAME, ids=name_of)
def test_it_is_the_same_failure_in_spite_of(case: Row) -> None:
    one, other = texts(case)

    assert value(one) == value(other)


@pytest.mark.parametrize("case", DIFFERENT, ids=name_of)
def test_it_is_another_failure_because_of(case: Row) -> None:
    one, other = texts(case)

    assert value(one) != value(other)


@pytest.mark.parametrize("name", TRACES)
@pytest.mark.parametrize("edit", EVERYWHERE)
def test_it_is_the_same_failure_wherever_it_is_written_down(name: str, edit: str) -> None:
    assert value(EVERYWHERE[edit](TRACES[name])) == value(TRACES[name])


@pytest.mark.parametrize(("case", "desired", "actual", "reason"), KNOWN_WRONG, ids=name_of)
def test_where_the_reader_errs_is_known(case: Row, desired: str, actual: str, reason: str) -> None:
    one, other = texts(case)

    assert {desired, actual} == {"same", "different"}
    assert ("same" if value(one) == value(other) else "different") == actual, reason
