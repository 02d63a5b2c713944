package dev.cali.connectors.files;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ChunkSinkTest {

    @ParameterizedTest
    @CsvSource({
        "2026-11-22T09:00:00Z, dt=2026-11-22/hour=09",
        "2026-12-31T23:00:00Z, dt=2026-12-31/hour=23",
        "1970-01-01T00:00:00Z, dt=1970-01-01/hour=00",
    })
    void filesAChunkUnderItsUtcHour(String hour, String folder) {
        byte[] chunk = chunk(Instant.parse(hour).toEpochMilli(), "{}\n");

        assertThat(new ArrivalHourBucketAssigner().getBucketId(chunk, null)).isEqualTo(folder);
    }

    @Test
    void refusesAChunkWithoutAnHour() {
        assertThatThrownBy(() -> new ArrivalHourBucketAssigner().getBucketId(new byte[7], null))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("7 bytes");
    }

    @Test
    void writesTheLinesOfAllChunksIntoOneGzipStreamAndLeavesTheFileOpen() throws IOException {
        CloseCounter file = new CloseCounter();
        NdjsonGzipWriter writer = new NdjsonGzipWriter(file);

        writer.addElement(chunk(1, "{\"n\":1}\n{\"n\":2}\n"));
        writer.flush();
        writer.addElement(chunk(2, ""));
        writer.addElement(chunk(3, "{\"n\":3}\n"));
        writer.finish();

        assertThat(file.closed).isZero();
        try (GZIPInputStream lines = new GZIPInputStream(new ByteArrayInputStream(file.toByteArray()))) {
            assertThat(lines.readAllBytes()).asString().isEqualTo("{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n");
        }
    }

    private static byte[] chunk(long hour, String lines) {
        byte[] text = lines.getBytes(StandardCharsets.UTF_8);
        return ByteBuffer.allocate(8 + text.length).putLong(hour).put(text).array();
    }

    private static final class CloseCounter extends ByteArrayOutputStream {

        private int closed;

        @Override
        public void close() {
            closed++;
        }
    }
}
