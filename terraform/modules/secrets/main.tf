# Names, keys and who may not: the values are put by a person (README.md), so that no state ever holds one.

resource "aws_secretsmanager_secret" "this" {
  #checkov:skip=CKV2_AWS_57: Slack, OpenAI and Milvus have no interface that a rotation could call; docs/operations.md has the steps.
  for_each = var.secrets

  name                    = each.key
  description             = each.value
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = var.recovery_days
}

resource "aws_secretsmanager_secret_policy" "this" {
  for_each = var.secrets

  secret_arn          = aws_secretsmanager_secret.this[each.key].arn
  block_public_policy = true

  # Whatever IAM allows, values stay within the account.
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "ThisAccountOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = ["secretsmanager:GetSecretValue"]
      Resource  = "*"
      Condition = { StringNotEquals = { "aws:PrincipalAccount" = var.account_id } }
    }]
  })
}
