variable "name" {
  description = "Name of the cluster."
  type        = string
}

variable "account_id" {
  description = "AWS account of the cluster."
  type        = string
}

variable "region" {
  description = "AWS region of the cluster."
  type        = string
}

variable "kubernetes_version" {
  description = "Version of Kubernetes, of cluster and nodes."
  type        = string

  validation {
    condition     = can(regex("^1\\.[0-9]{2}$", var.kubernetes_version))
    error_message = "kubernetes_version is \"${var.kubernetes_version}\"; it has to be a minor version, for example \"1.35\"."
  }
}

variable "subnet_ids" {
  description = "Private subnets of nodes and of the API server's addresses."
  type        = list(string)
}

variable "public_access_cidrs" {
  description = "Addresses that reach the API server from outside; none: it is private."
  type        = list(string)

  validation {
    condition     = alltrue([for cidr in var.public_access_cidrs : can(cidrhost(cidr, 0)) && try(tonumber(split("/", cidr)[1]) >= 16, false)])
    error_message = "public_access_cidrs is ${jsonencode(var.public_access_cidrs)}; each has to be a range no wider than /16, for example \"198.51.100.0/24\"."
  }
}

variable "administrator_arns" {
  description = "IAM roles with all rights in the cluster."
  type        = list(string)
}

variable "deploy" {
  description = "The role that deploys, and the group it has in Kubernetes; null: none."
  type = object({
    role_arn = string
    group    = string
  })
}

variable "role_names" {
  description = "Names of the roles that belong to the cluster."
  type = object({
    cluster = string
    nodes   = string
    vpc_cni = string
    ebs_csi = string
  })
}

variable "node_groups" {
  description = "Groups of nodes by name, which is also their label `cali.dev/nodes`."
  type = map(object({
    instance_types = list(string)
    min            = number
    max            = number
    disk_gib       = number
    spot           = bool
  }))

  validation {
    condition     = alltrue([for group in values(var.node_groups) : group.min >= 1 && group.max >= group.min])
    error_message = "node_groups is ${jsonencode({ for name, group in var.node_groups : name => { min = group.min, max = group.max } })}; each needs 1 <= min <= max, for example min = 2, max = 6."
  }

  validation {
    condition     = alltrue([for group in values(var.node_groups) : group.disk_gib >= 50])
    error_message = "node_groups have disk_gib ${jsonencode({ for name, group in var.node_groups : name => group.disk_gib })}; each pod of the job asks for 4 GiB beside the images, so at least 50, for example 100."
  }
}

variable "addon_versions" {
  description = "Version of an addon by its name; one that is not named gets AWS's default at creation, and keeps it."
  type        = map(string)

  validation {
    condition     = alltrue([for version in values(var.addon_versions) : can(regex("^v[0-9]+\\.[0-9]+\\.[0-9]+-eksbuild\\.[0-9]+$", version))])
    error_message = "addon_versions is ${jsonencode(var.addon_versions)}; a version looks like v1.2.3-eksbuild.1 (aws eks describe-addon-versions)."
  }
}

variable "log_key_arn" {
  description = "Key of the log group."
  type        = string
}

variable "log_retention_days" {
  description = "Days for which the API server's logs are kept."
  type        = number
}

variable "deletion_protection" {
  description = "Whether the cluster cannot be deleted."
  type        = bool
}

variable "tags" {
  description = "Tags of instances and volumes, which default_tags of the provider do not reach."
  type        = map(string)
}
