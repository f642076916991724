variable "name" {
  description = "Name of the installation, of all that is made here, and of its namespace in Redis and in CloudWatch."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,22}[a-z0-9]$", var.name)) && !strcontains(var.name, "--")
    error_message = "name: 3 to 24 lower-case letters, digits and single hyphens, beginning with a letter (a load balancer's name has 32 at most)."
  }
}

variable "region" {
  description = "Region; where the containers' log is."
  type        = string
  nullable    = false
}

# --- network -----------------------------------------------------------------------------------

variable "vpc_id" {
  description = "Network."
  type        = string
  nullable    = false
}

variable "public_subnet_ids" {
  description = "Subnets of the load balancer, one in each zone."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.public_subnet_ids) >= 2
    error_message = "public_subnet_ids: at least two; a load balancer needs two zones."
  }
}

variable "task_subnet_ids" {
  description = "Subnets of the tasks."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.task_subnet_ids) >= 2
    error_message = "task_subnet_ids: at least two, so that a zone may be lost."
  }
}

variable "assign_public_ip" {
  description = "Whether tasks get a public address: their way out where there is no NAT. Nothing comes in by it."
  type        = bool
  nullable    = false
}

variable "load_balancer_cidrs" {
  description = "Addresses that the load balancer may have: those of the public subnets."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.load_balancer_cidrs) > 0 && alltrue([for cidr in var.load_balancer_cidrs : can(cidrhost(cidr, 0)) && cidr != "0.0.0.0/0"])
    error_message = "load_balancer_cidrs: networks such as 10.40.0.0/20, and never everybody: X-Forwarded-For of whoever is in them is believed."
  }
}

variable "allowed_cidrs" {
  description = "Who may reach the load balancer."
  type        = list(string)
  default     = ["0.0.0.0/0"]
  nullable    = false

  validation {
    condition     = length(var.allowed_cidrs) > 0 && alltrue([for cidr in var.allowed_cidrs : can(cidrhost(cidr, 0))])
    error_message = "allowed_cidrs: IPv4 networks such as 203.0.113.0/24; 0.0.0.0/0 is everybody."
  }
}

variable "worker_egress_ports" {
  description = "TCP ports that workers may connect to beside Redis: mail servers and webhooks. AWS blocks 25 unless it is asked."
  type        = set(number)
  default     = [80, 443, 465, 587]
  nullable    = false

  validation {
    condition     = contains(var.worker_egress_ports, 443) && alltrue([for port in var.worker_egress_ports : port >= 1 && port <= 65535 && floor(port) == port])
    error_message = "worker_egress_ports: ports from 1 to 65535, with 443 among them: images, secrets and logs need it."
  }
}

# --- the name ----------------------------------------------------------------------------------

variable "domain_name" {
  description = "Name that people and programs use, such as post.example.com."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+[a-z]{2,}$", var.domain_name)) && length(var.domain_name) <= 253
    error_message = "domain_name: a full name in lower case, such as post.example.com, without scheme and path."
  }
}

variable "zone_id" {
  description = "Route 53 zone that the name is in."
  type        = string
  nullable    = false
}

# --- what runs ---------------------------------------------------------------------------------

variable "backend_image" {
  description = "Image of the backend, with its tag."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[^:@]+(:[0-9]+/[^:@]+)?(:[A-Za-z0-9_.-]+|@sha256:[0-9a-f]{64})$", var.backend_image)) && !endswith(var.backend_image, ":latest")
    error_message = "backend_image: an image with a tag or digest, and not latest: a roll-back must find what ran before."
  }
}

variable "worker_image" {
  description = "Image of the worker, with its tag."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[^:@]+(:[0-9]+/[^:@]+)?(:[A-Za-z0-9_.-]+|@sha256:[0-9a-f]{64})$", var.worker_image)) && !endswith(var.worker_image, ":latest")
    error_message = "worker_image: an image with a tag or digest, and not latest: a roll-back must find what ran before."
  }
}

