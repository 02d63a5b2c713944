variable "environment" {
  description = "Name of the environment; part of every name."
  type        = string

  validation {
    condition     = contains(["dev", "prod"], var.environment)
    error_message = "environment is \"${var.environment}\"; it has to be dev or prod, for example \"prod\"."
  }
}

variable "account_id" {
  description = "AWS account that everything is in."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id is \"${var.account_id}\"; it has to be twelve digits, for example \"123456789012\"."
  }
}

variable "region" {
  description = "AWS region that everything is in."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}-[a-z]+-[0-9]$", var.region))
    error_message = "region is \"${var.region}\"; it has to be a region of the standard partition, for example \"ap-northeast-2\"."
  }
}
