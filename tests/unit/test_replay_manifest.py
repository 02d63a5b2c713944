"""A run of a replay: which folders cover its hours, and what its FlinkDeployment says."""

import copy
import json

import pytest
import yaml

from jobs.hours import HoursError, hours_between
from jobs.log_insight.settings import Settings
from jobs.replay.manifest import ManifestError, build, differences, read_template, run_named
from local.kubernetes import replay_manifest

ARCHIVE = "s3://cali-archive/logs"
PATHS = [f"{ARCHIVE}/dt=2026-11-22/hour=09", f"{ARCHIVE}/dt=2026-11-22/hour=10"]
LIVE = {
    "CALI_ENVIRONMENT": "prod",
    "CALI_INDEX__URL": "https://search:9200",
    "CALI_SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/T/B/hunter2",
}


@pytest.fixture
def settings():
    return Settings(environment="prod")


@pytest.fixture
def template(tmp_path):
    return template_of(tmp_path, replay_manifest(LIVE))


def template_of(folder, text):
    path = folder / "manifest.yaml"
    path.write_text(text)
    return read_template(path)


def variables(deployment):
    (container,) = deployment["spec"]["podTemplate"]["spec"]["containers"]
    return {each["name"]: each["value"] for each in container["env"]}


# --- Hours


@pytest.mark.parametrize(
    ("first", "end", "folders"),
    [
        ("2026-11-22T09:00Z", "2026-11-22T11:00Z", ["dt=2026-11-22/hour=09", "dt=2026-11-22/hour=10"]),
        ("2026-11-22", "2026-11-23", ["dt=2026-11-22"]),
        ("2026-11-22T23", "2026-11-24T01", ["dt=2026-11-22/hour=23", "dt=2026-11-23", "dt=2026-11-24/hour=00"]),
        ("2026-11-22T18:00+09:00", "2026-11-22T19:00+09:00", ["dt=2026-11-22/hour=09"]),
        ("2026-12-31T00:00", "2027-01-02T00:00", ["dt=2026-12-31", "dt=2027-01-01"]),
    ],
)
def test_hours_are_covered_by_the_fewest_folders(first, end, folders):
    assert list(hours_between(first, end).folders()) == folders


@pytest.mark.parametrize(
    ("first", "end", "problem"),
    [
        ("2026-11-22T09:30Z", "2026-11-22T10:00Z", "not the start of an hour"),
        ("2026-11-22T09:00+05:30", "2026-11-22T10:00Z", "not the start of an hour in UTC"),
        ("2026-11-22T10:00Z", "2026-11-22T10:00Z", "not after"),
        ("yesterday", "2026-11-22T10:00Z", "'yesterday' is no ISO-8601 time"),
        ("0001-01-01T00:00+09:00", "2026-11-22T10:00Z", "is not of the years 1970 to 9998"),
        ("0001-01-01T00:00Z", "2026-11-22T10:00Z", "not of the years"),
        ("2026-11-22T10:00Z", "9999-12-31T23:00-05:00", "not of the years"),
        ("9999-12-31T00:00Z", "9999-12-31T05:00Z", "not of the years"),
    ],
)
def test_what_are_no_whole_hours_is_refused(first, end, problem):
    with pytest.raises(HoursError, match=problem):
        hours_between(first, end)


# --- The FlinkDeployment of a run


def test_what_a_run_writes_and_keeps_is_called_after_it(template, settings):
    made = build(template, run_named("7"), settings, PATHS)
    assert made["metadata"]["name"] == "log-insight-replay-7"
    found = variables(made)
    assert found["CALI_FLINK__JOB_NAME"] == "log_insight-replay-7"
    assert found["CALI_INDEX__PREFIX"] == "replay-7-"
    assert found["CALI_STORE__DEAD_LETTERS"] == "s3://cali-dlq/replay-7/dlq"
    assert found["CALI_STORE__INDEX_BACKLOG"] == "s3://cali-dlq/replay-7/index-backlog"
    bucket = "s3://cali-dev-123456789012-checkpoints/replay/7"
    state = {value for value in made["spec"]["flinkConfiguration"].values() if value.startswith("s3://")}
    assert state == {f"{bucket}/checkpoints", f"{bucket}/savepoints", f"{bucket}/ha"}


