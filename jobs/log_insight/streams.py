"""What PyFlink's stream API does not offer: uids for its hidden operators, side outputs without a round trip."""

from pyflink.common import Types
from pyflink.datastream import DataStream, KeyedStream, OutputTag

from jobs.log_insight.operator_ids import OperatorId, SlotGroup
from udfs.operators.type_info import key_of


def named(stream: DataStream, operator: OperatorId, group: SlotGroup) -> DataStream:
    """Give the operator behind a stream its name, uid and slot-sharing group."""
    return stream.name(operator.value).uid(operator.value).slot_sharing_group(group.value)


def side_output(stream: DataStream, tag: OutputTag) -> DataStream:
    """Return a side output as the JVM has it.

    PyFlink's own `get_side_output` sends every element through a Python worker and back by an identity map,
    an operator without a uid; for bytes and rows there is nothing to convert.
    """
    return DataStream(stream._j_data_stream.getSideOutput(tag.get_java_output_tag()))  # noqa: SLF001 - no public way


def keyed_by(stream: DataStream, operator: OperatorId, group: SlotGroup) -> KeyedStream:
    """Partition `KEYED` rows by their key; `operator` names the hidden operator that PyFlink puts in front."""
    keyed = stream.key_by(key_of, key_type=Types.STRING())
    partition = keyed._j_data_stream.getTransformation()  # noqa: SLF001 - the hidden map has no public handle
    hidden = partition.getInputs().get(0)
    hidden.setUid(operator.value)
    hidden.setSlotSharingGroup(group.value)
    return keyed
