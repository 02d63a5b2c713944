package dev.cali.connectors.kinesis;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cali.connectors.FrameReader.Entry;
import dev.cali.connectors.FrameReader.Frame;
import dev.cali.connectors.kinesis.ShardSplit.Phase;
import java.net.ConnectException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.flink.core.io.InputStatus;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import software.amazon.awssdk.core.exception.ApiCallAttemptTimeoutException;
import software.amazon.awssdk.core.exception.SdkClientException;
import software.amazon.awssdk.services.kinesis.model.ExpiredIteratorException;
import software.amazon.awssdk.services.kinesis.model.InvalidArgumentException;
import software.amazon.awssdk.services.kinesis.model.KinesisException;
import software.amazon.awssdk.services.kinesis.model.LimitExceededException;
import software.amazon.awssdk.services.kinesis.model.ProvisionedThroughputExceededException;
import software.amazon.awssdk.services.kinesis.model.ResourceNotFoundException;

class KinesisBatchReaderTest {

    private static final String STREAM = "reader";
    private static final long START = 1_700_000_000_000L;

    /** The service's clock is known to the second, and the margin is a second: then the watermark is exact here. */
    private static final long LAG = 1;

    private FakeKinesis kinesis;

    @BeforeEach
    void makeStream() {
        kinesis = new FakeKinesis(STREAM, START).shard("a").shard("b");
    }

    // ------------------------------------------------------------------------------------- frames and slices

    @Test
    void emitsAResponseAsOneFrameWithItsOriginSequencesAndArrivalTimes() {
        String first = kinesis.put("a", "one");
        kinesis.pass(5);
        String second = kinesis.put("a", "two");

        try (ReaderHarness harness = read(config(), fromStart("a"))) {
            harness.pollUntil("both records", () -> harness.texts().size() == 2);

            assertThat(harness.frames).hasSize(1);
            assertThat(harness.frames.get(0).origin()).isEqualTo("reader/a");
            assertThat(harness.frames.get(0).after()).isEmpty();
            assertThat(harness.entries()).extracting(Entry::sequence).containsExactly(first, second);
            assertThat(harness.entries()).extracting(Entry::arrivalTime).containsExactly(START, START + 5);
        }
    }

    @Test
    void slicesAResponseByPayloadBytes() {
        Stream.of("1234", "5678", "90", "long-payload-on-its-own", "x").forEach(text -> kinesis.put("a", text));

        try (ReaderHarness harness = read(config("source.batch.bytes", "10 b"), fromStart("a"))) {
            harness.pollUntil("all records", () -> harness.texts().size() == 5);

            assertThat(harness.frames)
                    .extracting(frame -> frame.texts())
                    .containsExactly(
                            List.of("1234", "5678", "90"), List.of("long-payload-on-its-own"), List.of("x"));
        }
    }

    @Test
    void eachFrameNamesTheLastSequenceOfTheFrameBeforeAlsoAfterARestore() {
        kinesis.recordsPerResponse(2);
        List<String> sequences =
                IntStream.range(0, 4).mapToObj(i -> kinesis.put("a", "1234567890")).toList();
        SourceConfig config = config("source.batch.bytes", "10 b");
        ShardSplit checkpoint;
        try (ReaderHarness harness = read(config, fromStart("a"))) {
            harness.pollUntil("three slices of two responses", () -> harness.frames.size() == 3);
            assertThat(harness.frames)
                    .extracting(Frame::after)
                    .containsExactly("", sequences.get(0), sequences.get(1));
            checkpoint = harness.reader.snapshotState(1).get(0);
        }

        try (ReaderHarness harness = read(config, checkpoint)) {
            harness.pollUntil("the last slice", () -> harness.frames.size() == 1);
            assertThat(harness.frames).extracting(Frame::after).containsExactly(sequences.get(2));
        }
    }

