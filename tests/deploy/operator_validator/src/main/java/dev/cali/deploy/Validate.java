package dev.cali.deploy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fabric8.kubernetes.client.utils.Serialization;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.kubernetes.operator.api.FlinkDeployment;
import org.apache.flink.kubernetes.operator.config.FlinkConfigManager;
import org.apache.flink.kubernetes.operator.validation.DefaultValidator;

/**
 * What the Flink Kubernetes operator's own validator says of FlinkDeployments.
 *
 * <p>In: a JSON array of FlinkDeployments. Out: a JSON array of its objections, an empty text for none.
 *
 * <p>This operator is older than the Flink of our deployments: it is told of the newest that it knows, and of options by
 * the names that they had then.
 */
public final class Validate {

    private static final String NEWEST_KNOWN = "v1_20";

    /** Options that were renamed since, and that the validator looks for. */
    private static final Map<String, String> FORMER_NAMES =
            Map.of(
                    "execution.checkpointing.dir", "state.checkpoints.dir",
                    "execution.checkpointing.savepoint-dir", "state.savepoints.dir");

    private Validate() {}

    public static void main(String[] arguments) throws IOException {
        DefaultValidator validator = new DefaultValidator(new FlinkConfigManager(new Configuration()));
        List<String> objections = new ArrayList<>();
        for (JsonNode deployment : new ObjectMapper().readTree(System.in)) {
            objections.add(validator.validateDeployment(older(deployment)).orElse(""));
        }
        System.out.println(Serialization.asJson(objections));
        System.exit(0); // the operator's cache of configurations has a thread that never ends
    }

    private static FlinkDeployment older(JsonNode deployment) {
        ObjectNode spec = (ObjectNode) deployment.get("spec");
        spec.put("flinkVersion", NEWEST_KNOWN);
        ObjectNode configuration = (ObjectNode) spec.get("flinkConfiguration");
        FORMER_NAMES.forEach(
                (name, former) -> {
                    if (configuration.has(name)) {
                        configuration.set(former, configuration.remove(name));
                    }
                });
        return Serialization.unmarshal(deployment.toString(), FlinkDeployment.class);
    }
}
