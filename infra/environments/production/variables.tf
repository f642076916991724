# The same file in every environment; what differs between them is in main.tf (infra/tests/static.py compares the two).

# --- the three that have no default ------------------------------------------------------------

variable "domain_name" {
  description = "Name that people and programs use, such as post.example.com."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+[a-z]{2,}$", var.domain_name)) && length(var.domain_name) <= 253
    error_message = "domain_name: a full name in lower case, such as post.example.com, without scheme and path."
  }
}

variable "hosted_zone" {
  description = "Public Route 53 zone that the name is in, such as example.com. The certificate is proven in it."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+[a-z]{2,}$", var.hosted_zone))
    error_message = "hosted_zone: a domain in lower case, such as example.com, without a dot at its end."
  }

  validation {
    condition     = var.domain_name == var.hosted_zone || endswith(var.domain_name, ".${var.hosted_zone}")
    error_message = "hosted_zone: domain_name must lie in it, or nobody could prove the certificate."
  }
}

variable "image_tag" {
  description = "Tag of both images in the registry, for the first start. Afterwards deployments decide what runs."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$", var.image_tag)) && var.image_tag != "latest"
    error_message = "image_tag: a tag such as v1.2.0 or a commit, and not latest: a roll-back must find what ran before."
  }
}

# --- where -------------------------------------------------------------------------------------

variable "region" {
  description = "AWS region."
  type        = string
  default     = "eu-central-1"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region: an AWS region such as eu-central-1."
  }
}

variable "name" {
  description = "Name of the installation and of all that is made; null: posthaste-<environment>. Also its namespace in Redis, so it never changes."
  type        = string
  default     = null

  validation {
    condition     = var.name == null ? true : can(regex("^[a-z][a-z0-9-]{1,22}[a-z0-9]$", var.name)) && !strcontains(coalesce(var.name, "-"), "--")
    error_message = "name: 3 to 24 lower-case letters, digits and single hyphens, beginning with a letter."
  }
}

variable "cidr" {
  description = "Addresses of the network."
  type        = string
  default     = "10.40.0.0/16"
  nullable    = false

  validation {
    condition     = can(cidrhost(var.cidr, 0)) && try(tonumber(split("/", var.cidr)[1]) >= 16 && tonumber(split("/", var.cidr)[1]) <= 22, false)
    error_message = "cidr: an IPv4 network from /16 to /22, such as 10.40.0.0/16."
  }
}

variable "allowed_cidrs" {
  description = "Who may reach the load balancer; everybody, unless said otherwise. Keys are asked for in any case."
  type        = list(string)
  default     = ["0.0.0.0/0"]
  nullable    = false

  validation {
    condition     = length(var.allowed_cidrs) > 0 && alltrue([for cidr in var.allowed_cidrs : can(cidrhost(cidr, 0))])
    error_message = "allowed_cidrs: IPv4 networks such as 203.0.113.0/24; 0.0.0.0/0 is everybody."
  }
}

variable "tags" {
  description = "More tags on everything."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for key in keys(var.tags) : !startswith(lower(key), "aws:") && !contains(["Project", "Environment", "ManagedBy", "Root"], key)])
    error_message = "tags: not those of AWS (aws:…), and not Project, Environment, ManagedBy and Root, which are set already."
  }
}

# --- what runs ---------------------------------------------------------------------------------

variable "registry" {
  description = "What the repositories' names begin with, as infra/bootstrap made them."
  type        = string
  default     = "posthaste"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,18}[a-z0-9]$", var.registry))
    error_message = "registry: the name that infra/bootstrap has."
  }
}

variable "cpu_architecture" {
  description = "Processor that the images are built for; deploy.yml builds for X86_64."
  type        = string
  default     = "X86_64"
  nullable    = false

  validation {
    condition     = contains(["X86_64", "ARM64"], var.cpu_architecture)
    error_message = "cpu_architecture: X86_64 or ARM64, as the images are."
  }
}

variable "backend_tasks" {
  description = "Fewest and most backends; null: the profile's."
  type        = object({ min = number, max = number })
  default     = null

  validation {
    condition     = var.backend_tasks == null ? true : var.backend_tasks.min >= 1 && var.backend_tasks.max >= var.backend_tasks.min && var.backend_tasks.max <= 50
    error_message = "backend_tasks: min from 1, max from min to 50."
  }
}

variable "worker_tasks" {
  description = "Fewest and most workers; null: the profile's."
  type        = object({ min = number, max = number })
  default     = null

  validation {
    condition     = var.worker_tasks == null ? true : var.worker_tasks.min >= 1 && var.worker_tasks.max >= var.worker_tasks.min && var.worker_tasks.max <= 100
    error_message = "worker_tasks: min from 1 (without a worker nothing is measured that could start one), max from min to 100."
  }
}

