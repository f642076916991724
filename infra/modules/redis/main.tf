# What backend and worker share: ElastiCache (Valkey or Redis OSS), or MemoryDB where nothing that was accepted may be lost with a node.
# Reached over TLS, with a password, from the security groups that are named here and from nowhere else.

locals {
  elasticache = var.service == "elasticache"
  id          = "${var.name}-${var.generation}"
  nodes       = local.elasticache && !var.cluster_mode ? var.replicas + 1 : var.shards * (var.replicas + 1)

  # ElastiCache names a group's members by itself, always so; the alarms need to know them before they are there.
  members = !local.elasticache ? [] : var.cluster_mode ? [
    for pair in setproduct(range(1, var.shards + 1), range(1, var.replicas + 2)) : format("%s-%04d-%03d", local.id, pair[0], pair[1])
  ] : [for index in range(1, var.replicas + 2) : format("%s-%03d", local.id, index)]

  # Families of parameters: those of MemoryDB have a prefix, and its Valkey is of version 7.
  families = {
    elasticache = { valkey = "valkey8", redis = "redis7" }
    memorydb    = { valkey = "memorydb_valkey7", redis = "memorydb_redis7" }
  }
  versions = {
    elasticache = { valkey = "8.0", redis = "7.1" }
    memorydb    = { valkey = "7.2", redis = "7.1" }
  }
  family  = local.families[var.service][var.engine]
  version = coalesce(var.engine_version, local.versions[var.service][var.engine])
}

# --- who reaches it ----------------------------------------------------------------------------

resource "aws_security_group" "this" {
  name        = "${var.name}-redis"
  description = "Redis: from backend and worker, and to nobody"
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-redis" }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "clients" {
  for_each = var.clients

  security_group_id            = aws_security_group.this.id
  description                  = "Redis from ${each.key}"
  referenced_security_group_id = each.value
  ip_protocol                  = "tcp"
  from_port                    = var.port
  to_port                      = var.port
}

# --- the password ------------------------------------------------------------------------------

# One for each version that is in force: during a rotation the one before counts, too (docs/operate/aws-runbook.md).
resource "random_password" "this" {
  for_each = toset([for version in range(max(1, var.password_overlap ? var.password_version - 1 : var.password_version), var.password_version + 1) : tostring(version)])

  length = 64
  # ElastiCache takes few special characters, a URL fewer; 64 letters and digits are 381 bits.
  special = false
}

locals {
  password = random_password.this[tostring(var.password_version)].result
}

resource "aws_secretsmanager_secret" "password" {
  # checkov:skip=CKV2_AWS_57: rotated by two applies with a deployment between them, which no Lambda function can do (docs/operate/aws-runbook.md)
  name        = "${var.name}/redis-password"
  description = "Password of the Redis of ${var.name}"
  kms_key_id  = var.kms_key_arn
  # A name that waits for its deletion cannot be used again; 7 days are the least that can be taken back.
  recovery_window_in_days = 7
}

# After the server knows the password, so that no task starts with one that is not good yet.
resource "aws_secretsmanager_secret_version" "password" {
  secret_id     = aws_secretsmanager_secret.password.id
  secret_string = local.password

  depends_on = [aws_elasticache_replication_group.this, aws_memorydb_user.this]
}

# --- ElastiCache -------------------------------------------------------------------------------

resource "aws_elasticache_subnet_group" "this" {
  count = local.elasticache ? 1 : 0

  name        = var.name
  description = "Private subnets of ${var.name}"
  subnet_ids  = var.subnet_ids
}

