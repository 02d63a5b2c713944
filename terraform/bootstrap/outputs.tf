output "backend" {
  description = "backend.hcl of account/ and environments/ENV/."
  value       = <<-EOT
    bucket     = "${module.state.name}"
    region     = "${var.region}"
    kms_key_id = "alias/cali-terraform-state"
  EOT
}
