"""Every setting, from `CALI_…` environment variables; secrets also from the files of `CALI_SECRETS_DIR`.

`Settings` holds nothing secret: it travels inside the job graph. `Secrets` is read where a client is made,
on the machine that needs it, and never travels.
"""

import difflib
import json
import os
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_origin

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError as SourceError

from jobs.log_insight.setting_types import (
    CREDENTIALS,
    Endpoint,
    GroupingFile,
    IncidentUrl,
    IndexPrefix,
    Name,
    Paths,
    ReadableFile,
    S3OrLocalPath,
    Seconds,
    TimeZone,
)

PREFIX = "CALI_"
SECRETS_DIR_VARIABLE = "CALI_SECRETS_DIR"

S = TypeVar("S", bound=BaseSettings)


class SettingsError(Exception):
    """A setting is wrong. The message names each variable, what is wrong with it and an example that would do."""


def _misfit(problem: str, example: str) -> PydanticCustomError:
    """Return the error of a value that another setting rules out, with an example in place of the field's own."""
    return PydanticCustomError("misfit", "{problem}", {"problem": problem, "example": example})


class Section(BaseModel):
    """One nested group of settings."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SourceKind(StrEnum):
    """Where records come from."""

    KINESIS = "kinesis"
    S3 = "s3"
    FILE = "file"


class Content(StrEnum):
    """What the lines of a file source are: records as they were sent, or lines of this project's own archive."""

    RECORDS = "records"
    ARCHIVE = "archive"


class InitialPosition(StrEnum):
    """Where a Kinesis source starts when there is no state."""

    LATEST = "LATEST"
    TRIM_HORIZON = "TRIM_HORIZON"
    AT_TIMESTAMP = "AT_TIMESTAMP"


class StopPosition(StrEnum):
    """Where a Kinesis source ends: never, at `stop_timestamp`, or at what the stream holds when the job starts."""

    NEVER = "never"
    TIMESTAMP = "timestamp"
    NOW = "now"


class KinesisSettings(Section):
    """The Kinesis source. Names follow the options of Apache's connector."""

    stream: Name = Field("cali-logs", description="Name of the data stream.", examples=["cali-logs"])
    initial_position: InitialPosition = Field(
        InitialPosition.LATEST, description="Where to start when there is no checkpoint.", examples=["TRIM_HORIZON"]
    )
    initial_timestamp: AwareDatetime | None = Field(
        None,
        validate_default=True,
        description="Start of AT_TIMESTAMP, ISO-8601 with a zone.",
        examples=["2026-11-22T09:00:00Z"],
    )
    stop_position: StopPosition = Field(
        StopPosition.NEVER, description="Where to end; `never` is a streaming job.", examples=["now"]
    )
    stop_timestamp: AwareDatetime | None = Field(
        None,
        validate_default=True,
        description="End of stop position `timestamp`, ISO-8601 with a zone.",
        examples=["2026-11-22T10:00:00Z"],
    )
    poll_interval_ms: int = Field(
        250, ge=10, description="Pause between two reads of a shard, milliseconds.", examples=["250"]
    )
    shard_discovery_interval_ms: int = Field(
        10_000, ge=100, description="Pause between two listings of the shards, milliseconds.", examples=["10000"]
    )

    @field_validator("initial_timestamp", "stop_timestamp")
    @classmethod
    def _goes_with_its_position(cls, time: AwareDatetime | None, info: ValidationInfo) -> AwareDatetime | None:
        is_start = info.field_name == "initial_timestamp"
        name = "initial_position" if is_start else "stop_position"
        needed_by = InitialPosition.AT_TIMESTAMP if is_start else StopPosition.TIMESTAMP
        position = info.data.get(name)  # None where the position itself is wrong
        if time is None and position is needed_by:
            raise ValueError(f"not set, and {name} {needed_by} needs it")
        if time is not None and position not in {None, needed_by}:
            variable = variable_name(("source", "kinesis", name))
            raise _misfit(f"goes with {name} {needed_by} only", f"{variable}={needed_by}")
        return time

    @field_validator("stop_timestamp")
    @classmethod
    def _is_after_the_start(cls, stop: AwareDatetime | None, info: ValidationInfo) -> AwareDatetime | None:
        start = info.data.get("initial_timestamp")
        if start is not None and stop is not None and stop <= start:
            raise ValueError(f"not after initial_timestamp {start.isoformat()}")
        return stop


