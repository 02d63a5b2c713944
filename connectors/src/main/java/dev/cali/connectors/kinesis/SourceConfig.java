package dev.cali.connectors.kinesis;

import dev.cali.connectors.kinesis.KinesisBatchSourceOptions.InitialPosition;
import dev.cali.connectors.kinesis.KinesisBatchSourceOptions.StopPosition;
import java.io.Serializable;
import java.net.URI;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.OffsetDateTime;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import javax.annotation.Nullable;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.Configuration;

/**
 * The options, checked. Times are epoch milliseconds; {@code initialTimestamp} and {@code stopTimestamp} are null
 * unless the position asks for them.
 */
record SourceConfig(
        String stream,
        String region,
        @Nullable URI endpoint,
        InitialPosition initialPosition,
        @Nullable Long initialTimestamp,
        StopPosition stopPosition,
        @Nullable Long stopTimestamp,
        Duration pollInterval,
        Duration shardDiscoveryInterval,
        int batchBytes)
        implements Serializable {

    static SourceConfig fromOptions(Map<String, String> options) {
        refuseUnknown(options.keySet());
        Configuration values = Configuration.fromMap(options);
        InitialPosition initial = value(values, KinesisBatchSourceOptions.INITIAL_POSITION);
        StopPosition stop = value(values, KinesisBatchSourceOptions.STOP_POSITION);
        String endpoint = value(values, KinesisBatchSourceOptions.ENDPOINT);
        Long initialTimestamp = timestamp(
                values, KinesisBatchSourceOptions.INITIAL_TIMESTAMP, initial == InitialPosition.AT_TIMESTAMP);
        Long stopTimestamp =
                timestamp(values, KinesisBatchSourceOptions.STOP_TIMESTAMP, stop == StopPosition.TIMESTAMP);
        if (initialTimestamp != null && stopTimestamp != null && initialTimestamp >= stopTimestamp) {
            throw wrong(KinesisBatchSourceOptions.STOP_TIMESTAMP, "is not after the start");
        }
        return new SourceConfig(
                required(values, KinesisBatchSourceOptions.STREAM),
                required(values, KinesisBatchSourceOptions.REGION),
                endpoint == null ? null : uri(endpoint),
                initial,
                initialTimestamp,
                stop,
                stopTimestamp,
                positive(values, KinesisBatchSourceOptions.POLL_INTERVAL),
                positive(values, KinesisBatchSourceOptions.SHARD_DISCOVERY_INTERVAL),
                batchBytes(values));
    }

    /** What an error message calls the stream. */
    String describe() {
        return "Kinesis stream '" + stream + "' in region '" + region + "'"
                + (endpoint == null ? "" : " at " + endpoint);
    }

    private static void refuseUnknown(Set<String> names) {
        Set<String> known = KinesisBatchSourceOptions.ALL.stream()
                .map(ConfigOption::key)
                .collect(Collectors.toCollection(TreeSet::new));
        for (String name : names) {
            if (!known.contains(name)) {
                throw new IllegalArgumentException(
                        "The Kinesis source has no option '" + name + "'; it has " + String.join(", ", known));
            }
        }
    }

    private static <T> T value(Configuration values, ConfigOption<T> option) {
        try {
            return values.get(option);
        } catch (IllegalArgumentException error) {
            throw wrong(option, "is '" + values.toMap().get(option.key()) + "': " + rootMessage(error));
        }
    }

    private static String required(Configuration values, ConfigOption<String> option) {
        String value = value(values, option);
        if (value == null || value.isBlank()) {
            throw wrong(option, "is missing");
        }
        return value;
    }

    @Nullable
    private static Long timestamp(Configuration values, ConfigOption<String> option, boolean needed) {
        String value = value(values, option);
        if (needed != (value != null)) {
            throw wrong(option, needed ? "is missing" : "does not go with the position");
        }
        try {
            return value == null ? null : OffsetDateTime.parse(value).toInstant().toEpochMilli();
        } catch (DateTimeException error) {
            throw wrong(option, "is '" + value + "', not a time like 2026-11-22T09:00:00Z");
        }
    }

    private static URI uri(String endpoint) {
        URI uri = URI.create(endpoint);
        if (uri.getScheme() == null || uri.getHost() == null) {
            throw wrong(
                    KinesisBatchSourceOptions.ENDPOINT, "is '" + endpoint + "', not a URL like http://127.0.0.1:5000");
        }
        return uri;
    }

    private static Duration positive(Configuration values, ConfigOption<Duration> option) {
        Duration value = value(values, option);
        if (value.isNegative() || value.isZero()) {
            throw wrong(option, "is " + value + ", not longer than zero");
        }
        return value;
    }

    private static int batchBytes(Configuration values) {
        long bytes = value(values, KinesisBatchSourceOptions.BATCH_BYTES).getBytes();
        if (bytes <= 0 || bytes > Integer.MAX_VALUE / 2) {
            throw wrong(KinesisBatchSourceOptions.BATCH_BYTES, "is " + bytes + ", out of range");
        }
        return (int) bytes;
    }

    private static IllegalArgumentException wrong(ConfigOption<?> option, String problem) {
        return new IllegalArgumentException("Option '" + option.key() + "' of the Kinesis source " + problem);
    }

    private static String rootMessage(Throwable error) {
        return error.getCause() == null ? error.getMessage() : rootMessage(error.getCause());
    }
}
