package dev.cali.connectors.files;

import java.util.Collection;
import java.util.Comparator;
import java.util.Optional;
import java.util.TreeSet;
import javax.annotation.Nullable;
import org.apache.flink.connector.file.src.FileSourceSplit;
import org.apache.flink.connector.file.src.assigners.FileSplitAssigner;

/**
 * Hands files out in the order of their paths, so that a run at parallelism one reads them in the same order each
 * time; Flink's own assigners follow the order of the listing, which file systems do not promise.
 */
public final class PathOrderSplitAssigner implements FileSplitAssigner {

    private final TreeSet<FileSourceSplit> splits =
            new TreeSet<>(Comparator.comparing((FileSourceSplit split) -> split.path().toString())
                    .thenComparing(FileSourceSplit::splitId));

    public PathOrderSplitAssigner(Collection<FileSourceSplit> splits) {
        this.splits.addAll(splits);
    }

    @Override
    public Optional<FileSourceSplit> getNext(@Nullable String hostname) {
        return Optional.ofNullable(splits.pollFirst());
    }

    @Override
    public void addSplits(Collection<FileSourceSplit> returned) {
        splits.addAll(returned);
    }

    @Override
    public Collection<FileSourceSplit> remainingSplits() {
        return splits;
    }
}