class SourceSettings(Section):
    """What the job reads."""

    kind: SourceKind = Field(SourceKind.KINESIS, description="Which source to read.", examples=["kinesis"])
    path: Paths | None = Field(
        None,
        validate_default=True,
        description="Folder or file of the sources `s3` and `file`; several as a JSON list.",
        examples=["s3://cali-archive/logs/dt=2026-11-22/"],
    )
    content: Content = Field(
        Content.RECORDS, description="What the lines of `s3` and `file` are.", examples=["archive"]
    )
    batch_bytes: int = Field(
        1_048_576,
        ge=1024,
        description="Payload bytes of one element at most; a larger read is sliced.",
        examples=["1048576"],
    )
    kinesis: KinesisSettings = Field(default_factory=KinesisSettings, description="The Kinesis source.")

    @field_validator("path")
    @classmethod
    def _paths_go_with_the_kind(cls, paths: Paths | None, info: ValidationInfo) -> Paths | None:
        kind = info.data.get("kind")  # None where the kind itself is wrong
        if kind is None or kind is SourceKind.KINESIS:
            return paths
        form, example = (
            ("an s3://", "s3://cali-archive/logs/") if kind is SourceKind.S3 else ("a local", "/var/log/shop/")
        )
        if paths is None:
            raise _misfit(f"not set, and source kind {kind} needs it", example)
        if any(path.startswith("s3://") != (kind is SourceKind.S3) for path in paths):
            raise _misfit(f"source kind {kind} needs {form} path", example)
        return paths

    @field_validator("content")
    @classmethod
    def _content_goes_with_the_kind(cls, content: Content, info: ValidationInfo) -> Content:
        if content is Content.ARCHIVE and info.data.get("kind") is SourceKind.KINESIS:
            raise _misfit("goes with the source kinds s3 and file only", Content.RECORDS)
        return content

    @property
    def is_bounded(self) -> bool:
        """Whether the run comes to an end by itself."""
        return self.kind is not SourceKind.KINESIS or self.kinesis.stop_position is not StopPosition.NEVER


class AwsSettings(Section):
    """Access to AWS. Credentials come from the SDKs' own chain."""

    region: Name = Field("ap-northeast-2", description="Region of stream and buckets.", examples=["ap-northeast-2"])
    endpoint: Endpoint | None = Field(
        None, description="Endpoint instead of AWS's own, for tests.", examples=["http://127.0.0.1:5000"]
    )

    @field_validator("endpoint")
    @classmethod
    def _has_a_host_for_the_sdks(cls, endpoint: str | None) -> str | None:
        if endpoint is not None and "_" in endpoint.split("/")[2]:
            raise ValueError("the AWS SDKs take no underscore in a host")
        return endpoint


