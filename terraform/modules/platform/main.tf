# An environment: every module once. dev and prod differ in the values that they give, and in nothing else.
#
# Order: roles before keys, since a key's policy takes no principal that does not exist; keys before what they encrypt.
# Names are computed (names), so all policies can be read in the plan.

module "names" {
  source = "../names"

  environment = var.environment
  account_id  = var.account_id
  region      = var.region
}

# A plan that would destroy this is refused as a whole: `terraform destroy`, and a name that changes, with which stream,
# buckets and domain would be replaced by empty ones. README.md says how an environment is given up.
resource "terraform_data" "protection" {
  count = var.protect ? 1 : 0

  triggers_replace = [module.names.stream, module.names.search_domain, module.names.buckets]

  lifecycle {
    prevent_destroy = true
  }
}

module "vpc" {
  source = "../vpc"

  name                = module.names.prefix
  account_id          = var.account_id
  region              = var.region
  cidr                = var.vpc_cidr
  availability_zones  = var.availability_zones
  nat_gateways        = var.nat_gateways
  interface_endpoints = var.interface_endpoints
  flow_log_bucket_arn = module.s3.bucket_arns.access_logs
}

module "eks" {
  source = "../eks"

  name                = module.names.cluster
  account_id          = var.account_id
  region              = var.region
  kubernetes_version  = var.kubernetes_version
  subnet_ids          = module.vpc.private_subnet_ids
  public_access_cidrs = var.public_access_cidrs
  administrator_arns  = var.administrator_arns
  role_names          = module.names.roles
  node_groups         = var.node_groups
  addon_versions      = var.addon_versions
  log_key_arn         = module.key_logs.arn
  log_retention_days  = var.keep_days.service_logs
  deletion_protection = var.protect
  tags                = var.tags

  deploy = var.github_repository == null ? null : {
    role_arn = module.iam.github_deploy_arn
    group    = module.names.deploy_group
  }
}

module "iam" {
  source = "../iam"

  environment       = var.environment
  account_id        = var.account_id
  region            = var.region
  role_names        = module.names.roles
  service_accounts  = module.names.service_accounts
  workload_identity = var.workload_identity
  oidc_issuer       = module.eks.oidc_issuer
  cluster_name      = module.eks.cluster_name
  cluster_arn       = module.names.cluster_arn
  stream_arn        = module.names.stream_arn
  bucket_arns       = module.names.bucket_arns
  secret_names      = [for name in ["slack", "openai", "opensearch", "milvus"] : module.names.secrets[name]]
  github_repository = var.github_repository
  github_oidc_arn   = module.names.github_oidc_arn
  repository_arn    = module.names.repository_arn
}

module "kinesis" {
  source = "../kinesis"

  name                = module.names.stream
  kms_key_arn         = module.key_stream.arn
  mode                = var.stream.mode
  shards              = var.stream.shards
  retention_hours     = var.stream.retention_hours
  consumers           = var.stream.consumers
  shard_level_metrics = var.stream.shard_level_metrics
}

module "s3" {
  source = "../s3"

  names            = module.names.buckets
  account_id       = var.account_id
  region           = var.region
  role_arns        = module.names.role_arns
  raw_reader_arns  = var.raw_reader_arns
  days             = var.keep_days
  dead_letter_lock = var.dead_letter_lock
  force_destroy    = !var.protect

  kms_key_arns = {
    archive     = module.key_archive.arn
    checkpoints = module.key_checkpoints.arn
    raw         = module.key_raw.arn
  }
}

module "firehose" {
  source = "../firehose"

  name               = module.names.firehose
  account_id         = var.account_id
  region             = var.region
  role_name          = module.names.roles.firehose
  stream_arn         = module.names.stream_arn
  stream_ready_arn   = module.kinesis.arn
  bucket_arn         = module.names.bucket_arns.raw
  bucket_ready_arn   = module.s3.bucket_arns.raw
  kms_key_arn        = module.key_raw.arn
  log_key_arn        = module.key_logs.arn
  log_retention_days = var.keep_days.service_logs
}

module "opensearch" {
  source = "../opensearch"

  name                     = module.names.search_domain
  arn                      = module.names.search_domain_arn
  account_id               = var.account_id
  region                   = var.region
  first_master_arn         = var.administrator_arns[0]
  engine_version           = var.search.engine_version
  data_node_type           = var.search.data_node_type
  data_nodes               = var.search.data_nodes
  master_node_type         = var.search.master_node_type
  volume_gib               = var.search.volume_gib
  vpc_id                   = module.vpc.vpc_id
  subnet_ids               = module.vpc.private_subnet_ids
  client_security_group_id = module.eks.security_group_id
  kms_key_arn              = module.key_search.arn
  log_key_arn              = module.key_logs.arn
  log_retention_days       = var.keep_days.service_logs
}

module "secrets" {
  source = "../secrets"

  account_id    = var.account_id
  kms_key_arn   = module.key_secrets.arn
  recovery_days = var.protect ? 30 : 7

  secrets = {
    (module.names.secrets["slack"])             = "Slack: cali_slack_webhook_url, cali_slack_webhook_urls"
    (module.names.secrets["openai"])            = "OpenAI: cali_openai_api_key"
    (module.names.secrets["opensearch"])        = "OpenSearch user ${module.names.search_user}: cali_opensearch_password"
    (module.names.secrets["milvus"])            = "Milvus: cali_milvus_token"
    (module.names.secrets["opensearch-master"]) = "OpenSearch master user, for people; never brought into the cluster"
  }
}

module "observability" {
  source = "../observability"

  name                   = module.names.prefix
  account_id             = var.account_id
  region                 = var.region
  alarm_emails           = var.alarm_emails
  monthly_budget_dollars = var.monthly_budget_dollars
  stream                 = module.names.stream
  stream_retention_hours = var.stream.retention_hours
  iterator_age_minutes   = var.iterator_age_minutes
  firehose               = module.names.firehose
  search_domain          = module.names.search_domain
  search_volume_gib      = var.search.volume_gib
}
