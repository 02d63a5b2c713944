import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.flink.client.deployment.ClusterSpecification;
import org.apache.flink.configuration.BlobServerOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.DeploymentOptionsInternal;
import org.apache.flink.configuration.HighAvailabilityOptions;
import org.apache.flink.configuration.JobManagerOptions;
import org.apache.flink.configuration.MemorySize;
import org.apache.flink.configuration.RestOptions;
import org.apache.flink.configuration.TaskManagerOptions;
import org.apache.flink.kubernetes.configuration.KubernetesConfigOptions;
import org.apache.flink.kubernetes.configuration.KubernetesConfigOptionsInternal;
import org.apache.flink.kubernetes.entrypoint.KubernetesApplicationClusterEntrypoint;
import org.apache.flink.kubernetes.entrypoint.KubernetesWorkerResourceSpecFactory;
import org.apache.flink.kubernetes.kubeclient.FlinkKubeClient;
import org.apache.flink.kubernetes.kubeclient.FlinkKubeClientFactory;
import org.apache.flink.kubernetes.kubeclient.FlinkPod;
import org.apache.flink.kubernetes.kubeclient.KubernetesJobManagerSpecification;
import org.apache.flink.kubernetes.kubeclient.factory.KubernetesJobManagerFactory;
import org.apache.flink.kubernetes.kubeclient.factory.KubernetesTaskManagerFactory;
import org.apache.flink.kubernetes.kubeclient.parameters.KubernetesJobManagerParameters;
import org.apache.flink.kubernetes.kubeclient.parameters.KubernetesTaskManagerParameters;
import org.apache.flink.kubernetes.shaded.io.fabric8.kubernetes.client.utils.Serialization;
import org.apache.flink.kubernetes.utils.Constants;
import org.apache.flink.kubernetes.utils.KubernetesUtils;
import org.apache.flink.runtime.clusterframework.ContaineredTaskManagerParameters;
import org.apache.flink.runtime.clusterframework.TaskExecutorProcessSpec;
import org.apache.flink.runtime.clusterframework.TaskExecutorProcessUtils;
import org.apache.flink.runtime.jobmanager.HighAvailabilityMode;
import org.apache.flink.runtime.jobmanager.JobManagerProcessSpec;
import org.apache.flink.runtime.jobmanager.JobManagerProcessUtils;
import org.apache.flink.runtime.util.config.memory.ProcessMemoryUtils;
import org.apache.flink.util.ExceptionUtils;

/**
 * What Flink's native integration makes of a configuration and pod templates: a Deployment, Services, a TaskManager's pod.
 *
 * <p>In: a JSON array of {@code {"configuration": {…}, "jobmanagerTemplate": pod, "taskmanagerTemplate": pod}}, as
 * the operator hands them to Flink. Out: a JSON array of what Flink would send to Kubernetes, or {@code {"error": …}}. No
 * Kubernetes is asked. Run from source with Flink's distribution on the class path.
 */
public final class FlinkPods {

    private static final long MIB = 1 << 20;

    private FlinkPods() {}

    public static void main(String[] arguments) throws IOException {
        List<Map<String, Object>> made = new ArrayList<>();
        for (Map<String, Object> given : readAll()) {
            made.add(make(given));
        }
        System.out.println(Serialization.asJson(made));
    }

    @SuppressWarnings("unchecked")
    private static List<Map<String, Object>> readAll() throws IOException {
        return Serialization.unmarshal(new String(System.in.readAllBytes()), List.class);
    }

    private static Map<String, Object> make(Map<String, Object> given) {
        try {
            return cluster(given);
        } catch (Exception e) {
            return Map.of("error", ExceptionUtils.stringifyException(e));
        }
    }

    private static Map<String, Object> cluster(Map<String, Object> given) throws Exception {
        Configuration configuration = configuration(given);
        try (FlinkKubeClient client = FlinkKubeClientFactory.getInstance().fromConfiguration(configuration, "pods")) {
            TaskExecutorProcessSpec memory =
                    TaskExecutorProcessUtils.processSpecFromWorkerResourceSpec(
                            configuration,
                            KubernetesWorkerResourceSpecFactory.INSTANCE.createDefaultWorkerResourceSpec(configuration));
            KubernetesJobManagerSpecification jobManager =
                    KubernetesJobManagerFactory.buildKubernetesJobManagerSpecification(
                            template(client, given.get("jobmanagerTemplate")), jobManagerParameters(configuration, memory));
            Map<String, Object> made = new LinkedHashMap<>();
            made.put("deployment", jobManager.getDeployment());
            made.put("others", jobManager.getAccompanyingResources());
            made.put(
                    "taskManager",
                    KubernetesTaskManagerFactory.buildTaskManagerKubernetesPod(
                                    template(client, given.get("taskmanagerTemplate")),
                                    taskManagerParameters(configuration, memory))
                            .getInternalResource());
            made.put("memory", Map.of("jobManager", jobManagerMemory(configuration), "taskManager", memory(memory)));
            return made;
        }
    }