class IngestSettings(Section):
    """How records are read."""

    max_line_bytes: int = Field(
        262_144, ge=1024, description="A longer line is a dead letter, bytes.", examples=["262144"]
    )
    max_record_bytes: int = Field(
        10_485_760,
        ge=1024,
        description="A record that unpacks to more is a dead letter, bytes.",
        examples=["10485760"],
    )
    max_record_lines: int = Field(
        100_000, ge=1, description="A record with more lines is a dead letter as a whole.", examples=["100000"]
    )
    time_zone: TimeZone = Field("UTC", description="Zone of times that carry none.", examples=["Asia/Seoul"])
    service_time_zones: dict[Name, TimeZone] = Field(
        default_factory=dict,
        description="Zone by service, where it differs, JSON.",
        examples=['{"payment-api": "Asia/Seoul"}'],
    )
    max_skew_past_seconds: Seconds = Field(
        86_400, description="An event time longer before arrival is flagged.", examples=["86400"]
    )
    max_skew_future_seconds: Seconds = Field(
        300, description="An event time longer after arrival is flagged.", examples=["300"]
    )
    grouping_rules: GroupingFile | None = Field(
        None,
        description="File of rules that split or merge fingerprints, by service; the same on every node.",
        examples=["/etc/cali/grouping.yaml"],
    )


class TrackSettings(Section):
    """When an incident begins, is told of and ends; all on arrival time, in Alertmanager's words."""

    group_wait_seconds: int = Field(5, ge=0, description="From first error to first alert.", examples=["5"])
    group_interval_seconds: int = Field(
        300, ge=1, description="At most one update in so many seconds.", examples=["300"]
    )
    repeat_interval_seconds: int = Field(
        14_400, ge=1, description="Tell again of a failure that goes on unchanged.", examples=["14400"]
    )
    resolve_after_seconds: int = Field(
        1_800, ge=1, description="Silence after which an incident is over.", examples=["1800"]
    )
    new_fingerprints_per_minute: int = Field(
        50, ge=1, description="Cap on new fingerprints of a service in a minute.", examples=["50"]
    )


class GateSettings(Section):
    """Who is told, and what may be spent."""

    default_channel: Name = Field("alerts", description="Channel of services without a route.", examples=["alerts"])
    routes: dict[Name, Name] = Field(
        default_factory=dict,
        description="Channel by service, JSON.",
        examples=['{"payment-api": "payments"}'],
    )
    storm_incidents_per_minute: int = Field(
        10, ge=1, description="More new incidents of a service in a minute become one roll-up.", examples=["10"]
    )
    analyses_per_hour: int = Field(60, ge=0, description="Analyses of one service in an hour at most.", examples=["60"])


class AnalyzeSettings(Section):
    """Retrieval and analysis."""

    timeout_seconds: Seconds = Field(20.0, description="An analysis that takes longer is given up.", examples=["20"])
    model: Name = Field("gpt-4o", description="OpenAI model, used when there is an API key.", examples=["gpt-4o"])
    prompt_dollars_per_million: float = Field(
        2.5, ge=0, description="Price of a million prompt tokens, for the metrics.", examples=["2.5"]
    )
    completion_dollars_per_million: float = Field(
        10.0, ge=0, description="Price of a million completion tokens, for the metrics.", examples=["10"]
    )
    base_url: Endpoint | None = Field(
        None, description="OpenAI-compatible endpoint instead of OpenAI's own.", examples=["http://127.0.0.1:9000/v1"]
    )
    retrieval_timeout_seconds: Seconds = Field(
        3.0, description="A search in the knowledge base that takes longer is given up.", examples=["3"]
    )
    similarity_threshold: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Documents that are less likely to be about the same failure are not similar.",
        examples=["0.5"],
    )
    documents: int = Field(4, ge=1, le=20, description="Documents given to the analyst at most.", examples=["4"])


class MilvusSettings(Section):
    """The knowledge base."""

    uri: Endpoint = Field("http://127.0.0.1:19530", description="Milvus endpoint.", examples=["http://milvus:19530"])
    collection: Name = Field("cali_knowledge", description="Collection or alias.", examples=["cali_knowledge"])


class Language(StrEnum):
    """The language of alerts."""

    EN = "en"
    KO = "ko"


