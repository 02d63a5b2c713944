"""Cause and action for an incident, grounded in documents that were found."""

from enum import StrEnum

from pydantic import Field

from schemas.base import WireModel
from schemas.incident import Incident


class KnowledgeKind(StrEnum):
    """What a document of the knowledge base is."""

    RUNBOOK = "runbook"
    INCIDENT = "incident"


class Evidence(WireModel):
    """A document that an analysis rests on.

    `score` is the probability, 0 to 1, that it is about the same failure (`udfs.analyze.score`).
    """

    id: str
    kind: KnowledgeKind
    title: str
    url: str
    date: str
    score: float = Field(ge=0, le=1)


class AnalysisRequest(WireModel):
    """Ask for the analysis of an incident; `channel` is where the answer goes."""

    channel: str
    incident: Incident


class AnalysisStatus(StrEnum):
    """How an analysis ended."""

    GROUNDED = "grounded"
    NO_SIMILAR_INCIDENT = "no_similar_incident"
    UNAVAILABLE = "unavailable"


class Analysis(WireModel):
    """The answer to an `AnalysisRequest`.

    `cause` and `action` are set when `status` is `GROUNDED`; `evidence` is sorted by falling score; `reason`
    says what went wrong when `status` is `UNAVAILABLE`, or when the model failed and the best document answered.
    `analyst` is a model's name or `extractive`: who answered, or who would have.
    """

    incident_id: str
    channel: str
    status: AnalysisStatus
    analyst: str
    cause: str | None = None
    action: str | None = None
    evidence: tuple[Evidence, ...] = ()
    reason: str | None = None
