"""What the language model costs, and what it is worth."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.links import Uid, to_incident
from grafana.opensearch import over_time, top
from grafana.panels import Column, Section, build_dashboard, figure, ranking, rows, series
from grafana.promql import expression, increase, latest, quantiles, rate, ratio
from grafana.shared import incidents_table
from grafana.variables import Addresses, Source, job, terms
from jobs.log_insight import metrics

_MICRO = "1e6"
_HOUR = "3600"
_USABLE = "grounded|fallback"
_PAID = "answered|ungrounded|invalid|refused"


def build(given: Addresses) -> Dashboard:
    """Return the dashboard."""
    return build_dashboard(
        Uid.LLM,
        "LLM cost and quality",
        "What analyses cost, how long they take, and how many of them rest on a document of the knowledge base.",
        variables=[job(), terms("service", Source.INCIDENTS, "service")],
        sections=[_AT_A_GLANCE, _COST, _QUALITY, _ANSWERS],
        sources=[Source.METRICS],
        given=given,
        since="now-24h",
        refresh="1m",
    )


_AT_A_GLANCE = Section(
    "At a glance",
    [
        figure(
            "Cost in the time range",
            "What the tokens cost at the prices of the settings. Calls that were not usable are paid too.",
            expression(f"{increase(metrics.LLM_COST)} / {_MICRO}"),
            unit="currencyUSD",
        ),
        figure(
            "Cost of a day at this rate",
            "The rate of now, for 24 hours. Too much: lower `CALI_GATE__ANALYSES_PER_HOUR`.",
            expression(f"{rate(metrics.LLM_COST)} * 24 * {_HOUR} / {_MICRO}"),
            unit="currencyUSD",
        ),
        figure(
            "Calls",
            "Questions to the model in the time range. None, but analyses below: without a key documents answer alone.",
            expression(increase(metrics.LLM_CALLS)),
        ),
        figure(
            "Grounded",
            "Share of analyses that rest on a document, with the model's answer or alone. Low: write runbooks.",
            expression(ratio(increase(metrics.ANALYSES, status=_USABLE), increase(metrics.ANALYSES))),
            unit="percentunit",
        ),
        figure(
            "Fallbacks",
            "Analyses in which the model failed and the best document answered alone. Many: see the calls by outcome.",
            expression(increase(metrics.ANALYSES, status="fallback")),
            limits=(1, 20),
        ),
        figure(
            "Breaker of the model",
            "1 while the model is taken to be down; it is asked once per cool-down. Check the provider's status.",
            expression(latest(metrics.BREAKER_OPEN, how="max", dependency="llm")),
            limits=(1, 2),
        ),
    ],
)

_COST = Section(
    "Cost",
    [
        series(
            "Cost of an hour",
            "Dollars an hour at the rate of each moment. A storm is capped by the budget of each service.",
            expression(f"{rate(metrics.LLM_COST)} * {_HOUR} / {_MICRO}", "cost"),
            unit="currencyUSD",
        ),
        series(
            "Tokens",
            "Tokens an hour. Prompt tokens grow with the documents given to the model (`CALI_ANALYZE__DOCUMENTS`).",
            expression(f"{rate(metrics.LLM_TOKENS, 'direction')} * {_HOUR}", "{{direction}}"),
            stacked=True,
        ),
        series(
            "Cost of a call",
            "Dollars for one call that the model answered. A jump means longer prompts or another model.",
            expression(f"{ratio(rate(metrics.LLM_COST), rate(metrics.LLM_CALLS, outcome=_PAID))} / {_MICRO}", "a call"),
            unit="currencyUSD",
        ),
        series(
            "Analyses asked for",
            "Over_budget and storm were not asked for, to keep the cost down; their alerts say so.",
            expression(rate(metrics.ANALYSES_ASKED, "result"), "{{result}}"),
            unit="cps",
            stacked=True,
        ),
    ],
)

_QUALITY = Section(
    "Quality and time",
    [
        series(
            "Calls by outcome",
            "Ungrounded, invalid and refused answers are paid and not used: look at prompt and model.",
            expression(rate(metrics.LLM_CALLS, "outcome"), "{{outcome}}"),
            unit="cps",
            stacked=True,
        ),
        series(
            "Analyses by how they ended",
            "No_similar_incident: the knowledge base has nothing. Unavailable: Milvus or the model was down.",
            expression(rate(metrics.ANALYSES, "status"), "{{status}}"),
            unit="cps",
            stacked=True,
        ),
        series(
            "Time of an answer of the model",
            "An analysis that takes 20 s in all is given up.",
            quantiles(metrics.LLM_SECONDS),
            unit="s",
            limits=(5, 15),
            width=8,
        ),
        series(
            "Time of a search in the knowledge base",
            "Near 3 s, the time-out: Milvus is overloaded.",
            quantiles(metrics.RETRIEVAL_SECONDS),
            unit="s",
            limits=(1, 3),
            width=8,
        ),
        ranking(
            "Dependencies of an analysis",
            "1 while taken to be down. Without Milvus: no analysis; without the model: the best document answers.",
            expression(
                latest(metrics.BREAKER_OPEN, "dependency", how="max", dependency="milvus|llm"),
                "{{dependency}}",
                instant=True,
            ),
            width=8,
        ),
    ],
)

_ANSWERS = Section(
    "Answers, from the incidents themselves",
    [
        rows(
            "Analyses by status and analyst",
            "Extractive: the best document answered without a model, because there is no key.",
            top(
                Source.INCIDENTS, "service:$service AND _exists_:analysis.status", "analysis.status", "analysis.analyst"
            ),
            [
                Column("analysis.status", "Status"),
                Column("analysis.analyst", "Analyst"),
                Column("Count", "Incidents", "short", width=100),
            ],
            source=Source.INCIDENTS,
            width=12,
        ),
        series(
            "Incidents by analysis",
            "By the time at which the incident began; a dash is an incident without an analysis yet.",
            over_time(Source.INCIDENTS, "service:$service", "analysis.status"),
            source=Source.INCIDENTS,
            stacked=True,
        ),
        incidents_table(
            "Incidents without a grounded analysis",
            "What the knowledge base does not know, the latest first: write a runbook, then `cali knowledge sync`.",
            "service:$service AND NOT analysis.status:grounded",
            order="desc",
            incident_links=(to_incident(),),
            grounded=False,
        ),
    ],
)
