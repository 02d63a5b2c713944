package dev.cali.connectors.kinesis;

import java.time.Duration;
import java.util.function.DoubleSupplier;

/** Exponential back-off with jitter over its upper half, so that readers throttled together do not return together. */
final class Backoff {

    private static final Duration FIRST = Duration.ofMillis(200);
    private static final Duration LONGEST = Duration.ofSeconds(10);
    private static final int MAX_DOUBLINGS = 16;

    private final DoubleSupplier random;

    /** {@code random} gives numbers in [0, 1). */
    Backoff(DoubleSupplier random) {
        this.random = random;
    }

    /** The pause before the next attempt, after {@code failures} (1, 2, …) in a row. */
    Duration pause(int failures) {
        long doublings = Math.min(failures - 1L, MAX_DOUBLINGS);
        long millis = Math.min(FIRST.toMillis() << doublings, LONGEST.toMillis());
        return Duration.ofMillis(millis / 2 + (long) (random.getAsDouble() * (millis - millis / 2)));
    }
}
