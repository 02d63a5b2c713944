# Every name, and nothing else: no resource, so that policies and outputs are known before anything exists. The names
# stand again in Kubernetes manifests, Fluent Bit's values and the job's settings; a test compares them.

locals {
  prefix = "cali-${var.environment}"

  iam = "arn:aws:iam::${var.account_id}"

  stream         = "${local.prefix}-logs"
  firehose       = "${local.prefix}-raw"
  search_user    = "cali_job"
  repository     = "cali"
  secrets_prefix = "cali/${var.environment}"

  roles = {
    job              = "${local.prefix}-job"
    replay           = "${local.prefix}-replay"
    tools            = "${local.prefix}-tools"
    fluent_bit       = "${local.prefix}-fluent-bit"
    external_secrets = "${local.prefix}-external-secrets"
    firehose         = "${local.prefix}-firehose"
    github_deploy    = "${local.prefix}-github-deploy"
    cluster          = "${local.prefix}-eks-cluster"
    nodes            = "${local.prefix}-eks-nodes"
    vpc_cni          = "${local.prefix}-vpc-cni"
    ebs_csi          = "${local.prefix}-ebs-csi"
  }

  service_accounts = {
    job              = { namespace = "cali", name = "cali-job" }
    replay           = { namespace = "cali", name = "cali-replay" }
    tools            = { namespace = "cali", name = "cali-tools" }
    fluent_bit       = { namespace = "logging", name = "fluent-bit" }
    external_secrets = { namespace = "cali", name = "external-secrets" }
  }

  buckets = { for use, suffix in {
    archive     = "archive"
    dlq         = "dlq"
    checkpoints = "checkpoints"
    knowledge   = "knowledge"
    raw         = "raw"
    access_logs = "access-logs"
  } : use => "${local.prefix}-${var.account_id}-${suffix}" }

  secrets = { for name in ["slack", "openai", "opensearch", "milvus", "opensearch-master"] : name => "${local.secrets_prefix}/${name}" }
}
