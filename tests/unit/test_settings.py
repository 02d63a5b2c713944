"""A wrong setting is named before anything starts; a secret is never shown."""

import json
import os
import re

import cloudpickle
import pytest
from typer.testing import CliRunner

from jobs.cli import app
from jobs.log_insight.settings import (
    IndexSettings,
    Secrets,
    Settings,
    SettingsError,
    describe,
    index_credentials,
    load_secrets,
    load_settings,
    variable_name,
)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in [name for name in os.environ if name.startswith("CALI_")]:
        monkeypatch.delenv(name)


def refusal(monkeypatch, variables):
    """Return what is said of these variables."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as failure:
        load_settings()
    return str(failure.value)


ENDPOINTS = ("CALI_AWS__ENDPOINT", "CALI_ANALYZE__BASE_URL", "CALI_MILVUS__URI", "CALI_INDEX__URL")
STORES = tuple(f"CALI_STORE__{name}" for name in ("ARCHIVE", "RECEIPTS", "DEAD_LETTERS", "INDEX_BACKLOG"))
NAMES = (
    "CALI_ENVIRONMENT",
    "CALI_SOURCE__KINESIS__STREAM",
    "CALI_AWS__REGION",
    "CALI_GATE__DEFAULT_CHANNEL",
    "CALI_ANALYZE__MODEL",
    "CALI_MILVUS__COLLECTION",
    "CALI_INDEX__USER",
    "CALI_FLINK__JOB_NAME",
)


@pytest.mark.parametrize(
    ("variable", "value", "problem", "example"),
    [
        ("CALI_SOURCE__KIND", "kafka", "'kinesis', 's3' or 'file'", "kinesis"),
        ("CALI_SOURCE", "{bad", "not a JSON object", "CALI_SOURCE__KIND=kinesis"),
        ("CALI_SOURCE__KINESIS__STOP_TIMESTAMP", "yesterday", "datetime", "2026-"),
        ("CALI_SOURCE__KINESIS__INITIAL_TIMESTAMP", "2026-11-22T09:00:00", "timezone", "2026-11-22T09:00:00Z"),
        ("CALI_INGEST__MAX_LINE_BYTES", "-1", "greater than or equal to 1024", "262144"),
        ("CALI_INGEST__TIME_ZONE", "Mars", "not an IANA time zone", "Asia/Seoul"),
        ("CALI_INGEST__TIME_ZONE", "Asia", "not an IANA time zone", "Asia/Seoul"),
        ("CALI_INGEST__SERVICE_TIME_ZONES", '{"a": "Mars"}', "not an IANA time zone", '{"payment-api"'),
        ("CALI_INGEST__SERVICE_TIME_ZONES", '{" ": "UTC"}', "empty, or spaces around it", '{"payment-api"'),
        ("CALI_GATE__ROUTES", "{bad", "not a JSON object", '{"payment-api"'),
        ("CALI_GATE__ROUTES", '{"payment-api": ""}', "empty, or spaces around it", '{"payment-api"'),
        ("CALI_NOTIFY__LANGUAGE", "fr", "'en' or 'ko'", "ko"),
        ("CALI_NOTIFY__MAX_BACKOFF_SECONDS", "inf", "finite number", "60"),
        ("CALI_NOTIFY__ANALYSIS_WAIT_SECONDS", "inf", "finite number", "1.0"),
        ("CALI_ANALYZE__SIMILARITY_THRESHOLD", "nan", "finite number", "0.5"),
        ("CALI_AWS__ENDPOINT", "http://my_moto:5000", "underscore", "http://127.0.0.1:5000"),
        ("CALI_FLINK__CONNECTORS_JAR", "/nowhere/at-all.jar", "No such file", "connectors/target/cali-connectors.jar"),
        ("CALI_FLINK__CONNECTORS_JAR", "/", "Is a directory", "connectors/target/cali-connectors.jar"),
        ("CALI_INGEST__GROUPING_RULES", "/nowhere/at-all.yaml", "No such file", "/etc/cali/grouping.yaml"),
        ("CALI_INGEST__GROUPING_RULES", "/", "Is a directory", "/etc/cali/grouping.yaml"),
        ("CALI_SOURCE__KNID", "s3", "no such setting", "CALI_SOURCE__KIND"),
        *((name, value, "empty, or spaces around it", "") for name in NAMES for value in ("", " ", "x ", "\tx", "x\n")),
    ],
)
def test_a_wrong_value_names_the_variable_the_problem_and_an_example(monkeypatch, variable, value, problem, example):
    message = refusal(monkeypatch, {variable: value})
    assert message.startswith(f"{variable}: ")
    assert problem in message
    assert re.search(rf"example( of a close one)?: {re.escape(example)}", message)
    assert "\n" not in message


@pytest.mark.parametrize("variable", ENDPOINTS)
@pytest.mark.parametrize(
    "url",
    [
        "",
        "search:9200",
        "//search:9200",
        "http:/search",
        "http://",
        "http://:9200",
        "http:///search",
        "http://search:",
        "http://search:port",
        "http://search:0",
        "http://search:65536",
        "http://search:-1",
        "http://sear ch",
        " http://search",
        "http://search\n",
        "http://a..b",
        "http://[::1",
        "ftp://search",
        "tcp://milvus:19530",
        "unix:/run/milvus.sock",
        "./milvus.db",
    ],
)
def test_a_malformed_url_is_refused(monkeypatch, variable, url):
    message = refusal(monkeypatch, {variable: url})
    assert message.startswith(f"{variable}: {url!r}: not http:// or https:// with a host")
    assert "; example: http" in message


@pytest.mark.parametrize(
    "url",
    [
        "https://grafana/d/incidents",
        "javascript:alert({incident})",
        "https://user:word@grafana/{incident}",
        "https://grafana/d?{incident}|x>",
        "https://grafana/d\\{incident}",
        "https:///d/{incident}",
        "https://grafäna/d/{incident}",
        "https://grafana:99999999/d/{incident}",
        "https://grafana/d/{incident}?a b",
    ],
)
def test_a_dashboard_that_no_alert_could_link_to_is_refused(monkeypatch, url):
    variable = "CALI_NOTIFY__DASHBOARD_URL"
    assert refusal(monkeypatch, {variable: url}).startswith(f"{variable}: ")


@pytest.mark.parametrize("variable", ENDPOINTS)
@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9",
        "https://search.example.com",
        "https://search.example.com./",
        "http://localhost:65535/v1/",
        "http://[::1]:5000",
        "https://kinesis.ap-northeast-2.amazonaws.com",
    ],
)
def test_a_url_with_a_host_is_accepted(monkeypatch, variable, url):
    monkeypatch.setenv(variable, url)
    assert load_settings()


@pytest.mark.parametrize("variable", ENDPOINTS)
@pytest.mark.parametrize("url", ["http://ann:hunter2@search:9200", "htp:/ann:hunter2@search", "ann:hunter2@search"])
def test_credentials_in_a_url_are_refused_and_not_repeated(monkeypatch, variable, url):
    message = refusal(monkeypatch, {variable: url})
    assert message.startswith(f"{variable}: ")
    assert "credentials" in message
    assert "ann" not in message
    assert "hunter2" not in message


@pytest.mark.parametrize("variable", ["CALI_SOURCE__PATH", *STORES])
@pytest.mark.parametrize(
    "path",
    [
        "",
        " ",
        "s3:",
        "s3:/bucket",
        "s3://",
        "s3:///logs",
        "s3://UPPER_bucket",
        "s3://my_bucket/logs",
        "s3://ab/logs",
        "s3://-ab/logs",
        f"s3://{'a' * 64}/logs",
        "s3://bucket/logs ",
        "S3://bucket/logs",
        "s3a://bucket/logs",
        "http://bucket/logs",
        "file:logs",
    ],
)
def test_a_path_that_is_neither_of_s3_nor_local_is_refused(monkeypatch, variable, path):
    message = refusal(monkeypatch, {variable: path})
    assert message.startswith(f"{variable}: {path!r}: ")
    assert "; example: s3://cali-" in message


@pytest.mark.parametrize("variable", ["CALI_SOURCE__PATH", *STORES])
@pytest.mark.parametrize(
    "path",
    ["s3://bucket", "s3://prod.cali-archive/logs/dt=2026-11-22/", "/var/log/a:b", "logs", "./a b", "file:///var/log"],
)
def test_a_path_of_s3_or_a_local_one_is_accepted(monkeypatch, variable, path):
    monkeypatch.setenv(variable, path)
    assert load_settings()


def test_a_source_may_have_several_paths(monkeypatch):
    monkeypatch.setenv("CALI_SOURCE__KIND", "s3")
    monkeypatch.setenv("CALI_SOURCE__PATH", '["s3://bucket/logs/dt=2026-11-22", "s3://bucket/logs/dt=2026-11-23"]')
    assert load_settings().source.path == ("s3://bucket/logs/dt=2026-11-22", "s3://bucket/logs/dt=2026-11-23")


@pytest.mark.parametrize(
    ("paths", "problem"),
    [
        ("[]", "at least 1 item"),
        ('["s3://bucket/logs", "S3://bucket"]', "'S3://bucket': neither a local path nor s3://"),
        ('["s3://bucket/logs", "/logs"]', "source kind s3 needs an s3:// path"),
    ],
)
def test_each_of_several_paths_has_to_be_right(monkeypatch, paths, problem):
    message = refusal(monkeypatch, {"CALI_SOURCE__KIND": "s3", "CALI_SOURCE__PATH": paths})
    assert message.startswith("CALI_SOURCE__PATH: ")
    assert problem in message


@pytest.mark.parametrize("prefix", ["Replay-", "-replay", "_replay", "+replay", "re play", "re*", "re/play", "a" * 201])
def test_a_prefix_that_no_index_may_begin_with_is_refused(monkeypatch, prefix):
    message = refusal(monkeypatch, {"CALI_INDEX__PREFIX": prefix})
    assert message.startswith(f"CALI_INDEX__PREFIX: {prefix!r}: ")
    assert message.endswith("; example: replay-1-")


@pytest.mark.parametrize("prefix", ["", "replay-1-", "1.a_b-", ".hidden-"])
def test_a_prefix_that_an_index_may_begin_with_is_accepted(monkeypatch, prefix):
    monkeypatch.setenv("CALI_INDEX__PREFIX", prefix)
    assert load_settings().index.prefix == prefix


KINESIS = "CALI_SOURCE__KINESIS__"
NINE, TEN = "2026-11-22T09:00:00Z", "2026-11-22T10:00:00Z"


@pytest.mark.parametrize(
    ("section", "variables", "culprit", "problem", "example"),
    [
        ("SOURCE", {"KIND": "s3"}, "PATH", "not set, and source kind s3 needs it", "s3://"),
        ("SOURCE", {"KIND": "file"}, "PATH", "not set, and source kind file needs it", "/var/log/"),
        ("SOURCE", {"KIND": "s3", "PATH": "/logs"}, "PATH", "'/logs': source kind s3 needs an s3:// path", "s3://"),
        ("SOURCE", {"KIND": "file", "PATH": "s3://abc"}, "PATH", "kind file needs a local path", "/var/log/"),
        ("SOURCE", {"CONTENT": "archive"}, "CONTENT", "goes with the source kinds s3 and file only", "records"),
        ("SOURCE__KINESIS", {"INITIAL_POSITION": "AT_TIMESTAMP"}, "INITIAL_TIMESTAMP", "not set", NINE),
        ("SOURCE__KINESIS", {"STOP_POSITION": "timestamp"}, "STOP_TIMESTAMP", "not set", TEN),
        (
            "SOURCE__KINESIS",
            {"INITIAL_TIMESTAMP": NINE},
            "INITIAL_TIMESTAMP",
            "initial_position AT_TIMESTAMP only",
            f"{KINESIS}INITIAL_POSITION=AT_TIMESTAMP",
        ),
        (
            "SOURCE__KINESIS",
            {"STOP_TIMESTAMP": NINE},
            "STOP_TIMESTAMP",
            "goes with stop_position timestamp only",
            f"{KINESIS}STOP_POSITION=timestamp",
        ),
    ],
)
def test_settings_that_do_not_go_together_are_told_of_the_one_to_change(
    monkeypatch, section, variables, culprit, *, problem, example
):
    message = refusal(monkeypatch, {f"CALI_{section}__{name}": value for name, value in variables.items()})
    assert message.startswith(f"CALI_{section}__{culprit}: ")
    assert problem in message
    assert f"; example: {example}" in message
    assert "\n" not in message


def set_stretch(monkeypatch, initial, stop):
    monkeypatch.setenv("CALI_SOURCE__KINESIS__INITIAL_POSITION", "AT_TIMESTAMP")
    monkeypatch.setenv("CALI_SOURCE__KINESIS__INITIAL_TIMESTAMP", initial)
    monkeypatch.setenv("CALI_SOURCE__KINESIS__STOP_POSITION", "timestamp")
    monkeypatch.setenv("CALI_SOURCE__KINESIS__STOP_TIMESTAMP", stop)


@pytest.mark.parametrize("initial", [TEN, NINE, "2026-11-22T18:30:00+09:00"])
def test_a_stretch_of_the_stream_that_ends_before_it_begins_is_refused(monkeypatch, initial):
    set_stretch(monkeypatch, initial, NINE)
    message = refusal(monkeypatch, {})
    assert message.startswith("CALI_SOURCE__KINESIS__STOP_TIMESTAMP: ")
    assert "not after initial_timestamp" in message
    assert f"; example: {TEN}" in message


def test_a_stretch_of_the_stream_is_compared_across_zones(monkeypatch):
    set_stretch(monkeypatch, "2026-11-22T17:30:00+09:00", NINE)
    assert load_settings().source.is_bounded


def test_every_wrong_setting_is_told_at_once(monkeypatch):
    message = refusal(monkeypatch, {"CALI_SOURCE__KIND": "s3", "CALI_INDEX__URL": "search", "CALI_ENVIRONMENT": ""})
    assert [line.partition(":")[0] for line in message.splitlines()] == [
        "CALI_ENVIRONMENT",
        "CALI_SOURCE__PATH",
        "CALI_INDEX__URL",
    ]


COMPANIONS = {
    "CALI_SOURCE__CONTENT": {"CALI_SOURCE__KIND": "s3", "CALI_SOURCE__PATH": "s3://bucket/"},
    "CALI_SOURCE__KINESIS__INITIAL_TIMESTAMP": {"CALI_SOURCE__KINESIS__INITIAL_POSITION": "AT_TIMESTAMP"},
    "CALI_SOURCE__KINESIS__STOP_TIMESTAMP": {"CALI_SOURCE__KINESIS__STOP_POSITION": "timestamp"},
}


GROUPING = "rules:\n  - {name: shop, reason: why, service: cart, fingerprint: [shop]}\n"

#: What is in the files that examples name.
FILES = {"CALI_FLINK__CONNECTORS_JAR": "", "CALI_INGEST__GROUPING_RULES": GROUPING}


@pytest.mark.parametrize(
    ("variable", "example"),
    [(variable_name(location), field.examples[0]) for location, field in describe(Settings) if field.examples],
)
def test_the_example_of_a_setting_would_do(monkeypatch, tmp_path, variable, example):
    monkeypatch.chdir(tmp_path)
    if variable in FILES:
        example = example.removeprefix("/")
        file = tmp_path / example
        file.parent.mkdir(parents=True)
        file.write_text(FILES[variable])
    for name, value in ({variable: example} | COMPANIONS.get(variable, {})).items():
        monkeypatch.setenv(name, value)
    assert load_settings()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (GROUPING + "  - {name: b, reason: why, sevrice: cart, fingerprint: [x]}", "3: rule 'b': 'sevrice' is unknown"),
        (GROUPING + "  - {name: b, reason: why, message: '(', fingerprint: [x]}", "3: rule 'b': not RE2: missing ): ("),
        (GROUPING + "  - {name: b, reason: why, fingerprint: [x]}", "3: rule 'b' would apply to everything"),
        ("rules: {", "1: no YAML: "),
    ],
)
def test_a_wrong_file_of_grouping_rules_is_named_with_the_line_and_the_rule(monkeypatch, tmp_path, text, problem):
    file = tmp_path / "shop.yaml"
    file.write_text(text)
    message = refusal(monkeypatch, {"CALI_INGEST__GROUPING_RULES": str(file)})
    assert message.startswith(f"CALI_INGEST__GROUPING_RULES: '{file}': shop.yaml:{problem}")
    assert message.endswith("; example: /etc/cali/grouping.yaml")
    assert "\n" not in message


def test_a_file_of_grouping_rules_is_kept_as_its_path(monkeypatch, tmp_path):
    file = tmp_path / "shop.yaml"
    file.write_text(GROUPING)
    monkeypatch.setenv("CALI_INGEST__GROUPING_RULES", str(file))
    assert load_settings().ingest.grouping_rules == str(file)


def test_settings_that_travelled_are_not_checked_again(monkeypatch, tmp_path):
    """A worker need not have the client's files."""
    jar = tmp_path / "connectors.jar"
    jar.touch()
    monkeypatch.setenv("CALI_FLINK__CONNECTORS_JAR", str(jar))
    settings = load_settings()
    jar.unlink()
    assert cloudpickle.loads(cloudpickle.dumps(settings)) == settings


