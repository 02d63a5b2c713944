# The domain. Its lifecycle of indices is not here: `cali setup opensearch` installs and upgrades the ISM policy together
# with the mappings it belongs to.
#
# Three guards stand one behind the other: the security group (who reaches port 443), the access policy, and fine-grained
# access control (who may do what). The job signs nothing, it has a name and a password: so the policy lets all requests
# pass that the network lets pass, and the third guard asks for the password.

locals {
  logs = {
    INDEX_SLOW_LOGS     = "/aws/opensearch/${var.name}/index-slow"
    SEARCH_SLOW_LOGS    = "/aws/opensearch/${var.name}/search-slow"
    ES_APPLICATION_LOGS = "/aws/opensearch/${var.name}/application"
    AUDIT_LOGS          = "/aws/opensearch/${var.name}/audit"
  }

  zones = min(3, var.data_nodes)
}

# --- Network

resource "aws_security_group" "this" {
  name        = "${var.name}-search"
  description = "TLS to OpenSearch from pods"
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-search" }
}

resource "aws_vpc_security_group_ingress_rule" "pods" {
  security_group_id            = aws_security_group.this.id
  description                  = "TLS from nodes and pods"
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
  referenced_security_group_id = var.client_security_group_id
}

# --- Logs

resource "aws_cloudwatch_log_group" "this" {
  for_each = local.logs

  name              = each.value
  kms_key_id        = var.log_key_arn
  retention_in_days = var.log_retention_days
}

resource "aws_cloudwatch_log_resource_policy" "this" {
  policy_name = "${var.name}-opensearch"
  policy_document = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "es.amazonaws.com" }
      Action    = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource  = [for name in values(local.logs) : "arn:aws:logs:${var.region}:${var.account_id}:log-group:${name}:*"]
      Condition = {
        StringEquals = { "aws:SourceAccount" = var.account_id }
        ArnEquals    = { "aws:SourceArn" = var.arn }
      }
    }]
  })
}

# --- Domain

resource "aws_opensearch_domain" "this" {
  #checkov:skip=CKV_AWS_318: Dedicated masters by variable: three in prod, none in dev, where data nodes do it.
  #checkov:skip=CKV2_AWS_59: Three in prod, none in dev, where data nodes do it.
  domain_name    = var.name
  engine_version = var.engine_version

  access_policies = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { AWS = "*" }
      Action    = ["es:ESHttpDelete", "es:ESHttpGet", "es:ESHttpHead", "es:ESHttpPatch", "es:ESHttpPost", "es:ESHttpPut"]
      Resource  = ["${var.arn}/*"]
    }]
  })

  cluster_config {
    instance_type  = var.data_node_type
    instance_count = var.data_nodes

    zone_awareness_enabled = local.zones > 1

    dynamic "zone_awareness_config" {
      for_each = local.zones > 1 ? [local.zones] : []

      content {
        availability_zone_count = zone_awareness_config.value
      }
    }

    dedicated_master_enabled = var.master_node_type != null
    dedicated_master_type    = var.master_node_type
    dedicated_master_count   = var.master_node_type == null ? null : 3
  }

  ebs_options {
    ebs_enabled = true
    volume_type = "gp3"
    volume_size = var.volume_gib
  }

  encrypt_at_rest {
    enabled    = true
    kms_key_id = var.kms_key_arn
  }

  node_to_node_encryption {
    enabled = true
  }

  domain_endpoint_options {
    enforce_https       = true
    tls_security_policy = "Policy-Min-TLS-1-2-PFS-2023-10"
  }

  # The provider cannot give a master's password without keeping it in the state. So the domain begins with an IAM role
  # as its master; a step in README.md turns users with passwords on, and the next apply does not take it back.
  advanced_security_options {
    enabled                        = true
    anonymous_auth_enabled         = false
    internal_user_database_enabled = false

    master_user_options {
      master_user_arn = var.first_master_arn
    }
  }

  vpc_options {
    subnet_ids         = slice(var.subnet_ids, 0, local.zones)
    security_group_ids = [aws_security_group.this.id]
  }

  log_publishing_options {
    log_type                 = "INDEX_SLOW_LOGS"
    enabled                  = true
    cloudwatch_log_group_arn = aws_cloudwatch_log_group.this["INDEX_SLOW_LOGS"].arn
  }

  log_publishing_options {
    log_type                 = "SEARCH_SLOW_LOGS"
    enabled                  = true
    cloudwatch_log_group_arn = aws_cloudwatch_log_group.this["SEARCH_SLOW_LOGS"].arn
  }

  log_publishing_options {
    log_type                 = "ES_APPLICATION_LOGS"
    enabled                  = true
    cloudwatch_log_group_arn = aws_cloudwatch_log_group.this["ES_APPLICATION_LOGS"].arn
  }

  log_publishing_options {
    log_type                 = "AUDIT_LOGS"
    enabled                  = true
    cloudwatch_log_group_arn = aws_cloudwatch_log_group.this["AUDIT_LOGS"].arn
  }

  software_update_options {
    auto_software_update_enabled = true
  }

  # Ahead of the working day of most users, in UTC.
  off_peak_window_options {
    enabled = true

    off_peak_window {
      window_start_time {
        hours   = 17
        minutes = 0
      }
    }
  }

  lifecycle {
    ignore_changes = [
      advanced_security_options[0].internal_user_database_enabled,
      advanced_security_options[0].master_user_options,
    ]
  }

  depends_on = [aws_cloudwatch_log_resource_policy.this]
}
