variable "region" {
  description = "Region of the states and the registry; installations are in the same one."
  type        = string
  default     = "eu-central-1"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region: an AWS region such as eu-central-1."
  }
}

variable "name" {
  description = "What the bucket's and the repositories' names begin with."
  type        = string
  default     = "posthaste"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,18}[a-z0-9]$", var.name))
    error_message = "name: 3 to 20 lower-case letters, digits and hyphens, beginning with a letter."
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

variable "github_repository" {
  description = "Repository whose workflow deploy.yml pushes images, as owner/name; null: none."
  type        = string
  default     = null

  validation {
    condition     = var.github_repository == null ? true : can(regex("^[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+$", var.github_repository))
    error_message = "github_repository: owner/name, with no * in it."
  }
}

variable "create_oidc_provider" {
  description = "Whether to make GitHub's identity provider. An account has one at most: false where it is there already."
  type        = bool
  default     = true
  nullable    = false
}
