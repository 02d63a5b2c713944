variable "name" {
  description = "Name of the bucket."
  type        = string
}

variable "kms_key_arn" {
  description = "Key that objects are encrypted with; null: S3's own."
  type        = string
}

variable "access_log_bucket" {
  description = "Name of the bucket that takes the access logs; null: none."
  type        = string
}

variable "abort_uploads_after_days" {
  description = "Days after which an upload that nobody finished is given up."
  type        = number
}

variable "keep_versions_days" {
  description = "Days for which an object that was deleted or written again can be had back."
  type        = number
}

variable "prefixes" {
  description = "What becomes of objects with age, by name of the rule."
  type = map(object({
    prefix            = string
    cold_after_days   = optional(number)
    expire_after_days = optional(number)
  }))
  default = {}
}

variable "only_readers" {
  description = "ARNs of the principals that may read objects, whatever policies allow others; null: whom IAM allows."
  type        = list(string)
  default     = null
}

variable "object_lock" {
  description = "Mode and days for which no object can be deleted; null: none."
  type = object({
    mode = string
    days = number
  })
  default = null
}

variable "policy_statements" {
  description = "Further statements of the bucket's policy."
  type        = any
  default     = []
}

variable "force_destroy" {
  description = "Whether `terraform destroy` deletes the objects too."
  type        = bool
  default     = false
}
