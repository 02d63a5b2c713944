variable "account_id" {
  description = "AWS account of the states."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id is \"${var.account_id}\"; it has to be twelve digits, for example \"123456789012\"."
  }
}

variable "region" {
  description = "AWS region of the states."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}-[a-z]+-[0-9]$", var.region))
    error_message = "region is \"${var.region}\"; it has to be a region of the standard partition, for example \"ap-northeast-2\"."
  }
}
