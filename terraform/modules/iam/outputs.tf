output "role_arns" {
  description = "ARNs of the components' roles, known once they exist: a key's policy takes no principal that does not."
  value       = { for component, role in aws_iam_role.this : component => "arn:aws:iam::${var.account_id}:role/${role.name}" }
}

output "github_deploy_arn" {
  description = "ARN of the role that deploys; null without a repository."
  value       = one([for role in aws_iam_role.github_deploy : "arn:aws:iam::${var.account_id}:role/${role.name}"])
}
