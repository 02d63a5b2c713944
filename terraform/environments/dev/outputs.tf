output "kustomize_env" {
  description = "`terraform output -raw kustomize_env >flink-k8s/overlays/dev/terraform.env`."
  value       = module.platform.kustomize_env
}

output "fluent_bit_values" {
  description = "The environment's part of fluent-bit/values-dev.yaml."
  value       = module.platform.fluent_bit_values
}

output "cluster_name" {
  description = "Name of the cluster, for `aws eks update-kubeconfig`."
  value       = module.platform.cluster_name
}

output "cluster_security_group_id" {
  description = "Security group that a runner inside the VPC needs to reach the API server."
  value       = module.platform.cluster_security_group_id
}

output "search_url" {
  description = "Address of OpenSearch."
  value       = module.platform.search_url
}

output "github_deploy_role_arn" {
  description = "Role of the workflow that deploys."
  value       = module.platform.github_deploy_role_arn
}

output "alarm_topic_arn" {
  description = "Topic that alarms go to."
  value       = module.platform.alarm_topic_arn
}
