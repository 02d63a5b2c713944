"""The job graph: every operator has its uid, every branch ends in a sink, slow dependencies stand apart."""

from collections.abc import Iterator

import pytest
from pyflink.datastream import StreamExecutionEnvironment

from jobs.log_insight.__main__ import LIVE_BUNDLE, configuration
from jobs.log_insight.graph import Node, build_graph, to_markdown
from jobs.log_insight.operator_ids import OperatorId, SlotGroup
from jobs.log_insight.settings import FlinkSettings, Section, Settings, SourceKind, SourceSettings, StoreSettings
from jobs.log_insight.streams import BUNDLE_SIZE, stream_graph
from jobs.log_insight.topology import build
from local.paths import CONNECTORS_JAR, ROOT

# PyFlink leaves a pipe to its gateway open; the warning comes when it is collected.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

# PyFlink runs these in one operator with the one before, which gives both its uid; they keep no state.
CHAINED = {
    OperatorId.TRACK_KEY.value,
    OperatorId.GATE_KEY.value,
    OperatorId.NOTIFY_ANALYSIS_KEY.value,
    OperatorId.INDEX_LOGS_OUTCOME.value,
    OperatorId.INDEX_INCIDENTS_OUTCOME.value,
}


LOCAL = StoreSettings(archive="/a", receipts="/r", markers="/m", dead_letters="/d", index_backlog="/b")


def graph_of(**sections: Section) -> dict[str, Node]:
    settings = Settings(flink=FlinkSettings(connectors_jar=str(CONNECTORS_JAR)), **sections)
    return {node.uid: node for node in build_graph(settings)}


@pytest.fixture(scope="module")
def graph() -> dict[str, Node]:
    return graph_of()


def test_every_operator_has_a_uid_of_the_registry_and_every_uid_is_used(graph):
    operators = {operator.value for operator in OperatorId} - CHAINED
    committers = {f"Sink Committer: {uid}" for uid in operators if uid.endswith("-sink")}
    assert set(graph) == operators | committers


def test_every_branch_ends_in_a_sink(graph):
    inputs = {name for node in graph.values() for name in node.inputs}
    ends = set(graph) - inputs
    assert ends == {uid for uid in graph if uid.startswith("Sink Committer: ")}


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


def test_operators_of_the_alert_path_end_a_bundle_with_each_element_and_the_others_do_not():
    settings = Settings(flink=FlinkSettings(connectors_jar=str(CONNECTORS_JAR)), store=LOCAL)
    env = StreamExecutionEnvironment.get_execution_environment(configuration(settings))
    build(env, settings)
    sizes: dict[str, set[str]] = {}
    for node in stream_graph(env, "test").getStreamNodes().toArray():
        group = node.getSlotSharingGroup()
        if group != SlotGroup.INGEST.value:  # there are operators of the JVM in it
            options = node.getOperatorFactory().getOperator().getConfiguration().toMap()
            sizes.setdefault(group, set()).add(options.get(BUNDLE_SIZE))
    live = str(LIVE_BUNDLE.elements)
    assert sizes == {"alert": {"1"}, "analyze": {live}, "index": {live}}


@pytest.mark.parametrize("kind", [SourceKind.S3, SourceKind.FILE])
def test_the_source_is_chosen_by_a_setting_and_the_rest_stays(graph, kind, tmp_path):
    path = "s3://cali-archive/logs" if kind is SourceKind.S3 else str(tmp_path)
    assert set(graph_of(source=SourceSettings(kind=kind, path=path))) == set(graph)


def test_a_replay_does_not_write_the_archive_again(graph):
    replayed = graph_of(store=StoreSettings(write_archive=False))
    gone = {uid.removeprefix("Sink Committer: ") for uid in set(graph) - set(replayed)}
    assert gone == {
        OperatorId.ARCHIVE_SINK.value,
        OperatorId.RECEIPT_SINK.value,
        OperatorId.SEAL_KEY.value,
        OperatorId.SEAL.value,
        OperatorId.MARKER_SINK.value,
    }


def test_the_drawing_is_up_to_date():
    drawn = to_markdown(build_graph(Settings(flink=FlinkSettings(connectors_jar=str(CONNECTORS_JAR)))))
    assert (ROOT / "docs" / "topology.md").read_text() == drawn
