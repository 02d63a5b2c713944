locals {
  # In the order of flink-k8s/overlays/ENV/terraform.env, so that a diff shows what changed.
  setting_names = [
    "CALI_ENVIRONMENT", "CALI_AWS__REGION", "CALI_SOURCE__KINESIS__STREAM", "CALI_STORE__ARCHIVE", "CALI_STORE__RECEIPTS",
    "CALI_STORE__MARKERS", "CALI_STORE__INDEX_BACKLOG", "CALI_STORE__DEAD_LETTERS", "CALI_QUALITY__REPORTS",
    "CALI_INDEX__URL", "CALI_INDEX__USER", "CHECKPOINTS_DIR", "SAVEPOINTS_DIR", "HA_DIR", "JOB_ROLE_ARN",
    "REPLAY_ROLE_ARN", "TOOLS_ROLE_ARN", "EXTERNAL_SECRETS_ROLE_ARN", "IMAGE_REPOSITORY", "SECRETS_PREFIX",
    "KNOWLEDGE_URI",
  ]
  known = merge(module.names.settings, { CALI_INDEX__URL = module.opensearch.url })

  settings = [for name in local.setting_names : [name, local.known[name]]]
}
