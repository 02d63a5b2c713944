"""Log lines with a secret in each, of many kinds, in English and Korean.

All are drawn from a seed when asked for, so that none lies in the source.
"""

import base64
import json
import random
from collections.abc import Iterator
from typing import NamedTuple

from local.generator.draw import Draw, card, fill, grouped, iban, mixed, resident_number, shapes

#: A shorter piece of a secret gives nothing away and may stand in a line by chance.
_SHORTEST_PIECE = 6


class PlantedSecret(NamedTuple):
    """A log line, the secret in it, and the name of its kind."""

    kind: str
    secret: str
    log_content: str


class _Kind(NamedTuple):
    """How a secret is drawn, and the texts it stands in, with `{}` for it. A bare one needs no name beside it."""

    name: str
    draw: Draw
    forms: tuple[str, ...] = ("{}",)
    is_bare: bool = False


#: What stands before and behind a secret and its name.
_BEFORE = (
    "",
    "ERROR payment failed: ",
    "2026-11-22T14:02:11.123Z WARN [http-nio-8080-exec-{n1}] c.a.pay.Client - rejected: ",
    "[worker-{n1}] ",
    "Caused by: java.lang.IllegalStateException: ",
    "attempt {n1} of 9, ",
    'File "/srv/app/main.py", line {n2}\n',
    "level=warn ts=2026-11-22 msg=denied ",
    "I1122 14:02:11.000001       1 main.go:{n3}] ",
    "request body = ",
    "결제 실패: ",
    "요청 처리 중 오류가 발생했습니다. ",
    "[주문-{n4}] 외부 호출 실패, ",
    "사용자 정보 조회\t",
)
_BEHIND = (
    "",
    " (attempt {n1})",
    " was rejected",
    ", retrying in {n2}s",
    "; closing the connection",
    " status=401 took={n3}ms",
    "\n\tat com.acme.pay.Client.call(Client.java:{n3})",
    " | region=ap-northeast-2",
    " 처리에 실패했습니다",
    ", {n1}회 재시도",
    " [주문 서비스]",
)
#: What stands directly at a secret that needs no name.
_AROUND = (
    "{}",
    "using {} for the call",
    '"{}"',
    "'{}'",
    "({})",
    "[{}]",
    "<{}>",
    "`{}`",
    "{},",
    "value={}",
    "value: {}",
    "id={};",
    '{"input":"{}","n":{n2}}',
    r"{\"input\":\"{}\"}",
    "args=[a, {}, b]",
    "?x={}&y={n1}",
    "<input>{}</input>",
    "입력값 {}",
    "입력값:{}",
    "{}을 확인하세요",
    "{} 님의 요청",
    "「{}」",
)

