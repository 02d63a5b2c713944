# The stream that Fluent Bit writes to. Records in it are not redacted yet.

resource "aws_kinesis_stream" "this" {
  name                      = var.name
  shard_count               = var.mode == "PROVISIONED" ? var.shards : null
  retention_period          = var.retention_hours
  encryption_type           = "KMS"
  kms_key_id                = var.kms_key_arn
  shard_level_metrics       = var.shard_level_metrics
  enforce_consumer_deletion = false

  stream_mode_details {
    stream_mode = var.mode
  }
}

# The job polls and needs none. Each consumer is paid for by the hour and shard, and by the gigabyte read.
resource "aws_kinesis_stream_consumer" "this" {
  for_each = toset(var.consumers)

  name       = each.value
  stream_arn = aws_kinesis_stream.this.arn
}
