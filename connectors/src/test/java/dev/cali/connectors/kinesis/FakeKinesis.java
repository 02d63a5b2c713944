package dev.cali.connectors.kinesis;

import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import software.amazon.awssdk.awscore.exception.AwsErrorDetails;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.http.SdkHttpResponse;
import software.amazon.awssdk.services.kinesis.KinesisClient;
import software.amazon.awssdk.services.kinesis.model.ExpiredIteratorException;
import software.amazon.awssdk.services.kinesis.model.GetRecordsRequest;
import software.amazon.awssdk.services.kinesis.model.GetRecordsResponse;
import software.amazon.awssdk.services.kinesis.model.GetShardIteratorRequest;
import software.amazon.awssdk.services.kinesis.model.GetShardIteratorResponse;
import software.amazon.awssdk.services.kinesis.model.ListShardsRequest;
import software.amazon.awssdk.services.kinesis.model.ListShardsResponse;
import software.amazon.awssdk.services.kinesis.model.Record;
import software.amazon.awssdk.services.kinesis.model.ResourceNotFoundException;
import software.amazon.awssdk.services.kinesis.model.Shard;

/**
 * One Kinesis stream in memory, with a clock of its own that only moves when told, and failures to order.
 *
 * <p>Answers as the service documents it: a closed shard ends with a response without a next iterator; an iterator
 * serves for five minutes; {@code Date} is in whole seconds.
 */
final class FakeKinesis implements KinesisClient {

    private static final Map<String, FakeKinesis> STREAMS = new ConcurrentHashMap<>();
    private static final long ITERATOR_MILLIS = 300_000;

    private static final class FakeShard {
        private final List<String> parents;
        private final List<Record> records = new ArrayList<>();
        private long closedAt = Long.MAX_VALUE;

        private FakeShard(List<String> parents) {
            this.parents = parents;
        }
    }

    private record Iterator(String shardId, int next, long madeAt) {}

    private final TreeMap<String, FakeShard> shards = new TreeMap<>();
    private final Map<String, Iterator> iterators = new HashMap<>();
    private final Map<String, Queue<RuntimeException>> failures = new HashMap<>();
    private final List<String> calls = new ArrayList<>();
    private final String stream;
    private long now;
    private int sequence;
    private int recordsPerResponse = 10_000;
    private int shardsPerPage = 1_000;

    FakeKinesis(String stream, long now) {
        this.stream = stream;
        this.now = now;
        STREAMS.put(stream, this);
    }

    /** Finds a stream by its name, where a real client would connect. */
    static final class Factory implements StreamClient.Factory {

        private static final long serialVersionUID = 1L;

        @Override
        public KinesisClient create(SourceConfig config) {
            return STREAMS.get(config.stream());
        }
    }

    // --------------------------------------------------------------------------------- the hand of the test

    synchronized FakeKinesis shard(String id, String... parents) {
        shards.put(id, new FakeShard(List.of(parents)));
        return this;
    }

    /** Puts a record that arrives now. */
    synchronized String put(String shardId, String text) {
        FakeShard shard = shards.get(shardId);
        if (shard.closedAt != Long.MAX_VALUE) {
            throw new IllegalStateException(shardId + " is closed");
        }
        String number = String.format("%020d", ++sequence);
        shard.records.add(Record.builder()
                .sequenceNumber(number)
                .approximateArrivalTimestamp(Instant.ofEpochMilli(now))
                .data(SdkBytes.fromString(text, StandardCharsets.UTF_8))
                .partitionKey("key")
                .build());
        return number;
    }

    synchronized void close(String shardId) {
        shards.get(shardId).closedAt = now;
    }

    /** Drops a shard that is past its retention. */
    synchronized void trim(String shardId) {
        shards.remove(shardId);
    }

    synchronized void pass(long millis) {
        now += millis;
    }

    synchronized long now() {
        return now;
    }

    synchronized void recordsPerResponse(int limit) {
        recordsPerResponse = limit;
    }

    synchronized void shardsPerPage(int limit) {
        shardsPerPage = limit;
    }

    /** Lets the next calls fail, in this order; {@code where} is a shard, or {@code list} for the listing. */
    synchronized void fail(String where, RuntimeException... errors) {
        failures.computeIfAbsent(where, key -> new ArrayDeque<>()).addAll(Arrays.asList(errors));
    }

    synchronized boolean hasFailuresLeft(String where) {
        return !failures.getOrDefault(where, new ArrayDeque<>()).isEmpty();
    }

    /** The positions that iterators were asked for, and the listings, in order. */
    synchronized List<String> calls() {
        return List.copyOf(calls);
    }

    static RuntimeException awsError(
            software.amazon.awssdk.awscore.exception.AwsServiceException.Builder builder, int status, String code) {
        return builder.statusCode(status)
                .message(code)
                .awsErrorDetails(AwsErrorDetails.builder()
                        .errorCode(code)
                        .errorMessage(code)
                        .build())
                .build();
    }

