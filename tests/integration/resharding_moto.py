"""The moto server with shards that split and merge as those of Kinesis do; run as `local.moto` is.

moto 5.2.5 goes on writing to a closed shard, copies the records of merged shards, and never ends the reading of a
closed shard. A source that followed it there would be wrong on AWS.
"""

from typing import Any

from moto.kinesis.models import KinesisBackend, Shard, Stream

from local.moto import main


def open_shard_for_key(stream: Stream, partition_key: str, explicit_hash_key: str) -> Shard | None:
    """Choose among the open shards only."""
    shards = stream.shards
    stream.shards = {shard_id: shard for shard_id, shard in shards.items() if shard.is_open}
    try:
        return _shard_for_key(stream, partition_key, explicit_hash_key)
    finally:
        stream.shards = shards


def keeping_records(reshard: Any) -> Any:
    """Let records stay in the shard that they were put to."""

    def with_kept_records(stream: Stream, *arguments: Any) -> None:
        kept = {shard_id: shard.records for shard_id, shard in stream.shards.items()}
        for shard in stream.shards.values():
            shard.records = {}
        reshard(stream, *arguments)
        for shard_id, records in kept.items():
            stream.shards[shard_id].records = records

    return with_kept_records


def records_to_the_end(backend: KinesisBackend, stream_arn: str | None, shard_iterator: str, limit: int | None) -> Any:
    """Give no next iterator at the end of a closed shard."""
    next_iterator, records, behind = _get_records(backend, stream_arn, shard_iterator, limit)
    stream_name, shard_id, last = _decompose(next_iterator)
    shard = backend.describe_stream(stream_arn=stream_arn, stream_name=stream_name).get_shard(shard_id)
    is_at_end = not shard.is_open and int(last) >= shard.get_max_sequence_number()
    return (None if is_at_end else next_iterator), records, behind


if __name__ == "__main__":
    from moto.kinesis.utils import decompose_shard_iterator as _decompose

    _shard_for_key, _get_records = Stream.get_shard_for_key, KinesisBackend.get_records
    Stream.get_shard_for_key = open_shard_for_key
    Stream.split_shard, Stream.merge_shards = keeping_records(Stream.split_shard), keeping_records(Stream.merge_shards)
    KinesisBackend.get_records = records_to_the_end
    main()
