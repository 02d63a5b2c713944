# What has one valid range is checked where it is used: names, vpc, eks, kinesis, iam, opensearch, observability. Here is
# the rest, and what fits together.

variable "environment" {
  description = "Name of the environment: dev or prod."
  type        = string
}

variable "account_id" {
  description = "AWS account of the environment."
  type        = string
}

variable "region" {
  description = "AWS region of the environment."
  type        = string
}

variable "protect" {
  description = "Whether the environment is safe from `terraform destroy`, and secrets can be had back for a month."
  type        = bool
}

variable "tags" {
  description = "Tags of instances and volumes, as default_tags of the provider has them."
  type        = map(string)
}

# --- People

variable "administrator_arns" {
  description = "IAM roles with all rights in the cluster, the first of them also the first master user of OpenSearch."
  type        = list(string)

  validation {
    condition     = length(var.administrator_arns) > 0 && alltrue([for arn in var.administrator_arns : can(regex("^arn:aws:iam::[0-9]{12}:role/", arn))])
    error_message = "administrator_arns is ${jsonencode(var.administrator_arns)}; at least one IAM role, or nobody enters the cluster, for example \"arn:aws:iam::123456789012:role/platform-admin\"."
  }
}

variable "raw_reader_arns" {
  description = "IAM roles that may read raw records and dead letters, with the secrets in them."
  type        = list(string)

  validation {
    condition     = alltrue([for arn in var.raw_reader_arns : can(regex("^arn:aws:iam::[0-9]{12}:role/", arn))])
    error_message = "raw_reader_arns is ${jsonencode(var.raw_reader_arns)}; each has to be an IAM role that exists, for example \"arn:aws:iam::123456789012:role/incident-response\"."
  }
}

variable "github_repository" {
  description = "Repository whose workflows deploy, owner/name; null: none."
  type        = string
}

variable "alarm_emails" {
  description = "Who is told of alarms by mail."
  type        = list(string)
}

# --- Network

variable "vpc_cidr" {
  description = "Private address range, a /16."
  type        = string
}

variable "availability_zones" {
  description = "Three zones of the region."
  type        = list(string)
}

variable "nat_gateways" {
  description = "none, single or per_az."
  type        = string
}

variable "interface_endpoints" {
  description = "AWS services that are reached without a NAT gateway."
  type        = list(string)
  default     = ["kinesis-streams", "sts", "ecr.api", "ecr.dkr", "logs", "secretsmanager"]

  validation {
    condition     = length(setsubtract(["kinesis-streams", "sts", "ecr.api", "ecr.dkr", "logs", "secretsmanager", "ec2", "eks-auth"], var.interface_endpoints)) == 0 || var.nat_gateways != "none"
    error_message = "interface_endpoints is ${jsonencode(var.interface_endpoints)} and there is no NAT gateway: nodes and job need at least kinesis-streams, sts, ecr.api, ecr.dkr, logs, secretsmanager, ec2 and eks-auth (vpc-cni has its role by pod identity)."
  }
}

# --- Cluster

variable "kubernetes_version" {
  description = "Minor version of Kubernetes."
  type        = string
}

variable "public_access_cidrs" {
  description = "Addresses that reach the API server from outside; none: it is private, and whoever deploys has to be inside."
  type        = list(string)
}

variable "node_groups" {
  description = "Groups of nodes: `flink` for the job, `system` for the rest."
  type = map(object({
    instance_types = list(string)
    min            = number
    max            = number
    disk_gib       = optional(number, 100)
    spot           = optional(bool, false)
  }))

  validation {
    condition     = length(setsubtract(["system", "flink"], keys(var.node_groups))) == 0
    error_message = "node_groups has ${jsonencode(keys(var.node_groups))}; pods choose between \"system\" and \"flink\", so both have to be there."
  }
}

