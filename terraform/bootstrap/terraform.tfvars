# Examples: put your own here.
account_id = "123456789012"
region     = "ap-northeast-2"
