variable "name" {
  description = "Name of the repository."
  type        = string
}

variable "kms_key_arn" {
  description = "Key that images are encrypted with."
  type        = string
}

variable "keep_images" {
  description = "Number of images of commits that are kept; releases all are."
  type        = number

  validation {
    condition     = var.keep_images >= 20
    error_message = "keep_images is ${var.keep_images}; dev has to be able to go back: at least 20, for example 100."
  }
}
