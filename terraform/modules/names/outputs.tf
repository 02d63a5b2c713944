output "prefix" {
  description = "What the environment's own names begin with, e.g. cali-prod."
  value       = local.prefix
}

output "cluster" {
  description = "Name of the EKS cluster."
  value       = local.prefix
}

output "cluster_arn" {
  description = "ARN of the EKS cluster."
  value       = "arn:aws:eks:${var.region}:${var.account_id}:cluster/${local.prefix}"
}

output "roles" {
  description = "Names of IAM roles, by component."
  value       = local.roles
}

output "role_arns" {
  description = "ARNs of IAM roles, by component."
  value       = { for component, name in local.roles : component => "${local.iam}:role/${name}" }
}

output "service_accounts" {
  description = "Kubernetes service account of each component that takes a role, with its namespace."
  value       = local.service_accounts
}

output "stream" {
  description = "Name of the Kinesis data stream."
  value       = local.stream
}

output "stream_arn" {
  description = "ARN of the Kinesis data stream."
  value       = "arn:aws:kinesis:${var.region}:${var.account_id}:stream/${local.stream}"
}

output "firehose" {
  description = "Name of the Firehose delivery stream."
  value       = local.firehose
}

output "buckets" {
  description = "Names of buckets, by use."
  value       = local.buckets
}

output "bucket_arns" {
  description = "ARNs of buckets, by use."
  value       = { for use, name in local.buckets : use => "arn:aws:s3:::${name}" }
}

output "search_domain" {
  description = "Name of the OpenSearch domain."
  value       = local.prefix
}

output "search_domain_arn" {
  description = "ARN of the OpenSearch domain."
  value       = "arn:aws:es:${var.region}:${var.account_id}:domain/${local.prefix}"
}

output "search_user" {
  description = "OpenSearch user of the job and of the command line."
  value       = local.search_user
}

output "secrets" {
  description = "Names of Secrets Manager entries."
  value       = local.secrets
}

output "repository" {
  description = "Name of the ECR repository, one for all environments of an account."
  value       = local.repository
}

output "repository_arn" {
  description = "ARN of the ECR repository."
  value       = "arn:aws:ecr:${var.region}:${var.account_id}:repository/${local.repository}"
}

output "publish_role" {
  description = "Name of the role that pushes images, one for all environments of an account."
  value       = "cali-github-publish"
}

output "github_oidc_arn" {
  description = "ARN of GitHub's identity provider in this account."
  value       = "${local.iam}:oidc-provider/token.actions.githubusercontent.com"
}

output "deploy_group" {
  description = "Kubernetes group of the role that deploys."
  value       = "cali-deploy"
}

output "settings" {
  description = "Keys and values of flink-k8s/overlays/ENV/terraform.env that are known before anything exists: all but CALI_INDEX__URL."
  value = {
    CALI_ENVIRONMENT             = var.environment
    CALI_AWS__REGION             = var.region
    CALI_SOURCE__KINESIS__STREAM = local.stream
    CALI_STORE__ARCHIVE          = "s3://${local.buckets.archive}/logs"
    CALI_STORE__RECEIPTS         = "s3://${local.buckets.archive}/receipts"
    CALI_STORE__MARKERS          = "s3://${local.buckets.archive}/markers"
    CALI_STORE__INDEX_BACKLOG    = "s3://${local.buckets.archive}/index-backlog"
    CALI_STORE__DEAD_LETTERS     = "s3://${local.buckets.dlq}/dlq"
    CALI_QUALITY__REPORTS        = "s3://${local.buckets.archive}/quality"
    CALI_INDEX__USER             = local.search_user
    CHECKPOINTS_DIR              = "s3://${local.buckets.checkpoints}/checkpoints"
    SAVEPOINTS_DIR               = "s3://${local.buckets.checkpoints}/savepoints"
    HA_DIR                       = "s3://${local.buckets.checkpoints}/ha"
    KNOWLEDGE_URI                = "s3://${local.buckets.knowledge}/"
    JOB_ROLE_ARN                 = "${local.iam}:role/${local.roles.job}"
    REPLAY_ROLE_ARN              = "${local.iam}:role/${local.roles.replay}"
    TOOLS_ROLE_ARN               = "${local.iam}:role/${local.roles.tools}"
    EXTERNAL_SECRETS_ROLE_ARN    = "${local.iam}:role/${local.roles.external_secrets}"
    IMAGE_REPOSITORY             = "${var.account_id}.dkr.ecr.${var.region}.amazonaws.com/${local.repository}"
    SECRETS_PREFIX               = local.secrets_prefix
  }
}
