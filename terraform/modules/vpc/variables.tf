variable "name" {
  description = "Name of the VPC."
  type        = string
}

variable "account_id" {
  description = "AWS account of the VPC."
  type        = string
}

variable "region" {
  description = "AWS region of the VPC."
  type        = string
}

variable "cidr" {
  description = "Private address range of the VPC, a /16."
  type        = string

  validation {
    condition     = can(cidrhost(var.cidr, 0)) && can(regex("^(10\\.|172\\.(1[6-9]|2[0-9]|3[01])\\.|192\\.168\\.).*/16$", var.cidr))
    error_message = "The VPC's cidr is \"${var.cidr}\"; it has to be a private /16, for example \"10.20.0.0/16\"."
  }
}

variable "availability_zones" {
  description = "Three zones of the region."
  type        = list(string)

  validation {
    condition     = length(distinct(var.availability_zones)) == 3 && length(var.availability_zones) == 3 && alltrue([for zone in var.availability_zones : startswith(zone, var.region)])
    error_message = "The availability_zones are ${jsonencode(var.availability_zones)}; they have to be three of ${var.region}, for example [\"${var.region}a\", \"${var.region}b\", \"${var.region}c\"]."
  }
}

variable "nat_gateways" {
  description = "per_az: a zone that is lost takes no other's way out along; single: cheaper; none: no way out, so neither Slack nor OpenAI."
  type        = string

  validation {
    condition     = contains(["none", "single", "per_az"], var.nat_gateways)
    error_message = "nat_gateways is \"${var.nat_gateways}\"; it has to be none, single or per_az, for example \"per_az\"."
  }
}

variable "interface_endpoints" {
  description = "AWS services that are reached without a NAT gateway; each is paid for by the hour and zone."
  type        = list(string)
}

variable "flow_log_bucket_arn" {
  description = "ARN of the bucket that takes flow logs below vpc/."
  type        = string
}