def test_kubernetes_service_variables_are_not_taken_for_settings(monkeypatch):
    monkeypatch.setenv("CALI_REST_SERVICE_HOST", "10.0.0.1")
    assert load_settings() == Settings()


def test_every_setting_has_a_description_and_an_example():
    for model in (Settings, Secrets):
        for location, field in describe(model):
            assert field.description, variable_name(location)
            assert field.examples, variable_name(location)


def test_secrets_come_from_mounted_files(monkeypatch, tmp_path):
    (tmp_path / "cali_openai_api_key").write_text("from-a-file")
    monkeypatch.setenv("CALI_SECRETS_DIR", str(tmp_path))
    key = load_secrets().openai_api_key
    assert key is not None
    assert key.get_secret_value() == "from-a-file"


@pytest.mark.parametrize("is_file", [False, True])
def test_an_empty_secret_is_none(monkeypatch, tmp_path, is_file):
    for name in ("CALI_OPENAI_API_KEY", "CALI_SLACK_WEBHOOK_URLS"):
        if is_file:
            (tmp_path / name.lower()).write_text("\n")
        else:
            monkeypatch.setenv(name, "")
    monkeypatch.setenv("CALI_SECRETS_DIR", str(tmp_path))
    assert load_secrets().openai_api_key is None
    assert load_secrets().slack_webhook_urls == {}


