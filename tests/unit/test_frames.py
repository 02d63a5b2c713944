"""Frames are told from other lines, own ones from libraries', and named without what varies."""

import pytest

from udfs.frames import FrameReader, Kind, Names, load_frame_rules

RULES = load_frame_rules()
READER = FrameReader(RULES)

OWN = {
    "jvm": [
        ("at com.acme.order.OrderService.place(OrderService.java:118)", "com.acme.order.OrderService.place"),
        ("at com.acme.order.OrderService.place(OrderService.java)", "com.acme.order.OrderService.place"),
        ("at com.acme.order.OrderService.place(Unknown Source)", "com.acme.order.OrderService.place"),
        ("at com.acme.order.OrderService.place(Native Method)", "com.acme.order.OrderService.place"),
        ("at com.acme.order.OrderService.place(SourceFile:9)", "com.acme.order.OrderService.place"),
        (
            "at com.acme.order.OrderService.place(OrderService.java:118) ~[shop-3.1.0.jar!/:3.1.0]",
            "com.acme.order.OrderService.place",
        ),
        (
            "at com.acme.order.OrderService.place(OrderService.java:118) [classes!/:na]",
            "com.acme.order.OrderService.place",
        ),
        ("at com.acme.order.OrderService.<init>(OrderService.java:9)", "com.acme.order.OrderService.<init>"),
        ("at com.acme.order.OrderService.größe(OrderService.java:9)", "com.acme.order.OrderService.größe"),
        ("at a.b.c.d(Unknown Source:12)", "a.b.c.d"),
        ("at shop@2.1/com.acme.order.OrderService.place(OrderService.java:118)", "com.acme.order.OrderService.place"),
        ("at app//com.acme.order.OrderService.place(OrderService.java:118)", "com.acme.order.OrderService.place"),
        (
            "at deployment.shop.war//com.acme.order.OrderService.place(OrderService.java:118)",
            "com.acme.order.OrderService.place",
        ),
        (
            "at app/shop@2.1/com.acme.order.OrderService.place(OrderService.java:118)",
            "com.acme.order.OrderService.place",
        ),
        ("at com.acme.order.OrderService.lambda$place$3(OrderService.java:118)", "com.acme.order.OrderService.place"),
        (
            "at com.acme.order.OrderService.lambda$place$4e1a2b3c$1(OrderService.java:118)",
            "com.acme.order.OrderService.place",
        ),
        (
            "at com.acme.order.OrderService.$anonfun$place$3$adapted(OrderService.scala:41)",
            "com.acme.order.OrderService.place",
        ),
        ("at com.acme.order.OrderService$1.run(OrderService.java:118)", "com.acme.order.OrderService.run"),
        ("at com.acme.order.OrderService$Line$2.run(OrderService.java:118)", "com.acme.order.OrderService$Line.run"),
        ("at com.acme.order.OrderService$$anon$1.run(OrderService.scala:41)", "com.acme.order.OrderService.run"),
        ("at com.acme.order.OrderService$Companion.of(OrderService.kt:3)", "com.acme.order.OrderService.of"),
        ("at com.acme.order.OrderService$DefaultImpls.of(OrderService.kt:3)", "com.acme.order.OrderService.of"),
        ("at com.acme.order.OrderService.of$default(OrderService.kt:3)", "com.acme.order.OrderService.of"),
        ("at com.acme.order.OrderService.place$suspendImpl(OrderService.kt:3)", "com.acme.order.OrderService.place"),
        ("at com.acme.order.OrderService.place$lambda$3(OrderService.kt:3)", "com.acme.order.OrderService.place"),
        (
            "at com.acme.order.OrderService$place$2.invokeSuspend(OrderService.kt:38)",
            "com.acme.order.OrderService.place",
        ),
        ("at com.acme.order.MainKt$main$1$2.invokeSuspend(Main.kt:38)", "com.acme.order.MainKt.main"),
        ("at com.acme.order.Report20261122.run(Report.java:3)", "com.acme.order.Report*.run"),
    ],
    "python": [
        ('File "/app/shop/cart.py", line 31, in add', "shop/cart.py:add"),
        ('File "/app/shop/cart.py", line 31', "shop/cart.py"),
        ('File "/srv/releases/20261122140311/shop/cart.py", line 31, in add', "shop/cart.py:add"),
        ('File "/home/bob/shop/cart.py", line 31, in add', "shop/cart.py:add"),
        (r'File "C:\srv\shop\cart.py", line 31, in add', "shop/cart.py:add"),
        ('File "./shop/cart.py", line 31, in add', "shop/cart.py:add"),
        ('File "/app/cart.py", line 31, in add', "cart.py:add"),
        ('File "/home/bob/cart.py", line 31, in add', "cart.py:add"),
        ('File "cart.py", line 31, in add', "cart.py:add"),
        ('File "/app/shop/cart.py", line 31, in <module>', "shop/cart.py"),
        ('File "/app/shop/cart.py", line 31, in <lambda>', "shop/cart.py"),
        ('File "/app/shop/cart.py", line 31, in <genexpr>', "shop/cart.py"),
        ('File "/app/shop/cart.py", line 31, in Cart.add', "shop/cart.py:add"),
        ('File "/app/shop/cart.py", line 31, in Cart.add.<locals>.inner', "shop/cart.py:inner"),
        ('File "/app/shop/cart.py", line 31, in Cart.add.<locals>.<lambda>', "shop/cart.py"),
    ],
    "node": [
        ("at Cart.total (/app/src/cart.js:48:31)", "cart.js:Cart.total"),
        ("at Cart.total [as sum] (/app/shop/cart.js:48:31)", "shop/cart.js:Cart.total"),
        ("at async Cart.total (/app/shop/cart.js:48:31)", "shop/cart.js:Cart.total"),
        ("at new Cart (/app/shop/cart.js:48:31)", "shop/cart.js:Cart"),
        ("at Cart.total (file:///app/shop/cart.mjs:48:31)", "shop/cart.js:Cart.total"),
        (r"at Cart.total (C:\srv\shop\cart.ts:48:31)", "shop/cart.js:Cart.total"),
        ("at Cart.total (webpack-internal:///./shop/cart.ts:48:31)", "shop/cart.js:Cart.total"),
        ("at Cart.total (webpack:///./shop/cart.ts:48:31)", "shop/cart.js:Cart.total"),
        ("at /app/shop/cart.js:48:31", "shop/cart.js"),
        ("at async file:///app/shop/cart.mjs:48:31", "shop/cart.js"),
        ("at Object.<anonymous> (/app/shop/cart.js:48:31)", "shop/cart.js"),
        ("at Object.total (/app/shop/cart.js:48:31)", "shop/cart.js:total"),
        ("at exports.total (/app/shop/cart.js:48:31)", "shop/cart.js:total"),
        ("at Cart.<anonymous> (/app/shop/cart.js:48:31)", "shop/cart.js:Cart"),
        ("at Cart.<computed> [as total] (/app/shop/cart.js:48:31)", "shop/cart.js:Cart"),
        ("at _callee2$ (/app/shop/cart.js:48:31)", "shop/cart.js"),
        ("at Cart.get total [as total] (/app/shop/cart.js:48:31)", "shop/cart.js:Cart.get total"),
        ("at /app/pages/[id].js:3:1", "pages/[id].js"),
    ],
    "go": [
        ("github.com/acme/shop/order.Total(0xc0001a2000, {0x3, 0x4})", "github.com/acme/shop/order.Total"),
        ("github.com/acme/shop/order.Total(...)", "github.com/acme/shop/order.Total"),
        ("github.com/acme/shop/order.(*Service).Total(0xc0001a2000)", "github.com/acme/shop/order.Service.Total"),
        ("github.com/acme/shop/order.Service.Total(0xc0001a2000)", "github.com/acme/shop/order.Service.Total"),
        ("github.com/acme/shop/order.(*Service).Total.func1(0xc0001a2000)", "github.com/acme/shop/order.Service.Total"),
        ("github.com/acme/shop/order.(*Service).Total.func2.1()", "github.com/acme/shop/order.Service.Total"),
        ("github.com/acme/shop/order.(*Service).Total.gowrap1()", "github.com/acme/shop/order.Service.Total"),
        ("github.com/acme/shop/order.(*Service).Total-fm()", "github.com/acme/shop/order.Service.Total"),
        ("github.com/acme/shop/order.(*Service).Total-range1(0x1)", "github.com/acme/shop/order.Service.Total"),
        ("github.com/acme/shop/order.init.0()", "github.com/acme/shop/order.init"),
        ("github.com/acme/shop/order.(*LRU[...]).Put(0x1)", "github.com/acme/shop/order.LRU.Put"),
        (
            "github.com/acme/shop/order.(*LRU[go.shape.string_0,go.shape.int_1]).Put(0x1)",
            "github.com/acme/shop/order.LRU.Put",
        ),
        ("github.com/acme/shop/order.Map[...](0x1)", "github.com/acme/shop/order.Map"),
        ("shop/order.Total(0x1)", "shop/order.Total"),
        ("main.main()", "main.main"),
        ("/app/shop/order/service.go:87 +0x1a", "order/service.go"),
        ("/app/shop/order/service.go:87", "order/service.go"),
        ("/app/shop/order/service.go:87 (0x91f2c5)", "order/service.go"),
        ("C:/work/order/service.go:87 +0x1a", "order/service.go"),
        ("/app/service.go:87 +0x1a", "service.go"),
        ("/go/src/github.com/acme/shop/order/service.go:87 +0x1a", "order/service.go"),
    ],
    "dotnet": [
        ("at Acme.Tax.RateTable.Find(String country) in /src/Tax/RateTable.cs:line 33", "Acme.Tax.RateTable.Find"),
        (r"at Acme.Tax.RateTable.Find(String country) in C:\my build\RateTable.cs:line 33", "Acme.Tax.RateTable.Find"),
        ("at Acme.Tax.RateTable.Find(String country)", "Acme.Tax.RateTable.Find"),
        ("at Acme.Tax.RateTable..ctor(String country)", "Acme.Tax.RateTable..ctor"),
        ("at Acme.Tax.RateTable.Find (System.String country) [0x00012] in <f4a1>:0", "Acme.Tax.RateTable.Find"),
        ("at Acme.Tax.RateTable`1.Find(String country)", "Acme.Tax.RateTable.Find"),
        ("at Acme.Tax.RateTable`2.Find[TKey,TValue](TKey key, Func`2 factory)", "Acme.Tax.RateTable.Find"),
        ("at Acme.Tax.RateTable`1.<Find>g__Lookup|5_0(String country)", "Acme.Tax.RateTable.Find"),
        ("at Acme.Tax.RateTable.<>c__DisplayClass4_0.<Find>g__Lookup|1(String country)", "Acme.Tax.RateTable.Find"),
        ("at Acme.Tax.RateTable.<<Find>g__Lookup|1_0>d.MoveNext()", "Acme.Tax.RateTable.Find"),
        ("at Acme.Tax.RateTable.<>c__DisplayClass4_0.<<Find>g__Lookup|1>d.MoveNext()", "Acme.Tax.RateTable.Find"),
        ("at Acme.Tax.RateTable.<>c.<Find>b__3_1(Line line)", "Acme.Tax.RateTable.Find"),
        ("at Acme.Tax.RateTable.<>c__DisplayClass7_0.<Find>b__1(Line line)", "Acme.Tax.RateTable.Find"),
        ("at Acme.Tax.RateTable.<>c__DisplayClass7_0`1.<Find>b__1(Line line)", "Acme.Tax.RateTable.Find"),
        ("at Acme.Tax.RateTable.<>c__DisplayClass4_0.<<Find>b__0>d.MoveNext()", "Acme.Tax.RateTable.Find"),
        ("at Acme.Tax.RateTable.<Find>d__4.MoveNext()", "Acme.Tax.RateTable.Find"),
        ("at Acme.Tax.RateTable.<Find>d__4`1.MoveNext()", "Acme.Tax.RateTable.Find"),
        ("at Acme.Tax.RateTable+<Find>d__4.MoveNext () [0x00012] in <f4a1>:0", "Acme.Tax.RateTable.Find"),
        ("at Acme.Tax.RateProxy.<Find>d__4.MoveNext()", "Acme.Tax.RateProxy.Find"),
        ("at Program.<Main>$(String[] args) in /src/Program.cs:line 3", "Program.Main"),
        ("at Program.<<Main>$>d__0.MoveNext() in /src/Program.cs:line 3", "Program.Main"),
        ("at Program.<>c.<<Main>$>b__0_2(Context context) in /src/Program.cs:line 3", "Program.Main"),
        ("at Program.<<Main>$>g__Run|0_1(String s)", "Program.Main"),
    ],
}

