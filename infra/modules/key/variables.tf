variable "name" {
  description = "Name of the installation; the key's alias."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,38}[a-z0-9]$", var.name))
    error_message = "name: 3 to 40 lower-case letters, digits and hyphens, beginning with a letter."
  }
}

variable "deletion_window_days" {
  description = "For how many days a key that was scheduled for deletion can be taken back."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.deletion_window_days >= 7 && var.deletion_window_days <= 30 && floor(var.deletion_window_days) == var.deletion_window_days
    error_message = "deletion_window_days: a whole number from 7 to 30."
  }
}
