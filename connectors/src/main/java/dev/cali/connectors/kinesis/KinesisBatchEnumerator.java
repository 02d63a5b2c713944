package dev.cali.connectors.kinesis;

import dev.cali.connectors.kinesis.EnumeratorState.Bounds;
import dev.cali.connectors.kinesis.EnumeratorState.Shard;
import dev.cali.connectors.kinesis.EnumeratorState.Status;
import dev.cali.connectors.kinesis.KinesisBatchSourceOptions.InitialPosition;
import dev.cali.connectors.kinesis.StreamClient.ListedShard;
import dev.cali.connectors.kinesis.StreamClient.Listing;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import javax.annotation.Nullable;
import org.apache.flink.api.connector.source.SourceEvent;
import org.apache.flink.api.connector.source.SplitEnumerator;
import org.apache.flink.api.connector.source.SplitEnumeratorContext;
import org.apache.flink.api.connector.source.SplitsAssignment;
import org.apache.flink.runtime.execution.SuppressRestartsException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Finds the shards, and hands each to a reader once all its parents are read to their ends.
 *
 * <p>Also keeps readers from running ahead of shards they do not know of: see {@link Events}.
 */
final class KinesisBatchEnumerator implements SplitEnumerator<ShardSplit, EnumeratorState> {

    private static final Logger LOG = LoggerFactory.getLogger(KinesisBatchEnumerator.class);
    private static final int LISTING_ATTEMPTS = 5;

    /** A closed shard has children, but for a stream that is being deleted: the watermark is not held for ever. */
    private static final Duration WAIT_FOR_CHILDREN = Duration.ofMinutes(1);

    private final SplitEnumeratorContext<ShardSplit> context;
    private final SourceConfig config;
    private final StreamClient client;
    private final BoundsMemory boundsMemory;
    private final Backoff backoff = new Backoff(Math::random);
    private final LongSupplier nanoTime;
    private final long startedMillis = System.currentTimeMillis();

    private final NavigableMap<String, Shard> shards = new TreeMap<>();
    private final boolean isRestored;

    /** Set once; read by the thread that lists. */
    @Nullable private volatile Bounds bounds;

    private boolean isDiscovered;
    private boolean hasEnded;

    /** Ends of shards so far: a listing asked for before the last of them may lack the children. */
    private volatile int ends;

    private int endsBeforeListing = -1;

    /** How many shards each reader has more than at the restore, where all had about the same. */
    private final Map<Integer, Integer> load = new HashMap<>();

    private final Set<Integer> completed = new HashSet<>();
    private final Set<String> caughtUp = new HashSet<>();
    private final Set<String> childless = new HashSet<>();
    private final Map<String, Long> waitingForChildrenSince = new HashMap<>();

    /** Which reader holds its watermark for a closed shard. */
    private final Map<String, Integer> holders = new HashMap<>();

    KinesisBatchEnumerator(
            SplitEnumeratorContext<ShardSplit> context,
            SourceConfig config,
            StreamClient client,
            BoundsMemory boundsMemory,
            LongSupplier nanoTime,
            @Nullable EnumeratorState restored) {
        this.context = context;
        this.config = config;
        this.client = client;
        this.boundsMemory = boundsMemory;
        this.nanoTime = nanoTime;
        isRestored = restored != null;
        if (restored != null) {
            requireSame(config, restored);
            bounds = restored.bounds();
            restored.shards().forEach(shard -> shards.put(shard.id(), shard));
        }
    }

    @Override
    public void start() {
        context.callAsync(
                this::discover, this::onDiscovered, 0, config.shardDiscoveryInterval().toMillis());
    }

    @Override
    public void handleSplitRequest(int subtask, @Nullable String host) {
        // Shards are handed out as they become readable.
    }

    @Override
    public void addReader(int subtask) {
        completed.remove(subtask);
        if (hasEnded) {
            context.signalNoMoreSplits(subtask);
        }
        progress();
    }

