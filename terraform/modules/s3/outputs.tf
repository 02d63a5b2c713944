output "bucket_arns" {
  description = "ARNs of the buckets, by use, known once the bucket's policy stands."
  value = {
    archive     = module.archive.arn
    dlq         = module.dlq.arn
    checkpoints = module.checkpoints.arn
    knowledge   = module.knowledge.arn
    raw         = module.raw.arn
    access_logs = module.access_logs.arn
  }
}
