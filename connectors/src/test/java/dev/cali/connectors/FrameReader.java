package dev.cali.connectors;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Decodes frames as {@code udfs/frame.py} does; the job itself never decodes one in the JVM. */
public final class FrameReader {

    /** One record of a frame. */
    public record Entry(String sequence, long arrivalTime, byte[] payload) {

        public String text() {
            return new String(payload, StandardCharsets.UTF_8);
        }
    }

    /** A decoded frame. */
    public record Frame(String origin, String after, List<Entry> entries) {

        public List<String> texts() {
            return entries.stream().map(Entry::text).toList();
        }
    }

    private FrameReader() {}

    public static Frame read(byte[] bytes) {
        ByteBuffer in = ByteBuffer.wrap(bytes);
        assertThat(in.getInt()).isEqualTo(0x43414C46);
        assertThat(in.getShort()).isEqualTo((short) 0x0200);
        byte[] origin = new byte[in.getShort() & 0xFFFF];
        byte[] after = new byte[in.getShort() & 0xFFFF];
        int count = in.getInt();
        in.get(origin).get(after);
        long[] arrivals = new long[count];
        byte[][] sequences = new byte[count][];
        byte[][] payloads = new byte[count][];
        Arrays.setAll(arrivals, i -> in.getLong());
        Arrays.setAll(sequences, i -> new byte[in.getShort() & 0xFFFF]);
        Arrays.setAll(payloads, i -> new byte[in.getInt()]);
        Arrays.stream(sequences).forEach(in::get);
        Arrays.stream(payloads).forEach(in::get);
        assertThat(in.remaining()).isZero();
        List<Entry> entries = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            entries.add(new Entry(new String(sequences[i], StandardCharsets.US_ASCII), arrivals[i], payloads[i]));
        }
        return new Frame(
                new String(origin, StandardCharsets.UTF_8), new String(after, StandardCharsets.US_ASCII), entries);
    }
}
