variable "name" {
  description = "Name of the delivery stream."
  type        = string
}

variable "account_id" {
  description = "AWS account of the delivery stream."
  type        = string
}

variable "region" {
  description = "AWS region of the delivery stream."
  type        = string
}

variable "role_name" {
  description = "Name of the role of Firehose."
  type        = string
}

variable "stream_arn" {
  description = "ARN of the stream that is copied, as it is called."
  type        = string
}

variable "stream_ready_arn" {
  description = "The same, once the stream is there."
  type        = string
}

variable "bucket_arn" {
  description = "ARN of the bucket, as it is called."
  type        = string
}

variable "bucket_ready_arn" {
  description = "The same, once the bucket and its policy stand."
  type        = string
}

variable "kms_key_arn" {
  description = "Key that the copy is encrypted with."
  type        = string
}

variable "log_key_arn" {
  description = "Key of the log group."
  type        = string
}

variable "log_retention_days" {
  description = "Days for which Firehose's own errors are kept."
  type        = number
}
