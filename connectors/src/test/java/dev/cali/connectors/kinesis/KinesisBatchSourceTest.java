package dev.cali.connectors.kinesis;

import static org.assertj.core.api.Assertions.assertThat;

import dev.cali.connectors.FrameReader;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.IntStream;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.MapFunction;
import org.apache.flink.api.connector.source.Boundedness;
import org.apache.flink.api.java.typeutils.GenericTypeInfo;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.RestartStrategyOptions;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.util.CloseableIterator;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import software.amazon.awssdk.services.kinesis.model.KinesisException;

/** The source in real jobs on Flink's own mini cluster. */
class KinesisBatchSourceTest {

    private static final long START = 1_700_000_000_000L;

    /** Filled by the jobs, which run in this process. */
    private static final Queue<Long> WATERMARKS = new ConcurrentLinkedQueue<>();

    private static final Queue<String> SEEN = new ConcurrentLinkedQueue<>();

    @BeforeEach
    void forget() {
        WATERMARKS.clear();
        SEEN.clear();
    }

    @Test
    void itsWatermarksPassWithoutAStrategyAndAnEmptyShardAndAnIdleReaderHoldNothingBack() throws Exception {
        FakeKinesis kinesis = new FakeKinesis("quiet", START).shard("a");
        StreamExecutionEnvironment env = environment(2);
        // Two readers and one shard: one reader has nothing to read. Nothing is ever put.
        frames(env, Configs.of("quiet"))
                .rebalance()
                .transform("watermarks", new GenericTypeInfo<>(byte[].class), new WatermarkRecorder())
                .sinkTo(new DiscardingSink<>());
        JobClient job = env.executeAsync();

        try {
            Await.until("the first watermark", () -> WATERMARKS.contains(START - 1));
            kinesis.pass(10_000);
            Await.until("a later one", () -> WATERMARKS.contains(START + 10_000 - 1));
            assertThat(WATERMARKS).allSatisfy(watermark -> assertThat(watermark).isLessThan(START + 10_000));
        } finally {
            job.cancel().get();
        }
    }

    @Test
    void aBoundedRunReadsWhatWasPutBeforeTheStartOfAllGenerationsOfShardsAndEnds() throws Exception {
        FakeKinesis kinesis = new FakeKinesis("bounded", START).shard("a").shard("empty");
        IntStream.range(0, 100).forEach(i -> kinesis.put("a", "a" + i));
        kinesis.close("a");
        kinesis.shard("b", "a").shard("c", "a", "empty");
        kinesis.close("empty");
        IntStream.range(0, 100).forEach(i -> kinesis.put("b", "b" + i));
        kinesis.put("c", "c");
        kinesis.recordsPerResponse(30);
        // The fake's clock stands still, and the end is when it has passed the start.
        AtomicBoolean isOver = new AtomicBoolean();
        Thread clock = new Thread(() -> Await.until("the end of the job", () -> {
            kinesis.pass(1);
            return isOver.get();
        }));
        clock.start();

        StreamExecutionEnvironment env = environment(2);
        List<String> texts = new ArrayList<>();
        try (CloseableIterator<byte[]> frames =
                frames(env, Configs.of("bounded", "source.stop.position", "NOW")).executeAndCollect()) {
            frames.forEachRemaining(frame -> texts.addAll(FrameReader.read(frame).texts()));
        } finally {
            isOver.set(true);
            clock.join();
        }

        assertThat(texts).hasSize(201).doesNotHaveDuplicates();
    }

    @Test
    void latestStaysTheStartOfTheJobWhenItIsRestartedBeforeTheFirstCheckpoint() throws Exception {
        FakeKinesis kinesis = new FakeKinesis("latest", START).shard("a");
        kinesis.put("a", "before the start");
        kinesis.pass(60_000);
        StreamExecutionEnvironment env = environment(1);
        frames(env, Configs.of("latest", "source.init.position", "LATEST"))
                .map(new Recorder())
                .returns(byte[].class)
                .sinkTo(new DiscardingSink<>());
        JobClient job = env.executeAsync();

        try {
            Await.until(
                    "the start",
                    () -> kinesis.calls().stream().anyMatch(call -> call.startsWith("a AT_TIMESTAMP")));
            kinesis.pass(60_000);
            kinesis.put("a", "one");
            Await.until("the record", () -> SEEN.contains("one"));
            kinesis.pass(60_000);
            // A failure of the enumerator makes Flink start from nothing.
            kinesis.fail("list", FakeKinesis.awsError(KinesisException.builder(), 400, "AccessDeniedException"));
            Await.until("the record again", () -> SEEN.stream().filter("one"::equals).count() == 2);

            assertThat(SEEN).doesNotContain("before the start");
        } finally {
            job.cancel().get();
        }
    }

    @Test
    void isBoundedOnlyWithAStop() {
        assertThat(source(Configs.of("s")).getBoundedness()).isEqualTo(Boundedness.CONTINUOUS_UNBOUNDED);
        assertThat(source(Configs.of("s", "source.stop.position", "NOW")).getBoundedness())
                .isEqualTo(Boundedness.BOUNDED);
    }

    private static StreamExecutionEnvironment environment(int parallelism) {
        Configuration configuration = new Configuration();
        configuration.set(RestartStrategyOptions.RESTART_STRATEGY, "fixed-delay");
        configuration.set(RestartStrategyOptions.RESTART_STRATEGY_FIXED_DELAY_DELAY, Duration.ofMillis(1));
        configuration.set(RestartStrategyOptions.RESTART_STRATEGY_FIXED_DELAY_ATTEMPTS, 3);
        return StreamExecutionEnvironment.createLocalEnvironment(parallelism, configuration);
    }

    private static DataStream<byte[]> frames(StreamExecutionEnvironment env, SourceConfig config) {
        return env.fromSource(source(config), WatermarkStrategy.noWatermarks(), "kinesis");
    }

    private static KinesisBatchSource source(SourceConfig config) {
        return new KinesisBatchSource(config, new FakeKinesis.Factory());
    }

    private static final class WatermarkRecorder extends AbstractStreamOperator<byte[]>
            implements OneInputStreamOperator<byte[], byte[]> {

        private static final long serialVersionUID = 1L;

        @Override
        public void processElement(StreamRecord<byte[]> element) {
            output.collect(element);
        }

        @Override
        public void processWatermark(Watermark watermark) throws Exception {
            WATERMARKS.add(watermark.getTimestamp());
            super.processWatermark(watermark);
        }
    }

    private static final class Recorder implements MapFunction<byte[], byte[]> {

        private static final long serialVersionUID = 1L;

        @Override
        public byte[] map(byte[] frame) {
            SEEN.addAll(FrameReader.read(frame).texts());
            return frame;
        }
    }
}
