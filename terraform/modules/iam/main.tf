# One role for each component, with what it does and nothing else. What uses keys is in the keys' policies (kms).
#
# What of S3 Flink asks for, as its plugin is (flink-s3-fs-native 2.3.0): a file is an upload in parts; the part that is
# not full at a checkpoint waits as KEY/.incomplete/UPLOAD/ID, is read when the job restarts, and deleted. A job that
# restarts completes the uploads of its checkpoint once more; where one is complete already it asks for the finished file
# (HEAD, which needs the right to read), and without an answer it would restart for ever. So the job can read what it wrote,
# and delete only what it had not finished. A HEAD or GET of a key that is not there is answered 403 rather than 404 to
# whoever may not list, where the key counts as the prefix that is listed: so each prefix can be listed.

locals {
  bucket = var.bucket_arns

  roles = {
    job = [
      local.read_stream,
      local.list["archive"],
      local.list["dlq"],
      local.list["checkpoints"],
      {
        Sid      = "WriteSinks"
        Effect   = "Allow"
        Action   = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"]
        Resource = local.job_sinks
      },
      {
        Sid      = "UnfinishedFiles"
        Effect   = "Allow"
        Action   = ["s3:DeleteObject"]
        Resource = [for sink in local.job_sinks : "${trimsuffix(sink, "*")}*/.incomplete/*"]
      },
      {
        Sid      = "State"
        Effect   = "Allow"
        Action   = local.read_and_write
        Resource = [for folder in ["checkpoints", "savepoints", "ha"] : "${local.bucket.checkpoints}/${folder}/*"]
      },
      # A folder has no object; whether it has one is asked all the same.
      {
        Sid      = "StateFolders"
        Effect   = "Allow"
        Action   = ["s3:GetObject"]
        Resource = [for folder in ["checkpoints", "savepoints", "ha"] : "${local.bucket.checkpoints}/${folder}"]
      },
    ]

    # Reads history, and writes nothing that the live job writes.
    replay = [
      local.read_stream,
      {
        Sid       = "ListArchive"
        Effect    = "Allow"
        Action    = ["s3:ListBucket"]
        Resource  = [local.bucket.archive]
        Condition = { StringLike = { "s3:prefix" = ["logs", "logs/*"] } }
      },
      {
        Sid      = "ReadArchive"
        Effect   = "Allow"
        Action   = ["s3:GetObject"]
        Resource = ["${local.bucket.archive}/logs", "${local.bucket.archive}/logs/*"]
      },
      local.list_replays,
      {
        Sid      = "WriteSinks"
        Effect   = "Allow"
        Action   = ["s3:AbortMultipartUpload", "s3:PutObject"]
        Resource = ["${local.bucket.dlq}/replay-*"]
      },
      # Its own unfinished files, and dead letters that somebody put there to be read again.
      {
        Sid      = "ReadReplays"
        Effect   = "Allow"
        Action   = ["s3:GetObject"]
        Resource = ["${local.bucket.dlq}/replay-*"]
      },
      {
        Sid      = "UnfinishedFiles"
        Effect   = "Allow"
        Action   = ["s3:DeleteObject"]
        Resource = ["${local.bucket.dlq}/replay-*/.incomplete/*"]
      },
      {
        Sid       = "ListState"
        Effect    = "Allow"
        Action    = ["s3:ListBucket"]
        Resource  = [local.bucket.checkpoints]
        Condition = { StringLike = { "s3:prefix" = ["replay", "replay/*"] } }
      },
      {
        Sid      = "State"
        Effect   = "Allow"
        Action   = local.read_and_write
        Resource = ["${local.bucket.checkpoints}/replay/*"]
      },
    ]

    # Commands of `cali`. `knowledge` reads what people wrote, `index catch-up` empties backlogs. `quality` reads all that
    # the job wrote of an hour, dead letters too, and reports; it reads its reports of other hours. `replay` looks at the
    # archive, its receipts, and the dead letters and backlog of a replay.
    tools = [
      local.list["archive"],
      local.list["dlq"],
      local.list_replays,
      {
        Sid       = "ListReports"
        Effect    = "Allow"
        Action    = ["s3:ListBucket"]
        Resource  = [local.bucket.archive]
        Condition = { StringLike = { "s3:prefix" = ["quality", "quality/*"] } }
      },
      {
        Sid      = "ListKnowledge"
        Effect   = "Allow"
        Action   = ["s3:ListBucket"]
        Resource = [local.bucket.knowledge]
      },
      {
        Sid      = "Read"
        Effect   = "Allow"
        Action   = ["s3:GetObject"]
        Resource = concat(["${local.bucket.knowledge}/*"], [for folder in ["logs", "receipts", "markers"] : "${local.bucket.archive}/${folder}/*"])
      },
      # The original bytes, with the secrets in them: docs/operations/secrets.md says what limits it.
      {
        Sid      = "ReadDeadLetters"
        Effect   = "Allow"
        Action   = ["s3:GetObject"]
        Resource = ["${local.bucket.dlq}/dlq/*", "${local.bucket.dlq}/replay-*/dlq/*"]
      },
      {
        Sid      = "Reports"
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:PutObject"]
        Resource = ["${local.bucket.archive}/quality/*"]
      },
      {
        Sid      = "CatchUp"
        Effect   = "Allow"
        Action   = ["s3:DeleteObject", "s3:GetObject"]
        Resource = ["${local.bucket.archive}/index-backlog/*", "${local.bucket.dlq}/replay-*/index-backlog/*"]
      },
      {
        Sid      = "RefusedByTheIndex"
        Effect   = "Allow"
        Action   = ["s3:PutObject"]
        Resource = ["${local.bucket.dlq}/dlq/*", "${local.bucket.dlq}/replay-*"]
      },
    ]

    fluent_bit = [{
      Sid      = "WriteStream"
      Effect   = "Allow"
      Action   = ["kinesis:PutRecords"]
      Resource = [var.stream_arn]
    }]

    # AWS puts a hyphen and six characters behind a secret's name.
    external_secrets = [{
      Sid      = "ReadSecrets"
      Effect   = "Allow"
      Action   = ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"]
      Resource = [for name in var.secret_names : "arn:aws:secretsmanager:${var.region}:${var.account_id}:secret:${name}-??????"]
    }]
  }

  read_stream = {
    Sid      = "ReadStream"
    Effect   = "Allow"
    Action   = ["kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"]
    Resource = [var.stream_arn]
  }

  list = { for bucket, folders in {
    archive     = ["logs", "receipts", "markers", "index-backlog"]
    dlq         = ["dlq"]
    checkpoints = ["checkpoints", "savepoints", "ha"]
    } : bucket => {
    Sid       = "List${title(bucket)}"
    Effect    = "Allow"
    Action    = ["s3:ListBucket"]
    Resource  = [local.bucket[bucket]]
    Condition = { StringLike = { "s3:prefix" = flatten([for folder in folders : [folder, "${folder}/*"]]) } }
  } }

  list_replays = {
    Sid       = "ListReplays"
    Effect    = "Allow"
    Action    = ["s3:ListBucket"]
    Resource  = [local.bucket.dlq]
    Condition = { StringLike = { "s3:prefix" = ["replay-*"] } }
  }

  job_sinks = concat(
    [for folder in ["logs", "receipts", "markers", "index-backlog"] : "${local.bucket.archive}/${folder}/*"],
    ["${local.bucket.dlq}/dlq/*"],
  )

  read_and_write = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"]

  # --- Trust

  # The store of External Secrets asks IAM with a token of its own account; it knows no other way with one cluster.
  uses_irsa = { for component in keys(local.roles) : component => var.workload_identity == "irsa" || component == "external_secrets" }

  trust = { for component, account in var.service_accounts : component => local.uses_irsa[component] ? {
    Effect    = "Allow"
    Principal = { Federated = "arn:aws:iam::${var.account_id}:oidc-provider/${var.oidc_issuer}" }
    Action    = ["sts:AssumeRoleWithWebIdentity"]
    Condition = { StringEquals = {
      "${var.oidc_issuer}:aud" = "sts.amazonaws.com"
      "${var.oidc_issuer}:sub" = "system:serviceaccount:${account.namespace}:${account.name}"
    } }
    } : {
    Effect    = "Allow"
    Principal = { Service = "pods.eks.amazonaws.com" }
    Action    = ["sts:AssumeRole", "sts:TagSession"]
    Condition = {
      StringEquals = { "aws:SourceAccount" = var.account_id }
      ArnEquals    = { "aws:SourceArn" = var.cluster_arn }
    }
  } }
}