    @Override
    public void addSplitsBack(List<ShardSplit> splits, int subtask) {
        load.remove(subtask);
        completed.remove(subtask);
        holders.values().removeIf(holder -> holder == subtask);
        for (ShardSplit split : splits) {
            caughtUp.remove(split.shardId());
            shards.computeIfPresent(
                    split.shardId(), (id, shard) -> shard.with(Status.UNASSIGNED, split.watermark()));
        }
    }

    @Override
    public void handleSourceEvent(int subtask, SourceEvent event) {
        if (event instanceof Events.ShardEnded ended) {
            onEnd(subtask, ended);
        } else if (event instanceof Events.CaughtUp up) {
            caughtUp.add(up.shardId());
        } else {
            throw new IllegalStateException("unknown event " + event);
        }
        progress();
    }

    @Override
    public EnumeratorState snapshotState(long checkpointId) {
        Bounds known = bounds;
        return new EnumeratorState(
                config.stream(),
                known != null ? known : resolve(new ServiceTime(startedMillis, startedMillis), startedMillis),
                List.copyOf(shards.values()));
    }

    @Override
    public void close() {
        client.close();
    }

    // ------------------------------------------------------------------------------------------ discovery

    /**
     * What a listing found.
     *
     * @param unreachable shards that were closed before the start: nothing of them is read
     */
    private record Discovery(List<ListedShard> listed, Set<String> unreachable, int endsBefore) {}

    /** Runs on a thread of its own, and may wait there. */
    private Discovery discover() throws InterruptedException {
        int endsBefore = ends;
        Listing listing = withRetries(client::listShards);
        if (bounds == null) {
            bounds = boundsMemory.resolveOnce(() -> resolve(listing.time(), System.currentTimeMillis()));
        }
        return new Discovery(listing.shards(), closedBeforeStart(listing), endsBefore);
    }

    private Set<String> closedBeforeStart(Listing listing) throws InterruptedException {
        if (isDiscovered || !shards.isEmpty() || bounds.start() == Long.MIN_VALUE) {
            return Set.of();
        }
        Set<String> unreachable = ids(listing);
        unreachable.removeAll(ids(withRetries(() -> client.listShardsFrom(bounds.start()))));
        return unreachable;
    }

    private Listing withRetries(Supplier<Listing> call) throws InterruptedException {
        for (int failures = 1; ; failures++) {
            try {
                return call.get();
            } catch (RuntimeException error) {
                if (Failure.of(error) != Failure.TRANSIENT || failures == LISTING_ATTEMPTS) {
                    throw error;
                }
                Thread.sleep(backoff.pause(failures).toMillis());
            }
        }
    }

    private void onDiscovered(@Nullable Discovery discovery, @Nullable Throwable error) {
        if (error != null) {
            onListingFailed(error);
            return;
        }
        boolean isFirst = shards.isEmpty();
        for (ListedShard found : discovery.listed()) {
            shards.computeIfAbsent(
                    found.id(),
                    id -> new Shard(
                            id,
                            found.parents(),
                            discovery.unreachable().contains(id) ? Status.STOPPED : Status.UNASSIGNED,
                            isFirst ? bounds.startPosition() : new Position.TrimHorizon(),
                            ShardSplit.NO_WATERMARK));
        }
        forgetTrimmed(discovery.listed());
        isDiscovered = true;
        endsBeforeListing = Math.max(endsBeforeListing, discovery.endsBefore());
        progress();
    }

    private void onListingFailed(Throwable error) {
        RuntimeException named = client.failure("cannot list shards", error);
        if (!isDiscovered && !isRestored && Failure.of(error) != Failure.TRANSIENT) {
            // A job that never ran: a wrong name or permission, which no restart mends.
            throw new SuppressRestartsException(named);
        }
        if (!isDiscovered || Failure.of(error) != Failure.TRANSIENT) {
            throw named;
        }
        LOG.warn("{}; trying again in {}", named.getMessage(), config.shardDiscoveryInterval());
    }