class NotifySettings(Section):
    """Slack."""

    enabled: bool = Field(True, description="Whether anything is posted; a replay turns it off.", examples=["false"])
    language: Language = Field(Language.EN, description="Language of alerts.", examples=["ko"])
    analysis_wait_seconds: float = Field(
        1.0, ge=0, description="How long a due alert waits for its analysis.", examples=["1.0"]
    )
    min_post_interval_seconds: Seconds = Field(
        1.0, description="Pause between two posts to one channel.", examples=["1.0"]
    )
    request_timeout_seconds: Seconds = Field(3.0, description="Time-out of one post.", examples=["3.0"])
    max_backoff_seconds: Seconds = Field(60.0, description="Longest pause after failures.", examples=["60"])
    dashboard_url: IncidentUrl | None = Field(
        None,
        description="Dashboard of an incident, linked in its alerts; `{incident}` stands for the incident's id.",
        examples=["https://grafana.example.com/d/cali-incidents?var-incident={incident}&from=now-7d"],
    )
    ledger_timeout_seconds: Seconds = Field(
        2.0, description="The ledger gone for longer does not hold an alert.", examples=["2.0"]
    )


class IndexSettings(Section):
    """OpenSearch."""

    url: Endpoint = Field("http://127.0.0.1:9200", description="OpenSearch endpoint.", examples=["https://search:9200"])
    user: Name | None = Field(None, description="User for basic authentication.", examples=["cali"])
    prefix: IndexPrefix = Field(
        "", description="In front of every index name, to keep a replay apart.", examples=["replay-1-"]
    )
    max_hold_seconds: Seconds = Field(
        3.0,
        description="A batch not accepted for longer goes to the backlog; alerts wait so long when OpenSearch fails.",
        examples=["3"],
    )
    request_timeout_seconds: Seconds = Field(5.0, description="Time-out of one `_bulk`.", examples=["5"])
    retention_days: int = Field(
        14,
        ge=1,
        le=3650,
        description="Days after which ISM deletes a daily log index; `cali setup opensearch` applies it.",
        examples=["14"],
    )


class StoreSettings(Section):
    """Where archive, receipts, markers, dead letters and backlog are written. `s3://…` or a local path."""

    archive: S3OrLocalPath = Field(
        "s3://cali-archive/logs", description="Archive lines.", examples=["s3://cali-archive/logs"]
    )
    receipts: S3OrLocalPath = Field(
        "s3://cali-archive/receipts", description="Receipts of batches.", examples=["s3://cali-archive/receipts"]
    )
    markers: S3OrLocalPath = Field(
        "s3://cali-archive/markers",
        description="Markers of arrival hours that are over.",
        examples=["s3://cali-archive/markers"],
    )
    dead_letters: S3OrLocalPath = Field(
        "s3://cali-dlq/dlq", description="Dead letters.", examples=["s3://cali-dlq/dlq"]
    )
    index_backlog: S3OrLocalPath = Field(
        "s3://cali-archive/index-backlog",
        description="Chunks that OpenSearch did not accept.",
        examples=["s3://cali-archive/index-backlog"],
    )
    write_archive: bool = Field(
        True,
        description="Whether archive, receipts and markers are written; a replay turns it off.",
        examples=["false"],
    )


class QualitySettings(Section):
    """`cali quality`: the checks of archive and dead letters."""

    reports: S3OrLocalPath = Field(
        "s3://cali-archive/quality", description="Reports and their pages.", examples=["s3://cali-archive/quality"]
    )
    volume_days: int = Field(
        7, ge=1, le=31, description="Days back whose same hour says what volume is usual.", examples=["7"]
    )
    volume_factor: float = Field(
        5.0, gt=1, description="How many times less or more than usual a service may write.", examples=["5"]
    )


