variable "account_id" {
  description = "AWS account."
  type        = string
}

variable "region" {
  description = "AWS region of the registry."
  type        = string
}

variable "github_repository" {
  description = "Repository whose workflows push images, owner/name."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$", var.github_repository))
    error_message = "github_repository is \"${var.github_repository}\"; it has to be owner/name, for example \"example/cali\"."
  }
}

variable "keep_images" {
  description = "Number of images of commits that are kept; releases all are."
  type        = number
  default     = 100
}

variable "create_opensearch_service_role" {
  description = "false where the account has the role AWSServiceRoleForAmazonOpenSearchService already."
  type        = bool
  default     = true
}