LIBRARIES = {
    "jvm": [
        "at java.base/java.lang.Thread.run(Thread.java:840)",
        "at java.lang.Thread.run(Thread.java:840)",
        "at org.springframework.web.servlet.DispatcherServlet.doDispatch(DispatcherServlet.java:1072)",
        "at io.netty.util.concurrent.FastThreadLocalRunnable.run(FastThreadLocalRunnable.java:30)",
        "at com.acme.order.OrderService$$EnhancerBySpringCGLIB$$9b2d3f10.place(<generated>)",
        "at com.acme.order.OrderService$$SpringCGLIB$$0.place(<generated>)",
        "at com.acme.order.OrderService$$Lambda$14/0x0000000800c03000.run(Unknown Source)",
        "at com.acme.order.OrderService$$Lambda$14/1922154895.run(Unknown Source)",
        "at com.acme.order.OrderService$$Lambda/0x00007f1c3c8a1b08.run(Unknown Source)",
        "at java.base/java.lang.invoke.LambdaForm$MH/0x00007f1c3c8a1b08.invoke(LambdaForm$MH)",
        "at com.acme.order.OrderService_ClientProxy.place(Unknown Source)",
        "at jdk.proxy2/jdk.proxy2.$Proxy143.place(Unknown Source)",
        "at com.acme.order.$Proxy143.place(Unknown Source)",
        "at com.acme.order.OrderService.access$000(OrderService.java:12)",
        "at com.acme.order.OrderService.access$post(OrderService.kt:12)",
        "at com.acme.order.OrderService.$deserializeLambda$(OrderService.java:1)",
    ],
    "python": [
        'File "/app/shop/cart.py", line 31, in <listcomp>',
        'File "/app/shop/cart.py", line 31, in Cart.add.<locals>.<dictcomp>',
        'File "/app/.venv/lib/python3.11/site-packages/flask/app.py", line 1484, in dispatch',
        'File "/usr/lib/python3/dist-packages/yaml/reader.py", line 3, in read',
        'File "/var/runtime/bootstrap.py", line 60, in <module>',
        'File "/usr/lib/python3.11/socket.py", line 706, in readinto',
        'File "/usr/lib/python311.zip/socket.py", line 706, in readinto',
        r'File "C:\Python311\Lib\socket.py", line 706, in readinto',
        'File "<frozen runpy>", line 88, in _run_code',
        'File "<string>", line 1, in <module>',
        'File "/usr/local/bin/gunicorn", line 8, in <module>',
    ],
    "node": [
        "at Layer.handle (/app/node_modules/express/lib/router/layer.js:95:5)",
        "at Cart.total (/app/.yarn/cache/shop/cart.js:1:1)",
        "at Runtime.handle (file:///var/runtime/index.mjs:1173:29)",
        "at process.processTicksAndRejections (node:internal/process/task_queues:95:5)",
        "at listOnTimeout (internal/timers.js:554:17)",
        "at Module._compile (module.js:653:30)",
        "at node:internal/main/run_main_module:23:47",
        "at Array.reduce (<anonymous>)",
        "at async Promise.all (index 3)",
        "at eval (eval at run (/app/shop/cart.js:48:31), <anonymous>:1:1)",
    ],
    "go": [
        "net/http.HandlerFunc.ServeHTTP(0xc0000b6010, {0x9a2f40, 0xc0002d60e0})",
        "golang.org/x/sync/errgroup.(*Group).Go.func1()",
        "gopkg.in/yaml%2ev3.(*Decoder).Decode(0x1)",
        "github.com/gin-gonic/gin.(*Context).Next(0xc000)",
        "panic({0x5145a0?, 0x555bc8?})",
        "/usr/local/go/src/runtime/panic.go:914 +0x21f",
        "/opt/hostedtoolcache/go/1.21.4/x64/src/net/http/server.go:2938 +0x8e",
        "/go/pkg/mod/github.com/acme/x@v1.2.3/y.go:9 +0x1",
        "/app/shop/vendor/github.com/acme/x/y.go:9 +0x1",
        "github.com/acme/x@v1.2.3/y.go:9 +0x1",
        "_cgo_gotypes.go:51 +0x1",
    ],
    "dotnet": [
        "at System.Linq.Enumerable.SelectListIterator`2.MoveNext()",
        "at Microsoft.AspNetCore.Routing.EndpointMiddleware.<Invoke>g__AwaitRequestTask|6_0(Endpoint endpoint)",
        "at Npgsql.NpgsqlCommand.ExecuteReader(Boolean async)",
        "at lambda_method12(Closure , Object , Object[] )",
        "at Castle.Proxies.OrderProxy.get_Name()",
        "at (wrapper runtime-invoke) Acme.Program.Main (string[])",
    ],
}

