package dev.cali.connectors.kinesis;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cali.connectors.kinesis.EnumeratorState.Bounds;
import dev.cali.connectors.kinesis.EnumeratorState.Shard;
import dev.cali.connectors.kinesis.EnumeratorState.Status;
import dev.cali.connectors.kinesis.KinesisBatchEnumerator.BoundsMemory;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import javax.annotation.Nullable;
import org.apache.flink.runtime.execution.SuppressRestartsException;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import software.amazon.awssdk.services.kinesis.model.KinesisException;
import software.amazon.awssdk.services.kinesis.model.LimitExceededException;

class KinesisBatchEnumeratorTest {

    private static final String STREAM = "enumerator";
    private static final long START = 1_700_000_000_400L;

    /** What a clock that is given in whole seconds says of {@link #START}. */
    private static final long START_SECOND = 1_700_000_000_000L;

    private FakeKinesis kinesis;
    private EnumeratorHarness.Log log;
    private EnumeratorHarness harness;

    @BeforeEach
    void makeStream() {
        kinesis = new FakeKinesis(STREAM, START);
    }

    // ------------------------------------------------------------------------------------- assignment

    @Test
    void waitsForAllReadersAndSpreadsTheShardsEvenly() {
        List.of("a", "b", "c", "d").forEach(id -> kinesis.shard(id));
        start(2);

        harness.register(0);
        harness.discover();
        assertThat(log.words).isEmpty();

        harness.register(1);
        assertThat(log.words)
                .containsExactlyInAnyOrder(
                        "0 reads a", "1 reads b", "0 reads c", "1 reads d", "0 complete", "1 complete");
        assertThat(log.words.subList(4, 6)).containsExactly("0 complete", "1 complete");
    }

    @Test
    void tellsAReaderWithoutShardsThatItHasAll() {
        kinesis.shard("a");
        startAndRegister(3);

        assertThat(log.words).contains("1 complete", "2 complete");
    }

    @Test
    void findsAllShardsOfAStreamThatIsListedInPages() {
        kinesis.shardsPerPage(2);
        List.of("a", "b", "c", "d", "e").forEach(id -> kinesis.shard(id));
        startAndRegister(1);

        assertThat(log.splits.get(0)).extracting(ShardSplit::shardId).containsExactly("a", "b", "c", "d", "e");
    }

    @Test
    void assignsAChildOnlyAfterAllItsParentsAreReadToTheirEnds() {
        kinesis.shard("a").shard("b").shard("c", "a", "b");
        startAndRegister(1);
        assertThat(log.words).containsExactly("0 reads a", "0 reads b", "0 complete");

        end(0, "a", true, 10);
        assertThat(log.words).doesNotContain("0 reads c");

        end(0, "b", true, 20);
        assertThat(log.words).contains("0 reads c");
    }

    @Test
    void aChildStartsWithTheWatermarkOfItsParents() {
        kinesis.shard("a").shard("b").shard("c", "a", "b");
        startAndRegister(1);
        end(0, "a", true, 10);
        end(0, "b", true, 20);

        assertThat(log.split("c").watermark()).isEqualTo(20);
        assertThat(log.split("c").position()).isEqualTo(new Position.TrimHorizon());
    }

    @Test
    void readsAShardWhoseParentsArePastTheirRetention() {
        kinesis.shard("c", "a", "b");
        startAndRegister(1);

        assertThat(log.words).contains("0 reads c");
    }

    @Test
    void findsTheChildrenAtOnceWhenAShardEnds() {
        kinesis.shard("a");
        startAndRegister(1);
        kinesis.shard("b", "a");

        end(0, "a", true, 10);

        assertThat(log.words).contains("0 reads b");
    }

    @Test
    void givesChildrenToTheReaderThatLostTheirParent() {
        List.of("a", "b", "c").forEach(id -> kinesis.shard(id));
        startAndRegister(3);
        kinesis.shard("d", "b");

        end(1, "b", true, 10);

        assertThat(log.words).contains("1 reads d");
    }

