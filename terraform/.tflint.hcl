# All rules that come with tflint. The ruleset for AWS would have to be downloaded: tests/deploy checks arguments against
# the provider's schema instead.
plugin "terraform" {
  enabled = true
  preset  = "all"
}
