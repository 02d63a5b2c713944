# Where states live; once per account, before everything else. Its own state is a file on the disk of whoever runs it:
# small, without secrets, and made again by `terraform import` if it is lost.

locals {
  name = "cali-${var.account_id}-terraform-state"
}

provider "aws" {
  region              = var.region
  allowed_account_ids = [var.account_id]

  default_tags {
    tags = { Project = "cali", ManagedBy = "terraform" }
  }
}

module "key" {
  source = "../modules/kms"

  name        = "cali-terraform-state"
  description = "States of Terraform"
  account_id  = var.account_id
  region      = var.region

  users = {
    Terraform = {
      principals = ["arn:aws:iam::${var.account_id}:root"]
      actions    = ["kms:Decrypt", "kms:GenerateDataKey"]
      via        = "s3"
    }
  }
}

module "access_logs" {
  source = "../modules/bucket"

  name                     = "${local.name}-access-logs"
  kms_key_arn              = null
  access_log_bucket        = null
  abort_uploads_after_days = 7
  keep_versions_days       = 1

  prefixes = {
    all = { prefix = "", expire_after_days = 365 }
  }

  policy_statements = [{
    Sid       = "AccessLogs"
    Effect    = "Allow"
    Principal = { Service = "logging.s3.amazonaws.com" }
    Action    = ["s3:PutObject"]
    Resource  = ["arn:aws:s3:::${local.name}-access-logs/s3/*"]
    Condition = { StringEquals = { "aws:SourceAccount" = var.account_id } }
  }]
}

module "state" {
  source = "../modules/bucket"

  name                     = local.name
  kms_key_arn              = module.key.arn
  access_log_bucket        = module.access_logs.name
  abort_uploads_after_days = 7
  keep_versions_days       = 365 # a state can be had back for a year
}
