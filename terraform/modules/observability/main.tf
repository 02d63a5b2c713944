# What only AWS sees. How the job is, it says itself, to Prometheus (grafana/prometheus): these alarms speak where it
# cannot, and of what it lives on.

locals {
  alarms = {
    stream-reader-behind = {
      text      = "The oldest unread record is older than ${var.iterator_age_minutes} minutes: some reader of the stream is behind or gone. docs/runbooks.md, CaliSourceBehind."
      namespace = "AWS/Kinesis", metric = "GetRecords.IteratorAgeMilliseconds", dimensions = { StreamName = var.stream }
      statistic = "Maximum", above = var.iterator_age_minutes * 60000, minutes = 5, periods = 3
    }
    stream-records-expire = {
      text      = "The oldest unread record is older than half of the stream's retention: records are about to be lost. docs/runbooks.md, CaliRecordsAtRisk."
      namespace = "AWS/Kinesis", metric = "GetRecords.IteratorAgeMilliseconds", dimensions = { StreamName = var.stream }
      statistic = "Maximum", above = var.stream_retention_hours * 1800000, minutes = 5, periods = 1
    }
    stream-write-throttled = {
      text      = "Kinesis refuses records for want of shards. Fluent Bit keeps them on disk and tries again: add shards before its buffers are full."
      namespace = "AWS/Kinesis", metric = "WriteProvisionedThroughputExceeded", dimensions = { StreamName = var.stream }
      statistic = "Sum", above = 0, minutes = 5, periods = 3
    }
    stream-read-throttled = {
      text      = "Readers of the stream share what a shard gives out, and it is not enough: five reads a second, 2 MiB a second."
      namespace = "AWS/Kinesis", metric = "ReadProvisionedThroughputExceeded", dimensions = { StreamName = var.stream }
      statistic = "Sum", above = 0, minutes = 5, periods = 6
    }
    raw-copy-late = {
      text      = "The raw copy is more than an hour behind the stream: see the log group of the delivery stream."
      namespace = "AWS/Firehose", metric = "DeliveryToS3.DataFreshness", dimensions = { DeliveryStreamName = var.firehose }
      statistic = "Maximum", above = 3600, minutes = 5, periods = 3
    }
    raw-copy-throttled = {
      text      = "Firehose is refused by the stream: another reader takes its share."
      namespace = "AWS/Firehose", metric = "ThrottledGetRecords", dimensions = { DeliveryStreamName = var.firehose }
      statistic = "Sum", above = 0, minutes = 5, periods = 6
    }
    search-red = {
      text      = "A primary shard of OpenSearch is missing: the job writes to index-backlog/ until it is back. docs/runbooks.md, CaliOpenSearchDown."
      namespace = "AWS/ES", metric = "ClusterStatus.red", dimensions = local.domain
      statistic = "Maximum", above = 0, minutes = 1, periods = 1
    }
    search-yellow = {
      text      = "A replica of OpenSearch is missing for half an hour: one more loss makes it red."
      namespace = "AWS/ES", metric = "ClusterStatus.yellow", dimensions = local.domain
      statistic = "Maximum", above = 0, minutes = 5, periods = 6
    }
    search-writes-blocked = {
      text      = "OpenSearch takes no documents: its disks are full or its memory is short."
      namespace = "AWS/ES", metric = "ClusterIndexWritesBlocked", dimensions = local.domain
      statistic = "Maximum", above = 0, minutes = 5, periods = 1
    }
    search-memory = {
      text      = "The JVM of an OpenSearch node is at 92 % of its memory for a quarter of an hour: writes are blocked next."
      namespace = "AWS/ES", metric = "JVMMemoryPressure", dimensions = local.domain
      statistic = "Maximum", above = 92, minutes = 5, periods = 3
    }
    search-key-gone = {
      text      = "OpenSearch cannot use its key: the domain is lost for good if that stays so."
      namespace = "AWS/ES", metric = "KMSKeyInaccessible", dimensions = local.domain
      statistic = "Maximum", above = 0, minutes = 1, periods = 1
    }
  }

  domain = { DomainName = var.search_domain, ClientId = var.account_id }
}

# --- Where alarms go

module "key" {
  source = "../kms"

  name        = "${var.name}-alarms"
  description = "Alarms of ${var.name}"
  account_id  = var.account_id
  region      = var.region

  services = { for sid, principal in { CloudWatch = "cloudwatch.amazonaws.com", Budgets = "budgets.amazonaws.com" } : sid => {
    principal = principal
    actions   = ["kms:Decrypt", "kms:GenerateDataKey*"]
    condition = "StringEquals"
    key       = "aws:SourceAccount"
    values    = [var.account_id]
  } }
}

resource "aws_sns_topic" "alarms" {
  name              = "${var.name}-alarms"
  kms_master_key_id = module.key.arn
}

resource "aws_sns_topic_policy" "alarms" {
  arn = aws_sns_topic.alarms.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [for sid, principal in { CloudWatch = "cloudwatch.amazonaws.com", Budgets = "budgets.amazonaws.com" } : {
      Sid       = sid
      Effect    = "Allow"
      Principal = { Service = principal }
      Action    = ["sns:Publish"]
      Resource  = ["arn:aws:sns:${var.region}:${var.account_id}:${var.name}-alarms"]
      Condition = { StringEquals = { "aws:SourceAccount" = var.account_id } }
    }]
  })
}

resource "aws_sns_topic_subscription" "email" {
  for_each = toset(var.alarm_emails)

  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = each.value
}

# --- Alarms

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.text
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.above
  period              = each.value.minutes * 60
  evaluation_periods  = each.value.periods
  treat_missing_data  = "notBreaching" # nobody reads, or nothing was refused
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

# A day's logs must still find room, and OpenSearch itself stops writes at 5 % or so.
resource "aws_cloudwatch_metric_alarm" "free_space" {
  alarm_name          = "${var.name}-search-disk"
  alarm_description   = "A node of OpenSearch has less than a fifth of its disk left: keep logs for less long, or give it more."
  namespace           = "AWS/ES"
  metric_name         = "FreeStorageSpace"
  dimensions          = local.domain
  statistic           = "Minimum"
  comparison_operator = "LessThanThreshold"
  threshold           = var.search_volume_gib * 1024 / 5 # in MiB
  period              = 300
  evaluation_periods  = 3
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

# --- Money: of everything with the tag of this environment, once the tag `Environment` is active for costs.

resource "aws_budgets_budget" "month" {
  name         = "${var.name}-month"
  budget_type  = "COST"
  time_unit    = "MONTHLY"
  limit_amount = tostring(var.monthly_budget_dollars)
  limit_unit   = "USD"

  cost_filter {
    name   = "TagKeyValue"
    values = [format("user:Environment$%s", var.name)]
  }

  dynamic "notification" {
    for_each = { ACTUAL = 80, FORECASTED = 100 }

    content {
      notification_type         = notification.key
      threshold                 = notification.value
      threshold_type            = "PERCENTAGE"
      comparison_operator       = "GREATER_THAN"
      subscriber_sns_topic_arns = [aws_sns_topic.alarms.arn]
    }
  }

  depends_on = [aws_sns_topic_policy.alarms]
}
