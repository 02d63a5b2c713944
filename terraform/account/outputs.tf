output "image_repository" {
  description = "Address of the registry."
  value       = module.ecr.url
}

output "publish_role_arn" {
  description = "Role of the workflow that pushes images."
  value       = aws_iam_role.publish.arn
}
