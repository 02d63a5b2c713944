variable "name" {
  description = "Name of the repository."
  type        = string
}

variable "kms_key_arn" {
  description = "Key that images are encrypted with."
  type        = string
}

variable "keep_images" {
  description = "Number of images that are kept, signatures among them."
  type        = number

  validation {
    condition     = var.keep_images >= 20
    error_message = "keep_images is ${var.keep_images}; a release is several of them, and some must be there to go back to: at least 20, for example 200."
  }
}
