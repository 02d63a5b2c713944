package dev.cali.connectors.files;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cali.connectors.FrameReader;
import dev.cali.connectors.FrameReader.Entry;
import dev.cali.connectors.FrameReader.Frame;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import java.util.zip.GZIPOutputStream;
import javax.annotation.Nullable;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.file.src.FileSourceSplit;
import org.apache.flink.connector.file.src.reader.BulkFormat.RecordIterator;
import org.apache.flink.connector.file.src.util.CheckpointedPosition;
import org.apache.flink.connector.file.src.util.RecordAndPosition;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RecordBatchFormatTest {

    private static final long MODIFIED = 1_795_338_000_000L;

    @TempDir
    private Path folder;

    @Test
    void givesLinesWithTheirOffsetsAndTheFilesTime() throws IOException {
        Path file = write("a.ndjson", "{\"n\":1}\n{\"n\":22}\n".getBytes());

        Frame frame = only(readAll(file, 1000, 100));

        assertThat(frame.origin()).isEqualTo(file.toUri().toString().replace("file:///", "file:/"));
        assertThat(frame.entries()).extracting(Entry::sequence).containsExactly("0", "8");
        assertThat(frame.entries()).extracting(Entry::arrivalTime).containsOnly(MODIFIED);
        assertThat(frame.texts()).containsExactly("{\"n\":1}", "{\"n\":22}");
    }

    @Test
    void readsALastLineWithoutNewlineAndSkipsEmptyLines() throws IOException {
        Path file = write("a.ndjson", "\n\r\none\n\n\ntwo".getBytes());

        Frame frame = only(readAll(file, 1000, 100));

        assertThat(frame.texts()).containsExactly("one", "two");
        assertThat(frame.entries()).extracting(Entry::sequence).containsExactly("3", "9");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "\n\n\n"})
    void givesNothingForAFileWithoutLines(String content) throws IOException {
        assertThat(readAll(write("a.ndjson", content.getBytes()), 1000, 100)).isEmpty();
    }

    @Test
    void fillsFramesUpToBatchBytesAndGivesALongerLineAFrameOfItsOwn() throws IOException {
        Path file = write("a.ndjson", "aaaa\nbbbb\ncc\nddddddddddddddd\ne\n".getBytes());

        assertThat(readAll(file, 10, 100))
                .extracting(Frame::texts)
                .containsExactly(List.of("aaaa", "bbbb", "cc"), List.of("ddddddddddddddd"), List.of("e"));
    }

    @Test
    void boundsTheRecordsOfAFrameOfVeryShortLines() throws IOException {
        Path file = write("a.ndjson", "1\n".repeat(70_000).getBytes());

        assertThat(readAll(file, 1_000_000, 100))
                .extracting(frame -> frame.entries().size())
                .containsExactly(65_536, 70_000 - 65_536);
    }

    @Test
    void cutsALineThatIsTooLongToOneByteMoreThanAllowed() throws IOException {
        String text = "short\n" + "x".repeat(300_000) + "\nafter\n" + "y".repeat(101);
        Path file = write("a.ndjson", text.getBytes());

        Frame frame = only(readAll(file, 1_000_000, 100));

        assertThat(frame.texts()).containsExactly("short", "x".repeat(101), "after", "y".repeat(101));
        assertThat(frame.entries()).extracting(Entry::sequence).containsExactly("0", "6", "300007", "300013");
    }

    @Test
    void readsAllMembersOfAGzipFileWhateverItsName() throws IOException {
        // A member that ends inside a line, an empty member, and one with a name in its header.
        byte[] bytes = concat(gzip("one\ntw"), gzip(""), named(gzip("o\nthree\n")));
        Path file = write("archive", bytes);

        Frame frame = only(readAll(file, 1000, 100));

        assertThat(frame.texts()).containsExactly("one", "two", "three");
        assertThat(frame.entries()).extracting(Entry::sequence).containsExactly("0", "4", "8");
    }

    @Test
    void readsGzipOfRandomSizesAsItWasWritten() throws IOException {
        Random random = new Random(7);
        List<String> lines = new ArrayList<>();
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        for (int member = 0; member < 50; member++) {
            StringBuilder text = new StringBuilder();
            for (int line = random.nextInt(200); line > 0; line--) {
                String value = "x" + random.ints(random.nextInt(400), 32, 127)
                        .collect(StringBuilder::new, StringBuilder::appendCodePoint, StringBuilder::append);
                lines.add(value);
                text.append(value).append('\n');
            }
            bytes.write(gzip(text.toString()));
        }
        Path file = write("a.gz", bytes.toByteArray());

        assertThat(readAll(file, 50_000, 1000).stream().flatMap(frame -> frame.texts().stream()))
                .containsExactlyElementsOf(lines);
    }

    @Test
    void namesAGzipFileThatIsCutShortAnywhere() throws IOException {
        byte[] whole = concat(gzip("one\ntwo\n"), gzip("three\n"));
        int firstMember = gzip("one\ntwo\n").length;
        for (int length = 3; length < whole.length; length++) {
            if (length == firstMember) {
                continue;
            }
            Path file = write("cut-" + length + ".gz", Arrays.copyOf(whole, length));

            assertThatThrownBy(() -> readAll(file, 1000, 100))
                    .as("cut to %d bytes", length)
                    .isInstanceOf(IOException.class)
                    .hasMessageContaining(file.getFileName().toString())
                    .hasMessageContaining("cut short");
        }
    }

    @Test
    void namesAGzipFileThatIsDamaged() throws IOException {
        byte[] bytes = gzip("one\ntwo\n");
        bytes[bytes.length - 6] ^= 1;
        Path wrongSum = write("sum.gz", bytes);
        Path trailing = write("trailing.gz", concat(gzip("one\n"), "garbage".getBytes()));

        assertThatThrownBy(() -> readAll(wrongSum, 1000, 100))
                .hasMessageContaining("sum.gz")
                .hasMessageContaining("check sum");
        assertThatThrownBy(() -> readAll(trailing, 1000, 100))
                .hasMessageContaining("trailing.gz")
                .hasMessageContaining("followed by something else");
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void goesOnBehindAnyFrameAfterARestore(boolean compressed) throws IOException {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < 500; i++) {
            text.append("line ").append(i).append("\n".repeat(1 + i % 3));
        }
        Path file = write("a", compressed ? gzip(text.toString()) : text.toString().getBytes());
        List<RecordAndPosition<byte[]>> frames = readFrom(file, null, 100, 50);

        for (int i = 0; i < frames.size(); i++) {
            List<String> before = texts(frames.subList(0, i + 1));
            CheckpointedPosition position =
                    new CheckpointedPosition(frames.get(i).getOffset(), frames.get(i).getRecordSkipCount());
            List<RecordAndPosition<byte[]>> rest = readFrom(file, position, 100, 50);

            assertThat(Stream.concat(before.stream(), texts(rest).stream()))
                    .containsExactlyElementsOf(texts(frames));
            assertThat(rest.stream().map(RecordAndPosition::getRecord))
                    .containsExactlyElementsOf(frames.stream()
                            .skip(i + 1)
                            .map(RecordAndPosition::getRecord)
                            .toList());
        }
    }

    @Test
    void eachFrameNamesTheLastSequenceOfTheFrameBefore() throws IOException {
        Path file = write("a.ndjson", "aaaa\nbbbb\ncc\nddddddddddddddd\n\ne\n".getBytes());

        assertThat(readAll(file, 10, 100)).extracting(Frame::after).containsExactly("", "10", "13");
    }

    @Test
    void saysSoWhenAFileBecameShorterThanItsCheckpoint() throws IOException {
        Path file = write("a.gz", gzip("one\n"));

        assertThatThrownBy(() -> readFrom(file, new CheckpointedPosition(100, 1), 100, 50))
                .hasMessageContaining("a.gz")
                .hasMessageContaining("shorter than when it was read before");
    }

    @Test
    void handsFilesOutInTheOrderOfTheirPaths() {
        PathOrderSplitAssigner assigner = new PathOrderSplitAssigner(
                List.of(split("dt=2/hour=01/b"), split("dt=1/hour=09/c"), split("dt=2/hour=01/a")));
        FileSourceSplit first = assigner.getNext(null).orElseThrow();
        assigner.getNext("host");
        assigner.addSplits(List.of(first));

        assertThat(assigner.remainingSplits()).hasSize(2);
        assertThat(assigner.getNext(null).orElseThrow().path().getPath()).isEqualTo("/dt=1/hour=09/c");
        assertThat(assigner.getNext(null).orElseThrow().path().getPath()).isEqualTo("/dt=2/hour=01/b");
        assertThat(assigner.getNext(null)).isEmpty();
    }

    private static FileSourceSplit split(String path) {
        return new FileSourceSplit(path, new org.apache.flink.core.fs.Path("/" + path), 0, 1, MODIFIED, 1);
    }

    private Path write(String name, byte[] content) throws IOException {
        return Files.write(folder.resolve(name), content);
    }

    private static List<Frame> readAll(Path file, int batchBytes, int maxLineBytes) throws IOException {
        return readFrom(file, null, batchBytes, maxLineBytes).stream()
                .map(batch -> FrameReader.read(batch.getRecord()))
                .toList();
    }

    private static List<RecordAndPosition<byte[]>> readFrom(
            Path file, @Nullable CheckpointedPosition position, int batchBytes, int maxLineBytes) throws IOException {
        RecordBatchFormat format = new RecordBatchFormat(batchBytes, maxLineBytes);
        long size = Files.size(file);
        FileSourceSplit split = new FileSourceSplit(
                "1", new org.apache.flink.core.fs.Path(file.toUri()), 0, size, MODIFIED, size, new String[0], position);
        List<RecordAndPosition<byte[]>> frames = new ArrayList<>();
        try (RecordBatchFormat.Reader reader = position == null
                ? format.createReader(new Configuration(), split)
                : format.restoreReader(new Configuration(), split)) {
            for (RecordIterator<byte[]> batch = reader.readBatch(); batch != null; batch = reader.readBatch()) {
                for (RecordAndPosition<byte[]> frame = batch.next(); frame != null; frame = batch.next()) {
                    // The format may use the same holder for the next frame.
                    frames.add(new RecordAndPosition<>(
                            frame.getRecord(), frame.getOffset(), frame.getRecordSkipCount()));
                }
                batch.releaseBatch();
            }
        }
        return frames;
    }

    private static List<String> texts(List<RecordAndPosition<byte[]>> frames) {
        return frames.stream().flatMap(frame -> FrameReader.read(frame.getRecord()).texts().stream()).toList();
    }

    private static Frame only(List<Frame> frames) {
        assertThat(frames).hasSize(1);
        return frames.get(0);
    }

    private static byte[] gzip(String text) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (GZIPOutputStream gzip = new GZIPOutputStream(bytes)) {
            gzip.write(text.getBytes(StandardCharsets.UTF_8));
        }
        return bytes.toByteArray();
    }

    /** Adds an extra field, a name, a comment and a header check sum, which {@code gzip} tools may write. */
    private static byte[] named(byte[] member) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        bytes.write(member, 0, 3);
        bytes.write(2 + 4 + 8 + 16);
        bytes.write(member, 4, 6);
        bytes.write(new byte[] {3, 0, 'x', 'y', 'z'});
        bytes.write("name\0comment\0".getBytes(StandardCharsets.US_ASCII));
        bytes.write(new byte[] {0, 0});
        bytes.write(member, 10, member.length - 10);
        return bytes.toByteArray();
    }

    private static byte[] concat(byte[]... parts) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        for (byte[] part : parts) {
            bytes.write(part);
        }
        return bytes.toByteArray();
    }
}