resource "aws_iam_role" "this" {
  for_each = var.service_accounts

  name        = var.role_names[each.key]
  description = "Service account ${each.value.name} in namespace ${each.value.namespace}"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [local.trust[each.key]]
  })
}

resource "aws_iam_role_policy" "this" {
  for_each = var.service_accounts

  name = "component"
  role = aws_iam_role.this[each.key].name
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = local.roles[each.key]
  })
}

resource "aws_eks_pod_identity_association" "this" {
  for_each = { for component, account in var.service_accounts : component => account if !local.uses_irsa[component] }

  cluster_name    = var.cluster_name
  namespace       = each.value.namespace
  service_account = each.value.name
  role_arn        = aws_iam_role.this[each.key].arn
}

# --- Deployment from GitHub: finds the cluster and the image. What it may do inside is in Kubernetes (eks, flink-k8s).

resource "aws_iam_role" "github_deploy" {
  count = var.github_repository == null ? 0 : 1

  name        = var.role_names.github_deploy
  description = "Workflows of ${var.github_repository} in the GitHub environment ${var.environment}"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Federated = var.github_oidc_arn }
      Action    = ["sts:AssumeRoleWithWebIdentity"]
      Condition = { StringEquals = {
        "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com"
        "token.actions.githubusercontent.com:sub" = "repo:${var.github_repository}:environment:${var.environment}"
      } }
    }]
  })
}

resource "aws_iam_role_policy" "github_deploy" {
  count = var.github_repository == null ? 0 : 1

  name = "deploy"
  role = aws_iam_role.github_deploy[0].name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "FindCluster"
        Effect   = "Allow"
        Action   = ["eks:DescribeCluster"]
        Resource = [var.cluster_arn]
      },
      {
        Sid      = "CheckImage"
        Effect   = "Allow"
        Action   = ["ecr:BatchGetImage", "ecr:DescribeImages", "ecr:GetDownloadUrlForLayer"]
        Resource = [var.repository_arn]
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
