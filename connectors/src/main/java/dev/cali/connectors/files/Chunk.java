package dev.cali.connectors.files;

import java.nio.ByteBuffer;

/** The layout of {@code udfs/chunk.py}: an hour in epoch milliseconds (8 bytes, big-endian), then NDJSON lines. */
final class Chunk {

    static final int HEADER_BYTES = Long.BYTES;

    private Chunk() {}

    static long hour(byte[] chunk) {
        if (chunk.length < HEADER_BYTES) {
            throw new IllegalArgumentException("a chunk of " + chunk.length + " bytes has no hour");
        }
        return ByteBuffer.wrap(chunk).getLong();
    }
}
