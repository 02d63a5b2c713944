variable "names" {
  description = "Names of the buckets, by use."
  type = object({
    archive     = string
    dlq         = string
    checkpoints = string
    knowledge   = string
    raw         = string
    access_logs = string
  })
}

variable "account_id" {
  description = "AWS account of the buckets."
  type        = string
}

variable "region" {
  description = "AWS region of the buckets."
  type        = string
}

variable "kms_key_arns" {
  description = "Keys: `archive` for archive and knowledge, `checkpoints`, `raw` for raw copy and dead letters."
  type = object({
    archive     = string
    checkpoints = string
    raw         = string
  })
}

variable "role_arns" {
  description = "Roles that have to read what few may read: the job and a replay their own unfinished files, tools dead letters and a replay's backlog, Firehose what it retries."
  type = object({
    job      = string
    replay   = string
    tools    = string
    firehose = string
  })
}

variable "raw_reader_arns" {
  description = "Who else may read raw records and dead letters."
  type        = list(string)
}

variable "days" {
  description = "How long things are kept, days."
  type = object({
    archive_cold = number
    archive      = number
    backlog      = number
    dead_letters = number
    savepoints   = number
    raw          = number
    access_logs  = number
  })
}

variable "dead_letter_lock" {
  description = "Mode and days for which nobody can delete a dead letter; null: none."
  type = object({
    mode = string
    days = number
  })
}

variable "force_destroy" {
  description = "Whether `terraform destroy` deletes the objects too."
  type        = bool
}