def test_a_missing_secrets_folder_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("CALI_SECRETS_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(SettingsError, match="CALI_SECRETS_DIR"):
        load_secrets()


def test_a_malformed_secret_is_named_and_not_repeated(monkeypatch):
    monkeypatch.setenv("CALI_SLACK_WEBHOOK_URLS", '["hooks-and-a-token"]')
    with pytest.raises(SettingsError) as failure:
        load_secrets()
    assert "CALI_SLACK_WEBHOOK_URLS" in str(failure.value)
    assert "hooks-and-a-token" not in str(failure.value)


def test_config_masks_secrets_and_tells_where_values_came_from(monkeypatch):
    monkeypatch.setenv("CALI_OPENAI_API_KEY", "a-very-secret-key")
    monkeypatch.setenv("CALI_ENVIRONMENT", "prod")
    output = CliRunner().invoke(app, ["config"]).output
    assert "a-very-secret-key" not in output
    rows = {row["variable"]: row for row in map(json.loads, output.splitlines())}
    assert rows["CALI_OPENAI_API_KEY"] | {"meaning": ""} == {
        "variable": "CALI_OPENAI_API_KEY",
        "value": "********",
        "source": "environment",
        "meaning": "",
    }
    assert rows["CALI_ENVIRONMENT"]["value"] == "prod"
    assert rows["CALI_SOURCE__KIND"]["source"] == "default"


def test_a_malformed_secret_of_a_file_is_named_and_not_repeated(monkeypatch, tmp_path):
    (tmp_path / "cali_slack_webhook_urls").write_text("hooks-and-a-token")
    monkeypatch.setenv("CALI_SECRETS_DIR", str(tmp_path))
    with pytest.raises(SettingsError, match="CALI_SLACK_WEBHOOK_URLS: not a JSON object; example: ") as failure:
        load_secrets()
    assert "hooks-and-a-token" not in str(failure.value)


@pytest.mark.parametrize(
    ("user", "password", "missing"), [("cali", None, "CALI_OPENSEARCH_PASSWORD"), (None, "x7", "CALI_INDEX__USER")]
)
def test_user_and_password_of_the_index_go_together(user, password, missing):
    with pytest.raises(SettingsError, match=f"^{missing}: not set, .*; example: ") as failure:
        index_credentials(IndexSettings(user=user), Secrets(opensearch_password=password))
    assert "x7" not in str(failure.value)
    assert index_credentials(IndexSettings(), Secrets()) is None
    assert index_credentials(IndexSettings(user="cali"), Secrets(opensearch_password="x7")) == ("cali", "x7")