    @Test
    void handsAShardOutAgainWhenItsReaderFailedBeforeACheckpoint() {
        kinesis.shard("a").shard("b");
        startAndRegister(2);

        harness.fail(1, List.of(log.split("b")));
        log.words.clear();
        harness.register(1);

        assertThat(log.words).containsExactly("1 reads b", "1 complete");
    }

    // ------------------------------------------------------------------------------------- positions

    @Test
    void latestIsTheServicesTimeAtTheStartForTheShardsThatAreThereAndTrimHorizonForLaterOnes() {
        kinesis.shard("a");
        startAndRegister(1, "source.init.position", "LATEST");
        kinesis.pass(50_000);
        kinesis.shard("b", "a");
        end(0, "a", true, 10);

        long latest = ((Position.AtTimestamp) log.split("a").position()).timestamp();
        assertThat(latest).isBetween(START_SECOND - 5_000, START_SECOND);
        assertThat(log.split("b").position()).isEqualTo(new Position.TrimHorizon());
    }

    @Test
    void latestDoesNotMoveWithARestoreNorWithARestartBeforeTheFirstCheckpoint() {
        kinesis.shard("a");
        BoundsMemory memory = new BoundsMemory();
        start(1, memory, null, "source.init.position", "LATEST");
        harness.discover();
        EnumeratorState checkpoint = harness.enumerator.snapshotState(1);
        kinesis.pass(50_000);

        start(1, memory, null, "source.init.position", "LATEST");
        harness.discover();
        assertThat(harness.enumerator.snapshotState(2)).isEqualTo(checkpoint);

        start(1, new BoundsMemory(), checkpoint, "source.init.position", "LATEST");
        harness.discover();
        assertThat(harness.enumerator.snapshotState(3)).isEqualTo(checkpoint);
    }

    @Test
    void aCheckpointBeforeTheFirstListingKeepsTheStartToo() {
        kinesis.shard("a");
        long before = System.currentTimeMillis();
        start(1, new BoundsMemory(), null, "source.init.position", "LATEST");
        EnumeratorState checkpoint = harness.enumerator.snapshotState(1);
        long after = System.currentTimeMillis();

        assertThat(checkpoint.bounds().start()).isBetween(before - 1, after);
        start(1, new BoundsMemory(), checkpoint, "source.init.position", "LATEST");
        harness.register(0);
        harness.discover();
        assertThat(log.split("a").position()).isEqualTo(checkpoint.bounds().startPosition());
    }

    @Test
    void readsNothingOfShardsThatWereClosedBeforeTheStart() {
        kinesis.shard("old");
        kinesis.pass(1_000);
        kinesis.close("old");
        kinesis.shard("new", "old");
        kinesis.pass(100_000);
        String start = Instant.ofEpochMilli(START + 50_000).toString();
        startAndRegister(1, "source.init.position", "AT_TIMESTAMP", "source.init.timestamp", start);

        assertThat(log.words).containsExactly("0 reads new", "0 complete");
        harness.discover();
        assertThat(log.words).hasSize(2);
    }

    @Test
    void nowIsBehindEverythingPutBeforeTheStart() {
        kinesis.shard("a");
        startAndRegister(1, "source.stop.position", "NOW");

        assertThat(log.split("a").stopTimestamp()).isEqualTo(START_SECOND + 1_000);
    }

    // ------------------------------------------------------------------------------------- holds

    @Test
    void releasesAHoldOnlyWhenAllChildrenHoldTheWatermarkThemselves() {
        kinesis.shard("a").shard("b", "a").shard("c", "a");
        startAndRegister(2);
        end(0, "a", true, 10);
        assertThat(log.words).doesNotContain("0 releases [a]");

        caughtUp(0, "b");
        assertThat(log.words).doesNotContain("0 releases [a]");

        caughtUp(1, "c");
        assertThat(log.words).contains("0 releases [a]");
    }

