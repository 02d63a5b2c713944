# Images of `cali`. A tag never moves: what was scanned and signed is what runs.

resource "aws_ecr_repository" "this" {
  name                 = var.name
  image_tag_mutability = "IMMUTABLE"

  image_scanning_configuration {
    scan_on_push = true
  }

  encryption_configuration {
    encryption_type = "KMS"
    kms_key         = var.kms_key_arn
  }
}

resource "aws_ecr_lifecycle_policy" "this" {
  repository = aws_ecr_repository.this.name

  # Images of commits (0.1.0-<commit>) go; releases (0.1.0) stay, as nobody here knows which of them still run. No rule
  # for images without a tag: signatures and lists of contents have none, and go with the image that they are of.
  policy = jsonencode({
    rules = [{
      rulePriority = 1
      description  = "Images of commits"
      selection    = { tagStatus = "tagged", tagPatternList = ["*-*"], countType = "imageCountMoreThan", countNumber = var.keep_images }
      action       = { type = "expire" }
    }]
  })
}