#: Vendors' tokens, by the shape they have in the vendor's documentation.
_TOKENS = {
    "aws-access-key": ("AKIA{u16}",),
    "aws-temporary-key": ("ASIA{u16}",),
    "aws-session-token": ("IQoJb3JpZ2lu{b240}", "FwoGZXIvYXdz{b200}=="),
    "github-token": ("ghp_{w36}", "gho_{w36}", "ghu_{w36}", "ghs_{w36}", "ghr_{w36}"),
    "github-fine-grained-token": ("github_pat_{w22}_{w59}",),
    "gitlab-token": ("glpat-{s20}", "gldt-{s20}", "glrt-{s20}"),
    "slack-bot-token": ("xoxb-{n12}-{n13}-{w24}",),
    "slack-user-token": ("xoxp-{n12}-{n12}-{n13}-{x32}",),
    "slack-app-token": ("xapp-1-A{u10}-{n13}-{x64}",),
    "stripe-key": ("sk_live_{w24}", "rk_live_{w24}", "sk_test_{w99}"),
    "stripe-webhook-secret": ("whsec_{w32}",),
    "toss-key": ("live_sk_{w32}", "test_gsk_{w32}"),
    "razorpay-key": ("rzp_live_{w14}",),
    "square-token": ("sq0atp-{s22}", "EAAA{s60}"),
    "anthropic-key": ("sk-ant-api03-{s93}AA",),
    "openai-key": ("sk-{w48}", "sk-proj-{s74}", "sk-svcacct-{s74}"),
    "hugging-face-token": ("hf_{w34}",),
    "google-api-key": ("AIza{s35}",),
    "google-access-token": ("ya29.{s120}", "ya29.a0{s100}"),
    "google-client-secret": ("GOCSPX-{s28}",),
    "firebase-key": ("AAAA{s7}:APA91b{s134}",),
    "azure-client-secret": ("{w3}8Q~{w34}", "{w3}7Q~{w31}"),
    "telegram-bot": ("{n10}:AA{s33}",),
    "discord-bot": ("M{w23}.{w6}.{s27}", "N{w25}.{w6}.{s38}"),
    "sendgrid-key": ("SG.{s22}.{s43}",),
    "mailgun-key": ("key-{x32}",),
    "mailchimp-key": ("{x32}-us{n1}",),
    "twilio-key": ("SK{x32}",),
    "npm-token": ("npm_{w36}",),
    "pypi-token": ("pypi-AgEIcHlwaS5vcmc{s150}",),
    "docker-token": ("dckr_pat_{s27}",),
    "vault-token": ("hvs.{s24}", "hvs.{s90}", "hvb.{s138}"),
    "terraform-token": ("{w14}.atlasv1.{s67}",),
    "databricks-token": ("dapi{x32}", "dapi{x32}-2"),
    "digitalocean-token": ("dop_v1_{x64}", "doo_v1_{x64}"),
    "shopify-token": ("shpat_{x32}", "shpss_{x32}"),
    "new-relic-key": ("NRAK-{u27}",),
    "grafana-token": ("glsa_{w32}_{x8}",),
    "notion-token": ("ntn_{w46}", "secret_{w43}"),
    "postman-key": ("PMAK-{x24}-{x34}",),
    "airtable-token": ("pat{w14}.{x64}",),
    "doppler-token": ("dp.pt.{w43}", "dp.st.prd.{w43}"),
    "linear-key": ("lin_api_{w40}",),
    "alibaba-key": ("LTAI5t{w18}",),
    "sentry-token": ("sntryu_{x64}",),
    "supabase-token": ("sbp_{x40}",),
    "figma-token": ("figd_{s40}",),
    "newer-token": ("acme_live_{w32}", "zeta_sk_{w40}", "orbit_api_{w24}"),
    "bedrock-key": ("ABSK{b88}",),
    "password-hash": ("$2b$12${w53}", "$2y$10${w53}", "$6${w16}${w86}", "$apr1${w8}${w22}"),
}

_PASSWORD = mixed("{w1}{o11}{w2}")
_WORDLIKE_PASSWORD = shapes("Sunshine{d4}!", "dragon{d2}", "Seoul{d4}#{l3}", "{l7}{d2}", "qwer{d4}!", "P@ssw0rd{d3}")
_QUOTED_PASSWORD = shapes("{w4} {w5},{w3}", "{o6};{w4}&{w3}", "{w4}({o5})", "{w3}: {w6}", "{w5}@{w5}/{d3}")
_TOKEN = mixed("{s32}")
_HEX = shapes("{x32}", "{x40}", "{x64}")

