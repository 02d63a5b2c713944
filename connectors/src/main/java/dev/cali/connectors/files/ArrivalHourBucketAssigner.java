package dev.cali.connectors.files;

import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.streaming.api.functions.sink.filesystem.BucketAssigner;
import org.apache.flink.streaming.api.functions.sink.filesystem.bucketassigners.SimpleVersionedStringSerializer;

/** The folder {@code dt=YYYY-MM-DD/hour=HH}, in UTC, of the hour a chunk carries. */
public final class ArrivalHourBucketAssigner implements BucketAssigner<byte[], String> {

    private static final long serialVersionUID = 1L;
    private static final DateTimeFormatter FOLDER =
            DateTimeFormatter.ofPattern("'dt='uuuu-MM-dd/'hour='HH").withZone(ZoneOffset.UTC);

    @Override
    public String getBucketId(byte[] chunk, Context context) {
        return FOLDER.format(Instant.ofEpochMilli(Chunk.hour(chunk)));
    }

    @Override
    public SimpleVersionedSerializer<String> getSerializer() {
        return SimpleVersionedStringSerializer.INSTANCE;
    }
}
