# A key, and in its policy everybody who uses it. Workloads need no statement about keys in their own policies: those
# would have to name a key that has no ARN before it exists, or all keys. In a key's policy the resource "*" is this key.

locals {
  # Whoever administers the account manages the key, but that alone decrypts nothing.
  administration = {
    Sid       = "Administration"
    Effect    = "Allow"
    Principal = { AWS = "arn:aws:iam::${var.account_id}:root" }
    Action = [
      "kms:CancelKeyDeletion", "kms:CreateAlias", "kms:DeleteAlias", "kms:DescribeKey", "kms:DisableKey",
      "kms:DisableKeyRotation", "kms:EnableKey", "kms:EnableKeyRotation", "kms:GetKeyPolicy",
      "kms:GetKeyRotationStatus", "kms:ListGrants", "kms:ListKeyPolicies", "kms:ListKeyRotations",
      "kms:ListResourceTags", "kms:PutKeyPolicy", "kms:RetireGrant", "kms:RevokeGrant", "kms:RotateKeyOnDemand", "kms:ScheduleKeyDeletion",
      "kms:TagResource", "kms:UntagResource", "kms:UpdateAlias", "kms:UpdateKeyDescription",
    ]
    Resource = "*"
  }

  # AWS services that work on somebody's behalf get their rights handed on by whoever creates the resource, through them
  # and in no other way. Not also kms:GrantIsForAWSResource: EKS does not know it, and no cluster would be created.
  grants = [for service in var.granted_services : {
    Sid       = "GrantFor${title(service)}"
    Effect    = "Allow"
    Principal = { AWS = "arn:aws:iam::${var.account_id}:root" }
    Action    = ["kms:CreateGrant"]
    Resource  = "*"
    Condition = { StringEquals = { "kms:ViaService" = ["${service}.${var.region}.amazonaws.com"] } }
  }]

  users = [for sid, user in var.users : merge(
    {
      Sid       = sid
      Effect    = "Allow"
      Principal = { AWS = sort(user.principals) }
      Action    = sort(user.actions)
      Resource  = "*"
    },
    user.via == null ? {} : {
      Condition = { StringEquals = { "kms:ViaService" = ["${user.via}.${var.region}.amazonaws.com"] } }
    },
  ) if length(user.principals) > 0]

  # A service in its own name, never for another account.
  services = [for sid, service in var.services : {
    Sid       = sid
    Effect    = "Allow"
    Principal = { Service = service.principal }
    Action    = sort(service.actions)
    Resource  = "*"
    Condition = { (service.condition) = { (service.key) = service.values } }
  }]
}

resource "aws_kms_key" "this" {
  description             = var.description
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = concat([local.administration], local.grants, local.users, local.services)
  })
}

resource "aws_kms_alias" "this" {
  name          = "alias/${var.name}"
  target_key_id = aws_kms_key.this.key_id
}
