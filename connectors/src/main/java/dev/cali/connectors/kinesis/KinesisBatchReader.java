package dev.cali.connectors.kinesis;

import dev.cali.connectors.RecordBatchFrame;
import dev.cali.connectors.kinesis.ShardFetcher.Broken;
import dev.cali.connectors.kinesis.ShardFetcher.Response;
import dev.cali.connectors.kinesis.ShardFetcher.Result;
import dev.cali.connectors.kinesis.ShardSplit.Phase;
import java.util.ArrayDeque;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;
import javax.annotation.Nullable;
import org.apache.flink.api.common.eventtime.Watermark;
import org.apache.flink.api.connector.source.ReaderOutput;
import org.apache.flink.api.connector.source.SourceEvent;
import org.apache.flink.api.connector.source.SourceReader;
import org.apache.flink.api.connector.source.SourceReaderContext;
import org.apache.flink.core.io.InputStatus;
import org.apache.flink.metrics.Gauge;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.metrics.groups.OperatorIOMetricGroup;
import org.apache.flink.runtime.metrics.groups.AbstractMetricGroup;
import org.apache.flink.util.concurrent.ExecutorThreadFactory;

/**
 * Emits the responses of its shards as frames, in the order they come in.
 *
 * <p>Not built on Flink's {@code SourceReaderBase}: that one moves a shard's watermark only with an element, gives up a
 * shard's watermark in the moment the shard ends, and cannot say that a reader without shards is idle.
 */
final class KinesisBatchReader implements SourceReader<byte[], ShardSplit> {

    private static final long CLOSE_SECONDS = 5;
    private static final long IDLE_THREAD_SECONDS = 60;

    private final SourceReaderContext context;
    private final SourceConfig config;
    private final StreamClient client;
    private final Backoff backoff = new Backoff(() -> ThreadLocalRandom.current().nextDouble());

    // A call blocks its thread, so each shard may need one. What comes in after the end is dropped without a word.
    private final ExecutorService calls = new ThreadPoolExecutor(
            0,
            Integer.MAX_VALUE,
            IDLE_THREAD_SECONDS,
            TimeUnit.SECONDS,
            new SynchronousQueue<>(),
            new ExecutorThreadFactory("kinesis-call"),
            new ThreadPoolExecutor.DiscardPolicy());
    private final ScheduledExecutorService timer = new ScheduledThreadPoolExecutor(
            1, new ExecutorThreadFactory("kinesis-timer"), new ThreadPoolExecutor.DiscardPolicy());

    // Concurrent because the metrics thread looks at it; changed by the task's thread alone.
    private final Map<String, ShardReading> shards = new ConcurrentSkipListMap<>();
    private final Map<String, ShardFetcher> fetchers = new HashMap<>();
    private final Map<String, MetricGroup> metrics = new HashMap<>();
    private final Queue<String> outputsToRelease = new ArrayDeque<>();
    private final Queue<Result> arrived = new ConcurrentLinkedQueue<>();
    private final LongAdder retries = new LongAdder();

    private volatile CompletableFuture<Void> available = CompletableFuture.completedFuture(null);

    /** The shard whose response is being emitted. */
    @Nullable private ShardReading current;

    private boolean isStarted;
    private boolean mayEmitWatermarks;
    private boolean isIdle;
    private boolean noMoreSplits;
    private long emittedWatermark = ShardSplit.NO_WATERMARK;

    KinesisBatchReader(SourceReaderContext context, SourceConfig config, StreamClient client) {
        this.context = context;
        this.config = config;
        this.client = client;
        context.metricGroup().gauge("millisBehindLatest", (Gauge<Long>) this::millisBehindLatest);
        context.metricGroup().gauge("numReadRetries", (Gauge<Long>) retries::sum);
    }

    @Override
    public void start() {
        isStarted = true;
        shards.values().forEach(this::begin);
    }

    @Override
    public void addSplits(List<ShardSplit> splits) {
        for (ShardSplit split : splits) {
            ShardReading shard = new ShardReading(split);
            shards.put(split.shardId(), shard);
            if (isStarted) {
                begin(shard);
            }
        }
        signal();
    }

    @Override
    public InputStatus pollNext(ReaderOutput<byte[]> output) {
        releaseOutputs(output);
        if (current == null) {
            takeNext();
        }
        if (current != null) {
            emit(output);
        }
        advanceWatermark(output);
        return status(output);
    }

    @Override
    public CompletableFuture<Void> isAvailable() {
        return available;
    }

    @Override
    public List<ShardSplit> snapshotState(long checkpointId) {
        return shards.values().stream().map(ShardReading::toSplit).toList();
    }

    @Override
    public void handleSourceEvents(SourceEvent event) {
        if (event instanceof Events.AssignmentComplete) {
            mayEmitWatermarks = true;
        } else if (event instanceof Events.HoldReleased released) {
            known(released.shardIds()).forEach(ShardReading::release);
        } else {
            throw new IllegalStateException("unknown event " + event);
        }
        shards.values().removeIf(ShardReading::isForgettable);
        signal();
    }

    @Override
    public void notifyNoMoreSplits() {
        noMoreSplits = true;
        signal();
    }

