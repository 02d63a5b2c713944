variable "name" {
  description = "Alias, without `alias/`."
  type        = string
}

variable "description" {
  description = "What the key encrypts."
  type        = string
}

variable "account_id" {
  description = "AWS account of the key."
  type        = string
}

variable "region" {
  description = "AWS region of the key."
  type        = string
}

variable "users" {
  description = "Who uses the key, by statement id: principals that exist, KMS actions, and the one service through which (null: none, as EKS calls KMS itself)."
  type = map(object({
    principals = list(string)
    actions    = list(string)
    via        = optional(string)
  }))
  default = {}
}

variable "services" {
  description = "AWS services that use the key in their own name, by statement id, each with the condition that binds them to this account."
  type = map(object({
    principal = string
    actions   = list(string)
    condition = string
    key       = string
    values    = list(string)
  }))
  default = {}
}

variable "granted_services" {
  description = "AWS services that hold the key by a grant, as in kms:ViaService without region, e.g. [\"es\"]."
  type        = list(string)
  default     = []
}
