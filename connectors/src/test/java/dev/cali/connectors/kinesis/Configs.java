package dev.cali.connectors.kinesis;

import java.util.HashMap;
import java.util.Map;

/** Configurations for tests: quick polls, everything else as given. */
final class Configs {

    private Configs() {}

    static SourceConfig of(String stream, String... more) {
        Map<String, String> options = new HashMap<>(Map.of(
                "stream", stream,
                "aws.region", "eu-test-1",
                "source.init.position", "TRIM_HORIZON",
                "source.poll.interval", "1 ms",
                "source.shard.discovery.interval", "10 ms"));
        for (int i = 0; i < more.length; i += 2) {
            options.put(more[i], more[i + 1]);
        }
        return SourceConfig.fromOptions(options);
    }
}
