output "kustomize_env" {
  description = "flink-k8s/overlays/ENV/terraform.env: a line KEY=value for each."
  value       = join("", [for pair in local.settings : "${pair[0]}=${pair[1]}\n"])
}

output "fluent_bit_values" {
  description = "What fluent-bit/values-ENV.yaml says of the environment: the role, and what Fluent Bit's configuration takes from its environment."
  value = yamlencode({
    serviceAccount = { annotations = { "eks.amazonaws.com/role-arn" = module.names.role_arns.fluent_bit } }
    env = [
      { name = "AWS_REGION", value = var.region },
      { name = "KINESIS_STREAM", value = module.names.stream },
      { name = "KINESIS_ENDPOINT", value = "kinesis.${var.region}.amazonaws.com" },
    ]
  })
}

output "cluster_name" {
  description = "Name of the cluster, for `aws eks update-kubeconfig`."
  value       = module.eks.cluster_name
}

output "cluster_security_group_id" {
  description = "Security group of nodes, pods and the API server's addresses; whoever runs kubectl inside the VPC needs it, too."
  value       = module.eks.security_group_id
}

output "search_url" {
  description = "Address of OpenSearch."
  value       = module.opensearch.url
}

output "github_deploy_role_arn" {
  description = "Role of the workflow that deploys; null without a repository."
  value       = module.iam.github_deploy_arn
}

output "alarm_topic_arn" {
  description = "Topic that alarms go to."
  value       = module.observability.topic_arn
}
