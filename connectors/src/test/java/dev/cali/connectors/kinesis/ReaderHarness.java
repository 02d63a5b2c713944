package dev.cali.connectors.kinesis;

import dev.cali.connectors.FrameReader;
import dev.cali.connectors.FrameReader.Entry;
import dev.cali.connectors.FrameReader.Frame;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BooleanSupplier;
import org.apache.flink.api.common.eventtime.Watermark;
import org.apache.flink.api.connector.source.ReaderOutput;
import org.apache.flink.api.connector.source.SourceEvent;
import org.apache.flink.api.connector.source.SourceOutput;
import org.apache.flink.api.connector.source.SourceReaderContext;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.core.io.InputStatus;
import org.apache.flink.metrics.groups.SourceReaderMetricGroup;
import org.apache.flink.runtime.metrics.groups.InternalSourceReaderMetricGroup;
import org.apache.flink.runtime.metrics.groups.UnregisteredMetricGroups;
import org.apache.flink.util.SimpleUserCodeClassLoader;
import org.apache.flink.util.UserCodeClassLoader;

/** A real reader with what Flink gives it, all of it kept to look at. */
final class ReaderHarness implements AutoCloseable {

    final List<Frame> frames = new ArrayList<>();
    final List<Long> watermarks = new ArrayList<>();
    final List<String> idleness = new ArrayList<>();
    final List<String> releasedOutputs = new ArrayList<>();
    final List<SourceEvent> sent = new ArrayList<>();
    final SourceReaderMetricGroup metrics = InternalSourceReaderMetricGroup.wrap(
            UnregisteredMetricGroups.createUnregisteredOperatorMetricGroup());
    final KinesisBatchReader reader;
    private InputStatus status = InputStatus.MORE_AVAILABLE;

    ReaderHarness(SourceConfig config, FakeKinesis kinesis) {
        reader = new KinesisBatchReader(new Context(), config, new StreamClient(config, kinesis));
    }

    /** Starts the reader with these shards, and tells it that it has all of them. */
    static ReaderHarness started(SourceConfig config, FakeKinesis kinesis, ShardSplit... splits) {
        ReaderHarness harness = new ReaderHarness(config, kinesis);
        harness.reader.addSplits(List.of(splits));
        harness.reader.start();
        harness.reader.handleSourceEvents(new Events.AssignmentComplete());
        return harness;
    }

    /** Polls once, if the reader says that there is something. */
    InputStatus poll() {
        if (status != InputStatus.END_OF_INPUT && reader.isAvailable().isDone()) {
            status = reader.pollNext(new Output());
        }
        return status;
    }

    void pollUntil(String what, BooleanSupplier condition) {
        Await.until(what, () -> {
            poll();
            return condition.getAsBoolean();
        });
    }

    boolean hasEnded() {
        return status == InputStatus.END_OF_INPUT;
    }

    List<String> texts() {
        return frames.stream().flatMap(frame -> frame.texts().stream()).toList();
    }

    List<Entry> entries() {
        return frames.stream().flatMap(frame -> frame.entries().stream()).toList();
    }

    long watermark() {
        return watermarks.isEmpty() ? ShardSplit.NO_WATERMARK : watermarks.get(watermarks.size() - 1);
    }

    boolean isIdle() {
        return !idleness.isEmpty() && idleness.get(idleness.size() - 1).equals("idle");
    }

    @Override
    public void close() {
        reader.close();
    }

    private final class Output implements ReaderOutput<byte[]> {

        @Override
        public void collect(byte[] frame) {
            throw new AssertionError("a frame without a timestamp");
        }

        @Override
        public void collect(byte[] frame, long timestamp) {
            frames.add(FrameReader.read(frame));
        }

        @Override
        public void emitWatermark(Watermark watermark) {
            watermarks.add(watermark.getTimestamp());
        }

        @Override
        public void markIdle() {
            idleness.add("idle");
        }

        @Override
        public void markActive() {
            idleness.add("active");
        }

        @Override
        public SourceOutput<byte[]> createOutputForSplit(String splitId) {
            throw new AssertionError("the reader uses the main output");
        }

        @Override
        public void releaseOutputForSplit(String splitId) {
            releasedOutputs.add(splitId);
        }
    }

    private final class Context implements SourceReaderContext {

        @Override
        public SourceReaderMetricGroup metricGroup() {
            return metrics;
        }

        @Override
        public Configuration getConfiguration() {
            return new Configuration();
        }

        @Override
        public String getLocalHostName() {
            return "localhost";
        }

        @Override
        public int getIndexOfSubtask() {
            return 0;
        }

        @Override
        public void sendSplitRequest() {
            throw new AssertionError("shards are not asked for");
        }

        @Override
        public void sendSourceEventToCoordinator(SourceEvent event) {
            sent.add(event);
        }

        @Override
        public UserCodeClassLoader getUserCodeClassLoader() {
            return SimpleUserCodeClassLoader.create(getClass().getClassLoader());
        }
    }
}
