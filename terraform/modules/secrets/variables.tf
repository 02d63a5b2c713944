variable "secrets" {
  description = "What each secret is for, by its name."
  type        = map(string)
}

variable "account_id" {
  description = "AWS account of the secrets."
  type        = string
}

variable "kms_key_arn" {
  description = "Key that values are encrypted with."
  type        = string
}

variable "recovery_days" {
  description = "Days for which a deleted secret can be had back; 0: gone at once."
  type        = number

  validation {
    condition     = var.recovery_days == 0 || (var.recovery_days >= 7 && var.recovery_days <= 30)
    error_message = "The secrets' recovery_days are ${var.recovery_days}; Secrets Manager takes 0 or 7 to 30, for example 30."
  }
}