variable "addon_versions" {
  description = "Version of an EKS addon by its name; AWS's default for one that is not named."
  type        = map(string)
  default     = {}

  validation {
    condition     = length(setsubtract(keys(var.addon_versions), ["vpc-cni", "kube-proxy", "coredns", "eks-pod-identity-agent", "aws-ebs-csi-driver"])) == 0
    error_message = "addon_versions names ${jsonencode(keys(var.addon_versions))}; there are vpc-cni, kube-proxy, coredns, eks-pod-identity-agent and aws-ebs-csi-driver, for example { coredns = \"v1.11.1-eksbuild.4\" }."
  }
}

variable "workload_identity" {
  description = "How pods get their roles: irsa or pod_identity."
  type        = string
  default     = "irsa"
}

# --- Stream

variable "stream" {
  description = "The Kinesis stream: mode ON_DEMAND or PROVISIONED, shards of the latter, hours that it keeps records, further readers."
  type = object({
    mode                = string
    shards              = optional(number)
    retention_hours     = number
    consumers           = optional(list(string), [])
    shard_level_metrics = optional(list(string), [])
  })
}

# --- How long things are kept

variable "keep_days" {
  description = "How long things are kept, days: `archive_cold` is when the archive moves to a cheaper class; `savepoints` also bounds how long unfinished uploads live."
  type = object({
    archive_cold = number
    archive      = number
    backlog      = number
    dead_letters = number
    savepoints   = number
    raw          = number
    access_logs  = number
    service_logs = number
  })

  validation {
    condition     = alltrue([for days in values(var.keep_days) : days >= 1 && floor(days) == days])
    error_message = "keep_days is ${jsonencode(var.keep_days)}; each has to be a whole number of days, for example raw = 7."
  }

  validation {
    condition     = var.keep_days.archive_cold < var.keep_days.archive
    error_message = "keep_days has archive_cold = ${var.keep_days.archive_cold} and archive = ${var.keep_days.archive}; lines move before they go, for example archive_cold = 30, archive = 400."
  }

  validation {
    condition     = var.keep_days.raw <= 30 && var.keep_days.dead_letters <= 90
    error_message = "keep_days has raw = ${var.keep_days.raw} and dead_letters = ${var.keep_days.dead_letters}; secrets are in both: at most 30 and 90, for example raw = 7, dead_letters = 30."
  }

  validation {
    condition = contains([
      1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
    ], var.keep_days.service_logs)
    error_message = "keep_days has service_logs = ${var.keep_days.service_logs}; CloudWatch takes certain numbers only, for example 365."
  }
}

variable "dead_letter_lock" {
  description = "Object lock of dead letters: mode GOVERNANCE (a right lifts it) or COMPLIANCE (nothing does), and days; null: none. Only a new bucket takes it."
  type = object({
    mode = string
    days = number
  })
  default = null

  validation {
    condition     = var.dead_letter_lock == null || contains(["GOVERNANCE", "COMPLIANCE"], try(var.dead_letter_lock.mode, ""))
    error_message = "dead_letter_lock has mode ${try(var.dead_letter_lock.mode, "null")}; it has to be GOVERNANCE or COMPLIANCE, for example \"GOVERNANCE\"."
  }

  validation {
    condition     = var.dead_letter_lock == null || try(var.dead_letter_lock.days >= 1 && var.dead_letter_lock.days <= var.keep_days.dead_letters, false)
    error_message = "dead_letter_lock has days = ${try(var.dead_letter_lock.days, 0)}; it has to be 1 to keep_days.dead_letters (${var.keep_days.dead_letters}), for example 14."
  }
}

# --- Search

variable "search" {
  description = "The OpenSearch domain; `master_node_type` null: no dedicated masters."
  type = object({
    engine_version   = optional(string, "OpenSearch_2.19")
    data_node_type   = string
    data_nodes       = number
    master_node_type = optional(string)
    volume_gib       = number
  })
}

# --- Alarms

variable "iterator_age_minutes" {
  description = "How far readers of the stream may be behind before somebody is told."
  type        = number
  default     = 15
}

variable "monthly_budget_dollars" {
  description = "What the environment may cost in a month before somebody is told."
  type        = number
}
