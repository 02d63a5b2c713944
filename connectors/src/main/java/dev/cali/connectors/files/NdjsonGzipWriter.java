package dev.cali.connectors.files;

import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.util.zip.GZIPOutputStream;
import org.apache.flink.api.common.serialization.BulkWriter;
import org.apache.flink.core.fs.FSDataOutputStream;

/** Writes the lines of chunks, without the chunks' hours, into one gzip stream per file. */
public final class NdjsonGzipWriter implements BulkWriter<byte[]> {

    private static final int BUFFER_BYTES = 64 * 1024;

    private final GZIPOutputStream gzip;

    NdjsonGzipWriter(OutputStream file) throws IOException {
        gzip = new GZIPOutputStream(new KeptOpen(file), BUFFER_BYTES);
    }

    @Override
    public void addElement(byte[] chunk) throws IOException {
        gzip.write(chunk, Chunk.HEADER_BYTES, chunk.length - Chunk.HEADER_BYTES);
    }

    @Override
    public void flush() throws IOException {
        gzip.flush();
    }

    @Override
    public void finish() throws IOException {
        // Closing is what frees the compressor's native memory.
        gzip.close();
    }

    /** The file is Flink's to close: it may have to persist it first. */
    private static final class KeptOpen extends FilterOutputStream {

        KeptOpen(OutputStream out) {
            super(out);
        }

        @Override
        public void write(byte[] bytes, int offset, int length) throws IOException {
            out.write(bytes, offset, length);
        }

        @Override
        public void close() throws IOException {
            flush();
        }
    }

    /** Opens a writer for each part file. */
    public static final class Factory implements BulkWriter.Factory<byte[]> {

        private static final long serialVersionUID = 1L;

        @Override
        public BulkWriter<byte[]> create(FSDataOutputStream file) throws IOException {
            return new NdjsonGzipWriter(file);
        }
    }
}