    @Test
    void givesControlBackAfterEachSliceSoThatACheckpointCanFallBetween() {
        IntStream.range(0, 5).forEach(i -> kinesis.put("a", "1234567890"));

        try (ReaderHarness harness = read(config("source.batch.bytes", "10 b"), fromStart("a"))) {
            harness.pollUntil("the first slice", () -> harness.frames.size() == 1);

            assertThat(harness.reader.isAvailable()).isDone();
            assertThat(harness.poll()).isEqualTo(InputStatus.MORE_AVAILABLE);
            assertThat(harness.frames).hasSize(2);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4, 5, 6, 7, 8, 9})
    void restoredInTheMiddleOfAResponseNoRecordComesTwiceAndNoneIsMissing(int framesBefore) {
        IntStream.range(0, 10).forEach(i -> kinesis.put("a", "record-" + i));
        SourceConfig config = config("source.batch.bytes", "8 b");
        List<String> emitted;
        ShardSplit checkpoint;
        try (ReaderHarness harness = read(config, fromStart("a"))) {
            harness.pollUntil("some slices", () -> harness.frames.size() == framesBefore);
            emitted = new ArrayList<>(harness.texts());
            checkpoint = harness.reader.snapshotState(1).get(0);
            // What is read between the checkpoint and the failure is rolled back with everything behind it.
            harness.poll();
        }

        try (ReaderHarness harness = read(config, checkpoint)) {
            harness.pollUntil("the rest", () -> harness.texts().size() == 10 - framesBefore);
            emitted.addAll(harness.texts());
        }

        assertThat(emitted).containsExactlyElementsOf(IntStream.range(0, 10).mapToObj(i -> "record-" + i).toList());
    }

    @Test
    void countsRecordsBytesAndLag() {
        kinesis.put("a", "12345");
        kinesis.put("a", "678");
        kinesis.pass(7_000);
        kinesis.put("a", "unread");
        kinesis.pass(5_000);
        kinesis.recordsPerResponse(2);

        try (ReaderHarness harness = read(config("source.poll.interval", "1 h"), fromStart("a"))) {
            harness.pollUntil("both records", () -> harness.texts().size() == 2);
            assertThat(harness.reader.millisBehindLatest()).isEqualTo(5_000);

            assertThat(harness.metrics.getIOMetricGroup().getNumRecordsInCounter().getCount()).isEqualTo(2);
            assertThat(harness.metrics.getIOMetricGroup().getNumBytesInCounter().getCount()).isEqualTo(8);
        }
    }

    // ------------------------------------------------------------------------------------- failures

    static Stream<RuntimeException> passingFailures() {
        return Stream.of(
                FakeKinesis.awsError(ProvisionedThroughputExceededException.builder(), 400, "slow down"),
                FakeKinesis.awsError(LimitExceededException.builder(), 400, "slow down"),
                FakeKinesis.awsError(KinesisException.builder(), 400, "ThrottlingException"),
                FakeKinesis.awsError(KinesisException.builder(), 500, "InternalFailure"),
                FakeKinesis.awsError(KinesisException.builder(), 503, "ServiceUnavailable"),
                FakeKinesis.awsError(KinesisException.builder(), 400, "RequestTimeTooSkewed"),
                SdkClientException.create("cannot connect", new ConnectException("refused")),
                ApiCallAttemptTimeoutException.create(20_000),
                ExpiredIteratorException.builder().message("expired").build());
    }

    @ParameterizedTest
    @MethodSource("passingFailures")
    void readsOnAfterAFailureThatPasses(RuntimeException failure) {
        kinesis.put("a", "one");
        kinesis.fail("a", failure, failure);

        try (ReaderHarness harness = read(config(), fromStart("a"))) {
            harness.pollUntil("the record", () -> harness.texts().equals(List.of("one")));
        }
    }

    @Test
    void aThrottledShardHoldsUpNeitherAnotherShardNorACheckpoint() {
        RuntimeException throttled =
                FakeKinesis.awsError(ProvisionedThroughputExceededException.builder(), 400, "slow down");
        kinesis.fail("a", Stream.generate(() -> throttled).limit(1_000).toArray(RuntimeException[]::new));
        IntStream.range(0, 50).forEach(i -> kinesis.put("b", "b" + i));
        kinesis.recordsPerResponse(1);

        try (ReaderHarness harness = read(config(), fromStart("a"), fromStart("b"))) {
            harness.pollUntil("all of b", () -> harness.texts().size() == 50);

            assertThat(kinesis.hasFailuresLeft("a")).isTrue();
            assertThat(harness.reader.snapshotState(1))
                    .extracting(ShardSplit::position)
                    .containsExactly(new Position.TrimHorizon(), new Position.After("00000000000000000050"));
        }
    }