variable "queues" {
  description = "Queues that the workers serve: names, or name=weight."
  type        = string
  default     = "default"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_.:-]+(=[0-9]+)?(,[A-Za-z0-9_.:-]+(=[0-9]+)?)*$", var.queues))
    error_message = "queues: names separated by commas, each with a weight if you like: default=3,reports."
  }
}

variable "environment" {
  description = "More settings of the program for both containers, by their names (docs/CONFIGURATION.md). No secrets."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for name in keys(var.environment) : can(regex("^(POSTHASTE|OTEL)_[A-Z_]+$|^RUST_LOG$", name))])
    error_message = "environment: settings of the program by their names, such as POSTHASTE_RETAIN_FAILED."
  }
}

# --- sending -----------------------------------------------------------------------------------

variable "smtp_url_secret_arn" {
  description = "Secret in Secrets Manager that holds POSTHASTE_SMTP_URL and nothing else; null: messages are held in the sandbox and not sent."
  type        = string
  default     = null

  validation {
    condition     = var.smtp_url_secret_arn == null ? true : can(regex("^arn:[a-z-]+:secretsmanager:", var.smtp_url_secret_arn))
    error_message = "smtp_url_secret_arn: the ARN of a secret in Secrets Manager, never the URL itself."
  }
}

variable "smtp_url_kms_key_arn" {
  description = "Key of that secret, if it has one of its own."
  type        = string
  default     = null

  validation {
    condition     = var.smtp_url_kms_key_arn == null ? true : startswith(var.smtp_url_kms_key_arn, "arn:")
    error_message = "smtp_url_kms_key_arn: the ARN of a KMS key."
  }
}

variable "email_from" {
  description = "Sender of e-mail, such as Posthaste <noreply@example.com>."
  type        = string
  default     = null

  validation {
    condition     = var.email_from == null ? true : can(regex("@[A-Za-z0-9.-]+>?$", var.email_from))
    error_message = "email_from: an address, or Name <address>."
  }

  validation {
    condition     = var.smtp_url_secret_arn == null || var.email_from != null
    error_message = "email_from: needed with smtp_url_secret_arn; no server takes mail from nobody."
  }
}

# --- Redis -------------------------------------------------------------------------------------

variable "redis" {
  description = "Redis, where it is to differ from the profile: service (elasticache, memorydb), engine, engine_version, node_type, replicas, cluster_mode, shards."
  type = object({
    service        = optional(string)
    engine         = optional(string)
    engine_version = optional(string)
    node_type      = optional(string)
    replicas       = optional(number)
    cluster_mode   = optional(bool)
    shards         = optional(number)
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains(["elasticache", "memorydb"], coalesce(var.redis.service, "elasticache"))
    error_message = "redis: service is elasticache or memorydb."
  }

  validation {
    condition     = var.redis.service != "memorydb" || startswith(coalesce(var.redis.node_type, "none"), "db.")
    error_message = "redis: memorydb needs a node_type of its own, such as db.t4g.small."
  }
}

variable "redis_password_version" {
  description = "Number of Redis's password; one more makes another (docs/operate/aws-runbook.md: rotate)."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.redis_password_version >= 1 && floor(var.redis_password_version) == var.redis_password_version
    error_message = "redis_password_version: a whole number from 1 on; add one to rotate."
  }
}

variable "redis_password_overlap" {
  description = "true while a rotation is under way: the password before is good, too."
  type        = bool
  default     = false
  nullable    = false
}

variable "redis_generation" {
  description = "Number of the Redis itself; one more makes another and deletes the one before (docs/operate/aws-runbook.md: restore)."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.redis_generation >= 1 && floor(var.redis_generation) == var.redis_generation
    error_message = "redis_generation: a whole number from 1 on; add one to restore a snapshot."
  }
}

variable "redis_restore_snapshot" {
  description = "Snapshot that a new generation begins with; null: empty."
  type        = string
  default     = null

  validation {
    condition     = var.redis_restore_snapshot == null ? true : can(regex("^[a-zA-Z][a-zA-Z0-9:.-]*$", var.redis_restore_snapshot))
    error_message = "redis_restore_snapshot: the name of a snapshot, as `aws elasticache describe-snapshots` lists it."
  }
}

# --- being told --------------------------------------------------------------------------------

variable "alarm_emails" {
  description = "Who is told of alarms; each has to confirm a first mail. Nobody: they are on the dashboard and in the topic alone."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for address in var.alarm_emails : can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", address))])
    error_message = "alarm_emails: addresses such as ops@example.com."
  }
}

# --- GitHub ------------------------------------------------------------------------------------

variable "github_repository" {
  description = "Repository whose workflow deploy.yml may deploy here, as owner/name; null: none."
  type        = string
  default     = null

  validation {
    condition     = var.github_repository == null ? true : can(regex("^[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+$", var.github_repository))
    error_message = "github_repository: owner/name, with no * in it."
  }
}
