package dev.cali.connectors.kinesis;

import java.util.List;

/**
 * What the enumerator keeps across restores.
 *
 * @param stream whose state this is
 * @param bounds between which the stream is read
 * @param shards all shards that were seen and are still listed or still matter
 */
record EnumeratorState(String stream, Bounds bounds, List<Shard> shards) {

    /**
     * Start and stop as moments, resolved once: LATEST and NOW must not move with a restart. Epoch milliseconds.
     *
     * @param start records that arrived before it are not read; {@link Long#MIN_VALUE} for TRIM_HORIZON
     * @param stop records that arrived at or after it are not read; {@link ShardSplit#NO_STOP} for never
     */
    record Bounds(long start, long stop) {

        Position startPosition() {
            return start == Long.MIN_VALUE ? new Position.TrimHorizon() : new Position.AtTimestamp(start);
        }
    }

    /** How far a shard has come. */
    enum Status {
        UNASSIGNED,
        ASSIGNED,
        /** Ended by a split or merge. */
        CLOSED,
        /** Nothing of it, or no more of it, is to be read; its children do not depend on it. */
        STOPPED
    }

    /**
     * One shard.
     *
     * @param parents the one or two shards it came from
     * @param position where reading starts when it is assigned next
     * @param watermark no unread record of it arrived before this
     */
    record Shard(String id, List<String> parents, Status status, Position position, long watermark) {

        boolean isFinished() {
            return status == Status.CLOSED || status == Status.STOPPED;
        }

        Shard with(Status newStatus, long newWatermark) {
            return new Shard(id, parents, newStatus, position, newWatermark);
        }
    }
}
