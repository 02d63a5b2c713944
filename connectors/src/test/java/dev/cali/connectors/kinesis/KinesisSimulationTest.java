package dev.cali.connectors.kinesis;

import static org.assertj.core.api.Assertions.assertThat;

import dev.cali.connectors.FrameReader.Entry;
import dev.cali.connectors.FrameReader.Frame;
import dev.cali.connectors.kinesis.KinesisBatchEnumerator.BoundsMemory;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import javax.annotation.Nullable;
import org.apache.flink.api.connector.source.SourceEvent;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import software.amazon.awssdk.services.kinesis.model.ProvisionedThroughputExceededException;

/**
 * The enumerator and its readers together, against a stream that is written, split and merged at random, with failures,
 * checkpoints and restores at random moments, also at another parallelism.
 */
class KinesisSimulationTest {

    private static final int STEPS = 600;

    static IntStream seeds() {
        return IntStream.range(0, 15);
    }

    @ParameterizedTest
    @MethodSource("seeds")
    void everyRecordOnceParentsFirstNoneLateAndFramesChained(int seed) throws IOException {
        try (Simulation simulation = new Simulation(seed)) {
            for (int step = 0; step < STEPS; step++) {
                simulation.step();
            }
            simulation.drain();

            assertThat(simulation.output.stream().flatMap(frame -> frame.texts().stream()))
                    .containsExactlyInAnyOrderElementsOf(simulation.written);
            assertThat(simulation.restores).isPositive();
            assertThat(simulation.reshards).isPositive();
            simulation.assertParentsFirst();
            simulation.assertChained();
        }
    }

    private static final class Simulation implements AutoCloseable {

        /** A consistent cut: what Flink would restore from. */
        private record Checkpoint(byte[] enumerator, List<byte[]> splits, int output) {}

        private final Random random;
        private final FakeKinesis kinesis;
        private final SourceConfig config;
        private final List<String> written = new ArrayList<>();
        private final List<Frame> output = new ArrayList<>();
        private final Map<String, List<String>> parents = new HashMap<>();
        private final List<String> open = new ArrayList<>();
        private int shardCount;
        private int restores;
        private int reshards;
        private long checkpointId;

        private EnumeratorHarness enumerator;
        private List<ReaderHarness> readers = List.of();
        private List<Runnable> heldBack;
        private long combinedWatermark;
        @Nullable private Checkpoint checkpoint;

        Simulation(int seed) {
            random = new Random(seed);
            String stream = "simulation-" + seed;
            kinesis = new FakeKinesis(stream, 1_700_000_000_000L);
            config = Configs.of(stream, "source.batch.bytes", "25 b");
            addShard();
            addShard();
            run(null, List.of());
        }

        void step() throws IOException {
            int dice = random.nextInt(100);
            kinesis.recordsPerResponse(1 + random.nextInt(8));
            if (dice < 35) {
                put();
            } else if (dice < 75) {
                poll();
            } else if (dice < 85) {
                kinesis.pass(random.nextInt(2_000));
            } else if (dice < 89) {
                enumerator.discover();
            } else if (dice < 92) {
                reshard();
            } else if (dice < 94) {
                failOnce();
            } else if (dice < 98) {
                takeCheckpoint();
            } else {
                restore();
            }
        }

        void drain() {
            Await.until("all records", () -> {
                kinesis.pass(10);
                enumerator.discover();
                readers.forEach(this::poll);
                return records() >= written.size();
            });
            // What would come twice comes now.
            for (int i = 0; i < 50; i++) {
                readers.forEach(this::poll);
            }
        }

        /** All of a parent comes before anything of its children. */
        void assertParentsFirst() {
            List<String> outputShards = output.stream()
                    .map(frame -> frame.origin().substring(frame.origin().indexOf('/') + 1))
                    .toList();
            parents.forEach((child, ofChild) -> {
                int first = outputShards.indexOf(child);
                for (String parent : ofChild) {
                    int last = outputShards.lastIndexOf(parent);
                    assertThat(first < 0 || last < first).as("%s before %s", parent, child).isTrue();
                }
            });
        }

        /** Each frame names the last record of its shard that came before it. */
        void assertChained() {
            Map<String, String> last = new HashMap<>();
            for (Frame frame : output) {
                assertThat(frame.after()).isEqualTo(last.getOrDefault(frame.origin(), ""));
                last.put(frame.origin(), frame.entries().get(frame.entries().size() - 1).sequence());
            }
        }

        private int records() {
            return output.stream().mapToInt(frame -> frame.entries().size()).sum();
        }

        @Override
        public void close() {
            readers.forEach(ReaderHarness::close);
        }

        private void put() {
            kinesis.pass(random.nextInt(300));
            String shard = open.get(random.nextInt(open.size()));
            String text = "record-" + written.size();
            written.add(text);
            kinesis.put(shard, text);
        }