    @Test
    void renewsAnExpiredIteratorFromTheLastRecordRead() {
        kinesis.put("a", "one");
        try (ReaderHarness harness = read(config("source.poll.interval", "20 ms"), fromStart("a"))) {
            harness.pollUntil("the first record", () -> harness.texts().size() == 1);

            kinesis.pass(400_000);
            kinesis.put("a", "two");
            harness.pollUntil("the second record", () -> harness.texts().size() == 2);

            assertThat(harness.texts()).containsExactly("one", "two");
            assertThat(kinesis.calls()).contains("a AFTER_SEQUENCE_NUMBER 00000000000000000001");
        }
    }

    @Test
    void renewsAnExpiredIteratorFromTheStartPositionWhereNothingWasReadYet() {
        ShardSplit split = new ShardSplit(
                "a", new Position.AtTimestamp(START), ShardSplit.NO_STOP, ShardSplit.NO_WATERMARK, Phase.READING);
        try (ReaderHarness harness = read(config("source.poll.interval", "20 ms"), split)) {
            harness.pollUntil("an empty response", () -> !harness.watermarks.isEmpty());
            kinesis.put("a", "one");
            kinesis.pass(400_000);

            harness.pollUntil("the record", () -> harness.texts().size() == 1);

            assertThat(kinesis.calls()).containsSubsequence("a AT_TIMESTAMP " + START, "a AT_TIMESTAMP " + START);
        }
    }

    static Stream<RuntimeException> lastingFailures() {
        return Stream.of(
                FakeKinesis.awsError(KinesisException.builder(), 400, "AccessDeniedException"),
                FakeKinesis.awsError(InvalidArgumentException.builder(), 400, "sequence number is invalid"),
                FakeKinesis.awsError(ResourceNotFoundException.builder(), 400, "stream is gone"),
                SdkClientException.create("Unable to load credentials"));
    }

    @ParameterizedTest
    @MethodSource("lastingFailures")
    void failsWithStreamRegionAndShardWhereRetryingDoesNotHelp(RuntimeException failure) {
        kinesis.fail("a", failure);

        try (ReaderHarness harness = read(config(), fromStart("a"))) {
            assertThatThrownBy(() -> harness.pollUntil("never", () -> false))
                    .hasMessageContaining("Kinesis stream 'reader' in region 'eu-test-1'")
                    .hasMessageContaining("shard a")
                    .hasMessageContaining(failure.getMessage())
                    .hasCause(failure);
        }
    }

    @Test
    void endsAShardThatIsPastItsRetention() {
        kinesis.trim("a");

        try (ReaderHarness harness = read(config(), fromStart("a"))) {
            harness.pollUntil("the end", () -> !harness.sent.isEmpty());

            assertThat(harness.sent).containsExactly(new Events.ShardEnded("a", true, ShardSplit.NO_WATERMARK));
        }
    }

    // ------------------------------------------------------------------------------------- watermarks

    @Test
    void anEmptyShardMovesItsWatermark() {
        try (ReaderHarness harness = read(config(), fromStart("a"))) {
            harness.pollUntil("a watermark", () -> harness.watermark() == START - LAG);

            kinesis.pass(60_000);
            harness.pollUntil("the next", () -> harness.watermark() == START + 60_000 - LAG);
        }
    }

    @Test
    void aQuietShardDoesNotHoldBackABusyOne() {
        try (ReaderHarness harness = read(config(), fromStart("a"), fromStart("b"))) {
            kinesis.put("a", "one");
            kinesis.pass(10_000);

            harness.pollUntil("the watermark of b", () -> harness.watermark() >= START + 9_000);
        }
    }

    @Test
    void theWatermarkFollowsTheLastSliceOfAResponseAndStaysBehindWhatIsUnread() {
        kinesis.put("a", "1234567890");
        kinesis.pass(30_000);
        kinesis.put("a", "1234567890");
        kinesis.pass(30_000);
        kinesis.put("a", "1234567890");
        kinesis.pass(3_600_000);
        kinesis.recordsPerResponse(2);

        try (ReaderHarness harness = read(config("source.batch.bytes", "10 b"), fromStart("a"))) {
            harness.pollUntil("the first slice", () -> harness.frames.size() == 1);
            assertThat(harness.watermarks).isEmpty();

            harness.pollUntil("the second slice", () -> harness.frames.size() == 2);
            assertThat(harness.watermarks).containsExactly(START + 30_000 - ShardReading.DISORDER_MILLIS);

            harness.pollUntil("the tip", () -> harness.watermark() == START + 3_660_000 - LAG);
            assertThat(harness.watermarks).isSorted();
        }
    }

