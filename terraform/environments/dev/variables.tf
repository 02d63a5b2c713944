# What depends on who runs it; values are in terraform.tfvars, and checked in the modules. Sizes are in main.tf.

variable "account_id" {
  description = "AWS account of the environment."
  type        = string
}

variable "region" {
  description = "AWS region of the environment."
  type        = string
}

variable "administrator_arns" {
  description = "IAM roles with all rights in the cluster."
  type        = list(string)
}

variable "raw_reader_arns" {
  description = "IAM roles that may read raw records and dead letters, with the secrets in them."
  type        = list(string)
}

variable "public_access_cidrs" {
  description = "Addresses that reach the API server from outside; none: it is private."
  type        = list(string)
}

variable "github_repository" {
  description = "Repository whose workflows deploy, owner/name; null: none."
  type        = string
}

variable "alarm_emails" {
  description = "Who is told of alarms by mail."
  type        = list(string)
}
