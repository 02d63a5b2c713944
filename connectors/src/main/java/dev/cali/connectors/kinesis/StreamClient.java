package dev.cali.connectors.kinesis;

import java.io.Serializable;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import javax.annotation.Nullable;
import org.apache.flink.util.FlinkRuntimeException;
import software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider;
import software.amazon.awssdk.awscore.retry.AwsRetryStrategy;
import software.amazon.awssdk.core.SdkSystemSetting;
import software.amazon.awssdk.http.apache.ApacheHttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.kinesis.KinesisClient;
import software.amazon.awssdk.services.kinesis.model.GetRecordsResponse;
import software.amazon.awssdk.services.kinesis.model.ListShardsRequest;
import software.amazon.awssdk.services.kinesis.model.ListShardsResponse;
import software.amazon.awssdk.services.kinesis.model.Shard;
import software.amazon.awssdk.services.kinesis.model.ShardFilter;
import software.amazon.awssdk.services.kinesis.model.ShardFilterType;

/** The calls the source makes on one stream. Safe for use by several threads; retries nothing by itself. */
final class StreamClient implements AutoCloseable {

    /** Makes the SDK's client where it is used: it does not travel. */
    @FunctionalInterface
    interface Factory extends Serializable {
        KinesisClient create(SourceConfig config);
    }

    /** Connects with credentials of the SDK's default chain. A class, as shading breaks lambdas that travel. */
    static final class AwsFactory implements Factory {

        private static final long serialVersionUID = 1L;

        @Override
        public KinesisClient create(SourceConfig config) {
            if (config.endpoint() != null && !AWS_HOST.matcher(config.endpoint().getHost()).find()) {
                // Emulators speak JSON only; the SDK has no other switch than this.
                System.setProperty(SdkSystemSetting.CBOR_ENABLED.property(), "false");
            }
            return KinesisClient.builder()
                    .region(Region.of(config.region()))
                    .endpointOverride(config.endpoint())
                    .credentialsProvider(DefaultCredentialsProvider.builder().build())
                    .httpClientBuilder(ApacheHttpClient.builder()
                            .maxConnections(MAX_CONNECTIONS)
                            .connectionTimeout(CONNECT_TIMEOUT)
                            .socketTimeout(SOCKET_TIMEOUT))
                    .overrideConfiguration(override -> override
                            // The SDK's own retries would sleep on the call's thread and hide throttling.
                            .retryStrategy(AwsRetryStrategy.doNotRetry())
                            .apiCallAttemptTimeout(CALL_TIMEOUT))
                    .build();
        }
    }

    /** A shard as it was listed, with the shards it came from. */
    record ListedShard(String id, List<String> parents) {}

    /** The shards of a stream, and when Kinesis named them. */
    record Listing(List<ListedShard> shards, ServiceTime time) {}

    private static final Pattern AWS_HOST = Pattern.compile("\\.amazonaws\\.com(\\.cn)?$");
    private static final int MAX_RECORDS = 10_000;
    private static final int MAX_CONNECTIONS = 1_000;
    private static final Duration CONNECT_TIMEOUT = Duration.ofSeconds(5);
    private static final Duration SOCKET_TIMEOUT = Duration.ofSeconds(10);
    private static final Duration CALL_TIMEOUT = Duration.ofSeconds(20);

    private final SourceConfig config;
    private final KinesisClient client;

    StreamClient(SourceConfig config, KinesisClient client) {
        this.config = config;
        this.client = client;
    }

    /** Lists all shards that are open or within retention. */
    Listing listShards() {
        return listShards(null);
    }

    /** Lists the shards that were open at a time, in epoch milliseconds, or opened later. */
    Listing listShardsFrom(long timestamp) {
        return listShards(ShardFilter.builder()
                .type(ShardFilterType.FROM_TIMESTAMP)
                .timestamp(Instant.ofEpochMilli(timestamp))
                .build());
    }

    String iterator(String shardId, Position position) {
        return client.getShardIterator(request -> position.applyTo(
                        request.streamName(config.stream()).shardId(shardId)))
                .shardIterator();
    }

    GetRecordsResponse records(String iterator) {
        return client.getRecords(request -> request.shardIterator(iterator).limit(MAX_RECORDS));
    }

    /** Wraps an error so that a user sees which stream it is about. */
    FlinkRuntimeException failure(String what, Throwable error) {
        return new FlinkRuntimeException(config.describe() + ": " + what + ": " + error.getMessage(), error);
    }

    @Override
    public void close() {
        client.close();
    }

    private Listing listShards(@Nullable ShardFilter filter) {
        long sent = System.currentTimeMillis();
        ListShardsResponse page = client.listShards(ListShardsRequest.builder()
                .streamName(config.stream())
                .shardFilter(filter)
                .build());
        ServiceTime time = ServiceTime.of(page, sent);
        List<ListedShard> shards = new ArrayList<>();
        page.shards().forEach(shard -> shards.add(listed(shard)));
        while (page.nextToken() != null) {
            String token = page.nextToken();
            page = client.listShards(request -> request.nextToken(token));
            page.shards().forEach(shard -> shards.add(listed(shard)));
        }
        return new Listing(shards, time);
    }

    private static ListedShard listed(Shard shard) {
        List<String> parents = Stream.of(shard.parentShardId(), shard.adjacentParentShardId())
                .filter(parent -> parent != null && !parent.isEmpty())
                .toList();
        return new ListedShard(shard.shardId(), parents);
    }
}
