variable "name" {
  description = "Name of the installation; also POSTHASTE_NAMESPACE, by which its metrics are told from others'."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,38}[a-z0-9]$", var.name))
    error_message = "name: 3 to 40 lower-case letters, digits and hyphens, beginning with a letter."
  }
}

variable "region" {
  description = "Region of the dashboard's metrics."
  type        = string
  nullable    = false
}

variable "kms_key_arn" {
  description = "Key of the topic. It must let cloudwatch.amazonaws.com use it."
  type        = string
  nullable    = false

  validation {
    condition     = startswith(var.kms_key_arn, "arn:")
    error_message = "kms_key_arn: the ARN of a KMS key."
  }
}

variable "alarm_emails" {
  description = "Who is told of alarms; each has to confirm a first mail."
  type        = set(string)
  nullable    = false

  validation {
    condition     = alltrue([for address in var.alarm_emails : can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", address))])
    error_message = "alarm_emails: addresses such as ops@example.com."
  }
}

variable "load_balancer_arn_suffix" {
  description = "The load balancer as CloudWatch names it."
  type        = string
  nullable    = false
}

variable "target_group_arn_suffix" {
  description = "The backends as CloudWatch names them."
  type        = string
  nullable    = false
}

variable "cluster_name" {
  description = "ECS cluster."
  type        = string
  nullable    = false
}

variable "service_names" {
  description = "ECS services."
  type        = list(string)
  nullable    = false
}

variable "redis_service" {
  description = "elasticache or memorydb."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["elasticache", "memorydb"], var.redis_service)
    error_message = "redis_service: elasticache or memorydb."
  }
}

variable "redis_id" {
  description = "Name of the replication group or cluster."
  type        = string
  nullable    = false
}

variable "redis_members" {
  description = "Nodes of ElastiCache by name."
  type        = list(string)
  nullable    = false

  validation {
    condition     = var.redis_service != "elasticache" || length(var.redis_members) > 0
    error_message = "redis_members: the nodes of the replication group, or nobody watches their memory."
  }
}

variable "thresholds" {
  description = "When alarms ring: share of requests answered 5xx (%), age of the oldest waiting task (s), tasks that ended as failed within 15 minutes, memory and processor of Redis (%)."
  type = object({
    error_percent        = optional(number, 1)
    backlog_age_seconds  = optional(number, 300)
    failed_deliveries    = optional(number, 50)
    redis_memory_percent = optional(number, 75)
    redis_cpu_percent    = optional(number, 80)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.thresholds.error_percent > 0 && var.thresholds.error_percent < 100
    error_message = "thresholds: error_percent above 0 and below 100."
  }

  validation {
    condition     = var.thresholds.backlog_age_seconds >= 60 && var.thresholds.failed_deliveries >= 0
    error_message = "thresholds: backlog_age_seconds from 60, failed_deliveries from 0."
  }

  validation {
    condition     = var.thresholds.redis_memory_percent > 0 && var.thresholds.redis_memory_percent <= 80 && var.thresholds.redis_cpu_percent > 0 && var.thresholds.redis_cpu_percent < 100
    error_message = "thresholds: redis_memory_percent up to 80, where the program begins to give finished tasks away; redis_cpu_percent below 100."
  }
}
