package dev.cali.connectors.files;

import dev.cali.connectors.RecordBatchFrame;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import javax.annotation.Nullable;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.file.src.FileSourceSplit;
import org.apache.flink.connector.file.src.reader.BulkFormat;
import org.apache.flink.connector.file.src.util.CheckpointedPosition;
import org.apache.flink.connector.file.src.util.SingletonResultIterator;
import org.apache.flink.core.fs.FSDataInputStream;

/**
 * Reads NDJSON files, plain or gzip, as {@code RecordBatch} frames.
 *
 * <p>A frame's origin is the path; a record's sequence is the offset of its line in the unpacked text, its arrival time
 * the file's modification time. A position is that of the last line read, and one line to skip: so the first
 * frame after a restore can tell what was read before it. Whether a file is gzip is told by its first bytes, not by its name. A checkpoint falls
 * between two frames. One file is read by one reader.
 */
public final class RecordBatchFormat implements BulkFormat<byte[], FileSourceSplit> {

    private static final long serialVersionUID = 1L;

    /** Bounds a frame of very short lines, whose columns outweigh their payloads. */
    private static final int MAX_RECORDS = 65_536;

    private final int batchBytes;
    private final int maxLineBytes;

    /** See {@link dev.cali.connectors.Sources#files}. */
    public RecordBatchFormat(int batchBytes, int maxLineBytes) {
        if (batchBytes <= 0 || maxLineBytes <= 0 || maxLineBytes == Integer.MAX_VALUE) {
            throw new IllegalArgumentException("batch bytes " + batchBytes + " or line bytes " + maxLineBytes
                    + " of a file source are out of range");
        }
        this.batchBytes = batchBytes;
        this.maxLineBytes = maxLineBytes;
    }

    @Override
    public Reader createReader(Configuration config, FileSourceSplit split) throws IOException {
        return open(split, null);
    }

    @Override
    public Reader restoreReader(Configuration config, FileSourceSplit split) throws IOException {
        return open(split, split.getReaderPosition().orElseThrow());
    }

    @Override
    public boolean isSplittable() {
        return false;
    }

    @Override
    public TypeInformation<byte[]> getProducedType() {
        return PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO;
    }

    private Reader open(FileSourceSplit split, @Nullable CheckpointedPosition position) throws IOException {
        FSDataInputStream file = null;
        try {
            file = split.path().getFileSystem().open(split.path());
            long offset = position == null ? 0 : position.getOffset();
            InputStream text = textFrom(file, offset);
            Reader reader = new Reader(split, text, new LineReader(text, offset, maxLineBytes));
            if (position != null) {
                reader.skipLine();
            }
            return reader;
        } catch (IOException error) {
            if (file != null) {
                file.close();
            }
            throw named(split, error);
        }
    }

    /** Returns the unpacked text from {@code offset} on. */
    private static InputStream textFrom(FSDataInputStream file, long offset) throws IOException {
        boolean gzip = file.read() == GzipMembers.MAGIC_1 && file.read() == GzipMembers.MAGIC_2;
        file.seek(gzip ? 0 : offset);
        if (!gzip) {
            return file;
        }
        InputStream text = new GzipMembers(file);
        text.skipNBytes(offset);
        return text;
    }

    private static IOException named(FileSourceSplit split, IOException error) {
        String reason = error instanceof EOFException && error.getMessage() == null
                ? "is shorter than when it was read before"
                : String.valueOf(error.getMessage());
        return new IOException("cannot read " + split.path() + ": " + reason, error);
    }

    /** Reads one file. */
    public final class Reader implements BulkFormat.Reader<byte[]> {

        private final FileSourceSplit split;
        private final InputStream text;
        private final LineReader lines;

        /** The line that did not fit into the last frame. */
        @Nullable private byte[] pending;

        /** The last sequence of the last frame. */
        private String after = "";

        private Reader(FileSourceSplit split, InputStream text, LineReader lines) {
            this.split = split;
            this.text = text;
            this.lines = lines;
        }

        /** Leaves out the line that was the last before the checkpoint. */
        private void skipLine() throws IOException {
            if (lines.next() == null) {
                throw new EOFException();
            }
            after = Long.toString(lines.lineOffset());
        }

        @Nullable
        @Override
        public RecordIterator<byte[]> readBatch() throws IOException {
            try {
                return nextFrame();
            } catch (IOException error) {
                throw named(split, error);
            }
        }

        @Override
        public void close() throws IOException {
            text.close();
        }

        @Nullable
        private RecordIterator<byte[]> nextFrame() throws IOException {
            RecordBatchFrame frame = new RecordBatchFrame(split.path().toString(), after);
            byte[] line = pending == null ? lines.next() : pending;
            long last = 0;
            while (line != null && fits(frame, line)) {
                last = lines.lineOffset();
                frame.add(Long.toString(last), split.fileModificationTime(), line);
                line = lines.next();
            }
            pending = line;
            if (frame.isEmpty()) {
                return null;
            }
            SingletonResultIterator<byte[]> batch = new SingletonResultIterator<>();
            batch.set(frame.encode(), last, 1);
            after = Long.toString(last);
            return batch;
        }

        private boolean fits(RecordBatchFrame frame, byte[] line) {
            return frame.isEmpty()
                    || frame.payloadBytes() + line.length <= batchBytes && frame.records() < MAX_RECORDS;
        }
    }
}