#: What is a secret by the name beside it.
_NAMED = (
    _Kind(
        "key-value",
        _PASSWORD,
        ("password={}", "passwd={}", "pwd={}", "db.password={}", "DB_PASSWORD={}", "user=ann password={} host=db-1"),
    ),
    _Kind(
        "key-value-spaced",
        _PASSWORD,
        ("password = {}", "spring.datasource.password = {}", "password => {}", "pass := {}", "secret == {}"),
    ),
    _Kind("wordlike-password", _WORDLIKE_PASSWORD, ("password={}", "login(user=ann, password={})", '"passwd":"{}"')),
    _Kind("quoted-password", _QUOTED_PASSWORD, ('password="{}"', "password='{}'", 'pwd: "{}"', "secret='{}'")),
    _Kind("yaml", _PASSWORD, ("password: {}", "  redis_password: {}\n  port: 6379", "clientSecret: '{}'")),
    _Kind("ini", _PASSWORD, ("[client]\nuser=app\npassword={}\nport=3306", "[smtp]\npass = {}\n")),
    _Kind(
        "json",
        _PASSWORD,
        ('{"user":"ann","password":"{}"}', '{"newPassword": "{}", "n": 1}', '{"auth":{"clientSecret":"{}"}}'),
    ),
    _Kind("json-any-characters", _QUOTED_PASSWORD, ('{"password":"{}","user":"ann"}', '{"secret" : "{}"}')),
    _Kind(
        "escaped-json",
        _PASSWORD,
        (r"{\"password\":\"{}\",\"user\":\"ann\"}", r"body=\"{\\\"apiSecret\\\":\\\"{}\\\"}\"", r"{\"pwd\": \"{}\"}"),
    ),
    _Kind("python-literal", _PASSWORD, ("{'password': '{}'}", "User(name='ann', password='{}')", "{'secret': b'{}'}")),
    _Kind("query", mixed("{w14}"), ("/login?user=ann&password={}&next=1", "POST /token?client_secret={}")),
    _Kind("query-token", _TOKEN, ("https://api.acme.io/v1?access_token={}", "GET /x?api_key={}&n=2", "/a?token={}")),
    _Kind("escaped-query", mixed("{w14}"), ("q=%7B%22password%22%3A%22{}%22%7D", "body=client_secret%3D{}%26a%3D1")),
    _Kind("aws-secret-key", mixed("{b40}"), ("aws_secret_access_key={}", "AWS_SECRET_ACCESS_KEY: {}")),
    _Kind("aws-key-pair", mixed("{b40}"), ("AKIA{u16}:{}", "AKIA{u16} {}", '"AKIA{u16}", "{}"')),
    _Kind("azure-account-key", mixed("{b86}=="), ("AccountName=logs;AccountKey={};EndpointSuffix=core.windows.net",)),
    _Kind("azure-shared-key", mixed("{b43}="), ("SharedAccessKeyName=root;SharedAccessKey={}",)),
    _Kind("api-key", _HEX, ("api_key={}", "X-Api-Key: {}", '"apiKey":"{}"', "apikey={}", "API key: {}")),
    _Kind("named-token", _TOKEN, ("token={}", "accessToken: {}", '"refresh_token":"{}"', "csrf_token={}")),
    _Kind(
        "authorization",
        _TOKEN,
        (
            "Authorization: Bearer {}",
            "authorization=Bearer {}",
            '"Authorization":"Bearer {}"',
            "Proxy-Authorization: Token {}",
            "headers={Authorization=[Bearer {}], Accept=[*/*]}",
            r"\"authorization\":\"Bearer {}\"",
            "curl -H 'Authorization: Bearer {}' https://api.acme.io",
        ),
    ),
    _Kind("bearer", mixed("{w40}"), ("bearer {}", "sent Bearer {} to partner")),
    _Kind("private-token-header", _TOKEN, ("PRIVATE-TOKEN: {}", "X-Auth-Token: {}", "x-amz-security-token: {}")),
    _Kind(
        "cookie",
        _TOKEN,
        ("Cookie: sid={}; theme=dark", "Set-Cookie: session={}; Path=/; HttpOnly", '"cookie":"a=1; sid={}"'),
    ),
    _Kind("session-id", _TOKEN, ("JSESSIONID={}", "PHPSESSID={}", "session_id={}", "connect.sid={}")),
    _Kind("command-line", mixed("{w14}"), ("--password {}", "--password={}", "--api-key {}", "tool --db-secret {} -v")),
    _Kind(
        "client-option",
        mixed("{w14}"),
        ("mysql -u root -p{} shop", "curl -u ann:{} https://acme.io", "sshpass -p {} ssh db-1", "redis-cli -a {} ping"),
    ),
    _Kind("arguments", mixed("{w14}"), ('["tool", "--password", "{}"]', "['--token', '{}']")),
    _Kind(
        "xml",
        _PASSWORD,
        ("<password>{}</password>", "<ns:Secret>{}</ns:Secret>", "<wsse:Password T='x'>{}</wsse:Password>"),
    ),
    _Kind("environment", _PASSWORD, ('{"name":"DB_PASSWORD","value":"{}"}', '<add key="ApiSecret" value="{}"/>')),
    _Kind(
        "variable",
        _PASSWORD,
        (
            "export AWS_SECRET={}",
            "docker run -e MYSQL_ROOT_PASSWORD={} mysql:8",
            "java -Dspring.datasource.password={} -jar pay.jar",
            "kubectl create secret generic db --from-literal=password={}",
            "Server=db-1;User Id=app;Password={};Encrypt=true",
            "UserRequest(name=ann, password={}, age=3)",
            "otpauth://totp/acme:ann?secret={}&issuer=acme",
            "bindpw={}",
            'sasl.jaas.config=PlainLoginModule required username="app" password="{}";',
            "ssl.keystore.password={}",
            "db.password\t{}",
        ),
    ),
    _Kind(
        "key-data",
        mixed("{b120}"),
        ("client-key-data: {}", '"auths":{"acme.io":{"auth":"{}"}}', 'private_key: "{}"'),
    ),
    _Kind("multipart", _PASSWORD, ('Content-Disposition: form-data; name="password"\r\n\r\n{}\r\n--x',)),
    _Kind("sql", _PASSWORD, ("CREATE USER ann IDENTIFIED BY '{}'", "ALTER ROLE ann WITH PASSWORD '{}'")),
    _Kind(
        "told",
        mixed("{w12}"),
        ("temporary password is {}", "new password: {}", "password was reset to {}", "the api key is {}"),
    ),
    _Kind(
        "korean-name",
        mixed("{w12}"),
        ("비밀번호: {}", "비밀번호={}", "패스워드는 {}", "임시 비밀번호는 {}", '"비밀번호":"{}"', "인증키: {}"),
    ),
    _Kind(
        "url-password",
        mixed("{w16}"),
        (
            "postgres://app:{}@db-1:5432/shop",
            "postgresql+asyncpg://app:{}@10.0.0.3/shop?sslmode=require",
            "mongodb+srv://app:{}@cluster.acme.io/test",
            "redis://:{}@cache-0.cache:6379/1",
            "amqp://guest:{}@mq//",
            "https://ann:{}@git.acme.io/shop.git",
            "jdbc:mysql://db-1/shop?user=app&password={}",
        ),
    ),
    _Kind("url-odd-password", mixed("{w4}@{o6}{w3}"), ("mysql://app:{}@db-1:3306/shop", "amqp://guest:{}@mq:5672/")),
    _Kind(
        "url-token", mixed("{x32}"), ("https://{}@o1.ingest.sentry.io/{n7}", "https://{}:x-oauth-basic@github.com/a/b")
    ),
    _Kind("signed-url", mixed("{x64}"), ("https://b.s3.amazonaws.com/a.csv?X-Amz-Expires=900&X-Amz-Signature={}",)),
    _Kind("azure-signed-url", mixed("{w42}%3D"), ("https://a.blob.core.windows.net/c/f?sv=2024-11-04&sig={}&se=2026",)),
    _Kind("oracle-password", mixed("{w14}"), ("jdbc:oracle:thin:app/{}@db-1:1521/shop", "jdbc:oracle:oci:app/{}@shop")),
    _Kind("telegram-address", shapes("{n9}:AA{s33}"), ("POST https://api.telegram.org/bot{}/sendMessage",)),
    _Kind("plan", _PASSWORD, ('~ password: "old-{w8}" => "{}"', '~ db_password = "{w8}" -> "{}"')),
    _Kind("pair", _PASSWORD, ("('password', '{}')", '["secret", "{}"]')),
    _Kind("card-track", lambda rng: card(rng, "4", 16), ("track2={}=2512201{d8}", "B{}^KIM/MINSU^2512{d10}")),
    _Kind("slack-webhook", shapes("T{u8}/B{u10}/{w24}"), ("https://hooks.slack.com/services/{}",)),
    _Kind("discord-webhook", shapes("{n18}/{s68}"), ("https://discord.com/api/webhooks/{}",)),
    _Kind(
        "one-time-password",
        shapes("{d6}"),
        ("otp={}", "OTP: {}", '"otp":"{}"', "인증번호: {}", "인증번호는 {}", "[인증번호] {}", "verification code: {}"),
    ),
    _Kind("card-code", shapes("{d3}", "{d4}"), ("cvv={}", '"cvc":"{}"', "CVC: {}", "cvv2={}")),
    _Kind("pin", shapes("{d4}", "{d6}"), ("pin={}", '"pin":"{}"', "PIN: {}", "card pin code {}")),
    _Kind(
        "account",
        shapes("{n3}-{d6}-{n2}-{d3}", "{n3}-{d4}-{d4}-{d2}", "{n6}-{d2}-{d6}", "{n12}"),
        ("계좌번호: {}", "계좌 {}", "국민은행 {}", "account_no={}", "입금계좌: 신한은행 {}", '"accountNumber":"{}"'),
    ),
    _Kind("passport", shapes("M{n8}", "M{n3}A{n4}"), ("passport={}", "여권번호: {}", "passport no. {}", "여권 {}")),
    _Kind(
        "named-phone",
        shapes("4{d2} {n3} {d4}", "8{d10}", "010{n4}{d4}"),
        ("phone={}", "tel: {}", "휴대폰: {}", '"mobile":"{}"', "연락처 {}"),
    ),
)