    @Test
    void aHoldGoesOnForGrandchildrenOfAChildThatEndedBeforeItsReaderCaughtUp() {
        kinesis.shard("a").shard("b", "a").shard("c", "b");
        startAndRegister(2);
        end(0, "a", true, 10);
        end(1, "b", true, 10);
        assertThat(log.words).noneMatch(word -> word.contains("releases"));

        caughtUp(0, "c");
        assertThat(log.words).contains("0 releases [a]", "1 releases [b]");
    }

    @Test
    void doesNotHoldForEverForChildrenThatNeverAppear() {
        kinesis.shard("a").shard("b");
        startAndRegister(1);
        end(0, "a", true, 10);
        harness.discover();
        assertThat(log.words).noneMatch(word -> word.contains("releases"));

        harness.nanos += Duration.ofMinutes(1).toNanos();
        harness.discover();
        assertThat(log.words).contains("0 releases [a]");
    }

    // ------------------------------------------------------------------------------------- checkpoints

    @Test
    void hearsOfAnEndAgainAfterARestoreThatLostTheMessage() {
        kinesis.shard("a").shard("b", "a");
        startAndRegister(1);
        EnumeratorState beforeTheEnd = harness.enumerator.snapshotState(1);

        start(1, new BoundsMemory(), beforeTheEnd);
        harness.register(0);
        harness.discover();
        assertThat(log.words).containsExactly("0 complete");
        end(0, "a", true, 10);
        end(0, "a", true, 10);

        assertThat(log.words).containsExactly("0 complete", "0 reads b");
    }

    @Test
    void keepsChildrenBehindParentsAcrossARestore() {
        kinesis.shard("a").shard("b").shard("c", "a", "b");
        startAndRegister(1);
        end(0, "a", true, 10);
        EnumeratorState checkpoint = harness.enumerator.snapshotState(1);

        start(1, new BoundsMemory(), checkpoint);
        harness.register(0);
        harness.discover();
        assertThat(log.words).containsExactly("0 complete");

        end(0, "b", true, 20);
        assertThat(log.words).contains("0 reads c");
    }

    @Test
    void dropsFinishedShardsPastTheirRetentionFromItsState() {
        kinesis.shard("a").shard("b", "a");
        startAndRegister(1);
        end(0, "a", true, 10);
        kinesis.trim("a");
        harness.discover();
        assertThat(harness.enumerator.snapshotState(1).shards()).extracting(Shard::id).containsExactly("a", "b");

        caughtUp(0, "b");
        harness.discover();
        assertThat(harness.enumerator.snapshotState(2).shards()).extracting(Shard::id).containsExactly("b");
    }

    @Test
    void releasesAHoldThatWasRestoredForAShardPastItsRetention() {
        kinesis.shard("b");
        startAndRegister(1);

        end(0, "a", true, 10);

        assertThat(log.words).contains("0 releases [a]");
    }

    @Test
    void refusesTheStateOfAnotherStreamOrStop() {
        EnumeratorState other = new EnumeratorState("other", new Bounds(0, ShardSplit.NO_STOP), List.of());
        EnumeratorState bounded = new EnumeratorState(STREAM, new Bounds(0, 5), List.of());

        assertThatThrownBy(() -> start(1, new BoundsMemory(), other))
                .hasMessageContaining("stream 'other'")
                .hasMessageContaining("'enumerator' in region 'eu-test-1'");
        assertThatThrownBy(() -> start(1, new BoundsMemory(), bounded)).hasMessageContaining("another stop position");
        assertThatCode(() -> start(1, new BoundsMemory(), bounded, "source.stop.position", "NOW"))
                .doesNotThrowAnyException();
    }

    // ------------------------------------------------------------------------------------- the end

    @Test
    void aBoundedRunEndsWhenAllShardsAreReadEmptyOnesAndClosedOnesToo() {
        kinesis.shard("a").shard("b", "a").shard("c");
        startAndRegister(2, "source.stop.position", "NOW");
        end(0, "a", true, 10);
        end(1, "c", false, 10);
        assertThat(log.ended).isEmpty();

        end(0, "b", false, 10);
        assertThat(log.ended).containsExactlyInAnyOrder(0, 1);
    }