OWN_LINES = [line for lines in OWN.values() for line in lines]
LIBRARY_LINES = [line for lines in LIBRARIES.values() for line in lines]

NO_FRAMES = [
    "",
    "at",
    "at ",
    "at noon",
    "at com.acme.Order.run",
    "... 23 more",
    "Caused by: java.io.IOException: closed",
    "--- End of inner exception stack trace ---",
    "Traceback (most recent call last):",
    'File "/app/shop/cart.py"',
    'File "/app/shop/cart.py", line x, in add',
    "return stock.reserve(sku)",
    "goroutine 34 [running]:",
    "created by net/http.(*Server).Serve in goroutine 1",
    "exit status 2",
    "2026/11/22 14:03:11 service.go:87: order failed",
    "ready (3 of 4)",
    "at " + "x" * 2_000 + "(X.java:1)",
]

#: Lines that are no frames and are taken for some.
KNOWN_WRONG = [
    ("at home (again)", "with .NET's frames anything may stand between the brackets"),
    ("log.Printf(format)", "a line of Go's source has the form of one of its frames"),
]


@pytest.mark.parametrize(("line", "place"), OWN_LINES)
def test_an_own_frame_is_named_without_what_varies(line: str, place: str) -> None:
    frame = READER.read(line)

    assert frame.kind is not Kind.OTHER
    assert (frame.place, frame.is_own) == (place, True)


