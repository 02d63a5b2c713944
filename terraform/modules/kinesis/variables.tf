variable "name" {
  description = "Name of the stream."
  type        = string
}

variable "kms_key_arn" {
  description = "Key that records are encrypted with."
  type        = string
}

variable "mode" {
  description = "ON_DEMAND: AWS chooses the number of shards; PROVISIONED: `shards`."
  type        = string

  validation {
    condition     = contains(["ON_DEMAND", "PROVISIONED"], var.mode)
    error_message = "The stream's mode is \"${var.mode}\"; it has to be ON_DEMAND or PROVISIONED, for example \"ON_DEMAND\"."
  }
}

variable "shards" {
  description = "Number of shards of a PROVISIONED stream: 1 MiB or 1,000 records a second each; null with ON_DEMAND."
  type        = number

  validation {
    condition     = var.mode == "PROVISIONED" ? coalesce(var.shards, 0) >= 1 && floor(coalesce(var.shards, 0)) == coalesce(var.shards, 0) : var.shards == null
    error_message = "The stream's shards are ${var.shards == null ? "null" : var.shards} and its mode is ${var.mode}; PROVISIONED needs a whole number, for example 4, ON_DEMAND null."
  }
}

variable "retention_hours" {
  description = "Hours for which the stream keeps records: so long may the job be down and lose none."
  type        = number

  validation {
    condition     = var.retention_hours >= 24 && var.retention_hours <= 8760 && floor(var.retention_hours) == var.retention_hours
    error_message = "The stream's retention_hours are ${var.retention_hours}; Kinesis takes 24 to 8760, for example 168."
  }
}

variable "consumers" {
  description = "Names of enhanced fan-out consumers, of other readers than the job."
  type        = list(string)

  validation {
    condition     = length(var.consumers) <= 20 && alltrue([for name in var.consumers : can(regex("^[a-zA-Z0-9_.-]{1,128}$", name))])
    error_message = "The stream's consumers are ${jsonencode(var.consumers)}; a stream has at most 20, each named like \"fraud-check\"."
  }
}

variable "shard_level_metrics" {
  description = "Metrics that CloudWatch keeps for each shard, which it charges for."
  type        = list(string)

  validation {
    condition = length(setsubtract(var.shard_level_metrics, [
      "IncomingBytes", "IncomingRecords", "OutgoingBytes", "OutgoingRecords", "WriteProvisionedThroughputExceeded",
      "ReadProvisionedThroughputExceeded", "IteratorAgeMilliseconds",
    ])) == 0
    error_message = "The stream's shard_level_metrics are ${jsonencode(var.shard_level_metrics)}; Kinesis knows others, for example \"IteratorAgeMilliseconds\"."
  }
}