        private void reshard() {
            kinesis.pass(1);
            reshards++;
            List<String> from = new ArrayList<>(List.of(open.remove(random.nextInt(open.size()))));
            if (!open.isEmpty() && random.nextBoolean()) {
                from.add(open.remove(random.nextInt(open.size())));
            }
            from.forEach(kinesis::close);
            String[] closed = from.toArray(String[]::new);
            addShard(closed);
            if (closed.length == 1) {
                addShard(closed);
            }
        }

        private void addShard(String... from) {
            String id = String.format("shard-%03d", shardCount++);
            kinesis.shard(id, from);
            parents.put(id, List.of(from));
            open.add(id);
        }

        private void failOnce() {
            kinesis.fail(
                    open.get(random.nextInt(open.size())),
                    FakeKinesis.awsError(ProvisionedThroughputExceededException.builder(), 400, "slow down"));
        }

        private void poll() {
            poll(readers.get(random.nextInt(readers.size())));
        }

        private void poll(ReaderHarness reader) {
            reader.poll();
            int subtask = readers.indexOf(reader);
            collect(reader);
            List<SourceEvent> events = List.copyOf(reader.sent);
            reader.sent.clear();
            events.forEach(event -> enumerator.enumerator.handleSourceEvent(subtask, event));
        }

        private void collect(ReaderHarness reader) {
            for (Frame frame : reader.frames) {
                for (Entry entry : frame.entries()) {
                    assertThat(entry.arrivalTime()).as("%s is late", entry.text()).isGreaterThan(combinedWatermark);
                }
                output.add(frame);
            }
            reader.frames.clear();
            // As an operator behind the readers would have it: idle ones do not count.
            readers.stream()
                    .filter(other -> !other.isIdle())
                    .mapToLong(ReaderHarness::watermark)
                    .min()
                    .ifPresent(watermark -> combinedWatermark = Math.max(combinedWatermark, watermark));
        }

        /** First the enumerator, then the readers; what it says in between arrives behind their snapshots. */
        private void takeCheckpoint() throws IOException {
            checkpointId++;
            byte[] state = new EnumeratorStateSerializer().serialize(enumerator.enumerator.snapshotState(checkpointId));
            heldBack = new ArrayList<>();
            for (int i = random.nextInt(10); i > 0; i--) {
                poll();
            }
            List<byte[]> splits = new ArrayList<>();
            for (ReaderHarness reader : readers) {
                for (ShardSplit split : reader.reader.snapshotState(checkpointId)) {
                    splits.add(new ShardSplitSerializer().serialize(split));
                }
            }
            List<Runnable> late = heldBack;
            heldBack = null;
            late.forEach(Runnable::run);
            if (random.nextInt(4) > 0) {
                checkpoint = new Checkpoint(state, splits, output.size());
            }
        }

        private void restore() throws IOException {
            if (checkpoint == null) {
                return;
            }
            restores++;
            close();
            output.subList(checkpoint.output, output.size()).clear();
            List<ShardSplit> splits = new ArrayList<>();
            for (byte[] split : checkpoint.splits) {
                splits.add(new ShardSplitSerializer().deserialize(1, split));
            }
            run(new EnumeratorStateSerializer().deserialize(1, checkpoint.enumerator), splits);
        }

        private void run(@Nullable EnumeratorState state, List<ShardSplit> splits) {
            int parallelism = 1 + random.nextInt(4);
            combinedWatermark = Long.MIN_VALUE;
            enumerator = new EnumeratorHarness(config, kinesis, parallelism, new Delivery(), new BoundsMemory(), state);
            readers = IntStream.range(0, parallelism)
                    .mapToObj(subtask -> new ReaderHarness(config, kinesis))
                    .collect(Collectors.toList());
            for (int i = 0; i < splits.size(); i++) {
                readers.get(i % parallelism).reader.addSplits(List.of(splits.get(i)));
            }
            enumerator.enumerator.start();
            Set<Integer> late = new HashSet<>();
            for (int subtask = 0; subtask < parallelism; subtask++) {
                if (random.nextBoolean()) {
                    enumerator.register(subtask);
                    readers.get(subtask).reader.start();
                } else {
                    late.add(subtask);
                }
            }
            enumerator.discover();
            for (int subtask : late) {
                enumerator.register(subtask);
                readers.get(subtask).reader.start();
            }
        }

        private final class Delivery implements EnumeratorHarness.Readers {

            @Override
            public void add(int subtask, List<ShardSplit> splits) {
                deliver(() -> readers.get(subtask).reader.addSplits(splits));
            }

            @Override
            public void tell(int subtask, SourceEvent event) {
                deliver(() -> readers.get(subtask).reader.handleSourceEvents(event));
            }

            @Override
            public void end(int subtask) {
                throw new AssertionError("an endless stream does not end");
            }

            private void deliver(Runnable message) {
                if (heldBack == null) {
                    message.run();
                } else {
                    heldBack.add(message);
                }
            }
        }
    }
}