class FlinkSettings(Section):
    """The job's own knobs; cluster settings belong to Flink's configuration."""

    job_name: Name = Field("log_insight", description="Name in the Flink UI.", examples=["log_insight"])
    parallelism: int | None = Field(
        None, ge=1, description="Parallelism; Flink's own default when unset.", examples=["2"]
    )
    checkpoint_interval_ms: int = Field(
        60_000,
        ge=100,
        description="Checkpoint interval, milliseconds; each makes one file a sink and slot.",
        examples=["60000"],
    )
    connectors_jar: ReadableFile | None = Field(
        None,
        description="The connectors jar, where it is not in Flink's lib folder.",
        examples=["connectors/target/cali-connectors.jar"],
    )


class ReplaySettings(Section):
    """`cali replay`."""

    manifest: Name = Field(
        "/etc/cali/replay/manifest.yaml",
        description="What kustomize makes of flink-k8s/replay/ENV; the ConfigMap cali-replay has it.",
        examples=["build/replay.yaml"],
    )


class Settings(BaseSettings):
    """All settings that are not secret."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__", frozen=True, extra="forbid")

    environment: Name = Field("dev", description="Name of the environment; part of incident ids.", examples=["prod"])
    source: SourceSettings = Field(default_factory=SourceSettings, description="What the job reads.")
    aws: AwsSettings = Field(default_factory=AwsSettings, description="Access to AWS.")
    ingest: IngestSettings = Field(default_factory=IngestSettings, description="How records are read.")
    track: TrackSettings = Field(default_factory=TrackSettings, description="Incidents in time.")
    gate: GateSettings = Field(default_factory=GateSettings, description="Routes and budgets.")
    analyze: AnalyzeSettings = Field(default_factory=AnalyzeSettings, description="Retrieval and analysis.")
    milvus: MilvusSettings = Field(default_factory=MilvusSettings, description="The knowledge base.")
    notify: NotifySettings = Field(default_factory=NotifySettings, description="Slack.")
    index: IndexSettings = Field(default_factory=IndexSettings, description="OpenSearch.")
    store: StoreSettings = Field(default_factory=StoreSettings, description="Where files are written.")
    quality: QualitySettings = Field(default_factory=QualitySettings, description="Checks of archive and dead letters.")
    flink: FlinkSettings = Field(default_factory=FlinkSettings, description="The job's own knobs.")
    replay: ReplaySettings = Field(default_factory=ReplaySettings, description="Reading history again.")


class Secrets(BaseSettings):
    """Credentials. Read from the environment, or from files of the same names in `CALI_SECRETS_DIR`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    slack_webhook_url: SecretStr | None = Field(
        None,
        description="Incoming webhook of every channel without one of its own.",
        examples=["https://hooks.slack.com/services/…"],
    )
    # Decoded below: an empty text is no JSON, and pydantic-settings names no variable.
    slack_webhook_urls: Annotated[dict[str, SecretStr], NoDecode] = Field(
        default_factory=dict,
        description="Incoming webhook by channel, JSON.",
        examples=['{"payments": "https://hooks.slack.com/services/…"}'],
    )
    openai_api_key: SecretStr | None = Field(
        None, description="Without it the extractive analyst answers.", examples=["sk-…"]
    )
    opensearch_password: SecretStr | None = Field(None, description="Password of `index.user`.", examples=["…"])
    milvus_token: SecretStr | None = Field(None, description="Milvus token, user:password.", examples=["…"])

    @model_validator(mode="before")
    @classmethod
    def _an_empty_secret_is_none(cls, given: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in given.items() if value != ""}

    @field_validator("slack_webhook_urls", mode="before")
    @classmethod
    def _decoded(cls, given: Any) -> Any:
        try:
            return json.loads(given) if isinstance(given, str) else given
        except ValueError:
            raise ValueError("not a JSON object") from None


def load_settings() -> Settings:
    """Read `Settings` from the environment.

    Raises:
        SettingsError: a variable has a wrong value, or a `CALI_…__…` variable names no setting.
    """
    _refuse_unknown_variables()
    return _load(Settings)


