# What terraform/bootstrap printed for this account.
bucket     = "cali-123456789012-terraform-state"
region     = "ap-northeast-2"
kms_key_id = "alias/cali-terraform-state"
