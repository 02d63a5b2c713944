output "url" {
  description = "Address of the domain."
  value       = "https://${aws_opensearch_domain.this.endpoint}"
}