    /** Finished shards past their retention are dropped, so that the state does not grow with every reshard. */
    private void forgetTrimmed(List<ListedShard> listed) {
        Set<String> ids = listed.stream().map(ListedShard::id).collect(Collectors.toSet());
        shards.values().removeIf(shard ->
                shard.isFinished() && !ids.contains(shard.id()) && !holders.containsKey(shard.id()));
    }

    private Bounds resolve(ServiceTime serviceTime, long localMillis) {
        // LATEST means the moment of the start, also when the first answer came later.
        long sinceStart = localMillis - startedMillis;
        long start =
                switch (config.initialPosition()) {
                    case LATEST -> serviceTime.earliest() - sinceStart;
                    case TRIM_HORIZON -> Long.MIN_VALUE;
                    case AT_TIMESTAMP -> config.initialTimestamp();
                };
        long stop =
                switch (config.stopPosition()) {
                    case NEVER -> ShardSplit.NO_STOP;
                    case TIMESTAMP -> config.stopTimestamp();
                    case NOW -> serviceTime.latest() + 1;
                };
        return new Bounds(start, stop);
    }

    // ------------------------------------------------------------------------------------------ ends and holds

    private void onEnd(int subtask, Events.ShardEnded ended) {
        Status status = ended.closed() ? Status.CLOSED : Status.STOPPED;
        Shard before = shards.get(ended.shardId());
        if (before != null && !before.isFinished()) {
            shards.put(before.id(), before.with(status, ended.watermark()));
            load.merge(subtask, -1, Integer::sum);
            ends++;
        }
        if (ended.closed()) {
            holders.put(ended.shardId(), subtask);
        }
        if (ended.closed() && childrenOf(ended.shardId()).isEmpty() || isBounded() && allFinished()) {
            context.callAsync(this::discover, this::onDiscovered);
        }
    }

    private void progress() {
        assign();
        releaseHolds();
        endIfAllRead();
    }

    private void assign() {
        if (!isDiscovered || context.registeredReaders().size() < context.currentParallelism()) {
            return;
        }
        Map<Integer, List<ShardSplit>> assignment = new HashMap<>();
        for (Shard shard : List.copyOf(shards.values())) {
            if (shard.status() == Status.UNASSIGNED && shard.parents().stream().allMatch(this::isRead)) {
                int subtask = leastLoaded();
                load.merge(subtask, 1, Integer::sum);
                long watermark = Math.max(shard.watermark(), watermarkOfParents(shard));
                shards.put(shard.id(), shard.with(Status.ASSIGNED, watermark));
                assignment
                        .computeIfAbsent(subtask, key -> new ArrayList<>())
                        .add(new ShardSplit(
                                shard.id(), shard.position(), bounds.stop(), watermark, ShardSplit.Phase.READING));
            }
        }
        if (!assignment.isEmpty()) {
            context.assignSplits(new SplitsAssignment<>(assignment));
        }
        for (int subtask : context.registeredReaders().keySet()) {
            if (completed.add(subtask)) {
                send(subtask, new Events.AssignmentComplete());
            }
        }
    }

    private int leastLoaded() {
        int best = 0;
        for (int subtask = 1; subtask < context.currentParallelism(); subtask++) {
            if (load.getOrDefault(subtask, 0) < load.getOrDefault(best, 0)) {
                best = subtask;
            }
        }
        return best;
    }

    /** A parent that is not known is past its retention. */
    private boolean isRead(String parent) {
        Shard shard = shards.get(parent);
        return shard == null || shard.isFinished();
    }

    /** All that is in a shard arrived after its parents were closed. */
    private long watermarkOfParents(Shard shard) {
        return shard.parents().stream()
                .map(shards::get)
                .filter(parent -> parent != null && parent.status() == Status.CLOSED)
                .mapToLong(Shard::watermark)
                .max()
                .orElse(ShardSplit.NO_WATERMARK);
    }

    private void releaseHolds() {
        giveUpOnChildren();
        Map<Integer, List<String>> released = holders.keySet().stream()
                .filter(this::isHeldByOthers)
                .collect(Collectors.groupingBy(holders::get));
        released.forEach((subtask, ids) -> {
            holders.keySet().removeAll(ids);
            send(subtask, new Events.HoldReleased(ids));
        });
    }