    @Test
    void saysNothingOfTimeUntilTheAssignmentIsComplete() {
        try (ReaderHarness harness = new ReaderHarness(config(), kinesis)) {
            harness.reader.start();
            kinesis.put("a", "one");
            harness.reader.addSplits(List.of(fromStart("a")));
            harness.pollUntil("the record", () -> harness.texts().size() == 1);
            assertThat(harness.watermarks).isEmpty();

            harness.reader.handleSourceEvents(new Events.AssignmentComplete());
            harness.pollUntil("a watermark", () -> !harness.watermarks.isEmpty());

            assertThat(harness.idleness).isEmpty();
        }
    }

    @Test
    void aReaderWithoutShardsIsIdleUntilItGetsOne() {
        try (ReaderHarness harness = read(config())) {
            harness.pollUntil("idleness", harness::isIdle);

            harness.reader.addSplits(List.of(fromStart("a")));
            harness.pollUntil("a watermark", () -> !harness.watermarks.isEmpty());

            assertThat(harness.idleness).containsExactly("idle", "active");
        }
    }

    @Test
    void aReaderIsActiveAtItsEndSoThatTheLastWatermarkIsHeard() {
        try (ReaderHarness harness = read(config())) {
            harness.pollUntil("idleness", harness::isIdle);

            harness.reader.notifyNoMoreSplits();
            harness.pollUntil("the end", harness::hasEnded);

            assertThat(harness.isIdle()).isFalse();
        }
    }

    @Test
    void aClosedShardHoldsTheWatermarkUntilItsChildrenDo() {
        kinesis.put("a", "last");
        kinesis.close("a");
        kinesis.pass(60_000);

        try (ReaderHarness harness = read(config(), fromStart("a"), fromStart("b"))) {
            harness.pollUntil("the end of a", () -> ended(harness).contains("a"));
            long held = START - ShardReading.DISORDER_MILLIS;
            kinesis.pass(60_000);
            Set<String> polls = new HashSet<>();
            harness.pollUntil("b to be read on", () -> polls.add("poll " + polls.size()) && polls.size() > 100);
            assertThat(harness.watermark()).isEqualTo(held);
            assertThat(harness.sent).contains(new Events.ShardEnded("a", true, held));
            assertThat(harness.releasedOutputs).containsExactly("a");

            harness.reader.handleSourceEvents(new Events.HoldReleased(List.of("a")));
            harness.pollUntil("the watermark of b", () -> harness.watermark() == START + 120_000 - LAG);
        }
    }

    @Test
    void aReaderWhoseOnlyShardWasClosedIsIdleOnlyOnceTheChildrenHoldTheWatermark() {
        kinesis.close("a");

        try (ReaderHarness harness = read(config(), fromStart("a"))) {
            harness.pollUntil("the end", () -> !ended(harness).isEmpty());
            harness.poll();
            assertThat(harness.isIdle()).isFalse();

            harness.reader.handleSourceEvents(new Events.HoldReleased(List.of("a")));
            harness.pollUntil("idleness", harness::isIdle);
        }
    }

    @Test
    void tellsThatItCaughtUpWithAChildOnlyWhenItsOwnWatermarkIsNotAhead() {
        try (ReaderHarness harness = read(config(), fromStart("b"))) {
            kinesis.pass(100_000);
            harness.pollUntil("the watermark of b", () -> harness.watermark() == START + 100_000 - LAG);
            harness.sent.clear();

            kinesis.fail("c", FakeKinesis.awsError(LimitExceededException.builder(), 400, "slow down"));
            kinesis.shard("c", "a");
            kinesis.put("c", "first");
            harness.reader.addSplits(List.of(new ShardSplit(
                    "c", new Position.TrimHorizon(), ShardSplit.NO_STOP, START + 50_000, Phase.READING)));
            harness.poll();
            assertThat(harness.sent).isEmpty();

            kinesis.pass(100_000);
            harness.pollUntil("c to catch up", () -> harness.sent.contains(new Events.CaughtUp("c")));
            assertThat(harness.texts()).containsExactly("first");
        }
    }

