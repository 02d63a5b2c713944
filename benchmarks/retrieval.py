"""How well retrieval works, measured on labelled queries against a real Milvus.

    python benchmarks/retrieval.py [--uri http://milvus:19530] [--json] [--fit]

Each query goes the way of an incident: redacted, fingerprinted, condensed, searched, scored again. Without `--uri` a
Milvus Lite server is started for the run. The figures of `udfs/analyze/evaluate.py` are printed for each split, for the
score and for the cosine alone.

For the cosine, which has no calibrated threshold, the one is taken that gives as few false alarms as the score has.
`--fit` prints the logistic curve for `udfs/analyze/score.py`, fitted to the split `fit`; the split `unseen` was written
after everything had been decided and is for measuring alone.
"""

import argparse
import asyncio
import contextlib
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from pymilvus import MilvusClient

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from jobs.knowledge import as_incidents, read_documents, read_queries  # noqa: E402 - a script is run from anywhere
from jobs.log_insight.operator_ids import OperatorId  # noqa: E402
from jobs.log_insight.settings import AwsSettings, MilvusSettings, Secrets, Settings  # noqa: E402
from local.milvus import Milvus  # noqa: E402
from udfs.analyze.embed import load_embedder  # noqa: E402
from udfs.analyze.evaluate import LabelledQuery, Ranked, figures  # noqa: E402
from udfs.analyze.retrieve import MilvusRetriever  # noqa: E402
from udfs.analyze.score import probability, raw_scores  # noqa: E402
from udfs.analyze.sync import promote, stage  # noqa: E402
from udfs.analyze.text import MAX_QUERY_WORDS, words  # noqa: E402
from udfs.meters import Meters  # noqa: E402

KNOWLEDGE = ROOT / "knowledge"
QUERIES = KNOWLEDGE / "eval" / "queries.ndjson"
FITTED_RANKS = 3
BINS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)


def threshold_for(ranked: Sequence[Ranked], false_alarms: float) -> float:
    """Return the lowest threshold with at most this share of false alarms."""
    best = sorted((entry.best for entry in ranked if not entry.query.expected), reverse=True)
    allowed = round(false_alarms * len(best))
    return best[allowed] + 1e-6 if allowed < len(best) else 0.0


def fit(ranked: Sequence[Ranked]) -> tuple[float, float, float]:
    """Return slope, midpoint and weight of the distance to the best, with the highest likelihood (Newton's method)."""
    pairs = [
        (score, entry.best - score, float(name in entry.query.expected))
        for entry in ranked
        for name, score in entry.found[:FITTED_RANKS]
    ]
    design = np.array([(score, -behind, -1.0) for score, behind, _ in pairs])
    labels = np.array([label for *_, label in pairs])
    weights = np.zeros(3)
    for _ in range(50):
        predicted = 1 / (1 + np.exp(-design @ weights))
        curvature = (design * (predicted * (1 - predicted))[:, None]).T @ design + 1e-6 * np.eye(3)
        weights += np.linalg.solve(curvature, design.T @ (labels - predicted))
    slope, behind, offset = map(float, weights)
    return slope, offset / slope, behind / slope


def calibration(ranked: Sequence[Ranked]) -> Iterator[tuple[float, float, int, float]]:
    """Yield for each band of scores its limits, how many first documents fell into it, and the share that was right."""
    for low, high in pairwise(BINS):
        inside = [entry for entry in ranked if low <= entry.best < high or (high == 1.0 and entry.best == 1.0)]
        yield low, high, len(inside), _share([entry.rank == 1 for entry in inside])


