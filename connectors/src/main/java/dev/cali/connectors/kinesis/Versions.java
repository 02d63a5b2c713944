package dev.cali.connectors.kinesis;

import java.io.IOException;

/** Checks on bytes from a checkpoint. */
final class Versions {

    private Versions() {}

    static void require(int actual, int expected) throws IOException {
        if (actual != expected) {
            throw new IOException("Kinesis source state of version " + actual + "; this jar reads version " + expected);
        }
    }

    static <E extends Enum<E>> E constant(E[] constants, byte ordinal) throws IOException {
        if (ordinal < 0 || ordinal >= constants.length) {
            throw new IOException("Kinesis source state with unknown constant " + ordinal);
        }
        return constants[ordinal];
    }
}
