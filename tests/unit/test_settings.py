"""A wrong setting is named before anything starts; a secret is never shown."""

import json
import os

import pytest
from typer.testing import CliRunner

from jobs.cli import app
from jobs.log_insight.settings import (
    Secrets,
    Settings,
    SettingsError,
    describe,
    load_secrets,
    load_settings,
    variable_name,
)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in [name for name in os.environ if name.startswith("CALI_")]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("variable", "value", "problem", "example"),
    [
        ("CALI_SOURCE__KIND", "kafka", "'kinesis', 's3' or 'file'", "example: kinesis"),
        ("CALI_SOURCE__KIND", "s3", "needs path", "s3://"),
        ("CALI_SOURCE__KINESIS__INITIAL_POSITION", "AT_TIMESTAMP", "needs initial_timestamp", "2026-"),
        ("CALI_SOURCE__KINESIS__STOP_TIMESTAMP", "yesterday", "datetime", "example: 2026-"),
        ("CALI_INGEST__MAX_LINE_BYTES", "-1", "greater than or equal to 1024", "example: 262144"),
        ("CALI_INGEST__TIME_ZONE", "Mars", "not an IANA time zone", "example: Asia/Seoul"),
        ("CALI_INGEST__SERVICE_TIME_ZONES", '{"a": "Mars"}', "not an IANA time zone", "Asia/Seoul"),
        ("CALI_GATE__ROUTES", "{bad", "not a JSON object", '{"payment-api"'),
        ("CALI_NOTIFY__LANGUAGE", "fr", "'en' or 'ko'", "example: ko"),
        ("CALI_SOURCE__KNID", "s3", "no such setting", "CALI_SOURCE__KIND"),
    ],
)
def test_a_wrong_value_names_the_variable_the_problem_and_an_example(monkeypatch, variable, value, problem, example):
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as failure:
        load_settings()
    message = str(failure.value)
    assert variable in message or variable.rpartition("__")[0] in message
    assert problem in message
    assert example in message


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