async def measure(uri: str, queries: Sequence[LabelledQuery], collection: str) -> dict[str, list[Ranked]]:
    """Run the queries; return the documents by scorer: `score`, `cosine`, and `raw`, which is the score unmapped."""
    settings = Settings(milvus=MilvusSettings(uri=uri, collection=collection))
    embedder = load_embedder()
    result: dict[str, list[Ranked]] = {"score": [], "cosine": [], "raw": []}
    retriever = MilvusRetriever(
        settings.milvus, settings.analyze, Secrets(), embedder, meters=Meters(OperatorId.ANALYZE)
    )
    async with contextlib.aclosing(retriever):
        for entry, query in zip(queries, as_incidents(queries, settings), strict=True):
            candidates = await retriever.candidates(query)
            raw = raw_scores(query, words(query.text)[:MAX_QUERY_WORDS], candidates, embedder)
            names = [candidate.prepared.document.id for candidate in candidates]
            result["cosine"].append(_ranked(entry, names, [candidate.cosine for candidate in candidates]))
            result["raw"].append(_ranked(entry, names, raw))
            best = max(raw, default=0.0)
            result["score"].append(_ranked(entry, names, [probability(score, best) for score in raw]))
    return result


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--uri", help="a running Milvus instead of one for this run")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--fit", action="store_true", help="print slope and midpoint fitted to the split `fit`")
    parser.add_argument("--errors", action="store_true", help="print the queries that went wrong")
    options = parser.parse_args()
    queries = read_queries(str(QUERIES), AwsSettings())
    with contextlib.ExitStack() as stack:
        uri = options.uri or stack.enter_context(Milvus(Path(stack.enter_context(_scratch())))).uri
        collection = "cali_retrieval_benchmark"
        with contextlib.closing(MilvusClient(uri)) as client:
            staged = stage(client, collection, read_documents(str(KNOWLEDGE), AwsSettings()), load_embedder())
            promote(client, collection, staged.collection, staged.live)
        result = asyncio.run(measure(uri, queries, collection))
    if options.fit:
        curve = fit([entry for entry in result["raw"] if entry.query.split == "fit"])
        print("SLOPE = {:.1f}\nMIDPOINT = {:.3f}\nBEHIND = {:.2f}".format(*curve))
        return
    report = _report(result)
    if options.json:
        print(json.dumps(report))
        return
    _print(report, result["score"])
    if options.errors:
        _print_errors(result["score"])


def _report(result: dict[str, list[Ranked]]) -> dict[str, dict[str, dict[str, float]]]:
    threshold = Settings().analyze.similarity_threshold
    report = {}
    for split in sorted({entry.query.split for entry in result["score"]}):
        chosen = {name: [entry for entry in ranked if entry.query.split == split] for name, ranked in result.items()}
        score = figures(chosen["score"], threshold)
        cosine = figures(chosen["cosine"], threshold_for(chosen["cosine"], score.false_alarms))
        report[split] = {"score": score._asdict(), "cosine": cosine._asdict()}
    return report


def _print(report: dict[str, dict[str, dict[str, float]]], scored: Sequence[Ranked]) -> None:
    print("split   scorer  related unrelated  hit@1  hit@3    MRR  found  false alarms  threshold")
    for split, scorers in report.items():
        for name, values in scorers.items():
            print(
                f"{split:7} {name:7} {values['queries']:7} {values['unrelated']:9}  {values['hit_at_1']:5.3f}"
                f"  {values['hit_at_3']:5.3f}  {values['mrr']:5.3f}  {values['found']:5.3f}"
                f"  {values['false_alarms']:12.3f}  {values['threshold']:9.3f}"
            )
    print("\nscore of the first document, and how often it was right")
    for low, high, count, right in calibration(scored):
        print(f"  {low:.0%} to {high:.0%}: {count:3} queries, {right:.0%} right")


def _print_errors(scored: Sequence[Ranked]) -> None:
    threshold = Settings().analyze.similarity_threshold
    print()
    for entry in scored:
        wrong = entry.rank != 1 or entry.best < threshold if entry.query.expected else entry.best >= threshold
        if wrong:
            text = entry.query.log_content.splitlines()[0][:90]
            first = entry.found[0][0] if entry.found else "-"
            print(f"{entry.query.id} rank {entry.rank} {entry.best:.2f} {first}: {text}")


def _ranked(query: LabelledQuery, names: Sequence[str], scores: Sequence[float]) -> Ranked:
    pairs = sorted(zip(names, scores, strict=True), key=lambda pair: (-pair[1], pair[0]))
    return Ranked(query, tuple(pairs))


def _share(values: Sequence[bool]) -> float:
    return float(np.mean(values)) if values else 0.0


def _scratch() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="cali-retrieval-")


if __name__ == "__main__":
    main()
