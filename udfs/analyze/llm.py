"""The analyst that asks a language model through OpenAI's API, or a compatible one."""

import time
from collections.abc import Callable, Sequence
from typing import Any, cast

import openai
from openai.types.chat import ChatCompletionMessageParam
from openai.types.shared_params import ResponseFormatJSONSchema
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from jobs.log_insight.metrics import BREAKER_OPEN, LLM_COST, LLM_SECONDS, LLM_TOKENS
from jobs.log_insight.settings import AnalyzeSettings, Language, Secrets
from schemas.incident import Incident
from udfs.analyze.answer import AnalystError, Answer, NoAnswer
from udfs.analyze.prompt import messages, response_format
from udfs.analyze.score import Match
from udfs.breaker import Breaker
from udfs.meters import Meters

MAX_COMPLETION_TOKENS = 700
#: Tokens of one call that are counted at most; a server that says more is wrong.
MAX_TOKENS = 1_000_000
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


class _Usage(BaseModel):
    prompt_tokens: int = Field(0, ge=0, le=MAX_TOKENS)
    completion_tokens: int = Field(0, ge=0, le=MAX_TOKENS)


class _Completion(BaseModel):
    """The part of a chat completion that is read. OpenAI's client does not check what a server sends."""

    choices: list[_Choice] = Field(min_length=1)
    usage: Any = None


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
        meters: Meters,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if secrets.openai_api_key is None:
            raise ValueError("an API key is needed")
        self._model = settings.model
        self._language = language
        self._prices = settings.prompt_dollars_per_million, settings.completion_dollars_per_million
        self._meters = meters
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
            raise AnalystError(f"{self._model} is down, not asked again yet", NoAnswer.SKIPPED)
        try:
            with self._meters.timed(LLM_SECONDS):
                response = await self._ask(incident, matches)
        except openai.OpenAIError as error:
            self._breaker.failed(self._clock())
            raise AnalystError(f"{self._model}: {_reason(error)}", NoAnswer.FAILED) from None
        except BaseException:
            self._breaker.failed(self._clock())
            raise
        else:
            self._breaker.succeeded()
        finally:
            self._meters.set(BREAKER_OPEN, self._breaker.is_open, dependency="llm")
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
            completion = _Completion.model_validate_json(response[:MAX_RESPONSE])
            self._count(_usage(completion.usage))
            choice = completion.choices[0]
            if choice.message.refusal:
                raise AnalystError(f"{self._model}: refused to answer", NoAnswer.REFUSED)
            if choice.finish_reason != "stop":
                raise AnalystError(f"{self._model}: answer not finished", NoAnswer.INVALID)
            reply = _Reply.model_validate_json(choice.message.content or "")
        except ValidationError:
            raise AnalystError(f"{self._model}: answer is not the JSON asked for", NoAnswer.INVALID) from None
        return Answer(reply.cause, reply.action, tuple(reply.evidence))

    def _count(self, usage: _Usage) -> None:
        self._meters.add(LLM_TOKENS, usage.prompt_tokens, direction="prompt")
        self._meters.add(LLM_TOKENS, usage.completion_tokens, direction="completion")
        # Dollars per million tokens are millionths of a dollar per token.
        prompt_price, completion_price = self._prices
        self._meters.add(LLM_COST, usage.prompt_tokens * prompt_price + usage.completion_tokens * completion_price)


def _usage(given: Any) -> _Usage:
    """Return what the server counted; an answer is none the worse for a count that cannot be."""
    try:
        return _Usage.model_validate(given or {})
    except ValidationError:
        return _Usage()


def _reason(error: openai.OpenAIError) -> str:
    """Return what went wrong without the server's words, which may repeat the key or the prompt."""
    if isinstance(error, openai.APITimeoutError):
        return "no answer in time"
    if isinstance(error, openai.APIStatusError):
        return f"HTTP {error.status_code}"
    if isinstance(error, openai.APIConnectionError):
        return "not reachable"
    return "answer is not the API's"
