# Bucket, region and key are in backend.hcl: `terraform init -backend-config=backend.hcl`.
terraform {
  backend "s3" {
    key          = "cali/account.tfstate"
    encrypt      = true
    use_lockfile = true
  }
}
