output "role_arn" {
  description = "ARN of the role, known once it exists."
  value       = "arn:aws:iam::${var.account_id}:role/${aws_iam_role.this.name}"
}
