# The buckets, each for what may be read and deleted by the same people at the same age.

locals {
  # Flink finishes an upload with the checkpoint that ends it. A job that starts from a savepoint finishes the uploads of
  # then: were they given up, the records in them would be lost.
  abort_uploads_after_days = var.days.savepoints + 7

  # Raw records: secrets in them are not yet redacted.
  raw_readers = concat([var.role_arns.firehose], var.raw_reader_arns)
  dlq_readers = concat([var.role_arns.job, var.role_arns.replay, var.role_arns.tools], var.raw_reader_arns)

  # S3 and VPC write what they saw: in their own name, for this account only.
  log_delivery = [
    {
      Sid       = "AccessLogs"
      Effect    = "Allow"
      Principal = { Service = "logging.s3.amazonaws.com" }
      Action    = ["s3:PutObject"]
      Resource  = ["arn:aws:s3:::${var.names.access_logs}/s3/*"]
      Condition = { StringEquals = { "aws:SourceAccount" = var.account_id } }
    },
    {
      Sid       = "FlowLogs"
      Effect    = "Allow"
      Principal = { Service = "delivery.logs.amazonaws.com" }
      Action    = ["s3:PutObject"]
      Resource  = ["arn:aws:s3:::${var.names.access_logs}/vpc/AWSLogs/${var.account_id}/*"]
      Condition = {
        StringEquals = { "aws:SourceAccount" = var.account_id, "s3:x-amz-acl" = "bucket-owner-full-control" }
        ArnLike      = { "aws:SourceArn" = "arn:aws:logs:${var.region}:${var.account_id}:*" }
      }
    },
    {
      Sid       = "FlowLogsAsk"
      Effect    = "Allow"
      Principal = { Service = "delivery.logs.amazonaws.com" }
      Action    = ["s3:GetBucketAcl", "s3:ListBucket"]
      Resource  = ["arn:aws:s3:::${var.names.access_logs}"]
      Condition = {
        StringEquals = { "aws:SourceAccount" = var.account_id }
        ArnLike      = { "aws:SourceArn" = "arn:aws:logs:${var.region}:${var.account_id}:*" }
      }
    },
  ]
}

module "access_logs" {
  source = "../bucket"

  name                     = var.names.access_logs
  kms_key_arn              = null # S3 does not deliver access logs where the default is a KMS key
  access_log_bucket        = null
  abort_uploads_after_days = 7
  keep_versions_days       = 1
  policy_statements        = local.log_delivery
  force_destroy            = var.force_destroy

  prefixes = {
    all = { prefix = "", expire_after_days = var.days.access_logs }
  }
}

# Redacted lines, receipts of batches, markers of hours, reports on them, and what OpenSearch did not take yet. A marker is
# some hundred bytes, and reports are for people: neither is worth a colder class.
module "archive" {
  source = "../bucket"

  name                     = var.names.archive
  kms_key_arn              = var.kms_key_arns.archive
  access_log_bucket        = module.access_logs.name
  abort_uploads_after_days = local.abort_uploads_after_days
  keep_versions_days       = 30
  force_destroy            = var.force_destroy

  prefixes = {
    logs     = { prefix = "logs/", cold_after_days = var.days.archive_cold, expire_after_days = var.days.archive }
    receipts = { prefix = "receipts/", cold_after_days = var.days.archive_cold, expire_after_days = var.days.archive }
    markers  = { prefix = "markers/", expire_after_days = var.days.archive }
    reports  = { prefix = "quality/", expire_after_days = var.days.archive }
    backlog  = { prefix = "index-backlog/", expire_after_days = var.days.backlog }
  }
}

# Dead letters are the original bytes, not redacted. Besides people, `cali quality` reads them.
module "dlq" {
  source = "../bucket"

  name                     = var.names.dlq
  kms_key_arn              = var.kms_key_arns.raw
  access_log_bucket        = module.access_logs.name
  abort_uploads_after_days = local.abort_uploads_after_days
  keep_versions_days       = 1
  only_readers             = local.dlq_readers
  object_lock              = var.dead_letter_lock
  force_destroy            = var.force_destroy

  prefixes = {
    all = { prefix = "", expire_after_days = var.days.dead_letters }
  }
}

# State goes when Flink or the operator deletes it: no age tells whether a checkpoint's files are still in use. What is
# deleted by mistake can be had back for a day. Savepoints stand alone, and one left behind is of no use once the stream
# no longer holds what came after it.
module "checkpoints" {
  source = "../bucket"

  name                     = var.names.checkpoints
  kms_key_arn              = var.kms_key_arns.checkpoints
  access_log_bucket        = module.access_logs.name
  abort_uploads_after_days = local.abort_uploads_after_days
  keep_versions_days       = 1
  force_destroy            = var.force_destroy

  prefixes = {
    savepoints = { prefix = "savepoints/", expire_after_days = var.days.savepoints }
    replays    = { prefix = "replay/", expire_after_days = var.days.savepoints }
  }
}

# Runbooks and past incidents. Somebody wrote them: versions stay for long, nothing ends by itself.
module "knowledge" {
  source = "../bucket"

  name                     = var.names.knowledge
  kms_key_arn              = var.kms_key_arns.archive
  access_log_bucket        = module.access_logs.name
  abort_uploads_after_days = 7
  keep_versions_days       = 365
  force_destroy            = var.force_destroy
}

# The stream as it came, for the day when the job itself was wrong.
module "raw" {
  source = "../bucket"

  name                     = var.names.raw
  kms_key_arn              = var.kms_key_arns.raw
  access_log_bucket        = module.access_logs.name
  abort_uploads_after_days = 7
  keep_versions_days       = 1
  only_readers             = local.raw_readers
  force_destroy            = var.force_destroy

  prefixes = {
    all = { prefix = "", expire_after_days = var.days.raw }
  }
}
