package dev.cali.connectors.kinesis;

import dev.cali.connectors.kinesis.EnumeratorState.Bounds;
import dev.cali.connectors.kinesis.EnumeratorState.Shard;
import dev.cali.connectors.kinesis.EnumeratorState.Status;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataOutputSerializer;

/** The form of the enumerator's state in checkpoints; golden bytes in the tests hold it still. */
final class EnumeratorStateSerializer implements SimpleVersionedSerializer<EnumeratorState> {

    private static final int VERSION = 1;

    @Override
    public int getVersion() {
        return VERSION;
    }

    @Override
    public byte[] serialize(EnumeratorState state) throws IOException {
        DataOutputSerializer out = new DataOutputSerializer(1024);
        out.writeUTF(state.stream());
        out.writeLong(state.bounds().start());
        out.writeLong(state.bounds().stop());
        out.writeInt(state.shards().size());
        for (Shard shard : state.shards()) {
            out.writeUTF(shard.id());
            out.writeByte(shard.parents().size());
            for (String parent : shard.parents()) {
                out.writeUTF(parent);
            }
            out.writeByte(shard.status().ordinal());
            shard.position().write(out);
            out.writeLong(shard.watermark());
        }
        return out.getCopyOfBuffer();
    }

    @Override
    public EnumeratorState deserialize(int version, byte[] bytes) throws IOException {
        Versions.require(version, VERSION);
        DataInputDeserializer in = new DataInputDeserializer(bytes);
        String stream = in.readUTF();
        Bounds bounds = new Bounds(in.readLong(), in.readLong());
        List<Shard> shards = new ArrayList<>();
        for (int remaining = in.readInt(); remaining > 0; remaining--) {
            shards.add(readShard(in));
        }
        return new EnumeratorState(stream, bounds, shards);
    }

    private static Shard readShard(DataInputDeserializer in) throws IOException {
        String id = in.readUTF();
        List<String> parents = new ArrayList<>();
        for (int remaining = in.readByte(); remaining > 0; remaining--) {
            parents.add(in.readUTF());
        }
        return new Shard(
                id,
                parents,
                Versions.constant(Status.values(), in.readByte()),
                Position.read(in),
                in.readLong());
    }
}
