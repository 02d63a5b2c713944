package dev.cali.connectors.kinesis;

import org.apache.flink.api.connector.source.SourceSplit;

/**
 * A shard as a reader has it.
 *
 * @param position where reading goes on
 * @param stopTimestamp records that arrived at or after it, in epoch milliseconds, are not read
 * @param watermark no record of this shard still to be read arrived before it
 * @param phase whether it is still read; see {@link Phase}
 */
record ShardSplit(String shardId, Position position, long stopTimestamp, long watermark, Phase phase)
        implements SourceSplit {

    static final long NO_STOP = Long.MAX_VALUE;
    static final long NO_WATERMARK = Long.MIN_VALUE;

    /**
     * The enumerator hears of a shard's end by a message, which is not part of a checkpoint. So a reader keeps the
     * ended shard in its own state, and says it again after a restore, until the enumerator has answered: Flink
     * delivers an answer that was given after the enumerator's snapshot only after the reader's.
     */
    enum Phase {
        READING,
        /** The stream closed it, by a split or merge; its children hold what came later. */
        CLOSED,
        /** It was read up to the stop timestamp. */
        STOPPED
    }

    @Override
    public String splitId() {
        return shardId;
    }
}