variable "backend_repository_arn" {
  description = "Repository of the backend's image."
  type        = string
  nullable    = false

  validation {
    condition     = startswith(var.backend_repository_arn, "arn:")
    error_message = "backend_repository_arn: the ARN of an ECR repository."
  }
}

variable "worker_repository_arn" {
  description = "Repository of the worker's image."
  type        = string
  nullable    = false

  validation {
    condition     = startswith(var.worker_repository_arn, "arn:")
    error_message = "worker_repository_arn: the ARN of an ECR repository."
  }
}

variable "cpu_architecture" {
  description = "Processor that the images are built for."
  type        = string
  default     = "X86_64"
  nullable    = false

  validation {
    condition     = contains(["X86_64", "ARM64"], var.cpu_architecture)
    error_message = "cpu_architecture: X86_64 or ARM64, as the images are."
  }
}

variable "backend" {
  description = "Backend: size of a task (CPU units, MiB), fewest and most of them, how many of them at least are not on Spot, whether the others are, and requests a minute for each before there is another."
  type = object({
    cpu                 = number
    memory              = number
    min                 = number
    max                 = number
    on_demand           = optional(number, 1)
    spot                = optional(bool, false)
    requests_per_minute = optional(number, 6000)
  })
  nullable = false

  validation {
    condition     = var.backend.min >= 1 && var.backend.max >= var.backend.min && var.backend.max <= 50
    error_message = "backend: min from 1, max from min to 50."
  }

  validation {
    condition     = contains([256, 512, 1024, 2048, 4096], var.backend.cpu) && var.backend.memory >= 2 * var.backend.cpu && var.backend.memory <= 8 * var.backend.cpu
    error_message = "backend: cpu of 256, 512, 1024, 2048 or 4096, and memory of two to eight MiB for each unit, as Fargate has them."
  }

  validation {
    condition     = var.backend.requests_per_minute > 0 && var.backend.on_demand >= 0
    error_message = "backend: requests_per_minute above 0, on_demand from 0."
  }
}

