package dev.cali.connectors.kinesis;

import java.time.DateTimeException;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Optional;
import software.amazon.awssdk.core.SdkResponse;

/**
 * The time at which Kinesis answered, by its own clock.
 *
 * <p>Arrival times are Kinesis's, so comparing them with the clock of a machine that is minutes off would make records
 * late, or lose them at LATEST. Each response carries Kinesis's time in whole seconds (the HTTP header {@code Date});
 * an answer without it is taken to be on the machine's clock.
 *
 * @param earliest the answer was not given before this, epoch milliseconds
 * @param latest the answer was not given after this, epoch milliseconds
 */
record ServiceTime(long earliest, long latest) {

    private static final long HEADER_PRECISION = 999;

    /** Reads the time of a response; {@code sent} is the machine's clock when the request was sent. */
    static ServiceTime of(SdkResponse response, long sent) {
        return header(response)
                .map(date -> new ServiceTime(date, date + HEADER_PRECISION))
                .orElseGet(() -> new ServiceTime(sent, sent));
    }

    /** The machine's clock where it can be right, else the bound it is beyond. */
    long closestTo(long local) {
        return Math.max(earliest, Math.min(local, latest));
    }

    private static Optional<Long> header(SdkResponse response) {
        return Optional.ofNullable(response.sdkHttpResponse())
                .flatMap(http -> http.firstMatchingHeader("Date"))
                .flatMap(ServiceTime::parse);
    }

    private static Optional<Long> parse(String date) {
        try {
            return Optional.of(ZonedDateTime.parse(date, DateTimeFormatter.RFC_1123_DATE_TIME)
                    .toInstant()
                    .toEpochMilli());
        } catch (DateTimeException notADate) {
            return Optional.empty();
        }
    }
}
