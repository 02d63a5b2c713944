# Examples: put your own here.
account_id          = "123456789012"
region              = "ap-northeast-2"
administrator_arns  = ["arn:aws:iam::123456789012:role/platform-admin"]
raw_reader_arns     = []
public_access_cidrs = []
github_repository   = "example/cali"
alarm_emails        = ["oncall@example.com"]
