# The domain. Its lifecycle of indices is not here: `cali setup opensearch` installs and upgrades the ISM policy together
# with the mappings it belongs to.
#
# Three guards stand one behind the other: the security group (who reaches port 443), the access policy, and fine-grained
# access control (who may do what). The job signs nothing, it has a name and a password: so the policy lets all requests
# pass that the network lets pass, and the third guard asks for the password.

locals {
  log_types = { INDEX_SLOW_LOGS = "index-slow", SEARCH_SLOW_LOGS = "search-slow", ES_APPLICATION_LOGS = "application", AUDIT_LOGS = "audit" }

  zones = min(3, var.data_nodes)
}

# --- The role that is master at first: whoever may take it makes the users (README.md).

resource "aws_iam_role" "admin" {
  name        = var.admin_role_name
  description = "First master user of the OpenSearch domain ${var.name}"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { AWS = sort(var.administrator_arns) }
      Action    = ["sts:AssumeRole"]
    }]
  })
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
  for_each = local.log_types

  name              = "/aws/opensearch/${var.name}/${each.value}"
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
      Resource  = [for name in values(local.log_types) : "arn:aws:logs:${var.region}:${var.account_id}:log-group:/aws/opensearch/${var.name}/${name}:*"]
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
  #checkov:skip=CKV2_AWS_59: As above.
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

  # The provider cannot yet give the first password without keeping it in the state. So the domain begins with an IAM
  # role as its master; the step after it in README.md turns users with passwords on, and is not taken back by the next
  # apply.
  advanced_security_options {
    enabled                        = true
    anonymous_auth_enabled         = false
    internal_user_database_enabled = false

    master_user_options {
      master_user_arn = aws_iam_role.admin.arn
    }
  }

  vpc_options {
    subnet_ids         = slice(var.subnet_ids, 0, local.zones)
    security_group_ids = [aws_security_group.this.id]
  }

  dynamic "log_publishing_options" {
    for_each = local.log_types

    content {
      log_type                 = log_publishing_options.key
      cloudwatch_log_group_arn = aws_cloudwatch_log_group.this[log_publishing_options.key].arn
    }
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
