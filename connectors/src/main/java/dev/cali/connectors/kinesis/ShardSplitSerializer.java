package dev.cali.connectors.kinesis;

import java.io.IOException;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataOutputSerializer;

/** The form of a shard in checkpoints; golden bytes in the tests hold it still. */
final class ShardSplitSerializer implements SimpleVersionedSerializer<ShardSplit> {

    private static final int VERSION = 1;

    @Override
    public int getVersion() {
        return VERSION;
    }

    @Override
    public byte[] serialize(ShardSplit split) throws IOException {
        DataOutputSerializer out = new DataOutputSerializer(128);
        out.writeUTF(split.shardId());
        split.position().write(out);
        out.writeLong(split.stopTimestamp());
        out.writeLong(split.watermark());
        out.writeByte(split.phase().ordinal());
        return out.getCopyOfBuffer();
    }

    @Override
    public ShardSplit deserialize(int version, byte[] bytes) throws IOException {
        Versions.require(version, VERSION);
        DataInputDeserializer in = new DataInputDeserializer(bytes);
        return new ShardSplit(
                in.readUTF(),
                Position.read(in),
                in.readLong(),
                in.readLong(),
                Versions.constant(ShardSplit.Phase.values(), in.readByte()));
    }
}