resource "aws_elasticache_parameter_group" "this" {
  count = local.elasticache ? 1 : 0

  name        = "${var.name}-${local.family}${var.cluster_mode ? "-cluster" : ""}"
  family      = local.family
  description = "Deletes nothing when it is full"

  # With any other policy a full Redis throws accepted tasks away, and the program refuses to start on it.
  parameter {
    name  = "maxmemory-policy"
    value = "noeviction"
  }

  dynamic "parameter" {
    for_each = var.cluster_mode ? ["yes"] : []

    content {
      name  = "cluster-enabled"
      value = parameter.value
    }
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_elasticache_replication_group" "this" {
  # checkov:skip=CKV2_AWS_50: on as soon as there is a replica; without one the output `durability` says what is lost
  count = local.elasticache ? 1 : 0

  # A restored snapshot is another group: it gets another name, so that the old one can stay until the new one is there.
  replication_group_id = local.id
  description          = "Tasks of ${var.name}"

  engine               = var.engine
  engine_version       = local.version
  node_type            = var.node_type
  port                 = var.port
  parameter_group_name = aws_elasticache_parameter_group.this[0].name

  num_cache_clusters         = var.cluster_mode ? null : var.replicas + 1
  num_node_groups            = var.cluster_mode ? var.shards : null
  replicas_per_node_group    = var.cluster_mode ? var.replicas : null
  automatic_failover_enabled = var.replicas > 0
  multi_az_enabled           = var.replicas > 0

  subnet_group_name  = aws_elasticache_subnet_group.this[0].name
  security_group_ids = [aws_security_group.this.id]

  at_rest_encryption_enabled = true
  kms_key_id                 = var.kms_key_arn
  transit_encryption_enabled = true
  transit_encryption_mode    = "required"
  auth_token                 = local.password
  # ROTATE: the token before goes on being good. SET: from now on this one alone.
  auth_token_update_strategy = var.password_overlap ? "ROTATE" : "SET"

  snapshot_retention_limit  = var.snapshot_days
  snapshot_window           = var.snapshot_window
  snapshot_name             = var.restore_snapshot
  final_snapshot_identifier = var.final_snapshot ? "${local.id}-final" : null

  maintenance_window         = var.maintenance_window
  auto_minor_version_upgrade = true
  apply_immediately          = true

  log_delivery_configuration {
    destination      = aws_cloudwatch_log_group.slow[0].name
    destination_type = "cloudwatch-logs"
    log_format       = "json"
    log_type         = "slow-log"
  }

  lifecycle {
    create_before_destroy = true
    # The snapshot counts when the group is made. Taking the variable back afterwards must not make another group.
    ignore_changes = [snapshot_name]

    precondition {
      condition     = var.cluster_mode ? var.replicas > 0 : true
      error_message = "cluster_mode needs replicas of 1 or more: a Cluster fails over by itself or not at all."
    }

    precondition {
      condition     = var.cluster_mode || var.shards == 1
      error_message = "shards other than 1 need cluster_mode = true."
    }
  }
}

resource "aws_cloudwatch_log_group" "slow" {
  # checkov:skip=CKV_AWS_338: slow commands are of interest for days; the period is a variable
  count = local.elasticache ? 1 : 0

  name              = "/posthaste/${var.name}/redis-slow"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

# --- MemoryDB ----------------------------------------------------------------------------------

resource "aws_memorydb_subnet_group" "this" {
  count = local.elasticache ? 0 : 1

  name        = var.name
  description = "Private subnets of ${var.name}"
  subnet_ids  = var.subnet_ids
}

resource "aws_memorydb_parameter_group" "this" {
  count = local.elasticache ? 0 : 1

  name        = "${var.name}-${replace(local.family, "_", "-")}"
  family      = local.family
  description = "Deletes nothing when it is full"

  parameter {
    name  = "maxmemory-policy"
    value = "noeviction"
  }
}

resource "aws_memorydb_user" "this" {
  count = local.elasticache ? 0 : 1

  user_name = "posthaste"
  # What docs/start/apart.md says that a user of its own needs.
  access_string = "on ~ph:* &ph:* +@all -@dangerous +info +cluster +role"

  authentication_mode {
    type      = "password"
    passwords = [for password in random_password.this : password.result]
  }
}

resource "aws_memorydb_acl" "this" {
  count = local.elasticache ? 0 : 1

  name       = var.name
  user_names = [aws_memorydb_user.this[0].user_name]
}

resource "aws_memorydb_cluster" "this" {
  count = local.elasticache ? 0 : 1

  name        = local.id
  description = "Tasks of ${var.name}"

  engine               = var.engine
  engine_version       = local.version
  node_type            = var.node_type
  port                 = var.port
  parameter_group_name = aws_memorydb_parameter_group.this[0].name
  acl_name             = aws_memorydb_acl.this[0].name

  num_shards             = var.shards
  num_replicas_per_shard = var.replicas

  subnet_group_name  = aws_memorydb_subnet_group.this[0].name
  security_group_ids = [aws_security_group.this.id]

  tls_enabled = true
  kms_key_arn = var.kms_key_arn

  snapshot_retention_limit = var.snapshot_days
  snapshot_window          = var.snapshot_window
  snapshot_name            = var.restore_snapshot
  final_snapshot_name      = var.final_snapshot ? "${local.id}-final" : null

  maintenance_window         = var.maintenance_window
  auto_minor_version_upgrade = true

  lifecycle {
    create_before_destroy = true
    ignore_changes        = [snapshot_name]
  }
}
