package dev.cali.connectors.files;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import javax.annotation.Nullable;

/** Cuts a stream into lines and knows the offset of each; holds no more of a line than it may return. */
final class LineReader {

    private static final int BUFFER_BYTES = 64 * 1024;

    private final InputStream in;
    private final int maxLineBytes;
    private final byte[] buffer = new byte[BUFFER_BYTES];
    private final ByteArrayOutputStream line = new ByteArrayOutputStream();
    private int position;
    private int limit;
    private long offset;
    private long lineOffset;

    /** Reads on from {@code offset}, which is the start of a line. */
    LineReader(InputStream in, long offset, int maxLineBytes) {
        this.in = in;
        this.offset = offset;
        this.maxLineBytes = maxLineBytes;
    }

    /** Returns the next line that is not empty, at most {@code maxLineBytes + 1} bytes of it, or null at the end. */
    @Nullable
    byte[] next() throws IOException {
        while (position < limit || fill()) {
            lineOffset = offset;
            line.reset();
            readLine();
            byte[] bytes = line.toByteArray();
            if (bytes.length > 1 || bytes.length == 1 && bytes[0] != '\r') {
                return bytes;
            }
        }
        return null;
    }

    /** The offset of the line that {@link #next} returned last. */
    long lineOffset() {
        return lineOffset;
    }

    private void readLine() throws IOException {
        do {
            int end = position;
            while (end < limit && buffer[end] != '\n') {
                end++;
            }
            line.write(buffer, position, Math.min(end - position, maxLineBytes + 1 - line.size()));
            boolean complete = end < limit;
            int next = complete ? end + 1 : end;
            offset += next - position;
            position = next;
            if (complete) {
                return;
            }
        } while (fill());
    }

    private boolean fill() throws IOException {
        position = 0;
        limit = Math.max(0, in.read(buffer, 0, buffer.length));
        return limit > 0;
    }
}
