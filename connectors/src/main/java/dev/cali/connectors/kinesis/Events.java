package dev.cali.connectors.kinesis;

import java.util.List;
import org.apache.flink.api.connector.source.SourceEvent;

/**
 * What readers and the enumerator tell each other.
 *
 * <p>A watermark that runs ahead of unread records would make them late. Two moments are dangerous: the start, when one
 * reader has shards and another not yet; and a reshard, when a parent is gone and its children are not yet read. So
 * readers are silent until {@link AssignmentComplete}; and the reader of a closed parent holds its watermark until
 * {@link HoldReleased}, which the enumerator sends when the readers of all children have said {@link CaughtUp}.
 */
final class Events {

    private Events() {}

    /** To a reader: you have all the shards that you get for now, so watermarks and idleness may begin. */
    record AssignmentComplete() implements SourceEvent {}

    /** To a reader: the children of these closed shards hold the watermark themselves now. */
    record HoldReleased(List<String> shardIds) implements SourceEvent {}

    /** To the enumerator: the shard is read to its end; {@code closed} if its children hold what came later. */
    record ShardEnded(String shardId, boolean closed, long watermark) implements SourceEvent {}

    /** To the enumerator: the reader's own watermark is not ahead of this shard. */
    record CaughtUp(String shardId) implements SourceEvent {}
}