    /** The configuration with what Flink's own client adds before it asks for a cluster. */
    @SuppressWarnings("unchecked")
    private static Configuration configuration(Map<String, Object> given) throws IOException {
        Configuration configuration = Configuration.fromMap((Map<String, String>) given.get("configuration"));
        configuration.set(
                KubernetesConfigOptionsInternal.ENTRY_POINT_CLASS,
                KubernetesApplicationClusterEntrypoint.class.getName());
        Path empty = Files.createTempDirectory("conf");
        empty.toFile().deleteOnExit();
        configuration.set(DeploymentOptionsInternal.CONF_DIR, empty.toString());
        KubernetesUtils.checkAndUpdatePortConfigOption(
                configuration, BlobServerOptions.PORT, Constants.BLOB_SERVER_PORT);
        KubernetesUtils.checkAndUpdatePortConfigOption(
                configuration, TaskManagerOptions.RPC_PORT, Constants.TASK_MANAGER_RPC_PORT);
        KubernetesUtils.checkAndUpdatePortConfigOption(configuration, RestOptions.BIND_PORT, Constants.REST_PORT);
        if (HighAvailabilityMode.isHighAvailabilityModeActivated(configuration)) {
            KubernetesUtils.checkAndUpdatePortConfigOption(
                    configuration,
                    HighAvailabilityOptions.HA_JOB_MANAGER_PORT_RANGE,
                    configuration.get(JobManagerOptions.PORT));
        }
        return configuration;
    }

    /** Reads a pod template as Flink does: the main container, and the pod without it. */
    private static FlinkPod template(FlinkKubeClient client, Object pod) throws IOException {
        Path file = Files.createTempFile("template", ".yaml");
        try {
            Files.writeString(file, Serialization.asYaml(pod));
            return KubernetesUtils.loadPodFromTemplateFile(client, file.toFile(), Constants.MAIN_CONTAINER_NAME);
        } finally {
            Files.delete(file);
        }
    }

    private static KubernetesJobManagerParameters jobManagerParameters(
            Configuration configuration, TaskExecutorProcessSpec memory) {
        return new KubernetesJobManagerParameters(
                configuration,
                new ClusterSpecification.ClusterSpecificationBuilder()
                        .setMasterMemoryMB(jobManager(configuration).getTotalProcessMemorySize().getMebiBytes())
                        .setTaskManagerMemoryMB(memory.getTotalProcessMemorySize().getMebiBytes())
                        .setSlotsPerTaskManager(memory.getNumSlots())
                        .createClusterSpecification());
    }

    private static KubernetesTaskManagerParameters taskManagerParameters(
            Configuration configuration, TaskExecutorProcessSpec memory) {
        return new KubernetesTaskManagerParameters(
                configuration,
                configuration.get(KubernetesConfigOptions.CLUSTER_ID) + "-taskmanager-1-1",
                "",
                ProcessMemoryUtils.generateJvmParametersStr(memory),
                ContaineredTaskManagerParameters.create(configuration, memory),
                Map.of(),
                Set.of());
    }

    private static JobManagerProcessSpec jobManager(Configuration configuration) {
        return JobManagerProcessUtils.processSpecFromConfig(configuration);
    }

    private static Map<String, Double> jobManagerMemory(Configuration configuration) {
        JobManagerProcessSpec memory = jobManager(configuration);
        Map<String, Double> parts = new LinkedHashMap<>();
        put(parts, "process", memory.getTotalProcessMemorySize());
        put(parts, "heap", memory.getJvmHeapMemorySize());
        put(parts, "metaspace", memory.getJvmMetaspaceSize());
        put(parts, "overhead", memory.getJvmOverheadSize());
        return parts;
    }

    private static Map<String, Double> memory(TaskExecutorProcessSpec memory) {
        Map<String, Double> parts = new LinkedHashMap<>();
        put(parts, "process", memory.getTotalProcessMemorySize());
        put(parts, "heap", memory.getJvmHeapMemorySize());
        put(parts, "direct", memory.getJvmDirectMemorySize());
        put(parts, "network", memory.getNetworkMemSize());
        put(parts, "managed", memory.getManagedMemorySize());
        put(parts, "metaspace", memory.getJvmMetaspaceSize());
        put(parts, "overhead", memory.getJvmOverheadSize());
        return parts;
    }

    private static void put(Map<String, Double> parts, String name, MemorySize size) {
        parts.put(name, (double) size.getBytes() / MIB);
    }
}