    /** Whether the watermark of the stream no longer depends on the hold for a closed shard. */
    private boolean isHeldByOthers(String closed) {
        List<Shard> children = childrenOf(closed);
        return children.isEmpty()
                ? childless.contains(closed) || !shards.containsKey(closed)
                : children.stream().allMatch(this::holdsItself);
    }

    private boolean holdsItself(Shard shard) {
        return switch (shard.status()) {
            case UNASSIGNED -> false;
            case ASSIGNED -> caughtUp.contains(shard.id());
            case STOPPED -> true;
            // It ended before its reader caught up with it: then the hold goes on for its own children.
            case CLOSED -> caughtUp.contains(shard.id()) || isHeldByOthers(shard.id());
        };
    }

    private void giveUpOnChildren() {
        long now = nanoTime.getAsLong();
        for (Shard shard : shards.values()) {
            boolean isWaiting = shard.status() == Status.CLOSED
                    && childrenOf(shard.id()).isEmpty()
                    && !childless.contains(shard.id());
            if (!isWaiting) {
                waitingForChildrenSince.remove(shard.id());
            } else if (now - waitingForChildrenSince.computeIfAbsent(shard.id(), id -> now)
                    >= WAIT_FOR_CHILDREN.toNanos()) {
                LOG.warn("Shard {} was closed, and no shard came of it in {}", shard.id(), WAIT_FOR_CHILDREN);
                childless.add(shard.id());
                waitingForChildrenSince.remove(shard.id());
            }
        }
    }

    private List<Shard> childrenOf(String id) {
        return shards.values().stream().filter(shard -> shard.parents().contains(id)).toList();
    }

    // ------------------------------------------------------------------------------------------ the end

    private void endIfAllRead() {
        boolean isListedSince = endsBeforeListing >= ends;
        if (hasEnded || !isBounded() || !isDiscovered || !isListedSince || !allFinished() || awaitsChildren()) {
            return;
        }
        hasEnded = true;
        context.registeredReaders().keySet().forEach(context::signalNoMoreSplits);
    }

    private boolean isBounded() {
        return config.stopPosition() != KinesisBatchSourceOptions.StopPosition.NEVER;
    }

    private boolean allFinished() {
        return shards.values().stream().allMatch(Shard::isFinished);
    }

    private boolean awaitsChildren() {
        return !waitingForChildrenSince.isEmpty();
    }

    private void send(int subtask, SourceEvent event) {
        if (context.registeredReaders().containsKey(subtask)) {
            context.sendEventToSourceReader(subtask, event);
        }
    }

    private static Set<String> ids(Listing listing) {
        return listing.shards().stream().map(ListedShard::id).collect(Collectors.toCollection(HashSet::new));
    }

    private static void requireSame(SourceConfig config, EnumeratorState restored) {
        if (!restored.stream().equals(config.stream())) {
            throw new IllegalStateException("The checkpoint is of Kinesis stream '" + restored.stream() + "', not of "
                    + config.describe() + ": start without it, or under another operator uid");
        }
        boolean sameStop =
                switch (config.stopPosition()) {
                    case NEVER -> restored.bounds().stop() == ShardSplit.NO_STOP;
                    case TIMESTAMP -> restored.bounds().stop() == config.stopTimestamp();
                    case NOW -> restored.bounds().stop() != ShardSplit.NO_STOP;
                };
        if (!sameStop) {
            throw new IllegalStateException("The checkpoint of " + config.describe()
                    + " was made with another stop position; start without it");
        }
    }

    /** Remembers start and stop where a restart before the first checkpoint makes a new enumerator. */
    static final class BoundsMemory {

        @Nullable private Bounds bounds;

        synchronized Bounds resolveOnce(Supplier<Bounds> resolve) {
            if (bounds == null) {
                bounds = resolve.get();
            }
            return bounds;
        }
    }
}