    @Test
    void aBoundedRunReadsAShardThatAppearedBeforeTheStop() {
        kinesis.shard("a");
        startAndRegister(1, "source.stop.position", "NOW");
        kinesis.shard("b", "a");

        end(0, "a", false, 10);
        assertThat(log.ended).isEmpty();
        assertThat(log.words).contains("0 reads b");

        end(0, "b", false, 10);
        assertThat(log.ended).containsExactly(0);
    }

    @Test
    void anEndlessRunDoesNotEnd() {
        kinesis.shard("a");
        startAndRegister(1);
        end(0, "a", true, 10);
        harness.nanos += Duration.ofMinutes(5).toNanos();
        harness.discover();

        assertThat(log.ended).isEmpty();
    }

    @Test
    void tellsAReaderThatComesBackAfterTheEnd() {
        kinesis.shard("a");
        startAndRegister(1, "source.stop.position", "NOW");
        end(0, "a", false, 10);
        harness.fail(0, List.of());
        log.ended.clear();

        harness.register(0);

        assertThat(log.ended).containsExactly(0);
    }

    // ------------------------------------------------------------------------------------- failures

    @Test
    void aStreamThatDoesNotExistEndsTheJobWithItsNameAndRegion() {
        start(1, new BoundsMemory(), null, "stream", "missing");

        assertThatThrownBy(() -> harness.discover())
                .isInstanceOf(SuppressRestartsException.class)
                .cause()
                .hasMessageContaining("Kinesis stream 'missing' in region 'eu-test-1': cannot list shards")
                .hasMessageContaining("no such stream");
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    void listsAgainAfterAFailureThatPasses(int failures) {
        kinesis.shard("a");
        for (int i = 0; i < failures; i++) {
            kinesis.fail("list", FakeKinesis.awsError(LimitExceededException.builder(), 400, "slow down"));
        }
        startAndRegister(1);

        assertThat(log.words).contains("0 reads a");
    }

    @Test
    void goesOnReadingWhileShardsCannotBeListedAndFailsWithoutPermission() {
        kinesis.shard("a");
        startAndRegister(1);
        for (int i = 0; i < 5; i++) {
            kinesis.fail("list", FakeKinesis.awsError(KinesisException.builder(), 503, "ServiceUnavailable"));
        }
        assertThatCode(() -> harness.discover()).doesNotThrowAnyException();

        kinesis.fail("list", FakeKinesis.awsError(KinesisException.builder(), 400, "AccessDeniedException"));
        assertThatThrownBy(() -> harness.discover())
                .hasMessageContaining("Kinesis stream 'enumerator'")
                .hasMessageContaining("AccessDeniedException");
    }

    @Test
    void recordsTheStatusOfEachShard() {
        kinesis.shard("a").shard("b", "a").shard("c").shard("d", "c");
        startAndRegister(1);
        end(0, "a", true, 10);

        assertThat(harness.enumerator.snapshotState(1).shards())
                .extracting(Shard::status)
                .containsExactly(Status.CLOSED, Status.ASSIGNED, Status.ASSIGNED, Status.UNASSIGNED);
    }

    private void startAndRegister(int parallelism, String... options) {
        start(parallelism, new BoundsMemory(), null, options);
        for (int subtask = 0; subtask < parallelism; subtask++) {
            harness.register(subtask);
        }
        harness.discover();
    }

    private void start(int parallelism) {
        start(parallelism, new BoundsMemory(), null);
    }

    private void start(
            int parallelism, BoundsMemory memory, @Nullable EnumeratorState restored, String... options) {
        log = new EnumeratorHarness.Log();
        harness = new EnumeratorHarness(
                Configs.of(STREAM, options), kinesis, parallelism, log, memory, restored);
        harness.enumerator.start();
    }

    private void end(int subtask, String shardId, boolean closed, long watermark) {
        harness.enumerator.handleSourceEvent(subtask, new Events.ShardEnded(shardId, closed, watermark));
    }

    private void caughtUp(int subtask, String shardId) {
        harness.enumerator.handleSourceEvent(subtask, new Events.CaughtUp(shardId));
    }
}
