"""The analyst that asks a language model through OpenAI's API, or a compatible one."""

import time
from collections.abc import Callable, Sequence
from typing import cast

import openai
from openai.types.chat import ChatCompletionMessageParam
from openai.types.shared_params import ResponseFormatJSONSchema
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from jobs.log_insight.settings import AnalyzeSettings, Language, Secrets
from schemas.incident import Incident
from udfs.analyze.answer import AnalystError, Answer
from udfs.analyze.prompt import messages, response_format
from udfs.analyze.score import Match
from udfs.breaker import Breaker

MAX_COMPLETION_TOKENS = 700
#: Bytes of a response that are parsed: the token limit is the server's to keep.
MAX_RESPONSE = 100_000
BREAKER_FAILURES = 3
BREAKER_COOL_DOWN_SECONDS = 60.0


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str


class _Completion(BaseModel):
    """The part of a chat completion that is read. OpenAI's client does not check what a server sends."""

    choices: list[_Choice] = Field(min_length=1)


class _Reply(BaseModel):
    """What `response_format` asks for."""

    model_config = ConfigDict(strict=True, extra="forbid")

    cause: str
    action: str
    evidence: list[str] = Field(max_length=50)


class LlmAnalyst:
    """Asks the model of the settings. It belongs to the event loop of its first answer."""

    def __init__(
        self,
        settings: AnalyzeSettings,
        secrets: Secrets,
        language: Language,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if secrets.openai_api_key is None:
            raise ValueError("an API key is needed")
        self._model = settings.model
        self._language = language
        self._clock = clock
        self._breaker = Breaker(BREAKER_FAILURES, BREAKER_COOL_DOWN_SECONDS)
        # A repeated request would be paid twice and come too late: the extractive analyst stands by instead.
        self._client = openai.AsyncOpenAI(
            api_key=secrets.openai_api_key.get_secret_value(),
            base_url=settings.base_url,
            timeout=settings.timeout_seconds,
            max_retries=0,
        )

    @property
    def name(self) -> str:
        """The model's name."""
        return self._model

    async def answer(self, incident: Incident, matches: Sequence[Match]) -> Answer:
        """Ask once. The caller sets the deadline; a call that it cancels counts as a failure."""
        if not self._breaker.allows(self._clock()):
            raise AnalystError(f"{self._model} is down, not asked again yet")
        try:
            response = await self._ask(incident, matches)
        except openai.OpenAIError as error:
            self._breaker.failed(self._clock())
            raise AnalystError(f"{self._model}: {_reason(error)}") from None
        except BaseException:
            self._breaker.failed(self._clock())
            raise
        self._breaker.succeeded()
        return self._parse(response)

    async def aclose(self) -> None:
        """Close the client."""
        await self._client.close()

    async def _ask(self, incident: Incident, matches: Sequence[Match]) -> bytes:
        response = await self._client.chat.completions.with_raw_response.create(
            model=self._model,
            messages=cast("list[ChatCompletionMessageParam]", messages(incident, matches, self._language)),
            response_format=cast("ResponseFormatJSONSchema", response_format(matches)),
            temperature=0,
            max_completion_tokens=MAX_COMPLETION_TOKENS,
        )
        return response.http_response.content

    def _parse(self, response: bytes) -> Answer:
        try:
            choice = _Completion.model_validate_json(response[:MAX_RESPONSE]).choices[0]
            if choice.message.refusal:
                raise AnalystError(f"{self._model}: refused to answer")
            if choice.finish_reason != "stop":
                raise AnalystError(f"{self._model}: answer not finished")
            reply = _Reply.model_validate_json(choice.message.content or "")
        except ValidationError:
            raise AnalystError(f"{self._model}: answer is not the JSON asked for") from None
        return Answer(reply.cause, reply.action, tuple(reply.evidence))


def _reason(error: openai.OpenAIError) -> str:
    """Return what went wrong without the server's words, which may repeat the key or the prompt."""
    if isinstance(error, openai.APITimeoutError):
        return "no answer in time"
    if isinstance(error, openai.APIStatusError):
        return f"HTTP {error.status_code}"
    if isinstance(error, openai.APIConnectionError):
        return "not reachable"
    return "answer is not the API's"
