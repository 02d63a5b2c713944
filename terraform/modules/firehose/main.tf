# A copy of the stream as it came, whatever the job does. Secrets in it are not redacted: it is encrypted with a key
# that few may use, in a bucket that few may read, and gone after some days.
#
# Fluent Bit packs each record with gzip, and Firehose puts one behind the other: that is a gzip file of many members,
# which the job reads as any other (CALI_SOURCE__KIND=s3, CALI_SOURCE__CONTENT=records). So Firehose packs nothing again:
# it would make files of packed files. Without gzip in Fluent Bit the same holds of plain lines.
#
# The role and its rights are made first and the delivery last: the key and the bucket name the role.

resource "aws_iam_role" "this" {
  name        = var.role_name
  description = "Firehose ${var.name}"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "firehose.amazonaws.com" }
      Action    = ["sts:AssumeRole"]
      # What Firehose gives as its word for whom it acts; it is not documented to say for which delivery stream.
      Condition = { StringEquals = { "sts:ExternalId" = var.account_id } }
    }]
  })
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/kinesisfirehose/${var.name}"
  kms_key_id        = var.log_key_arn
  retention_in_days = var.log_retention_days
}

resource "aws_cloudwatch_log_stream" "this" {
  name           = "DestinationDelivery"
  log_group_name = aws_cloudwatch_log_group.this.name
}

resource "aws_iam_role_policy" "this" {
  name = "component"
  role = aws_iam_role.this.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "ReadStream"
        Effect   = "Allow"
        Action   = ["kinesis:DescribeStream", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"]
        Resource = [var.stream_arn]
      },
      {
        Sid      = "AskBucket"
        Effect   = "Allow"
        Action   = ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"]
        Resource = [var.bucket_arn]
      },
      {
        Sid      = "WriteBucket"
        Effect   = "Allow"
        Action   = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"]
        Resource = ["${var.bucket_arn}/*"]
      },
      {
        Sid      = "OwnErrors"
        Effect   = "Allow"
        Action   = ["logs:PutLogEvents"]
        Resource = ["arn:aws:logs:${var.region}:${var.account_id}:log-group:/aws/kinesisfirehose/${var.name}:log-stream:DestinationDelivery"]
      },
    ]
  })
}

resource "aws_kinesis_firehose_delivery_stream" "this" {
  #checkov:skip=CKV_AWS_240: Firehose takes no encryption of its own where it reads a Kinesis stream: the stream's covers what waits.
  #checkov:skip=CKV_AWS_241: The same: stream and bucket are encrypted with keys of ours.
  name        = var.name
  destination = "extended_s3"

  kinesis_source_configuration {
    kinesis_stream_arn = var.stream_ready_arn
    role_arn           = aws_iam_role.this.arn
  }

  extended_s3_configuration {
    role_arn            = aws_iam_role.this.arn
    bucket_arn          = var.bucket_ready_arn
    kms_key_arn         = var.kms_key_arn
    compression_format  = "UNCOMPRESSED"
    file_extension      = ".ndjson.gz"
    buffering_size      = 64
    buffering_interval  = 300
    prefix              = "raw/dt=!{timestamp:yyyy-MM-dd}/hour=!{timestamp:HH}/"
    error_output_prefix = "errors/!{firehose:error-output-type}/dt=!{timestamp:yyyy-MM-dd}/"

    cloudwatch_logging_options {
      enabled         = true
      log_group_name  = aws_cloudwatch_log_group.this.name
      log_stream_name = aws_cloudwatch_log_stream.this.name
    }
  }

  depends_on = [aws_iam_role_policy.this]
}
