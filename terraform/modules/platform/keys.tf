# A key for each circle of people and programs that may read the same things, and who they are.

locals {
  account = "arn:aws:iam::${var.account_id}:root"  # whoever in the account IAM allows it
  write   = ["kms:Decrypt", "kms:GenerateDataKey"] # an upload in parts is decrypted to be put together
}

# Log groups of AWS services: who entered the cluster, what they asked of it.
module "key_logs" {
  source = "../kms"

  name        = "${module.names.prefix}-logs"
  description = "Log groups of ${module.names.prefix}"
  account_id  = var.account_id
  region      = var.region

  services = {
    CloudWatchLogs = {
      principal = "logs.${var.region}.amazonaws.com"
      actions   = ["kms:Decrypt*", "kms:Describe*", "kms:Encrypt*", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
      condition = "ArnLike"
      key       = "kms:EncryptionContext:aws:logs:arn"
      values    = ["arn:aws:logs:${var.region}:${var.account_id}:log-group:*"]
    }
  }
}

# Records before they are redacted.
module "key_stream" {
  source = "../kms"

  name        = "${module.names.prefix}-stream"
  description = "Stream ${module.names.stream}"
  account_id  = var.account_id
  region      = var.region

  users = {
    Producers = {
      principals = [module.iam.role_arns.fluent_bit]
      actions    = ["kms:GenerateDataKey"]
      via        = "kinesis"
    }
    Readers = {
      principals = [module.iam.role_arns.job, module.iam.role_arns.replay, module.firehose.role_arn]
      actions    = ["kms:Decrypt"]
      via        = "kinesis"
    }
  }
}

# The same at rest: raw copy and dead letters. Administrators of the account are not among the readers. A key knows no
# folders: tools reads dead letters with it, and nothing of the raw copy, whose bucket refuses.
module "key_raw" {
  source = "../kms"

  name        = "${module.names.prefix}-raw"
  description = "Raw copy and dead letters of ${module.names.prefix}"
  account_id  = var.account_id
  region      = var.region

  users = {
    Writers = {
      principals = [module.iam.role_arns.job, module.iam.role_arns.replay, module.iam.role_arns.tools, module.firehose.role_arn]
      actions    = local.write
      via        = "s3"
    }
    # They also put lines below dlq/replay-N/, to be read again.
    Readers = {
      principals = var.raw_reader_arns
      actions    = local.write
      via        = "s3"
    }
  }
}

# What was redacted, and what people wrote.
module "key_archive" {
  source = "../kms"

  name        = "${module.names.prefix}-archive"
  description = "Archive and knowledge of ${module.names.prefix}"
  account_id  = var.account_id
  region      = var.region

  users = {
    Writers = {
      principals = [module.iam.role_arns.job, module.iam.role_arns.tools] # lines and markers; reports of quality
      actions    = local.write
      via        = "s3"
    }
    Readers = {
      principals = [module.iam.role_arns.replay]
      actions    = ["kms:Decrypt"]
      via        = "s3"
    }
    People = {
      principals = [local.account]
      actions    = local.write
      via        = "s3"
    }
  }
}

# State holds records in flight.
module "key_checkpoints" {
  source = "../kms"

  name        = "${module.names.prefix}-checkpoints"
  description = "State of the job in ${module.names.prefix}"
  account_id  = var.account_id
  region      = var.region

  users = {
    Flink = {
      principals = [module.iam.role_arns.job, module.iam.role_arns.replay]
      actions    = local.write
      via        = "s3"
    }
  }
}

module "key_search" {
  source = "../kms"

  name             = "${module.names.prefix}-search"
  description      = "OpenSearch domain ${module.names.search_domain}"
  account_id       = var.account_id
  region           = var.region
  granted_services = ["es"]
}

module "key_secrets" {
  source = "../kms"

  name        = "${module.names.prefix}-secrets"
  description = "Secrets of ${module.names.prefix}"
  account_id  = var.account_id
  region      = var.region

  users = {
    ExternalSecrets = {
      principals = [module.iam.role_arns.external_secrets]
      actions    = ["kms:Decrypt"]
      via        = "secretsmanager"
    }
    People = {
      principals = [local.account]
      actions    = local.write
      via        = "secretsmanager"
    }
  }
}
