variable "name" {
  description = "Name of the installation, and of all that is made here."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,38}[a-z0-9]$", var.name))
    error_message = "name: 3 to 40 lower-case letters, digits and hyphens, beginning with a letter."
  }
}

variable "cidr" {
  description = "Addresses of the network; a sixteenth for each subnet."
  type        = string
  nullable    = false

  validation {
    condition     = can(cidrhost(var.cidr, 0)) && try(tonumber(split("/", var.cidr)[1]) >= 16 && tonumber(split("/", var.cidr)[1]) <= 22, false)
    error_message = "cidr: an IPv4 network from /16 to /22, such as 10.40.0.0/16."
  }
}

variable "zone_count" {
  description = "Over how many availability zones the subnets are spread."
  type        = number
  nullable    = false

  validation {
    condition     = contains([2, 3], var.zone_count)
    error_message = "zone_count: 2 or 3. The load balancer needs two; a fourth buys nothing."
  }
}

variable "nat" {
  description = "How private subnets reach the internet: none (not at all), one (a NAT gateway, lost with its zone), per_az (one in each zone)."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["none", "one", "per_az"], var.nat)
    error_message = "nat: none, one or per_az."
  }
}

variable "interface_endpoints" {
  description = "AWS services reached without the internet, each an interface endpoint in every zone, such as ecr.api, ecr.dkr, logs, secretsmanager."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for service in var.interface_endpoints : can(regex("^[a-z0-9.-]+$", service)) && service != "s3"])
    error_message = "interface_endpoints: names of services without their prefix, such as ecr.api; s3 has its gateway endpoint already."
  }
}

variable "flow_log_retention_days" {
  description = "How long the flow log of the network is kept; null: there is none."
  type        = number
  default     = null

  validation {
    condition     = var.flow_log_retention_days == null ? true : contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400], var.flow_log_retention_days)
    error_message = "flow_log_retention_days: null, or a period that CloudWatch knows: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400."
  }
}

variable "kms_key_arn" {
  description = "Key that the flow log is encrypted with."
  type        = string
  nullable    = false

  validation {
    condition     = startswith(var.kms_key_arn, "arn:")
    error_message = "kms_key_arn: the ARN of a KMS key."
  }
}
