output "url" {
  description = "Address of the repository."
  value       = aws_ecr_repository.this.repository_url
}
