package dev.cali.connectors.kinesis;

import java.io.IOException;
import java.time.Instant;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;
import software.amazon.awssdk.services.kinesis.model.GetShardIteratorRequest;
import software.amazon.awssdk.services.kinesis.model.ShardIteratorType;

/** Where reading of a shard goes on. */
sealed interface Position {

    /** The oldest record the stream still holds. */
    record TrimHorizon() implements Position {}

    /** The first record that arrived at or after a time in epoch milliseconds. */
    record AtTimestamp(long timestamp) implements Position {}

    /** The record after one that was emitted. */
    record After(String sequence) implements Position {}

    /** The sequence of the record emitted last, empty where reading begins. */
    default String sequence() {
        return "";
    }

    /** Asks for an iterator that starts here. */
    default GetShardIteratorRequest.Builder applyTo(GetShardIteratorRequest.Builder request) {
        if (this instanceof AtTimestamp at) {
            return request.shardIteratorType(ShardIteratorType.AT_TIMESTAMP)
                    .timestamp(Instant.ofEpochMilli(at.timestamp));
        }
        if (this instanceof After after) {
            return request.shardIteratorType(ShardIteratorType.AFTER_SEQUENCE_NUMBER)
                    .startingSequenceNumber(after.sequence);
        }
        return request.shardIteratorType(ShardIteratorType.TRIM_HORIZON);
    }

    default void write(DataOutputView out) throws IOException {
        if (this instanceof AtTimestamp at) {
            out.writeByte(1);
            out.writeLong(at.timestamp);
        } else if (this instanceof After after) {
            out.writeByte(2);
            out.writeUTF(after.sequence);
        } else {
            out.writeByte(0);
        }
    }

    static Position read(DataInputView in) throws IOException {
        byte kind = in.readByte();
        return switch (kind) {
            case 0 -> new TrimHorizon();
            case 1 -> new AtTimestamp(in.readLong());
            case 2 -> new After(in.readUTF());
            default -> throw new IOException("unknown kind of position " + kind);
        };
    }
}