    @Override
    public void close() {
        timer.shutdownNow();
        calls.shutdownNow();
        client.close();
        try {
            // A call that outlives the job's class loader would fail in a way that looks like a bug.
            calls.awaitTermination(CLOSE_SECONDS, TimeUnit.SECONDS);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private void begin(ShardReading shard) {
        if (!shard.isReading()) {
            // Restored: the enumerator may not have heard of the end before the checkpoint.
            outputsToRelease.add(shard.shardId());
            sendEnd(shard);
            return;
        }
        registerMetrics(shard);
        ShardFetcher fetcher = new ShardFetcher(
                client,
                shard.shardId(),
                shard.toSplit().position(),
                config.pollInterval(),
                backoff,
                calls,
                timer,
                this::handOver,
                retries::increment);
        fetchers.put(shard.shardId(), fetcher);
        fetcher.start();
    }

    private void handOver(Result result) {
        arrived.add(result);
        signal();
    }

    private void signal() {
        available.complete(null);
    }

    private void takeNext() {
        Result result = arrived.poll();
        if (result instanceof Broken broken) {
            throw broken.error();
        }
        if (result instanceof Response response) {
            current = shards.get(response.shardId());
            current.accept(response);
            if (current.wantsMore()) {
                fetchers.get(response.shardId()).next();
            }
        }
    }

    /** Emits one frame, so that a checkpoint can fall between any two. */
    private void emit(ReaderOutput<byte[]> output) {
        if (current.hasNext()) {
            RecordBatchFrame frame = current.nextFrame(config.stream(), config.batchBytes());
            OperatorIOMetricGroup io = context.metricGroup().getIOMetricGroup();
            io.getNumRecordsInCounter().inc(frame.records());
            io.getNumBytesInCounter().inc(frame.payloadBytes());
            output.collect(frame.encode(), current.lastArrival());
        }
        if (!current.hasNext()) {
            current.complete();
            if (!current.isReading()) {
                end(current);
            }
            current = null;
        }
    }

    private void end(ShardReading shard) {
        fetchers.remove(shard.shardId());
        outputsToRelease.add(shard.shardId());
        if (metrics.remove(shard.shardId()) instanceof AbstractMetricGroup<?> group) {
            group.close();
        }
        sendEnd(shard);
    }

    private void sendEnd(ShardReading shard) {
        context.sendSourceEventToCoordinator(
                new Events.ShardEnded(shard.shardId(), shard.phase() == Phase.CLOSED, shard.watermark()));
    }

    /**
     * The reader's watermark is the lowest of its shards' and of closed shards whose children are not yet read.
     *
     * <p>Goes to the main output, not to one per shard: Flink drops the watermark of a shard's output with the shard.
     */
    private void advanceWatermark(ReaderOutput<byte[]> output) {
        if (!mayEmitWatermarks) {
            return;
        }
        long lowest = Long.MAX_VALUE;
        boolean isBound = false;
        for (ShardReading shard : shards.values()) {
            if (shard.bindsWatermark()) {
                isBound = true;
                lowest = Math.min(lowest, shard.watermark());
            }
        }
        setIdle(output, !isBound);
        if (isBound && lowest > emittedWatermark) {
            emittedWatermark = lowest;
            output.emitWatermark(new Watermark(lowest));
        }
        for (ShardReading shard : shards.values()) {
            if (shard.catchesUpWith(emittedWatermark)) {
                context.sendSourceEventToCoordinator(new Events.CaughtUp(shard.shardId()));
            }
        }
    }

    private void setIdle(ReaderOutput<byte[]> output, boolean idle) {
        if (idle == isIdle) {
            return;
        }
        isIdle = idle;
        if (idle) {
            output.markIdle();
        } else {
            output.markActive();
        }
    }

    private InputStatus status(ReaderOutput<byte[]> output) {
        if (current != null) {
            return InputStatus.MORE_AVAILABLE;
        }
        if (noMoreSplits && shards.values().stream().noneMatch(ShardReading::bindsWatermark)) {
            // Flink sends the watermark of the end next, and whoever is downstream takes none from an idle input.
            setIdle(output, false);
            return InputStatus.END_OF_INPUT;
        }
        // First the new future, then the look: whoever adds in between completes the new one.
        available = new CompletableFuture<>();
        if (!arrived.isEmpty()) {
            signal();
            return InputStatus.MORE_AVAILABLE;
        }
        return InputStatus.NOTHING_AVAILABLE;
    }

    private void releaseOutputs(ReaderOutput<byte[]> output) {
        while (!outputsToRelease.isEmpty()) {
            output.releaseOutputForSplit(outputsToRelease.remove());
        }
    }

    private List<ShardReading> known(Collection<String> shardIds) {
        return shardIds.stream().filter(shards::containsKey).map(shards::get).toList();
    }

    /** How far the shard that lags most is behind the tip of the stream. */
    long millisBehindLatest() {
        return shards.values().stream()
                .filter(ShardReading::isReading)
                .mapToLong(ShardReading::millisBehindLatest)
                .max()
                .orElse(0);
    }

    private void registerMetrics(ShardReading shard) {
        MetricGroup group = context.metricGroup()
                .addGroup("stream", config.stream())
                .addGroup("shardId", shard.shardId());
        group.gauge("millisBehindLatest", (Gauge<Long>) shard::millisBehindLatest);
        metrics.put(shard.shardId(), group);
    }
}