    // --------------------------------------------------------------------------------- the service

    @Override
    public synchronized ListShardsResponse listShards(ListShardsRequest request) {
        calls.add("list" + (request.shardFilter() == null ? "" : " " + request.shardFilter().timestamp()));
        failIfOrdered("list");
        if (request.nextToken() == null && !stream.equals(request.streamName())) {
            throw ResourceNotFoundException.builder().message("no such stream").build();
        }
        long from = request.shardFilter() == null ? 0 : request.shardFilter().timestamp().toEpochMilli();
        List<Shard> all = shards.entrySet().stream()
                .filter(entry -> entry.getValue().closedAt > from)
                .map(entry -> listed(entry.getKey(), entry.getValue()))
                .toList();
        int first = request.nextToken() == null ? 0 : Integer.parseInt(request.nextToken());
        int last = Math.min(all.size(), first + shardsPerPage);
        ListShardsResponse.Builder response = ListShardsResponse.builder()
                .shards(all.subList(first, last))
                .nextToken(last < all.size() ? Integer.toString(last) : null);
        return (ListShardsResponse) response.sdkHttpResponse(http()).build();
    }

    @Override
    public synchronized GetShardIteratorResponse getShardIterator(GetShardIteratorRequest request) {
        String position = request.shardIteratorTypeAsString()
                + (request.startingSequenceNumber() == null ? "" : " " + request.startingSequenceNumber())
                + (request.timestamp() == null ? "" : " " + request.timestamp().toEpochMilli());
        calls.add(request.shardId() + " " + position);
        failIfOrdered(request.shardId());
        List<Record> records = required(request.shardId()).records;
        int next =
                switch (request.shardIteratorType()) {
                    case TRIM_HORIZON -> 0;
                    case AFTER_SEQUENCE_NUMBER -> count(records, record -> record.sequenceNumber()
                                    .compareTo(request.startingSequenceNumber())
                            <= 0);
                    case AT_TIMESTAMP -> count(records, record -> record.approximateArrivalTimestamp()
                            .isBefore(request.timestamp()));
                    default -> throw new IllegalArgumentException(position);
                };
        return GetShardIteratorResponse.builder()
                .shardIterator(newIterator(request.shardId(), next))
                .build();
    }

    @Override
    public synchronized GetRecordsResponse getRecords(GetRecordsRequest request) {
        Iterator iterator = iterators.get(request.shardIterator());
        failIfOrdered(iterator.shardId);
        if (now - iterator.madeAt > ITERATOR_MILLIS) {
            throw ExpiredIteratorException.builder().message("expired").build();
        }
        FakeShard shard = required(iterator.shardId);
        int last = Math.min(shard.records.size(), iterator.next + Math.min(recordsPerResponse, request.limit()));
        boolean atEnd = last == shard.records.size();
        boolean isClosed = shard.closedAt != Long.MAX_VALUE;
        long behind =
                atEnd ? 0 : now - shard.records.get(last).approximateArrivalTimestamp().toEpochMilli();
        GetRecordsResponse.Builder response = GetRecordsResponse.builder()
                .records(shard.records.subList(iterator.next, last))
                .millisBehindLatest(behind)
                .nextShardIterator(atEnd && isClosed ? null : newIterator(iterator.shardId, last));
        return (GetRecordsResponse) response.sdkHttpResponse(http()).build();
    }

    @Override
    public String serviceName() {
        return "kinesis";
    }

    @Override
    public void close() {
        // Each reader closes its client; the stream goes on.
    }

    private String newIterator(String shardId, int next) {
        String id = "iterator-" + iterators.size();
        iterators.put(id, new Iterator(shardId, next, now));
        return id;
    }

    private FakeShard required(String shardId) {
        FakeShard shard = shards.get(shardId);
        if (shard == null) {
            throw ResourceNotFoundException.builder()
                    .message("Shard " + shardId + " does not exist")
                    .build();
        }
        return shard;
    }

    private void failIfOrdered(String where) {
        RuntimeException error = failures.getOrDefault(where, new ArrayDeque<>()).poll();
        if (error != null) {
            throw error;
        }
    }

    private SdkHttpResponse http() {
        ZonedDateTime date = Instant.ofEpochMilli(now).atZone(ZoneOffset.UTC);
        return SdkHttpResponse.builder()
                .statusCode(200)
                .putHeader("Date", DateTimeFormatter.RFC_1123_DATE_TIME.format(date))
                .build();
    }

    private static Shard listed(String id, FakeShard shard) {
        return Shard.builder()
                .shardId(id)
                .parentShardId(shard.parents.isEmpty() ? null : shard.parents.get(0))
                .adjacentParentShardId(shard.parents.size() < 2 ? null : shard.parents.get(1))
                .build();
    }

    private static int count(List<Record> records, java.util.function.Predicate<Record> before) {
        return (int) records.stream().filter(before).count();
    }
}