variable "worker" {
  description = "Worker: size of a task (CPU units, MiB), fewest and most of them, how many of them at least are not on Spot, whether the others are, and how many waiting tasks each is good for before there is another."
  type = object({
    cpu       = number
    memory    = number
    min       = number
    max       = number
    on_demand = optional(number, 1)
    spot      = optional(bool, false)
    backlog   = optional(number, 500)
  })
  nullable = false

  validation {
    condition     = var.worker.min >= 1 && var.worker.max >= var.worker.min && var.worker.max <= 100
    error_message = "worker: min from 1 (without a worker nothing is measured that could start one), max from min to 100."
  }

  validation {
    condition     = contains([256, 512, 1024, 2048, 4096], var.worker.cpu) && var.worker.memory >= 2 * var.worker.cpu && var.worker.memory <= 8 * var.worker.cpu
    error_message = "worker: cpu of 256, 512, 1024, 2048 or 4096, and memory of two to eight MiB for each unit, as Fargate has them."
  }

  validation {
    condition     = var.worker.backlog > 0 && var.worker.on_demand >= 0
    error_message = "worker: backlog above 0, on_demand from 0."
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

variable "concurrency" {
  description = "How many tasks one worker runs at once."
  type        = number
  default     = 64
  nullable    = false

  validation {
    condition     = var.concurrency >= 1 && var.concurrency <= 10000 && floor(var.concurrency) == var.concurrency
    error_message = "concurrency: a whole number from 1 to 10000."
  }
}

variable "shutdown_grace_seconds" {
  description = "How long running attempts and requests may go on after a task is told to stop. ECS kills it ten seconds later."
  type        = number
  default     = 25
  nullable    = false

  validation {
    condition     = var.shutdown_grace_seconds >= 5 && var.shutdown_grace_seconds <= 110 && floor(var.shutdown_grace_seconds) == var.shutdown_grace_seconds
    error_message = "shutdown_grace_seconds: a whole number from 5 to 110; Fargate kills after 120 s whatever is asked for."
  }
}

variable "environment" {
  description = "More settings of the program for both containers, by their names (docs/CONFIGURATION.md). No secrets."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = length(setintersection(keys(var.environment), ["REDIS_URL", "POSTHASTE_STORE", "POSTHASTE_REDIS_PASSWORD", "POSTHASTE_API_KEYS", "POSTHASTE_SMTP_URL", "POSTHASTE_SIGNING_SECRET", "POSTHASTE_KEY", "POSTHASTE_AUTH", "POSTHASTE_OPEN_NOTIFY", "OTEL_EXPORTER_OTLP_HEADERS"])) == 0 && !anytrue([for value in values(var.environment) : can(regex("://[^/@]*:[^/@]*@", value))])
    error_message = "environment: no secrets, no URL with a password, and nothing that opens the API: what is here can be read by whoever may look at a task definition."
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
}

variable "smtp_url_secret_arn" {
  description = "Secret that holds POSTHASTE_SMTP_URL and nothing else; null: no provider, messages are held in the sandbox."
  type        = string
  default     = null

  validation {
    condition     = var.smtp_url_secret_arn == null ? true : can(regex("^arn:[a-z-]+:secretsmanager:", var.smtp_url_secret_arn))
    error_message = "smtp_url_secret_arn: the ARN of a secret in Secrets Manager, never the URL itself."
  }

  validation {
    condition     = var.smtp_url_secret_arn == null || var.email_from != null
    error_message = "smtp_url_secret_arn: needs email_from, too; no server takes mail from nobody."
  }
}

variable "smtp_url_kms_key_arn" {
  description = "Key of that secret, if it is neither the installation's nor the account's default one."
  type        = string
  default     = null

  validation {
    condition     = var.smtp_url_kms_key_arn == null ? true : startswith(var.smtp_url_kms_key_arn, "arn:")
    error_message = "smtp_url_kms_key_arn: the ARN of a KMS key."
  }
}

# --- Redis -------------------------------------------------------------------------------------

variable "redis_url" {
  description = "REDIS_URL, with TLS and without a password."
  type        = string
  nullable    = false

  validation {
    condition     = startswith(var.redis_url, "rediss") && !can(regex("://[^/@]*:[^/@]*@", var.redis_url))
    error_message = "redis_url: rediss:// or rediss+cluster:// (TLS), and no password in it."
  }
}

variable "redis_password_secret_arn" {
  description = "Secret that holds the password of Redis."
  type        = string
  nullable    = false
}

variable "redis_security_group_id" {
  description = "Security group of Redis."
  type        = string
  nullable    = false
}

variable "redis_port" {
  description = "Port of Redis."
  type        = number
  nullable    = false
}

variable "durability" {
  description = "acknowledged, or replicated: a request is answered 2xx only when a replica has its task; without a replica it is answered 503."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["acknowledged", "replicated"], var.durability)
    error_message = "durability: acknowledged or replicated."
  }
}

# --- what is kept ------------------------------------------------------------------------------

variable "kms_key_arn" {
  description = "Key for logs and secrets."
  type        = string
  nullable    = false

  validation {
    condition     = startswith(var.kms_key_arn, "arn:")
    error_message = "kms_key_arn: the ARN of a KMS key."
  }
}

variable "log_retention_days" {
  description = "How long the containers' logs are kept."
  type        = number
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400], var.log_retention_days)
    error_message = "log_retention_days: a period that CloudWatch knows: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400."
  }
}

variable "access_log_days" {
  description = "How long access logs of the load balancer are kept; null: there are none."
  type        = number
  default     = null

  validation {
    condition     = var.access_log_days == null ? true : var.access_log_days >= 1 && floor(var.access_log_days) == var.access_log_days
    error_message = "access_log_days: null, or a whole number of days from 1."
  }
}

variable "container_insights" {
  description = "Whether CloudWatch measures each task's processor and memory, which costs by the metric."
  type        = bool
  nullable    = false
}

variable "deletion_protection" {
  description = "Whether the load balancer refuses to be deleted."
  type        = bool
  nullable    = false
}
