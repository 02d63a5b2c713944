package dev.cali.connectors.kinesis;

import dev.cali.connectors.RecordBatchFrame;
import dev.cali.connectors.kinesis.ShardFetcher.Response;
import dev.cali.connectors.kinesis.ShardSplit.Phase;
import java.util.List;
import javax.annotation.Nullable;
import software.amazon.awssdk.services.kinesis.model.Record;

/**
 * A shard in a reader's hands: the response being emitted, and what goes into a checkpoint.
 *
 * <p>For the task's thread; metrics look at it from others.
 */
final class ShardReading {

    /** What Kinesis allows arrival times of one shard to be out of order by, as far as is known. */
    static final long DISORDER_MILLIS = 1_000;

    private final String shardId;
    private final long stopTimestamp;
    private Position position;
    private long watermark;
    private volatile Phase phase;

    @Nullable private Response response;
    private List<Record> records = List.of();
    private int next;

    private boolean hasAnswered;
    private boolean isHolding;
    private boolean saidCaughtUp;
    private volatile long millisBehindLatest;

    ShardReading(ShardSplit split) {
        shardId = split.shardId();
        stopTimestamp = split.stopTimestamp();
        position = split.position();
        watermark = split.watermark();
        phase = split.phase();
        isHolding = phase == Phase.CLOSED;
    }

    ShardSplit toSplit() {
        return new ShardSplit(shardId, position, stopTimestamp, watermark, phase);
    }

    String shardId() {
        return shardId;
    }

    Phase phase() {
        return phase;
    }

    long watermark() {
        return watermark;
    }

    long millisBehindLatest() {
        return millisBehindLatest;
    }

    boolean isReading() {
        return phase == Phase.READING;
    }

    /** Whether the reader's watermark may not pass this shard's. */
    boolean bindsWatermark() {
        return isReading() || isHolding;
    }

    /** Takes a response to emit; what arrived at or after the stop is left out. */
    void accept(Response newResponse) {
        response = newResponse;
        records = stopTimestamp == ShardSplit.NO_STOP
                ? newResponse.records()
                : newResponse.records().stream()
                        .filter(record -> arrival(record) < stopTimestamp)
                        .toList();
        next = 0;
        millisBehindLatest = newResponse.millisBehindLatest();
    }

    /** Whether another response is wanted after the accepted one. */
    boolean wantsMore() {
        return !response.isLast() && watermarkAfter(response) < stopTimestamp;
    }

    /** Whether the accepted response has records that were not emitted yet. */
    boolean hasNext() {
        return next < records.size();
    }

    /** Moves up to {@code batchBytes} of payload, at least one record, into a frame; the position moves with it. */
    RecordBatchFrame nextFrame(String stream, int batchBytes) {
        RecordBatchFrame frame = new RecordBatchFrame(stream + "/" + shardId, position.sequence());
        while (hasNext()) {
            Record record = records.get(next);
            byte[] payload = record.data().asByteArrayUnsafe();
            if (!frame.isEmpty() && frame.payloadBytes() + payload.length > batchBytes) {
                break;
            }
            frame.add(record.sequenceNumber(), arrival(record), payload);
            next++;
        }
        position = new Position.After(records.get(next - 1).sequenceNumber());
        return frame;
    }

    /** The arrival time of the record emitted last. */
    long lastArrival() {
        return arrival(records.get(next - 1));
    }

    /** Ends the accepted response: only now is everything that its watermark promises emitted. */
    void complete() {
        List<Record> all = response.records();
        if (!all.isEmpty()) {
            position = new Position.After(all.get(all.size() - 1).sequenceNumber());
        }
        watermark = watermarkAfter(response);
        hasAnswered = true;
        if (response.isLast()) {
            phase = Phase.CLOSED;
            isHolding = true;
        } else if (watermark >= stopTimestamp) {
            phase = Phase.STOPPED;
        }
        response = null;
        records = List.of();
    }

    /** The children hold the watermark now. */
    void release() {
        isHolding = false;
    }

    /** Whether nothing needs this shard any more, checkpoints included. */
    boolean isForgettable() {
        return phase == Phase.CLOSED && !isHolding;
    }

    /** Returns true once: when the shard has a watermark of its own, and it is not behind what the reader emitted. */
    boolean catchesUpWith(long emittedWatermark) {
        if (saidCaughtUp || !isReading() || !hasAnswered || watermark < emittedWatermark) {
            return false;
        }
        saidCaughtUp = true;
        return true;
    }

    /**
     * Before which time nothing unread arrived, once the response is emitted.
     *
     * <p>{@code millisBehindLatest} gives it, also without records. With records their own arrival is the safer bound.
     * The end of a closed shard says nothing about its children.
     */
    private long watermarkAfter(Response after) {
        List<Record> all = after.records();
        if (all.isEmpty() && after.isLast()) {
            return watermark;
        }
        long time = after.time() - after.millisBehindLatest();
        if (!all.isEmpty()) {
            time = Math.min(time, arrival(all.get(all.size() - 1)));
        }
        return Math.max(watermark, time - DISORDER_MILLIS);
    }

    private static long arrival(Record record) {
        return record.approximateArrivalTimestamp().toEpochMilli();
    }
}