_FOUR_FOURS = 16
#: The first digits and lengths of issuers' numbers, and the groups they are printed in.
_ISSUERS = {
    "visa": (("4",), 16, (4,)),
    "mastercard": (("51", "55", "2221", "2720"), 16, (4,)),
    "american-express": (("34", "37"), 15, (4, 6, 5)),
    "discover": (("6011", "65"), 16, (4,)),
    "jcb": (("3528", "3589"), 16, (4,)),
    "diners-club": (("300", "36", "38"), 14, (4, 6, 4)),
    "unionpay": (("62",), 16, (4,)),
    "unionpay-long": (("62",), 19, (4,)),
    "korean-card": (("94", "9"), 16, (4,)),
}
#: National account numbers behind country and check digits (the registry of ISO 13616).
_ACCOUNTS = {
    "DE": "{n8}{d10}",
    "GB": "{c4}{d14}",
    "FR": "{d10}{u11}{d2}",
    "ES": "{d20}",
    "IT": "{c1}{d10}{u12}",
    "NL": "{c4}{d10}",
    "CH": "{d5}{u12}",
    "AT": "{d16}",
    "BE": "{d12}",
    "PL": "{d24}",
    "SE": "{d20}",
    "AE": "{d19}",
}
_KEY_BLOCKS = ("RSA ", "EC ", "OPENSSH ", "ENCRYPTED ", "")


