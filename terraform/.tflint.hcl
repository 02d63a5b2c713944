# The rules that come with tflint. The ruleset for AWS has to be downloaded; the provider's schema is checked by
# tests/deploy instead.
plugin "terraform" {
  enabled = true
  preset  = "all"
}

# A module's files are named after what is in them; main.tf, variables.tf and outputs.tf exist in each.
rule "terraform_standard_module_structure" {
  enabled = true
}
