"""One request in, one analysis out, always in time: what fails on the way is said in the answer."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from jobs.log_insight.metrics import LLM_CALLS
from jobs.log_insight.settings import AnalyzeSettings, Secrets, Settings
from schemas.analysis import Analysis, AnalysisRequest, AnalysisStatus
from udfs.analyze import extractive
from udfs.analyze.answer import Analyst, AnalystError
from udfs.analyze.embed import load_embedder
from udfs.analyze.extractive import ExtractiveAnalyst
from udfs.analyze.ground import Grounded, GroundingError, ground
from udfs.analyze.llm import LlmAnalyst
from udfs.analyze.retrieve import MilvusRetriever, RetrievalError, Retriever, query_of
from udfs.analyze.score import Match
from udfs.meters import Meters


async def analyze(
    request: AnalysisRequest, retriever: Retriever, analyst: Analyst, settings: AnalyzeSettings, meters: Meters
) -> Analysis:
    """Return the analysis of an incident within `settings.timeout_seconds`; `meters` are the operator's.

    A dependency that is down, slow or talks nonsense raises nothing: without the knowledge base the analysis is
    `UNAVAILABLE`, without the analyst the best document answers (`analyst` is then `extractive`); `reason` says why,
    without log text and secrets.
    """
    deadline = asyncio.get_running_loop().time() + settings.timeout_seconds
    try:
        async with asyncio.timeout_at(deadline):
            matches = await retriever.search(query_of(request.incident))
    except RetrievalError as error:
        return unavailable(request, analyst.name, str(error))
    except TimeoutError:
        return unavailable(request, analyst.name, f"no documents within {settings.timeout_seconds:g} s")
    similar = [match for match in matches if match.score >= settings.similarity_threshold][: settings.documents]
    if not similar:
        return _analysis(request, AnalysisStatus.NO_SIMILAR_INCIDENT, analyst.name)
    reply = await _ask(request, similar, analyst, settings, deadline)
    if analyst.name != extractive.NAME:
        meters.add(LLM_CALLS, outcome=reply.outcome)
    if reply.grounded is None:
        return _fall_back(request, similar, reply.reason)
    return _grounded(request, reply.grounded, analyst.name)


def unavailable(request: AnalysisRequest, analyst: str, reason: str) -> Analysis:
    """Return the analysis that says why there is none."""
    return _analysis(request, AnalysisStatus.UNAVAILABLE, analyst, reason)


def make_retriever(settings: Settings, secrets: Secrets, meters: Meters) -> MilvusRetriever:
    """Return a retriever on the knowledge base of the settings; nothing is connected yet.

    Raises:
        EmbeddingError: the embedding cannot be loaded.
    """
    return MilvusRetriever(settings.milvus, settings.analyze, secrets, load_embedder(), meters=meters)


def make_analyst(settings: Settings, secrets: Secrets, meters: Meters) -> Analyst:
    """Return the language model where there is a key, the extractive analyst where there is none."""
    if secrets.openai_api_key is None:
        return ExtractiveAnalyst()
    return LlmAnalyst(settings.analyze, secrets, settings.notify.language, meters)


class _Reply(NamedTuple):
    """What an analyst made of a question: `outcome` to count by, and `reason` where nothing is grounded."""

    outcome: str
    grounded: Grounded | None = None
    reason: str = ""


async def _ask(
    request: AnalysisRequest, similar: Sequence[Match], analyst: Analyst, settings: AnalyzeSettings, deadline: float
) -> _Reply:
    try:
        async with asyncio.timeout_at(deadline):
            return _Reply("answered", ground(await analyst.answer(request.incident, similar), similar))
    except AnalystError as error:
        return _Reply(error.outcome.value, reason=str(error))
    except GroundingError as error:
        return _Reply("ungrounded", reason=str(error))
    except TimeoutError:
        return _Reply("failed", reason=f"{analyst.name}: no answer within {settings.timeout_seconds:g} s")


def _fall_back(request: AnalysisRequest, similar: Sequence[Match], reason: str) -> Analysis:
    try:
        grounded = ground(extractive.extract(similar), similar)
    except GroundingError as error:
        return unavailable(request, extractive.NAME, f"{reason}; best document: {error}")
    return _grounded(request, grounded, extractive.NAME, reason)


def _grounded(request: AnalysisRequest, grounded: Grounded, analyst: str, reason: str | None = None) -> Analysis:
    return _analysis(request, AnalysisStatus.GROUNDED, analyst, reason).model_copy(
        update={
            "cause": grounded.cause,
            "action": grounded.action,
            "evidence": tuple(match.document.evidence(match.score) for match in grounded.evidence),
        }
    )


def _analysis(request: AnalysisRequest, status: AnalysisStatus, analyst: str, reason: str | None = None) -> Analysis:
    return Analysis(
        incident_id=request.incident.id, channel=request.channel, status=status, analyst=analyst, reason=reason
    )
