variable "environment" {
  description = "Name of the environment, and of the environment in GitHub."
  type        = string
}

variable "account_id" {
  description = "AWS account of the roles."
  type        = string
}

variable "region" {
  description = "AWS region of the secrets."
  type        = string
}

variable "role_names" {
  description = "Names of the roles, by component."
  type        = map(string)
}

variable "service_accounts" {
  description = "Kubernetes service account by component."
  type        = map(object({ namespace = string, name = string }))
}

variable "workload_identity" {
  description = "How pods get their roles: irsa (annotation of the service account) or pod_identity (association in EKS)."
  type        = string

  validation {
    condition     = contains(["irsa", "pod_identity"], var.workload_identity)
    error_message = "workload_identity is \"${var.workload_identity}\"; it has to be irsa or pod_identity, for example \"irsa\"."
  }
}

variable "oidc_issuer" {
  description = "Issuer of the cluster's tokens, without https://."
  type        = string
}

variable "cluster_name" {
  description = "Name of the cluster."
  type        = string
}

variable "cluster_arn" {
  description = "ARN of the cluster."
  type        = string
}

variable "stream_arn" {
  description = "ARN of the stream."
  type        = string
}

variable "bucket_arns" {
  description = "ARNs of buckets, by use."
  type = object({
    archive     = string
    dlq         = string
    checkpoints = string
    knowledge   = string
  })
}

variable "secret_names" {
  description = "Secrets Manager entries that are brought into Kubernetes."
  type        = list(string)
}

variable "github_repository" {
  description = "Repository whose workflows deploy, owner/name; null: none."
  type        = string

  validation {
    condition     = var.github_repository == null || can(regex("^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$", var.github_repository))
    error_message = "github_repository is \"${coalesce(var.github_repository, "null")}\"; it has to be owner/name, for example \"example/cali\"."
  }
}

variable "github_oidc_arn" {
  description = "ARN of GitHub's identity provider."
  type        = string
}

variable "repository_arn" {
  description = "ARN of the ECR repository."
  type        = string
}