@pytest.mark.parametrize(
    ("live", "dead_letters"),
    [
        ("s3://cali-dlq/dlq", "s3://cali-dlq/replay-7/dlq"),
        ("s3://cali-dlq/a/dlq/", "s3://cali-dlq/a/replay-7/dlq"),
        ("s3://cali-dlq", "s3://cali-dlq/replay-7/dlq"),
        ("s3://cali-dlq/", "s3://cali-dlq/replay-7/dlq"),
        ("/var/cali/dlq", "/var/cali/replay-7/dlq"),
        ("/dlq", "/replay-7/dlq"),
        ("dlq", "replay-7/dlq"),
        ("file:///dlq", "file:///replay-7/dlq"),
    ],
)
def test_dead_letters_stay_in_the_bucket_of_the_live_ones(live, dead_letters):
    assert run_named("7").dead_letters(Settings.model_validate({"store": {"dead_letters": live}})) == dead_letters


def test_state_stays_in_the_bucket_of_the_manifest(template, settings):
    template.deployment["spec"]["flinkConfiguration"]["execution.checkpointing.dir"] = "s3://cali-checkpoints"
    made = build(template, run_named("7"), settings, PATHS)
    assert made["spec"]["flinkConfiguration"]["execution.checkpointing.dir"] == "s3://cali-checkpoints/7"


def test_a_run_has_all_its_settings_in_itself(template, settings):
    """It needs no ConfigMap, reads the folders that were found, writes no archive, and holds no secret."""
    made = build(template, run_named("7"), settings, PATHS)
    (container,) = made["spec"]["podTemplate"]["spec"]["containers"]
    found = variables(made)
    assert "envFrom" not in container
    assert (found["CALI_SOURCE__KIND"], found["CALI_SOURCE__CONTENT"]) == ("s3", "archive")
    assert json.loads(found["CALI_SOURCE__PATH"]) == PATHS
    assert found["CALI_INDEX__URL"] == "https://search:9200"
    assert found["CALI_STORE__WRITE_ARCHIVE"] == found["CALI_NOTIFY__ENABLED"] == "false"
    assert found["CALI_SECRETS_DIR"] == "/var/run/secrets/cali"
    assert "hunter2" not in json.dumps(made)
    assert len(found) == len(container["env"])


def test_the_template_is_left_as_it_was(template, settings):
    before = copy.deepcopy(template)
    build(template, run_named("7"), settings, PATHS)
    assert template == before


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"CALI_ENVIRONMENT": "dev"}, "of environment dev, and CALI_ENVIRONMENT here is prod"),
        ({"CALI_STORE__WRITE_ARCHIVE": "true"}, "not of a replay"),
        ({"CALI_NOTIFY__ENABLED": "true"}, "not of a replay"),
    ],
)
def test_a_manifest_of_something_else_is_refused(template, settings, changed, problem):
    (data,) = template.config_maps.values()
    data.update(changed)
    with pytest.raises(ManifestError, match=problem):
        build(template, run_named("7"), settings, PATHS)


def test_a_manifest_without_its_settings_is_refused(settings, tmp_path):
    _, deployment = yaml.safe_load_all(replay_manifest(LIVE))
    template = template_of(tmp_path, yaml.safe_dump(deployment))
    with pytest.raises(ManifestError, match="takes settings from log-insight-settings, which is not in the manifest"):
        build(template, run_named("7"), settings, PATHS)


@pytest.mark.parametrize("text", ["", "kind: ConfigMap", "[1", "{}", "- kind: FlinkDeployment", "no: kind"])
def test_what_is_no_manifest_is_refused(tmp_path, text):
    with pytest.raises(ManifestError, match="not a manifest with one FlinkDeployment"):
        template_of(tmp_path, text)


