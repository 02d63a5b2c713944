"""What PyFlink's stream API does not offer: uids for its hidden operators, side outputs without a round trip."""

from collections.abc import Callable
from typing import Any

from py4j.java_gateway import JavaObject
from pyflink.common import Types
from pyflink.datastream import DataStream, KeyedStream, OutputTag, StreamExecutionEnvironment
from pyflink.util.java_utils import get_field

from jobs.log_insight.operator_ids import OperatorId, SlotGroup
from udfs.operators.type_info import key_of

BUNDLE_SIZE = "python.fn-execution.bundle.size"


def named(stream: DataStream, operator: OperatorId, group: SlotGroup) -> DataStream:
    """Give the operator behind a stream its name, uid and slot-sharing group."""
    return stream.name(operator.value).uid(operator.value).slot_sharing_group(group.value)


def side_output(stream: DataStream, tag: OutputTag) -> DataStream:
    """Return a side output as the JVM has it.

    PyFlink's own `get_side_output` sends every element through a Python worker and back by an identity map,
    an operator without a uid; for bytes and rows there is nothing to convert.
    """
    return DataStream(stream._j_data_stream.getSideOutput(tag.get_java_output_tag()))  # noqa: SLF001 - no public way


def stream_graph(env: StreamExecutionEnvironment, job_name: str) -> JavaObject:
    """Return the job as it is submitted; operators of the alert path end a bundle with each element.

    They have event timers, and PyFlink 2.3 loses some: a watermark that comes while a bundle is under way waits for its
    end, and a checkpoint ends the bundle. So the timers of that watermark fire between the end of the bundle and the
    checkpoint, which has neither them nor what they do. A job that is restored from it never tells of their incidents.
    No watermark waits where no bundle is ever under way. Elements are few here: groups of a second, not records. `seal`
    has a timer too, and sets it again with every receipt.
    """
    graph = env._generate_stream_graph(clear_transformations=True, job_name=job_name)  # noqa: SLF001 - no public way
    for node in graph.getStreamNodes().toArray():
        if node.getSlotSharingGroup() == SlotGroup.ALERT.value:
            _set_option(node.getOperatorFactory().getOperator(), BUNDLE_SIZE, "1")
    return graph


def _set_option(operator: JavaObject, name: str, value: str) -> None:
    """Set an option of one Python operator, which has its configuration in common with all others."""
    configuration = operator.getConfiguration().clone()
    configuration.setString(name, value)
    field = get_field(operator.getClass(), "config")
    field.set(operator, configuration)


def keyed_by(
    stream: DataStream, operator: OperatorId, group: SlotGroup, key: Callable[[Any], str] = key_of
) -> KeyedStream:
    """Partition elements, mostly `KEYED` rows; `operator` names the hidden operator that PyFlink puts in front."""
    keyed = stream.key_by(key, key_type=Types.STRING())
    partition = keyed._j_data_stream.getTransformation()  # noqa: SLF001 - the hidden map has no public handle
    hidden = partition.getInputs().get(0)
    hidden.setUid(operator.value)
    hidden.setSlotSharingGroup(group.value)
    return keyed
