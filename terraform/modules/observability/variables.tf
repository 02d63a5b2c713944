variable "name" {
  description = "What names of alarms begin with; also the value of the tag `Environment`."
  type        = string
}

variable "account_id" {
  description = "AWS account of the alarms."
  type        = string
}

variable "region" {
  description = "AWS region of the alarms."
  type        = string
}

variable "alarm_emails" {
  description = "Who is told by mail; each has to confirm once."
  type        = list(string)

  validation {
    condition     = alltrue([for address in var.alarm_emails : can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", address))])
    error_message = "alarm_emails is ${jsonencode(var.alarm_emails)}; each has to be an address, for example \"oncall@example.com\"."
  }
}

variable "monthly_budget_dollars" {
  description = "What the environment may cost in a month before somebody is told."
  type        = number

  validation {
    condition     = var.monthly_budget_dollars > 0
    error_message = "monthly_budget_dollars is ${var.monthly_budget_dollars}; it has to be above zero, for example 3000."
  }
}

variable "stream" {
  description = "Name of the stream."
  type        = string
}

variable "stream_retention_hours" {
  description = "Hours for which the stream keeps records."
  type        = number
}

variable "iterator_age_minutes" {
  description = "How far readers may be behind."
  type        = number

  validation {
    condition     = var.iterator_age_minutes >= 1
    error_message = "iterator_age_minutes is ${var.iterator_age_minutes}; it has to be at least 1, for example 15."
  }
}

variable "firehose" {
  description = "Name of the delivery stream."
  type        = string
}

variable "search_domain" {
  description = "Name of the OpenSearch domain."
  type        = string
}

variable "search_volume_gib" {
  description = "Disk of each of its data nodes."
  type        = number
}
