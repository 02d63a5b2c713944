locals {
  tags = {
    Project     = "cali"
    Environment = "cali-prod"
    ManagedBy   = "terraform"
  }
}

provider "aws" {
  region              = var.region
  allowed_account_ids = [var.account_id] # the wrong profile changes nothing

  default_tags {
    tags = local.tags
  }
}