def secrets(seed: int, count: int) -> Iterator[PlantedSecret]:
    """Yield log lines with a secret in each, all kinds in turn."""
    rng = random.Random(seed)  # noqa: S311 - made-up data, the same for a seed
    for number in range(count):
        kind = _KINDS[number % len(_KINDS)]
        yield PlantedSecret(kind.name, *_planted(rng, kind))


def is_left(secret: str, text: str) -> bool:
    """Tell whether a piece of at least half of a secret stands in a text."""
    size = min(len(secret), max(_SHORTEST_PIECE, len(secret) // 2))
    return any(secret[start : start + size] in text for start in range(len(secret) - size + 1))


def _planted(rng: random.Random, kind: _Kind) -> tuple[str, str]:
    while True:
        frame = "".join((rng.choice(_BEFORE), rng.choice(kind.forms), rng.choice(_BEHIND)))
        around = rng.choice(_AROUND) if kind.is_bare else "{}"
        line = fill(rng, frame.replace("{}", around, 1))
        secret = kind.draw(rng)
        # A short code may stand in the line anyhow; then nobody could tell whether it was taken out.
        if not is_left(secret, line):
            return secret, line.replace("{}", secret, 1)


def _card(starts: tuple[str, ...], length: int, sizes: tuple[int, ...]) -> Draw:
    return lambda rng: grouped(
        card(rng, rng.choice(starts), length),
        sizes,
        rng.choice(("", "", " ", " ", "-", "-", ".") if sizes == (4,) and length == _FOUR_FOURS else ("", " ", "-")),
    )


def _iban(country: str, account: str) -> Draw:
    def draw(rng: random.Random) -> str:
        number = iban(rng, country, account)
        return rng.choice((number, grouped(number, (4,), " "), grouped(number, (4,), "-"), number.lower()))

    return draw


def _resident(sexes: str, separators: tuple[str, ...]) -> Draw:
    return lambda rng: grouped(resident_number(rng, sexes), (6, 7), rng.choice(separators))


def _licence(rng: random.Random) -> str:
    return fill(rng, f"{rng.choice((11, 12, 13, 17, 21, 26, 28))}-{{d2}}-{{d6}}-{{d2}}")


def _ssn(rng: random.Random) -> str:
    return f"{rng.randrange(100, 600)}-{rng.randrange(10, 100)}-{rng.randrange(1000, 10000)}"


def _base64(text: str, *, is_url: bool = False) -> str:
    encoded = (base64.urlsafe_b64encode if is_url else base64.b64encode)(text.encode()).decode()
    return encoded.rstrip("=") if is_url else encoded


def _jwt(rng: random.Random) -> str:
    head = {"alg": rng.choice(("HS256", "RS256", "ES256")), "typ": "JWT"}
    claims = {"sub": fill(rng, "{n10}"), "iss": "https://auth.acme.io", "exp": 1_795_000_000 + rng.randrange(10**6)}
    parts = [_base64(json.dumps(part, separators=(",", ":")), is_url=True) for part in (head, claims)]
    return ".".join((*parts, fill(rng, rng.choice(("{s43}", "{s86}", "{s342}")))))


def _basic(rng: random.Random) -> str:
    return _base64(fill(rng, "{l6}:{w12}"))


def _pem(separator: str) -> Draw:
    """Return what draws a block of a private key; the secret is all of it."""

    def draw(rng: random.Random) -> str:
        kind = rng.choice(_KEY_BLOCKS) + "PRIVATE KEY"
        lines = [fill(rng, "{b64}") for _ in range(rng.randrange(2, 6))] + [fill(rng, "{b30}==")]
        return separator.join((f"-----BEGIN {kind}-----", *lines, f"-----END {kind}-----"))

    return draw


#: People's numbers and addresses, and what else can be told without a name.
_BARE: dict[str, Draw] = {
    **{
        kind: mixed(alternatives[0]) if len(alternatives) == 1 else shapes(*alternatives)
        for kind, alternatives in _TOKENS.items()
    },
    **{f"card-{issuer}": _card(*form) for issuer, form in _ISSUERS.items()},
    **{f"iban-{country.lower()}": _iban(country, account) for country, account in _ACCOUNTS.items()},
    "jwt": _jwt,
    "private-key": _pem("\n"),
    "private-key-escaped": _pem("\\n"),
    "private-key-base64": lambda rng: _base64(_pem("\n")(rng)),
    "resident-number": _resident("1234", ("-", "-", "")),
    "foreigner-number": _resident("5678", ("-",)),
    "licence": _licence,
    "social-security-number": _ssn,
    "email": shapes("{l5}.{l7}@{l6}.com", "{l4}{d3}@{l5}.co.kr", "{l5}+{l3}@mail.{l5}.io", "{w8}_{l2}@{l6}.museum"),
    "email-escaped": shapes("{l5}.{l7}%40{l6}.com"),
    "email-korean": shapes("홍길동@{l6}.kr", "{l3}.김철수@{l6}.co.kr"),
    "mobile": shapes("010-{n4}-{d4}", "010{n4}{d4}", "010.{n4}.{d4}", "010 {n4} {d4}", "016-{n3}-{d4}"),
    "landline": shapes("02-{n3}-{d4}", "031-{n3}-{d4}", "(02) {n4}-{d4}", "070-{n4}-{d4}", "051){n3}-{d4}"),
    "international-phone": shapes(
        "+82-10-{n4}-{d4}", "+8210{n4}{d4}", "+82 2 {n3} {d4}", "+44 20 {n4} {d4}", "+49 30 {n8}"
    ),
    "american-phone": shapes(
        "+1 (415) {n3}-{d4}", "(415) {n3}-{d4}", "415-5{n2}-{d4}", "1-415-5{n2}-{d4}", "+1415{n3}{d4}"
    ),
}

_KINDS = (
    *(_Kind(name, draw, is_bare=True) for name, draw in _BARE.items()),
    *_NAMED,
    _Kind("basic-authorization", _basic, ("Authorization: Basic {}", "sent Basic {} upstream", "'Basic {}'")),
)