@pytest.mark.parametrize("line", LIBRARY_LINES)
def test_a_frame_of_a_library_is_not_own(line: str) -> None:
    frame = READER.read(line)

    assert frame.kind is not Kind.OTHER
    assert not frame.is_own


@pytest.mark.parametrize("line", NO_FRAMES)
def test_another_line_is_no_frame(line: str) -> None:
    assert READER.read(line) == (Kind.OTHER, "", False, False)


@pytest.mark.parametrize(("line", "reason"), KNOWN_WRONG)
def test_where_other_lines_are_taken_for_frames_is_known(line: str, reason: str) -> None:
    assert READER.read(line).kind is not Kind.OTHER, reason


def test_only_python_prints_the_innermost_frame_last() -> None:
    lasts = {language: {READER.read(line).is_innermost_last for line, _ in OWN[language]} for language in OWN}

    assert lasts == {language: {language == "python"} for language in OWN}


def test_of_go_functions_and_files_are_lines_of_their_own() -> None:
    kinds = [READER.read(line).kind for line in ("main.main()", "/app/main.go:9 +0x1d")]

    assert kinds == [Kind.GO_FUNCTION, Kind.GO_FILE]


def test_a_function_of_go_without_arguments_is_named_as_one_with_them() -> None:
    assert READER.go_function("github.com/acme/shop.(*Cart).Add.func1") == READER.read(
        "github.com/acme/shop.(*Cart).Add.func1()"
    )


def test_what_was_met_before_does_not_matter() -> None:
    lines = [*(line for line, _ in OWN_LINES), *LIBRARY_LINES, *NO_FRAMES]

    assert [READER.read(line) for line in reversed(lines)] == [
        FrameReader(RULES).read(line) for line in reversed(lines)
    ]


def outcome(rules: dict[str, Names], language: str) -> list[object]:
    reader = FrameReader(rules)
    own = [reader.read(line) for line, _ in OWN[language]]
    return [
        *((frame.place, frame.is_own) for frame in own),
        *(reader.read(line).is_own for line in LIBRARIES[language]),
    ]


@pytest.mark.parametrize(
    ("language", "part", "name"),
    [
        (language, part, rule.name)
        for language in RULES
        for part in Names._fields
        for rule in getattr(RULES[language], part)
    ],
)
def test_without_any_of_the_rules_some_line_is_read_otherwise(language: str, part: str, name: str) -> None:
    names = RULES[language]
    left = tuple(rule for rule in getattr(names, part) if rule.name != name)

    assert outcome(RULES | {language: names._replace(**{part: left})}, language) != outcome(RULES, language)
