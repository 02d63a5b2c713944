package dev.cali.connectors;

import dev.cali.connectors.files.ArrivalHourBucketAssigner;
import dev.cali.connectors.files.NdjsonGzipWriter;
import org.apache.flink.connector.file.sink.FileSink;
import org.apache.flink.core.fs.Path;
import org.apache.flink.streaming.api.functions.sink.filesystem.OutputFileConfig;
import org.apache.flink.streaming.api.functions.sink.filesystem.rollingpolicies.OnCheckpointRollingPolicy;

/** What Python calls: each method takes plain values and returns a Flink sink. */
public final class Sinks {

    private Sinks() {}

    /**
     * Writes chunks as gzip NDJSON to {@code path/dt=YYYY-MM-DD/hour=HH/prefix-….ndjson.gz}, by UTC arrival hour.
     *
     * <p>A file is committed with the checkpoint that follows it: one file a checkpoint, subtask and hour.
     */
    public static FileSink<byte[]> chunks(String path, String prefix) {
        return FileSink.forBulkFormat(new Path(path), new NdjsonGzipWriter.Factory())
                .withBucketAssigner(new ArrivalHourBucketAssigner())
                .withRollingPolicy(OnCheckpointRollingPolicy.build())
                .withOutputFileConfig(new OutputFileConfig(prefix, ".ndjson.gz"))
                .build();
    }
}
