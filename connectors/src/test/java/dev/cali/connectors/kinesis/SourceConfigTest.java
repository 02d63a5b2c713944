package dev.cali.connectors.kinesis;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SourceConfigTest {

    @Test
    void needsOnlyStreamAndRegion() {
        SourceConfig config = SourceConfig.fromOptions(Map.of("stream", "logs", "aws.region", "ap-northeast-2"));

        assertThat(config)
                .isEqualTo(new SourceConfig(
                        "logs",
                        "ap-northeast-2",
                        null,
                        KinesisBatchSourceOptions.InitialPosition.LATEST,
                        null,
                        KinesisBatchSourceOptions.StopPosition.NEVER,
                        null,
                        Duration.ofMillis(250),
                        Duration.ofSeconds(10),
                        1_048_576));
    }

    @Test
    void readsTimesWithAnyZoneAndSizesWithUnits() {
        SourceConfig config = Configs.of(
                "logs",
                "source.init.position", "AT_TIMESTAMP",
                "source.init.timestamp", "2026-11-22T18:00:00.250+09:00",
                "source.stop.position", "timestamp",
                "source.stop.timestamp", "2026-11-22T10:00:00Z",
                "source.batch.bytes", "256 kb");

        assertThat(config.initialTimestamp()).isEqualTo(Instant.parse("2026-11-22T09:00:00.250Z").toEpochMilli());
        assertThat(config.stopTimestamp()).isEqualTo(Instant.parse("2026-11-22T10:00:00Z").toEpochMilli());
        assertThat(config.batchBytes()).isEqualTo(256 * 1024);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            textBlock = """
            stream                         |               | 'stream' of the Kinesis source is missing
            aws.region                     | ' '           | 'aws.region' of the Kinesis source is missing
            aws.endpoint                   | localhost     | not a URL
            source.init.position           | OLDEST        | 'source.init.position' of the Kinesis source is 'OLDEST'
            source.init.position           | AT_TIMESTAMP  | 'source.init.timestamp' of the Kinesis source is missing
            source.init.timestamp          | 2026-11-22T09:00:00Z | does not go with the position
            source.stop.position           | TIMESTAMP     | 'source.stop.timestamp' of the Kinesis source is missing
            source.poll.interval           | 0 ms          | not longer than zero
            source.poll.interval           | soon          | 'source.poll.interval' of the Kinesis source is 'soon'
            source.batch.bytes             | 0 b           | out of range
            source.initial.position        | LATEST        | no option 'source.initial.position'; it has aws.endpoint
            """)
    void namesTheOptionThatIsWrong(String option, String value, String message) {
        Map<String, String> options = new HashMap<>(Map.of("stream", "logs", "aws.region", "us-east-1"));
        if (value == null) {
            options.remove(option);
        } else {
            options.put(option, value);
        }

        assertThatThrownBy(() -> SourceConfig.fromOptions(options))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(message);
    }

    @Test
    void refusesATimeWithoutZoneAndAStopBeforeTheStart() {
        assertThatThrownBy(() -> Configs.of(
                        "logs", "source.init.position", "AT_TIMESTAMP", "source.init.timestamp", "2026-11-22T09:00:00"))
                .hasMessageContaining("'source.init.timestamp'")
                .hasMessageContaining("not a time like 2026-11-22T09:00:00Z");
        assertThatThrownBy(() -> Configs.of(
                        "logs",
                        "source.init.position", "AT_TIMESTAMP",
                        "source.init.timestamp", "2026-11-22T09:00:00Z",
                        "source.stop.position", "TIMESTAMP",
                        "source.stop.timestamp", "2026-11-22T09:00:00Z"))
                .hasMessageContaining("is not after the start");
    }
}
