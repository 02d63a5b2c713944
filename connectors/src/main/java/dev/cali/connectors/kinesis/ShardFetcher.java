package dev.cali.connectors.kinesis;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.Executor;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import javax.annotation.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import software.amazon.awssdk.services.kinesis.model.GetRecordsResponse;
import software.amazon.awssdk.services.kinesis.model.Record;

/**
 * Reads one shard, one request at a time: a response is handed over, and the next request is made when {@link #next}
 * asks for it. Waits are timers, so a shard that is throttled holds up no thread.
 */
final class ShardFetcher {

    /** What was read, or why nothing can be. */
    sealed interface Result {
        String shardId();
    }

    /**
     * A response.
     *
     * @param isLast whether the shard ends with it
     * @param time the time at Kinesis when it was given, epoch milliseconds
     * @param millisBehindLatest how far its end is from the tip of the stream
     */
    record Response(String shardId, List<Record> records, boolean isLast, long time, long millisBehindLatest)
            implements Result {}

    /** The shard cannot be read; the job has to fail. */
    record Broken(String shardId, RuntimeException error) implements Result {}

    private static final Logger LOG = LoggerFactory.getLogger(ShardFetcher.class);
    private static final int FAILURES_TO_WARN = 3;

    private final StreamClient client;
    private final String shardId;
    private final Duration pollInterval;
    private final Backoff backoff;
    private final Executor calls;
    private final ScheduledExecutorService timer;
    private final Consumer<Result> handover;
    private final Runnable onRetry;

    // One request is under way at a time, so these pass from thread to thread through the executors.
    private Position position;
    @Nullable private String iterator;
    private int failures;
    private volatile long lastReadNanos;

    ShardFetcher(
            StreamClient client,
            String shardId,
            Position position,
            Duration pollInterval,
            Backoff backoff,
            Executor calls,
            ScheduledExecutorService timer,
            Consumer<Result> handover,
            Runnable onRetry) {
        this.client = client;
        this.shardId = shardId;
        this.position = position;
        this.pollInterval = pollInterval;
        this.backoff = backoff;
        this.calls = calls;
        this.timer = timer;
        this.handover = handover;
        this.onRetry = onRetry;
    }

    /** Makes the first request. */
    void start() {
        calls.execute(this::read);
    }

    /** Makes the next request, when the poll interval has passed. */
    void next() {
        readAfter(pollInterval.toNanos() - (System.nanoTime() - lastReadNanos));
    }

    private void readAfter(long nanos) {
        timer.schedule(() -> calls.execute(this::read), Math.max(0, nanos), TimeUnit.NANOSECONDS);
    }

    private void read() {
        lastReadNanos = System.nanoTime();
        try {
            if (iterator == null) {
                iterator = client.iterator(shardId, position);
            }
            long sent = System.currentTimeMillis();
            accept(client.records(iterator), sent);
        } catch (RuntimeException | Error error) {
            // An error would end the thread, and the shard with it, without a word.
            recover(error);
        }
    }

    private void accept(GetRecordsResponse response, long sent) {
        failures = 0;
        iterator = response.nextShardIterator();
        List<Record> records = response.records();
        if (!records.isEmpty()) {
            position = new Position.After(records.get(records.size() - 1).sequenceNumber());
        }
        long behind = response.millisBehindLatest() == null ? 0 : response.millisBehindLatest();
        long time = ServiceTime.of(response, sent).closestTo(sent);
        handover.accept(new Response(shardId, records, iterator == null, time, behind));
    }

    private void recover(Throwable error) {
        switch (Failure.of(error)) {
            case EXPIRED_ITERATOR -> {
                iterator = null;
                retry(error);
            }
            case TRANSIENT -> retry(error);
            case NOT_FOUND -> endIfTrimmed(error);
            case FATAL -> fail("cannot read from " + position, error);
        }
    }

    private void retry(Throwable error) {
        failures++;
        onRetry.run();
        Duration pause = backoff.pause(failures);
        if (failures >= FAILURES_TO_WARN) {
            LOG.warn("Reading shard {} failed {} times in a row, next try in {}", shardId, failures, pause, error);
        } else {
            LOG.debug("Reading shard {} failed, next try in {}", shardId, pause, error);
        }
        readAfter(pause.toNanos());
    }

    /** A shard older than the retention is gone, and with it what was not read of it; its children are there. */
    private void endIfTrimmed(Throwable error) {
        try {
            if (client.listShards().shards().stream().noneMatch(shard -> shard.id().equals(shardId))) {
                LOG.warn("Shard {} is past its retention; what was not read of it is lost", shardId);
                handover.accept(new Response(shardId, List.of(), true, System.currentTimeMillis(), 0));
                return;
            }
        } catch (RuntimeException listing) {
            if (Failure.of(listing) == Failure.TRANSIENT) {
                retry(listing);
                return;
            }
        }
        fail("cannot read", error);
    }

    private void fail(String what, Throwable error) {
        handover.accept(new Broken(shardId, client.failure("shard " + shardId + ": " + what, error)));
    }
}