def load_secrets() -> Secrets:
    """Read `Secrets` from the environment and the files of `CALI_SECRETS_DIR`.

    Raises:
        SettingsError: a secret has the wrong form; the message does not repeat it.
    """
    folder = os.environ.get(SECRETS_DIR_VARIABLE)
    if folder and not Path(folder).is_dir():
        raise SettingsError(f"{SECRETS_DIR_VARIABLE}: {folder!r} is not a folder; example: /var/run/secrets/cali")
    return _load(Secrets, _secrets_dir=folder)


def index_credentials(settings: IndexSettings, secrets: Secrets) -> tuple[str, str] | None:
    """Return user and password for OpenSearch, or None without both.

    Raises:
        SettingsError: one of them is missing.
    """
    password = secrets.opensearch_password
    if settings.user is None and password is None:
        return None
    if password is None:
        raise SettingsError("CALI_OPENSEARCH_PASSWORD: not set, and CALI_INDEX__USER needs it; example: …")
    if settings.user is None:
        raise SettingsError("CALI_INDEX__USER: not set, and CALI_OPENSEARCH_PASSWORD needs it; example: cali")
    return settings.user, password.get_secret_value()


def variable_name(location: Iterable[int | str]) -> str:
    """Return the environment variable of a setting, e.g. `CALI_SOURCE__KIND` for `("source", "kind")`."""
    return PREFIX + "__".join(str(part) for part in location).upper()


def describe(model: type[BaseModel], location: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    """Yield location and field of every setting below `model`, sections opened."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from describe(field.annotation, (*location, name))
        else:
            yield (*location, name), field


def _load(model: type[S], **options: Any) -> S:
    try:
        return model(**options)
    except ValidationError as error:
        lines = [_explain(model, problem) for problem in error.errors(include_url=False)]
        raise SettingsError("\n".join(lines)) from None
    except SourceError as error:
        # pydantic-settings names the field that is not JSON, but neither the variable nor what would do.
        raise SettingsError(_explain_source_error(model, str(error))) from None


def _explain(model: type[BaseModel], problem: ErrorDetails) -> str:
    location = problem["loc"]
    fields = dict(describe(model))
    known = next((path for path in fields if path == tuple(location[: len(path)])), None)
    name = variable_name(known or location)
    is_secret = model is Secrets or problem["type"] == CREDENTIALS
    # None: the variable is not set, and another one needs it.
    value = "" if is_secret or isinstance(problem["input"], dict | None) else f"{problem['input']!r}: "
    message = problem["msg"].removeprefix("Value error, ")
    if known is None:
        return f"{name}: {value}{message}"
    example = problem.get("ctx", {}).get("example", fields[known].examples[0])  # type: ignore[index]
    return f"{name}: {value}{message}; example: {example}"


def _explain_source_error(model: type[BaseModel], message: str) -> str:
    for location, field in describe(model):
        name = variable_name(location)
        section = variable_name(location[:1])
        example = field.examples[0]  # type: ignore[index]
        is_mapping = field.annotation is not None and get_origin(field.annotation) is dict
        if is_mapping and name in os.environ and not _is_json(os.environ[name]):
            return f"{name}: not a JSON object; example: {example}"
        if section != name and section in os.environ and not _is_json(os.environ[section]):
            return f"{section}: not a JSON object; example: {name}={example}"
    return message


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _refuse_unknown_variables() -> None:
    """Find misspelt names. Kubernetes adds `CALI_…` variables of its own for services; none has a double underscore."""
    known = [variable_name(location) for location, _ in (*describe(Settings), *describe(Secrets))]
    unknown = sorted(
        name
        for name in os.environ
        if name.startswith(PREFIX)
        and "__" in name
        and not any(name == other or name.startswith(f"{other}__") for other in known)
    )
    if unknown:
        lines = []
        for name in unknown:
            close = difflib.get_close_matches(name, known, n=1, cutoff=0)
            lines.append(f"{name}: no such setting; example of a close one: {close[0]}")
        raise SettingsError("\n".join(lines))
