package dev.cali.connectors;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class RecordBatchFrameTest {

    private static final Path GOLDEN = Path.of("..", "tests", "data", "frame.golden.bin");

    @Test
    void writesTheGoldenFrameThatPythonReads() throws IOException {
        RecordBatchFrame frame = new RecordBatchFrame(
                "결제-로그/shardId-000000000007", "49590338271490256608559692538361571095921575989136588897");
        String sequence = "49590338271490256608559692538361571095921575989136588898";
        frame.add(sequence, 1_795_338_000_123L, "{\"a\":1}".getBytes());
        frame.add("0", 0L, new byte[0]);
        frame.add("1", -1L, everyByte());

        assertThat(frame.encode()).isEqualTo(Files.readAllBytes(GOLDEN));
    }

    @Test
    void countsRecordsAndPayloadBytes() {
        RecordBatchFrame frame = new RecordBatchFrame("s/shard", "");
        assertThat(frame.isEmpty()).isTrue();

        frame.add("1", 0, new byte[3]);
        frame.add("2", 0, new byte[4]);

        assertThat(frame.records()).isEqualTo(2);
        assertThat(frame.payloadBytes()).isEqualTo(7);
    }

    @Test
    void refusesAnOriginThatItsLengthFieldCannotHold() {
        assertThatThrownBy(() -> new RecordBatchFrame("x".repeat(65_536), ""))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("65535");
    }

    private static byte[] everyByte() {
        byte[] bytes = new byte[256];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) i;
        }
        return bytes;
    }
}