@pytest.mark.parametrize(
    ("place", "value", "problem"),
    [
        ("spec", None, "spec: "),
        ("spec.flinkConfiguration", ..., "spec.flinkConfiguration: Field required"),
        ("spec.flinkConfiguration", {"high-availability.storageDir": 7}, "spec.flinkConfiguration.high-availability"),
        ("spec.podTemplate", ..., "spec.podTemplate: Field required"),
        ("spec.podTemplate.metadata.labels", None, "spec.podTemplate.metadata.labels: "),
        ("spec.podTemplate.spec.containers", [{"image": "cali"}], "spec.podTemplate.spec.containers.0.name: "),
        ("spec.podTemplate.spec.containers", [{"name": "flink-main-container", "envFrom": [7]}], "0.envFrom.0: "),
        ("spec.podTemplate.spec.containers", [{"name": "flink-main-container", "env": [{"value": "7"}]}], "env.0.name"),
        ("metadata", ["hunter2"], "metadata: "),
    ],
)
def test_a_deployment_that_is_not_whole_is_refused_with_the_place(tmp_path, place, value, problem):
    config_map, deployment = yaml.safe_load_all(replay_manifest(LIVE))
    *path, name = place.split(".")
    inner = deployment
    for each in path:
        inner = inner[each]
    inner[name] = value
    if value is ...:
        del inner[name]
    with pytest.raises(ManifestError, match=problem) as error:
        template_of(tmp_path, yaml.safe_dump_all([config_map, deployment]))
    assert "hunter2" not in str(error.value)


def test_a_config_map_without_data_is_refused(tmp_path):
    config_map, deployment = yaml.safe_load_all(replay_manifest(LIVE))
    with pytest.raises(ManifestError, match="data: "):
        template_of(tmp_path, yaml.safe_dump_all([config_map | {"data": None}, deployment]))


@pytest.mark.parametrize("name", ["1", "november", "20261122t090000", "2026-11-22", "a" * 26])
def test_an_id_gives_names_that_all_sides_take(name):
    """The operator takes 45 characters of a name, a label 63, an index none that is not in its rules."""
    run = run_named(name)
    assert len(run.deployment) <= 45
    assert Settings.model_validate({"index": {"prefix": run.index_prefix}})


@pytest.mark.parametrize("name", ["", "A", "a_b", "-a", "a-", "a.b", "a/b", "a b", "a" * 27, "é", "1\n"])
def test_an_id_that_would_give_no_name_is_refused(name):
    with pytest.raises(ValueError, match="not 1 to 26"):
        run_named(name)


# --- Is it the same run?


def test_what_kubernetes_adds_to_a_spec_is_no_difference(template, settings):
    wanted = build(template, run_named("7"), settings, PATHS)["spec"]
    found = copy.deepcopy(wanted)
    found["job"]["allowNonRestoredState"] = False
    found["restartNonce"] = None
    found["podTemplate"]["spec"]["containers"][0]["terminationMessagePath"] = "/dev/termination-log"
    assert differences(wanted, found) == []


def test_another_range_is_named_as_the_difference(template, settings):
    wanted, found = (build(template, run_named("7"), settings, paths)["spec"] for paths in (PATHS, PATHS[:1]))
    (line,) = differences(wanted, found)
    assert "env.CALI_SOURCE__PATH is " in line
    assert "hour=10" in line.partition(", not ")[2]


def test_another_image_and_a_missing_field_are_named(template, settings):
    wanted = build(template, run_named("7"), settings, PATHS)["spec"]
    found = copy.deepcopy(wanted)
    found["image"] = "cali:0.2.0"
    del found["job"]["upgradeMode"]
    assert sorted(differences(wanted, found)) == [
        f'spec.image is "cali:0.2.0", not "{wanted["image"]}"',
        'spec.job.upgradeMode is null, not "stateless"',
    ]
