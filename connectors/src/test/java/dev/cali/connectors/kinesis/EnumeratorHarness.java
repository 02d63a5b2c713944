package dev.cali.connectors.kinesis;

import dev.cali.connectors.kinesis.KinesisBatchEnumerator.BoundsMemory;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.function.BiConsumer;
import javax.annotation.Nullable;
import org.apache.flink.api.connector.source.ReaderInfo;
import org.apache.flink.api.connector.source.SourceEvent;
import org.apache.flink.api.connector.source.SplitEnumeratorContext;
import org.apache.flink.api.connector.source.SplitsAssignment;
import org.apache.flink.metrics.groups.SplitEnumeratorMetricGroup;
import org.apache.flink.metrics.groups.UnregisteredMetricsGroup;

/** A real enumerator, with what it tells the readers kept or passed on; discovery runs when the test says so. */
final class EnumeratorHarness {

    /** Where the enumerator's words go. */
    interface Readers {
        void add(int subtask, List<ShardSplit> splits);

        void tell(int subtask, SourceEvent event);

        void end(int subtask);
    }

    final KinesisBatchEnumerator enumerator;
    private final Map<Integer, ReaderInfo> registered = new HashMap<>();
    private final int parallelism;
    private final Readers readers;
    @Nullable private Runnable discovery;
    long nanos;

    EnumeratorHarness(
            SourceConfig config,
            FakeKinesis kinesis,
            int parallelism,
            Readers readers,
            BoundsMemory memory,
            @Nullable EnumeratorState restored) {
        this.parallelism = parallelism;
        this.readers = readers;
        enumerator = new KinesisBatchEnumerator(
                new Context(), config, new StreamClient(config, kinesis), memory, () -> nanos, restored);
    }

    void register(int subtask) {
        registered.put(subtask, new ReaderInfo(subtask, "localhost"));
        enumerator.addReader(subtask);
    }

    void fail(int subtask, List<ShardSplit> uncheckpointed) {
        registered.remove(subtask);
        enumerator.addSplitsBack(uncheckpointed, subtask);
    }

    void discover() {
        discovery.run();
    }

    /** Keeps what it is told, as text. */
    static final class Log implements Readers {

        final Map<Integer, List<ShardSplit>> splits = new HashMap<>();
        final List<String> words = new ArrayList<>();
        final Set<Integer> ended = new HashSet<>();

        @Override
        public void add(int subtask, List<ShardSplit> added) {
            splits.computeIfAbsent(subtask, key -> new ArrayList<>()).addAll(added);
            added.forEach(split -> words.add(subtask + " reads " + split.shardId()));
        }

        @Override
        public void tell(int subtask, SourceEvent event) {
            if (event instanceof Events.AssignmentComplete) {
                words.add(subtask + " complete");
            } else if (event instanceof Events.HoldReleased released) {
                words.add(subtask + " releases " + released.shardIds());
            }
        }

        @Override
        public void end(int subtask) {
            ended.add(subtask);
        }

        ShardSplit split(String shardId) {
            return splits.values().stream()
                    .flatMap(List::stream)
                    .filter(split -> split.shardId().equals(shardId))
                    .findAny()
                    .orElseThrow();
        }
    }

    private final class Context implements SplitEnumeratorContext<ShardSplit> {

        @Override
        public SplitEnumeratorMetricGroup metricGroup() {
            return UnregisteredMetricsGroup.createSplitEnumeratorMetricGroup();
        }

        @Override
        public void sendEventToSourceReader(int subtask, SourceEvent event) {
            readers.tell(subtask, event);
        }

        @Override
        public int currentParallelism() {
            return parallelism;
        }

        @Override
        public Map<Integer, ReaderInfo> registeredReaders() {
            return registered;
        }

        @Override
        public void assignSplits(SplitsAssignment<ShardSplit> assignment) {
            assignment.assignment().forEach(readers::add);
        }

        @Override
        public void signalNoMoreSplits(int subtask) {
            readers.end(subtask);
        }

        @Override
        public <T> void callAsync(Callable<T> callable, BiConsumer<T, Throwable> handler) {
            T result;
            try {
                result = callable.call();
            } catch (Exception error) {
                handler.accept(null, error);
                return;
            }
            handler.accept(result, null);
        }

        @Override
        public <T> void callAsync(
                Callable<T> callable, BiConsumer<T, Throwable> handler, long initialDelay, long period) {
            discovery = () -> callAsync(callable, handler);
        }

        @Override
        public void runInCoordinatorThread(Runnable runnable) {
            runnable.run();
        }

        @Override
        public void setIsProcessingBacklog(boolean isProcessingBacklog) {
            throw new AssertionError("the source knows no backlog");
        }
    }
}
