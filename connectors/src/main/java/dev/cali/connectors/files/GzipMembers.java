package dev.cali.connectors.files;

import java.io.BufferedInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.util.zip.CRC32;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;

/**
 * Unpacks all members of a gzip file (RFC 1952).
 *
 * <p>{@link java.util.zip.GZIPInputStream} asks {@code available()} whether another member follows and takes a
 * damaged header for the end: on a network stream both lose the rest of the file without a word.
 */
final class GzipMembers extends InputStream {

    static final int MAGIC_1 = 0x1f;
    static final int MAGIC_2 = 0x8b;

    private static final int BUFFER_BYTES = 64 * 1024;
    private static final int DEFLATE = 8;
    private static final int FLAG_HEADER_CRC = 2;
    private static final int FLAG_EXTRA = 4;
    private static final int FLAG_NAME = 8;
    private static final int FLAG_COMMENT = 16;

    private final BufferedInputStream in;
    private final Inflater inflater = new Inflater(true);
    private final CRC32 crc = new CRC32();
    private final byte[] input = new byte[BUFFER_BYTES];
    private int inputBytes;
    private boolean inMember;
    private boolean ended;

    GzipMembers(InputStream in) {
        this.in = new BufferedInputStream(in, BUFFER_BYTES);
    }

    @Override
    public int read() throws IOException {
        byte[] one = new byte[1];
        return read(one, 0, 1) < 0 ? -1 : one[0] & 0xFF;
    }

    @Override
    public int read(byte[] target, int offset, int length) throws IOException {
        if (length == 0) {
            return 0;
        }
        while (!ended) {
            if (!inMember && !startMember()) {
                break;
            }
            int count = inflate(target, offset, length);
            if (count > 0) {
                crc.update(target, offset, count);
                return count;
            }
        }
        return -1;
    }

    @Override
    public void close() throws IOException {
        inflater.end();
        in.close();
    }

    private int inflate(byte[] target, int offset, int length) throws IOException {
        try {
            int count = inflater.inflate(target, offset, length);
            if (count == 0 && inflater.finished()) {
                endMember();
            } else if (count == 0 && inflater.needsInput()) {
                refill();
            } else if (count == 0) {
                throw new IOException("gzip data needs a dictionary");
            }
            return count;
        } catch (DataFormatException error) {
            throw new IOException("gzip data is damaged: " + error.getMessage(), error);
        }
    }

    private void refill() throws IOException {
        // The mark lets the trailer and the next member be read after what the inflater leaves over.
        in.mark(BUFFER_BYTES);
        inputBytes = in.read(input, 0, input.length);
        if (inputBytes < 0) {
            throw cutShort();
        }
        inflater.setInput(input, 0, inputBytes);
    }

    private boolean startMember() throws IOException {
        int first = in.read();
        if (first < 0) {
            ended = true;
            return false;
        }
        if (first != MAGIC_1 || need() != MAGIC_2 || need() != DEFLATE) {
            throw new IOException("gzip data is followed by something else");
        }
        int flags = need();
        skip(6);
        if ((flags & FLAG_EXTRA) != 0) {
            skip(need() | need() << 8);
        }
        if ((flags & FLAG_NAME) != 0) {
            skipText();
        }
        if ((flags & FLAG_COMMENT) != 0) {
            skipText();
        }
        if ((flags & FLAG_HEADER_CRC) != 0) {
            skip(2);
        }
        inflater.reset();
        crc.reset();
        inputBytes = 0;
        inMember = true;
        return true;
    }

    private void endMember() throws IOException {
        int used = inputBytes - inflater.getRemaining();
        in.reset();
        in.skipNBytes(used);
        long expectedCrc = littleEndian();
        long expectedSize = littleEndian();
        if (expectedCrc != crc.getValue() || expectedSize != (inflater.getBytesWritten() & 0xFFFFFFFFL)) {
            throw new IOException("gzip data is damaged: its check sum is wrong");
        }
        inMember = false;
    }

    private long littleEndian() throws IOException {
        return need() | need() << 8 | need() << 16 | (long) need() << 24;
    }

    private void skipText() throws IOException {
        while (need() != 0) {
            // a name or comment ends at its zero
        }
    }

    private void skip(int count) throws IOException {
        for (int i = 0; i < count; i++) {
            need();
        }
    }

    private int need() throws IOException {
        int value = in.read();
        if (value < 0) {
            throw cutShort();
        }
        return value;
    }

    private static EOFException cutShort() {
        return new EOFException("gzip data is cut short");
    }
}
