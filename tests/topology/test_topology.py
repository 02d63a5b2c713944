"""The job graph: every operator has its uid, every branch ends in a sink, slow dependencies stand apart."""

from collections.abc import Iterator

import pytest
from pyflink.datastream import StreamExecutionEnvironment

from jobs.log_insight.__main__ import configuration
from jobs.log_insight.graph import Node, read_graph
from jobs.log_insight.operator_ids import OperatorId, SlotGroup
from jobs.log_insight.settings import Settings, SourceKind, SourceSettings, StoreSettings
from jobs.log_insight.topology import build

SINKS = {operator for operator in OperatorId if operator.value.endswith("-sink")}


def graph_of(settings: Settings) -> dict[str, Node]:
    env = StreamExecutionEnvironment.get_execution_environment(configuration(settings))
    build(env, settings)
    return {node.uid: node for node in read_graph(env)}


@pytest.fixture(scope="module")
def graph() -> dict[str, Node]:
    return graph_of(Settings())


def test_every_operator_has_a_uid_of_the_registry_and_every_uid_is_used(graph):
    of_operators = {uid for uid in graph if ":" not in uid}
    assert of_operators == {operator.value for operator in OperatorId}


def test_every_branch_ends_in_a_sink(graph):
    inputs = {name for node in graph.values() for name in node.inputs}
    ends = {uid for uid in graph if uid not in inputs}
    assert ends, "no operator without a successor"
    assert {uid.partition(":")[-1].strip() or uid for uid in ends if not any(s.value in uid for s in SINKS)} == set()


def upstream(graph: dict[str, Node], uid: str) -> Iterator[str]:
    for name in graph[uid].inputs:
        yield name
        yield from upstream(graph, name)


def test_no_asynchronous_operator_stands_between_an_incident_and_its_alert(graph):
    assert OperatorId.ANALYZE.value not in upstream(graph, OperatorId.NOTIFY_ROUTED_KEY.value)
    assert not {OperatorId.INDEX_LOGS.value, OperatorId.INDEX_INCIDENTS.value} & set(
        upstream(graph, OperatorId.NOTIFY.value)
    )


def test_slow_dependencies_have_slots_of_their_own(graph):
    assert graph[OperatorId.INDEX_LOGS.value].slot_group == SlotGroup.INDEX
    assert graph[OperatorId.ANALYZE.value].slot_group == SlotGroup.ANALYZE
    assert graph[OperatorId.NOTIFY.value].slot_group == SlotGroup.ALERT
    assert graph[OperatorId.INGEST.value].slot_group == SlotGroup.INGEST


@pytest.mark.parametrize("kind", [SourceKind.S3, SourceKind.FILE])
def test_the_source_is_chosen_by_a_setting_and_the_rest_stays(graph, kind, tmp_path):
    path = "s3://cali-archive/logs" if kind is SourceKind.S3 else str(tmp_path)
    assert set(graph_of(Settings(source=SourceSettings(kind=kind, path=path)))) == set(graph)


def test_a_replay_does_not_write_the_archive_again(graph):
    replayed = graph_of(Settings(store=StoreSettings(write_archive=False)))
    gone = {uid.partition(":")[0] for uid in set(graph) - set(replayed)}
    assert gone == {OperatorId.ARCHIVE_SINK.value, OperatorId.RECEIPT_SINK.value}
