package dev.cali.connectors;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * Encodes many records of one shard or file into one element.
 *
 * <p>The layout is that of {@code udfs/frame.py}, which is the only reader; {@code tests/data/frame.golden.bin} is
 * checked against both. All numbers are big-endian.
 */
public final class RecordBatchFrame {

    private static final byte[] MAGIC = "CALF".getBytes(StandardCharsets.US_ASCII);
    private static final byte VERSION = 2;
    private static final int HEADER_BYTES = 14;
    private static final int COLUMN_BYTES = 8 + 2 + 4;
    private static final int MAX_U16 = 0xFFFF;

    private final byte[] origin;
    private final byte[] after;
    private final List<Entry> entries = new ArrayList<>();
    private long sequenceBytes;
    private long payloadBytes;

    /**
     * Starts a frame.
     *
     * @param origin {@code stream/shardId-…} or the path of a file
     * @param after the sequence up to which the origin was read before; empty where its reading began
     */
    public RecordBatchFrame(String origin, String after) {
        this.origin = origin.getBytes(StandardCharsets.UTF_8);
        this.after = sequence(after);
        if (this.origin.length > MAX_U16) {
            throw new IllegalArgumentException("the origin of a frame is longer than 65535 bytes");
        }
    }

    /** Adds a record; {@code arrivalTime} is epoch milliseconds. The payload is not copied. */
    public void add(String sequence, long arrivalTime, byte[] payload) {
        byte[] ascii = sequence(sequence);
        entries.add(new Entry(ascii, arrivalTime, payload));
        sequenceBytes += ascii.length;
        payloadBytes += payload.length;
    }

    public int records() {
        return entries.size();
    }

    public boolean isEmpty() {
        return entries.isEmpty();
    }

    /** The sum of the payloads, without the frame's own bytes. */
    public long payloadBytes() {
        return payloadBytes;
    }

    /** Returns the frame's bytes. */
    public byte[] encode() {
        long columns = (long) COLUMN_BYTES * entries.size();
        long size = HEADER_BYTES + origin.length + after.length + columns + sequenceBytes + payloadBytes;
        ByteBuffer buffer = ByteBuffer.allocate(Math.toIntExact(size));
        buffer.put(MAGIC).put(VERSION).put((byte) 0);
        buffer.putShort((short) origin.length).putShort((short) after.length).putInt(entries.size());
        buffer.put(origin).put(after);
        entries.forEach(entry -> buffer.putLong(entry.arrivalTime));
        entries.forEach(entry -> buffer.putShort((short) entry.sequence.length));
        entries.forEach(entry -> buffer.putInt(entry.payload.length));
        entries.forEach(entry -> buffer.put(entry.sequence));
        entries.forEach(entry -> buffer.put(entry.payload));
        return buffer.array();
    }

    private static byte[] sequence(String sequence) {
        if (sequence.length() > MAX_U16) {
            throw new IllegalArgumentException("the sequence of a record is longer than 65535 bytes");
        }
        return sequence.getBytes(StandardCharsets.US_ASCII);
    }

    private record Entry(byte[] sequence, long arrivalTime, byte[] payload) {}
}
