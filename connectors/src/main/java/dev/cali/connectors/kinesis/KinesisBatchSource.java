package dev.cali.connectors.kinesis;

import dev.cali.connectors.kinesis.KinesisBatchEnumerator.BoundsMemory;
import dev.cali.connectors.kinesis.KinesisBatchSourceOptions.StopPosition;
import java.util.Map;
import javax.annotation.Nullable;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.connector.source.Boundedness;
import org.apache.flink.api.connector.source.Source;
import org.apache.flink.api.connector.source.SourceReader;
import org.apache.flink.api.connector.source.SourceReaderContext;
import org.apache.flink.api.connector.source.SplitEnumerator;
import org.apache.flink.api.connector.source.SplitEnumeratorContext;
import org.apache.flink.api.java.typeutils.ResultTypeQueryable;
import org.apache.flink.core.io.SimpleVersionedSerializer;

/**
 * Reads a Kinesis stream; an element is a {@code RecordBatch} frame with the records of one GetRecords response, or of
 * a slice of it.
 *
 * <p>Its watermarks are its own and go downstream with {@code WatermarkStrategy.noWatermarks()}: that strategy adds
 * none, and does not stop those of the source.
 */
public final class KinesisBatchSource
        implements Source<byte[], ShardSplit, EnumeratorState>, ResultTypeQueryable<byte[]> {

    private static final long serialVersionUID = 1L;

    private final SourceConfig config;
    private final StreamClient.Factory clients;

    /** Lives as long as the job manager's copy of the source, which is what makes enumerators. */
    @Nullable private transient BoundsMemory boundsMemory;

    KinesisBatchSource(SourceConfig config, StreamClient.Factory clients) {
        this.config = config;
        this.clients = clients;
    }

    /**
     * Makes a source from options.
     *
     * @param options keys and values of {@link KinesisBatchSourceOptions}
     * @throws IllegalArgumentException an option is unknown, missing or wrong; the message names it
     */
    public static KinesisBatchSource fromOptions(Map<String, String> options) {
        return new KinesisBatchSource(SourceConfig.fromOptions(options), new StreamClient.AwsFactory());
    }

    @Override
    public Boundedness getBoundedness() {
        return config.stopPosition() == StopPosition.NEVER
                ? Boundedness.CONTINUOUS_UNBOUNDED
                : Boundedness.BOUNDED;
    }

    @Override
    public SourceReader<byte[], ShardSplit> createReader(SourceReaderContext context) {
        return new KinesisBatchReader(context, config, connect());
    }

    @Override
    public SplitEnumerator<ShardSplit, EnumeratorState> createEnumerator(SplitEnumeratorContext<ShardSplit> context) {
        return restoreEnumerator(context, null);
    }

    @Override
    public SplitEnumerator<ShardSplit, EnumeratorState> restoreEnumerator(
            SplitEnumeratorContext<ShardSplit> context, @Nullable EnumeratorState state) {
        return new KinesisBatchEnumerator(context, config, connect(), boundsMemory(), System::nanoTime, state);
    }

    @Override
    public SimpleVersionedSerializer<ShardSplit> getSplitSerializer() {
        return new ShardSplitSerializer();
    }

    @Override
    public SimpleVersionedSerializer<EnumeratorState> getEnumeratorCheckpointSerializer() {
        return new EnumeratorStateSerializer();
    }

    @Override
    public TypeInformation<byte[]> getProducedType() {
        return PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO;
    }

    private StreamClient connect() {
        return new StreamClient(config, clients.create(config));
    }

    private synchronized BoundsMemory boundsMemory() {
        if (boundsMemory == null) {
            boundsMemory = new BoundsMemory();
        }
        return boundsMemory;
    }
}
