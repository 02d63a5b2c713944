package dev.cali.connectors;

import dev.cali.connectors.files.PathOrderSplitAssigner;
import dev.cali.connectors.files.RecordBatchFormat;
import dev.cali.connectors.kinesis.KinesisBatchSource;
import java.util.List;
import java.util.Map;
import org.apache.flink.connector.file.src.FileSource;
import org.apache.flink.core.fs.Path;

/** What Python calls: each method takes plain values and returns a Flink source of {@code RecordBatch} frames. */
public final class Sources {

    private Sources() {}

    /**
     * Reads a Kinesis stream.
     *
     * @param options keys and values of {@link dev.cali.connectors.kinesis.KinesisBatchSourceOptions}
     * @throws IllegalArgumentException an option is unknown, missing or wrong; the message names it
     */
    public static KinesisBatchSource kinesis(Map<String, String> options) {
        return KinesisBatchSource.fromOptions(options);
    }

    /**
     * Reads the lines of files, and of all files below folders, in the order of their paths; gzip is unpacked.
     *
     * @param paths anything Flink has a file system for, e.g. {@code s3://bucket/logs/} or a local path; none of them
     *     lies below another one
     * @param batchBytes payload bytes of one element at most, unless a single line is longer
     * @param maxLineBytes a longer line is cut to {@code maxLineBytes + 1} bytes, so that its length still tells
     */
    public static FileSource<byte[]> files(List<String> paths, int batchBytes, int maxLineBytes) {
        Path[] roots = paths.stream().map(Path::new).toArray(Path[]::new);
        return FileSource.forBulkFileFormat(new RecordBatchFormat(batchBytes, maxLineBytes), roots)
                .setSplitAssigner(PathOrderSplitAssigner::new)
                .build();
    }
}
