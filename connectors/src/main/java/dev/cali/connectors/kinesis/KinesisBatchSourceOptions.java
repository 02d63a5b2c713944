package dev.cali.connectors.kinesis;

import java.time.Duration;
import java.util.List;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ConfigOptions;
import org.apache.flink.configuration.MemorySize;

/** The options of {@link KinesisBatchSource}. Where Apache's connector has the option, name and meaning are its own. */
public final class KinesisBatchSourceOptions {

    /** Where to start when there is no checkpoint. */
    public enum InitialPosition {
        LATEST,
        TRIM_HORIZON,
        AT_TIMESTAMP
    }

    /** Where to end. */
    public enum StopPosition {
        NEVER,
        TIMESTAMP,
        NOW
    }

    public static final ConfigOption<String> STREAM =
            ConfigOptions.key("stream").stringType().noDefaultValue().withDescription("Name of the data stream.");

    public static final ConfigOption<String> REGION =
            ConfigOptions.key("aws.region").stringType().noDefaultValue().withDescription("Region of the stream.");

    public static final ConfigOption<String> ENDPOINT = ConfigOptions.key("aws.endpoint")
            .stringType()
            .noDefaultValue()
            .withDescription("Endpoint instead of the region's own.");

    public static final ConfigOption<InitialPosition> INITIAL_POSITION = ConfigOptions.key("source.init.position")
            .enumType(InitialPosition.class)
            .defaultValue(InitialPosition.LATEST)
            .withDescription("Where to start when there is no checkpoint.");

    public static final ConfigOption<String> INITIAL_TIMESTAMP = ConfigOptions.key("source.init.timestamp")
            .stringType()
            .noDefaultValue()
            .withDescription("Start of AT_TIMESTAMP: ISO-8601 with a zone, 2026-11-22T09:00:00Z.");

    public static final ConfigOption<StopPosition> STOP_POSITION = ConfigOptions.key("source.stop.position")
            .enumType(StopPosition.class)
            .defaultValue(StopPosition.NEVER)
            .withDescription("Where to end: never, at a timestamp, or at what was put before the job started.");

    public static final ConfigOption<String> STOP_TIMESTAMP = ConfigOptions.key("source.stop.timestamp")
            .stringType()
            .noDefaultValue()
            .withDescription("End of TIMESTAMP, exclusive: ISO-8601 with a zone, 2026-11-22T10:00:00Z.");

    public static final ConfigOption<Duration> POLL_INTERVAL = ConfigOptions.key("source.poll.interval")
            .durationType()
            .defaultValue(Duration.ofMillis(250))
            .withDescription("From the start of one read of a shard to the next; Kinesis allows five a second.");

    public static final ConfigOption<Duration> SHARD_DISCOVERY_INTERVAL = ConfigOptions.key(
                    "source.shard.discovery.interval")
            .durationType()
            .defaultValue(Duration.ofSeconds(10))
            .withDescription("Pause between two listings of the shards.");

    public static final ConfigOption<MemorySize> BATCH_BYTES = ConfigOptions.key("source.batch.bytes")
            .memoryType()
            .defaultValue(MemorySize.ofMebiBytes(1))
            .withDescription("Payload bytes of one element at most; a larger response is sliced.");

    static final List<ConfigOption<?>> ALL = List.of(
            STREAM,
            REGION,
            ENDPOINT,
            INITIAL_POSITION,
            INITIAL_TIMESTAMP,
            STOP_POSITION,
            STOP_TIMESTAMP,
            POLL_INTERVAL,
            SHARD_DISCOVERY_INTERVAL,
            BATCH_BYTES);

    private KinesisBatchSourceOptions() {}
}
