variable "name" {
  description = "Name of the role."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9+=,.@_-]{1,64}$", var.name))
    error_message = "name: what IAM takes as the name of a role, 64 characters at most."
  }
}

variable "github_repository" {
  description = "Repository whose workflows may take the role, as owner/name."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+$", var.github_repository))
    error_message = "github_repository: owner/name, with no * in it: a pattern would let in others."
  }
}

variable "github_environment" {
  description = "Environment of that repository that the job must run in; who may use it is set on GitHub."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_.-]+$", var.github_environment))
    error_message = "github_environment: the name of an environment, with no * in it."
  }
}

variable "push_repository_arns" {
  description = "ECR repositories that it may push to; none: it may push nothing."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "cluster_arn" {
  description = "Cluster that it may deploy to; null: it deploys nothing."
  type        = string
  default     = null
}

variable "cluster_name" {
  description = "Name of that cluster."
  type        = string
  default     = ""
  nullable    = false
}

variable "service_names" {
  description = "Services of that cluster that it may roll. Their task definitions have the same names."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "pass_role_arns" {
  description = "Roles that the task definitions name, and no others."
  type        = list(string)
  default     = []
  nullable    = false
}
