# What an account has once, for all its environments: the registry, the trust in GitHub, and switches of the account.

module "names" {
  source = "../modules/names"

  environment = "prod" # no name here depends on it
  account_id  = var.account_id
  region      = var.region
}

provider "aws" {
  region              = var.region
  allowed_account_ids = [var.account_id]

  default_tags {
    tags = { Project = "cali", ManagedBy = "terraform" }
  }
}

# --- Switches

resource "aws_s3_account_public_access_block" "this" {
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

# Volumes that Kubernetes makes too, whatever their StorageClass says.
resource "aws_ebs_encryption_by_default" "this" {
  enabled = true
}

# OpenSearch sets its addresses into the VPC with it. An account has it once a domain was in a VPC.
resource "aws_iam_service_linked_role" "opensearch" {
  count = var.create_opensearch_service_role ? 1 : 0

  aws_service_name = "opensearchservice.amazonaws.com"
}

# --- Registry

module "key" {
  source = "../modules/kms"

  name             = "cali-images"
  description      = "Images of cali"
  account_id       = var.account_id
  region           = var.region
  granted_services = ["ecr"]
}

module "ecr" {
  source = "../modules/ecr"

  name        = module.names.repository
  kms_key_arn = module.key.arn
  keep_images = var.keep_images
}

# --- GitHub

resource "aws_iam_openid_connect_provider" "github" {
  url            = "https://token.actions.githubusercontent.com"
  client_id_list = ["sts.amazonaws.com"]
}

resource "aws_iam_role" "publish" {
  name        = module.names.publish_role
  description = "Workflows of ${var.github_repository} on main and on tags v*: push images"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Federated = module.names.github_oidc_arn }
      Action    = ["sts:AssumeRoleWithWebIdentity"]
      Condition = {
        StringEquals = { "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com" }
        StringLike = { "token.actions.githubusercontent.com:sub" = [
          "repo:${var.github_repository}:ref:refs/heads/main",
          "repo:${var.github_repository}:ref:refs/tags/v*",
        ] }
      }
    }]
  })

  depends_on = [aws_iam_openid_connect_provider.github]
}

resource "aws_iam_role_policy" "publish" {
  name = "publish"
  role = aws_iam_role.publish.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "Push"
        Effect = "Allow"
        Action = [
          "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload", "ecr:DescribeImages",
          "ecr:GetDownloadUrlForLayer", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart",
        ]
        Resource = [module.names.repository_arn]
      },
      # A token for the registry belongs to no repository: AWS knows no other resource for it.
      {
        Sid      = "RegistryToken"
        Effect   = "Allow"
        Action   = ["ecr:GetAuthorizationToken"]
        Resource = "*"
      },
    ]
  })
}
