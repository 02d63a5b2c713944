variable "name" {
  description = "Name of the domain."
  type        = string
}

variable "arn" {
  description = "ARN that the domain will have."
  type        = string
}

variable "account_id" {
  description = "AWS account of the domain."
  type        = string
}

variable "region" {
  description = "AWS region of the domain."
  type        = string
}

variable "first_master_arn" {
  description = "IAM role that is the master user until users with passwords are turned on."
  type        = string
}

variable "engine_version" {
  description = "Version of OpenSearch; 2.7 or later, for flat_object."
  type        = string

  validation {
    condition     = can(regex("^OpenSearch_(2\\.([7-9]|1[0-9])|3\\.[0-9]+)$", var.engine_version))
    error_message = "The domain's engine_version is \"${var.engine_version}\"; the job needs 2.7 or later, for example \"OpenSearch_2.19\"."
  }
}

variable "data_node_type" {
  description = "Type of data nodes; fine-grained access control runs on none of the t2 types."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9]+\\.[a-z0-9]+\\.search$", var.data_node_type)) && !startswith(var.data_node_type, "t2.")
    error_message = "The domain's data_node_type is \"${var.data_node_type}\"; it has to be one for OpenSearch and no t2, for example \"r7g.large.search\"."
  }
}

variable "data_nodes" {
  description = "Number of data nodes; they spread over as many zones, three at most."
  type        = number

  validation {
    condition     = contains([1, 2], var.data_nodes) || (var.data_nodes >= 3 && var.data_nodes % 3 == 0)
    error_message = "The domain has data_nodes = ${var.data_nodes}; it takes 1, 2 or a multiple of three, for example 3."
  }
}

variable "master_node_type" {
  description = "Type of the three dedicated masters; null: data nodes do it."
  type        = string

  validation {
    condition     = var.master_node_type == null || can(regex("^[a-z0-9]+\\.[a-z0-9]+\\.search$", var.master_node_type))
    error_message = "The domain's master_node_type is \"${coalesce(var.master_node_type, "null")}\"; it has to be one for OpenSearch, for example \"m7g.large.search\"."
  }
}

variable "volume_gib" {
  description = "Disk of each data node."
  type        = number

  validation {
    condition     = var.volume_gib >= 20 && var.volume_gib <= 3072 && floor(var.volume_gib) == var.volume_gib
    error_message = "The domain's volume_gib are ${var.volume_gib}; a gp3 volume has 20 to 3072 here, for example 200."
  }
}

variable "vpc_id" {
  description = "VPC of the domain."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets, one a zone."
  type        = list(string)
}

variable "client_security_group_id" {
  description = "Security group of nodes and pods."
  type        = string
}

variable "kms_key_arn" {
  description = "Key of the data at rest."
  type        = string
}

variable "log_key_arn" {
  description = "Key of the log groups."
  type        = string
}

variable "log_retention_days" {
  description = "Days for which the domain's logs are kept."
  type        = number
}
