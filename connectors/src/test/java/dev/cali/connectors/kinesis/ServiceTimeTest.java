package dev.cali.connectors.kinesis;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import software.amazon.awssdk.http.SdkHttpResponse;
import software.amazon.awssdk.services.kinesis.model.GetRecordsResponse;

class ServiceTimeTest {

    private static final long NOON = 1_795_348_800_000L;

    @ParameterizedTest
    @CsvSource({
        // The machine's clock may be right: it is the more exact one.
        "0, 0",
        "640, 640",
        "999, 999",
        // It is ahead of Kinesis, or behind.
        "5000, 999",
        "-5000, 0",
    })
    void trustsTheMachinesClockOnlyAsFarAsKinesisAgrees(long local, long expected) {
        ServiceTime time = ServiceTime.of(response("Sun, 22 Nov 2026 12:00:00 GMT"), NOON + local);

        assertThat(time.closestTo(NOON + local)).isEqualTo(NOON + expected);
    }

    @Test
    void usesTheMachinesClockWhereTheAnswerCarriesNoTime() {
        assertThat(ServiceTime.of(response("yesterday"), 42)).isEqualTo(new ServiceTime(42, 42));
        assertThat(ServiceTime.of(GetRecordsResponse.builder().build(), 42)).isEqualTo(new ServiceTime(42, 42));
    }

    @Test
    void backsOffExponentiallyWithJitterUpToTenSeconds() {
        Backoff least = new Backoff(() -> 0);
        Backoff most = new Backoff(() -> 0.999_999);

        assertThat(least.pause(1)).isEqualTo(Duration.ofMillis(100));
        assertThat(least.pause(2)).isEqualTo(Duration.ofMillis(200));
        assertThat(most.pause(2)).isBetween(Duration.ofMillis(399), Duration.ofMillis(400));
        assertThat(least.pause(1_000_000)).isEqualTo(Duration.ofSeconds(5));
        assertThat(most.pause(1_000_000)).isLessThanOrEqualTo(Duration.ofSeconds(10));
    }

    private static GetRecordsResponse response(String date) {
        return (GetRecordsResponse) GetRecordsResponse.builder()
                .sdkHttpResponse(SdkHttpResponse.builder()
                        .statusCode(200)
                        .putHeader("Date", date)
                        .build())
                .build();
    }
}
