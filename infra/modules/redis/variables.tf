variable "name" {
  description = "Name of the installation, and of all that is made here."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}[a-z0-9]$", var.name)) && !strcontains(var.name, "--")
    error_message = "name: 3 to 32 lower-case letters, digits and single hyphens, beginning with a letter."
  }
}

variable "service" {
  description = "elasticache, or memorydb: there a write is answered when it is in a log across zones, and a lost node loses nothing."
  type        = string
  default     = "elasticache"
  nullable    = false

  validation {
    condition     = contains(["elasticache", "memorydb"], var.service)
    error_message = "service: elasticache or memorydb."
  }
}

variable "engine" {
  description = "valkey or redis."
  type        = string
  default     = "valkey"
  nullable    = false

  validation {
    condition     = contains(["valkey", "redis"], var.engine)
    error_message = "engine: valkey or redis."
  }
}

variable "engine_version" {
  description = "Version of the engine; null: 8.0 of Valkey and 7.1 of Redis OSS on ElastiCache, 7.2 and 7.1 on MemoryDB."
  type        = string
  default     = null

  validation {
    condition     = var.engine_version == null ? true : can(regex("^[0-9]+\\.[0-9]+$", var.engine_version))
    error_message = "engine_version: major and minor number, such as 8.0."
  }

  validation {
    condition     = var.engine_version == null || var.service != "elasticache" ? true : var.engine == "valkey" ? startswith(var.engine_version, "8.") : var.engine_version == "7.1"
    error_message = "engine_version: on ElastiCache 8.x of valkey or 7.1 of redis; the parameter groups are of those families."
  }
}

variable "node_type" {
  description = "Size of each node, such as cache.t4g.micro, or db.t4g.small for MemoryDB."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex(var.service == "memorydb" ? "^db\\.[a-z0-9]+\\.[a-z0-9]+$" : "^cache\\.[a-z0-9]+\\.[a-z0-9]+$", var.node_type))
    error_message = "node_type: cache.<family>.<size> for elasticache, db.<family>.<size> for memorydb."
  }
}

variable "replicas" {
  description = "Replicas of each primary, in other zones. Without one a lost node takes every task with it (output `durability`)."
  type        = number
  nullable    = false

  validation {
    condition     = var.replicas >= 0 && var.replicas <= 5 && floor(var.replicas) == var.replicas
    error_message = "replicas: a whole number from 0 to 5."
  }
}

variable "cluster_mode" {
  description = "Cluster mode of ElastiCache: several shards. Spreads queues, lanes, batches and keys; one queue alone gets no faster. MemoryDB is always a Cluster."
  type        = bool
  default     = false
  nullable    = false
}

variable "shards" {
  description = "Shards of a Cluster."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.shards >= 1 && var.shards <= 90 && floor(var.shards) == var.shards
    error_message = "shards: a whole number from 1 to 90."
  }
}

variable "port" {
  description = "Port that Redis listens on."
  type        = number
  default     = 6379
  nullable    = false

  validation {
    condition     = var.port >= 1150 && var.port <= 65535
    error_message = "port: from 1150 to 65535."
  }
}

variable "vpc_id" {
  description = "Network."
  type        = string
  nullable    = false
}

variable "subnet_ids" {
  description = "Private subnets, one in each zone."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "subnet_ids: at least two, or there is no zone to fail over to."
  }
}

variable "clients" {
  description = "Who may connect: a name for each security group, and the group."
  type        = map(string)
  nullable    = false

  validation {
    condition     = length(var.clients) > 0
    error_message = "clients: at least one security group, or nobody reaches Redis."
  }
}

variable "kms_key_arn" {
  description = "Key for data at rest, snapshots, the password and the slow log."
  type        = string
  nullable    = false

  validation {
    condition     = startswith(var.kms_key_arn, "arn:")
    error_message = "kms_key_arn: the ARN of a KMS key."
  }
}

variable "password_version" {
  description = "Number of the password. A higher one makes another (docs/operate/aws-runbook.md says in which steps)."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.password_version >= 1 && floor(var.password_version) == var.password_version
    error_message = "password_version: a whole number from 1 on; add one to rotate."
  }
}

variable "password_overlap" {
  description = "true while a rotation is under way: the password before is good, too."
  type        = bool
  default     = false
  nullable    = false
}

variable "generation" {
  description = "Number of the Redis itself. A higher one makes another, from restore_snapshot or empty, and then deletes the one before."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.generation >= 1 && floor(var.generation) == var.generation
    error_message = "generation: a whole number from 1 on; add one to restore a snapshot."
  }
}

variable "restore_snapshot" {
  description = "Snapshot that a new generation begins with; null: empty."
  type        = string
  default     = null

  validation {
    condition     = var.restore_snapshot == null ? true : can(regex("^[a-zA-Z][a-zA-Z0-9:.-]*$", var.restore_snapshot))
    error_message = "restore_snapshot: the name of a snapshot, as `aws elasticache describe-snapshots` lists it."
  }
}

variable "snapshot_days" {
  description = "For how many days daily snapshots are kept."
  type        = number
  nullable    = false

  validation {
    condition     = var.snapshot_days >= 1 && var.snapshot_days <= 35 && floor(var.snapshot_days) == var.snapshot_days
    error_message = "snapshot_days: a whole number from 1 to 35; without snapshots there is nothing to restore."
  }
}

variable "snapshot_window" {
  description = "When the daily snapshot is taken, UTC."
  type        = string
  default     = "02:00-03:00"
  nullable    = false

  validation {
    condition     = can(regex("^[0-2][0-9]:[0-5][0-9]-[0-2][0-9]:[0-5][0-9]$", var.snapshot_window))
    error_message = "snapshot_window: hh:mm-hh:mm, UTC."
  }
}

variable "maintenance_window" {
  description = "When AWS may patch, UTC."
  type        = string
  default     = "sun:04:00-sun:05:00"
  nullable    = false

  validation {
    condition     = can(regex("^(mon|tue|wed|thu|fri|sat|sun):[0-2][0-9]:[0-5][0-9]-(mon|tue|wed|thu|fri|sat|sun):[0-2][0-9]:[0-5][0-9]$", var.maintenance_window))
    error_message = "maintenance_window: ddd:hh:mm-ddd:hh:mm, UTC, such as sun:04:00-sun:05:00."
  }
}

variable "final_snapshot" {
  description = "Whether a snapshot is taken before Redis is deleted."
  type        = bool
  nullable    = false
}

variable "log_retention_days" {
  description = "How long the slow log is kept."
  type        = number
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400], var.log_retention_days)
    error_message = "log_retention_days: a period that CloudWatch knows: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400."
  }
}
