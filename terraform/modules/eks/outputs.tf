output "cluster_name" {
  description = "Name of the cluster, known once pods run and take roles."
  value       = aws_eks_cluster.this.name

  depends_on = [aws_eks_addon.before_nodes]
}

output "oidc_issuer" {
  description = "Issuer of the pods' tokens, without https://."
  value       = trimprefix(aws_iam_openid_connect_provider.this.url, "https://")
}

output "security_group_id" {
  description = "Security group of all nodes and pods."
  value       = aws_eks_cluster.this.vpc_config[0].cluster_security_group_id
}
