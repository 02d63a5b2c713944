package dev.cali.connectors.kinesis;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cali.connectors.kinesis.EnumeratorState.Bounds;
import dev.cali.connectors.kinesis.EnumeratorState.Shard;
import dev.cali.connectors.kinesis.EnumeratorState.Status;
import dev.cali.connectors.kinesis.ShardSplit.Phase;
import java.io.IOException;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** The golden bytes are those of released jars: a checkpoint made by one of them must be readable for ever. */
class SerializersTest {

    static Stream<Arguments> splits() {
        return Stream.of(
                Arguments.of(
                        new ShardSplit("shard-1", new Position.TrimHorizon(), 7, -9, Phase.READING),
                        "000773686172642d31" + "00" + "0000000000000007" + "fffffffffffffff7" + "00"),
                Arguments.of(
                        new ShardSplit(
                                "shard-2",
                                new Position.AtTimestamp(0x0102030405060708L),
                                ShardSplit.NO_STOP,
                                ShardSplit.NO_WATERMARK,
                                Phase.CLOSED),
                        "000773686172642d32" + "010102030405060708" + "7fffffffffffffff" + "8000000000000000" + "01"),
                Arguments.of(
                        new ShardSplit("shard-3", new Position.After("495"), 1, 2, Phase.STOPPED),
                        "000773686172642d33" + "020003343935" + "0000000000000001" + "0000000000000002" + "02"));
    }

    @ParameterizedTest
    @MethodSource("splits")
    void aSplitHasItsGoldenBytes(ShardSplit split, String golden) throws IOException {
        ShardSplitSerializer serializer = new ShardSplitSerializer();

        assertThat(HexFormat.of().formatHex(serializer.serialize(split))).isEqualTo(golden);
        assertThat(serializer.deserialize(1, HexFormat.of().parseHex(golden))).isEqualTo(split);
    }

    @Test
    void theEnumeratorsStateHasItsGoldenBytes() throws IOException {
        EnumeratorStateSerializer serializer = new EnumeratorStateSerializer();
        EnumeratorState state = new EnumeratorState(
                "logs",
                new Bounds(Long.MIN_VALUE, 5),
                List.of(
                        new Shard("a", List.of(), Status.CLOSED, new Position.AtTimestamp(1), 3),
                        new Shard("b", List.of("a", "z"), Status.UNASSIGNED, new Position.TrimHorizon(), 4),
                        new Shard("c", List.of(), Status.ASSIGNED, new Position.TrimHorizon(), 4),
                        new Shard("d", List.of(), Status.STOPPED, new Position.TrimHorizon(), 4)));
        String golden = "00046c6f6773" + "8000000000000000" + "0000000000000005" + "00000004"
                + "000161" + "00" + "02" + "010000000000000001" + "0000000000000003"
                + "000162" + "02" + "000161" + "00017a" + "00" + "00" + "0000000000000004"
                + "000163" + "00" + "01" + "00" + "0000000000000004"
                + "000164" + "00" + "03" + "00" + "0000000000000004";

        assertThat(HexFormat.of().formatHex(serializer.serialize(state))).isEqualTo(golden);
        assertThat(serializer.deserialize(1, HexFormat.of().parseHex(golden))).isEqualTo(state);
    }

    @Test
    void refusesStateOfAnotherVersionAndDamagedState() {
        byte[] unknownPhase = HexFormat.of().parseHex("000161" + "00" + "00".repeat(16) + "09");
        byte[] unknownPosition = HexFormat.of().parseHex("000161" + "07" + "00".repeat(17));

        assertThatThrownBy(() -> new ShardSplitSerializer().deserialize(2, new byte[0]))
                .hasMessageContaining("version 2");
        assertThatThrownBy(() -> new EnumeratorStateSerializer().deserialize(2, new byte[0]))
                .hasMessageContaining("version 2");
        assertThatThrownBy(() -> new ShardSplitSerializer().deserialize(1, unknownPhase))
                .hasMessageContaining("unknown constant 9");
        assertThatThrownBy(() -> new ShardSplitSerializer().deserialize(1, unknownPosition))
                .hasMessageContaining("unknown kind of position 7");
    }
}
