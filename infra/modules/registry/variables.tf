variable "name" {
  description = "What the repositories' names begin with."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,38}[a-z0-9]$", var.name))
    error_message = "name: 3 to 40 lower-case letters, digits and hyphens, beginning with a letter."
  }
}

variable "kms_key_arn" {
  description = "Key that images are encrypted with."
  type        = string
  nullable    = false

  validation {
    condition     = startswith(var.kms_key_arn, "arn:")
    error_message = "kms_key_arn: the ARN of a KMS key."
  }
}

variable "keep_images" {
  description = "How many images of each are kept."
  type        = number
  default     = 50
  nullable    = false

  validation {
    condition     = var.keep_images >= 10 && floor(var.keep_images) == var.keep_images
    error_message = "keep_images: a whole number from 10: fewer, and a roll-back may find nothing to go back to."
  }
}