    // ------------------------------------------------------------------------------------- ends

    @Test
    void keepsAnEndInItsStateUntilTheEnumeratorAnswersAndSaysItAgainAfterARestore() {
        kinesis.put("a", "last");
        kinesis.close("a");
        ShardSplit ended = new ShardSplit(
                "a",
                new Position.After("00000000000000000001"),
                ShardSplit.NO_STOP,
                START - ShardReading.DISORDER_MILLIS,
                Phase.CLOSED);
        try (ReaderHarness harness = read(config(), fromStart("a"))) {
            harness.pollUntil("the end", () -> !ended(harness).isEmpty());
            assertThat(harness.reader.snapshotState(1)).containsExactly(ended);

            harness.reader.handleSourceEvents(new Events.HoldReleased(List.of("a")));
            assertThat(harness.reader.snapshotState(2)).isEmpty();
        }

        try (ReaderHarness harness = read(config(), ended)) {
            harness.poll();
            assertThat(harness.sent).containsExactly(new Events.ShardEnded("a", true, ended.watermark()));
            assertThat(harness.watermarks).containsExactly(ended.watermark());
            assertThat(harness.texts()).isEmpty();
        }
    }

    @Test
    void readsUpToTheStopAndEndsWhenTheEnumeratorSaysSo() {
        kinesis.put("a", "before");
        kinesis.pass(10_000);
        kinesis.put("a", "after");
        ShardSplit a = until("a", START + 10_000);
        ShardSplit b = until("b", START + 10_000);

        try (ReaderHarness harness = read(config(), a, b)) {
            harness.pollUntil("nothing more before the stop", () -> harness.texts().size() == 1);
            kinesis.pass(1_001);
            harness.pollUntil("both ends", () -> ended(harness).size() == 2);
            assertThat(harness.hasEnded()).isFalse();

            harness.reader.notifyNoMoreSplits();
            harness.pollUntil("the end of input", harness::hasEnded);

            assertThat(harness.texts()).containsExactly("before");
            assertThat(harness.reader.snapshotState(1)).extracting(ShardSplit::phase).containsOnly(Phase.STOPPED);
        }
    }

    @Test
    void stopsAtARecordBeyondTheStopWithoutReadingToTheTip() {
        kinesis.recordsPerResponse(1);
        kinesis.put("a", "before");
        kinesis.pass(10_000);
        IntStream.range(0, 1_000).forEach(i -> kinesis.put("a", "beyond"));

        try (ReaderHarness harness = read(config(), until("a", START + 5_000))) {
            harness.pollUntil("the end", () -> !ended(harness).isEmpty());

            assertThat(harness.texts()).containsExactly("before");
            assertThat(harness.reader.snapshotState(1))
                    .extracting(ShardSplit::position)
                    .containsExactly(new Position.After("00000000000000000002"));
        }
    }

    @Test
    void keepsARecordThatArrivedBeforeTheStopBehindOneThatArrivedAfterIt() {
        kinesis.put("a", "one");
        kinesis.pass(1_500);
        kinesis.put("a", "after the stop");
        kinesis.pass(-800);
        kinesis.put("a", "out of order");
        kinesis.pass(10_000);

        try (ReaderHarness harness = read(config(), until("a", START + 1_000))) {
            harness.pollUntil("the end", () -> !ended(harness).isEmpty());

            assertThat(harness.texts()).containsExactly("one", "out of order");
        }
    }

    private ReaderHarness read(SourceConfig config, ShardSplit... splits) {
        return ReaderHarness.started(config, kinesis, splits);
    }

    private static SourceConfig config(String... more) {
        return Configs.of(STREAM, more);
    }

    private static ShardSplit fromStart(String shardId) {
        return until(shardId, ShardSplit.NO_STOP);
    }

    private static ShardSplit until(String shardId, long stop) {
        return new ShardSplit(shardId, new Position.TrimHorizon(), stop, ShardSplit.NO_WATERMARK, Phase.READING);
    }

    private static List<String> ended(ReaderHarness harness) {
        return harness.sent.stream()
                .filter(Events.ShardEnded.class::isInstance)
                .map(event -> ((Events.ShardEnded) event).shardId())
                .toList();
    }
}
