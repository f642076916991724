variables {
  name               = "posthaste-test"
  node_type          = "cache.t4g.micro"
  replicas           = 1
  vpc_id             = "vpc-1"
  subnet_ids         = ["subnet-1", "subnet-2"]
  clients            = { backend = "sg-backend", worker = "sg-worker" }
  kms_key_arn        = "arn:aws:kms:eu-central-1:123456789012:key/test"
  snapshot_days      = 7
  final_snapshot     = true
  log_retention_days = 14
}

override_resource {
  target          = aws_elasticache_replication_group.this[0]
  override_during = plan
  values          = { primary_endpoint_address = "primary.internal", configuration_endpoint_address = "cluster.internal" }
}

override_resource {
  target          = aws_memorydb_cluster.this[0]
  override_during = plan
  values          = { cluster_endpoint = [{ address = "memory.internal", port = 6379 }] }
}

override_resource {
  target          = aws_security_group.this
  override_during = plan
  values          = { id = "sg-redis" }
}

override_resource {
  target          = random_password.this["1"]
  override_during = plan
  values          = { result = "first" }
}

override_resource {
  target          = random_password.this["2"]
  override_during = plan
  values          = { result = "second" }
}

run "one_shard" {
  command = plan

  assert {
    condition     = aws_elasticache_replication_group.this[0].transit_encryption_enabled && aws_elasticache_replication_group.this[0].transit_encryption_mode == "required"
    error_message = "redis-tls: encrypted on the way, and nothing else taken"
  }

  assert {
    condition     = tobool(aws_elasticache_replication_group.this[0].at_rest_encryption_enabled) && aws_elasticache_replication_group.this[0].kms_key_id == var.kms_key_arn
    error_message = "redis-at-rest: encrypted where it lies, with our key"
  }

  assert {
    condition     = nonsensitive(aws_elasticache_replication_group.this[0].auth_token == "first" && aws_secretsmanager_secret_version.password.secret_string == "first")
    error_message = "redis-password: asked for, and the one in the secret"
  }

  assert {
    condition     = aws_elasticache_replication_group.this[0].auth_token_update_strategy == "SET"
    error_message = "redis-one-password: outside a rotation one password is good"
  }

  assert {
    condition     = aws_secretsmanager_secret.password.kms_key_id == var.kms_key_arn
    error_message = "redis-secret-key: the secret is encrypted with our key"
  }

  assert {
    condition     = { for name, rule in aws_vpc_security_group_ingress_rule.clients : name => rule.referenced_security_group_id } == { backend = "sg-backend", worker = "sg-worker" }
    error_message = "redis-clients: from backend and worker alone"
  }

  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_ingress_rule.clients : rule.cidr_ipv4 == null && rule.cidr_ipv6 == null && rule.from_port == 6379 && rule.to_port == 6379 && rule.security_group_id == "sg-redis"])
    error_message = "redis-no-network: no network is let in, and no other port"
  }

  assert {
    condition     = aws_elasticache_replication_group.this[0].security_group_ids == toset(["sg-redis"])
    error_message = "redis-one-group: its own security group and no other"
  }

  assert {
    condition     = contains([for parameter in aws_elasticache_parameter_group.this[0].parameter : "${parameter.name}=${parameter.value}"], "maxmemory-policy=noeviction")
    error_message = "redis-noeviction: a full Redis refuses, and deletes nothing"
  }

  assert {
    condition     = aws_elasticache_replication_group.this[0].automatic_failover_enabled && aws_elasticache_replication_group.this[0].multi_az_enabled && aws_elasticache_replication_group.this[0].num_cache_clusters == 2
    error_message = "redis-failover: a replica in another zone takes over by itself"
  }

  assert {
    condition     = aws_elasticache_replication_group.this[0].snapshot_retention_limit == 7 && aws_elasticache_replication_group.this[0].final_snapshot_identifier == "posthaste-test-1-final"
    error_message = "redis-snapshots: every day, and once more before it is deleted"
  }

  assert {
    condition     = aws_cloudwatch_log_group.slow[0].retention_in_days == 14 && aws_cloudwatch_log_group.slow[0].kms_key_id == var.kms_key_arn
    error_message = "redis-log: kept for as long as was said, and encrypted"
  }

  assert {
    condition     = output.url == "rediss://primary.internal:6379"
    error_message = "redis-url: TLS, the primary, no password"
  }

  assert {
    condition     = output.members == tolist(["posthaste-test-1-001", "posthaste-test-1-002"])
    error_message = "redis-members: named as ElastiCache names them"
  }
}

run "rotation" {
  command = plan

  variables {
    password_version = 2
    password_overlap = true
  }

  assert {
    condition     = aws_elasticache_replication_group.this[0].auth_token_update_strategy == "ROTATE" && nonsensitive(aws_elasticache_replication_group.this[0].auth_token == "second")
    error_message = "redis-rotate: the new password is added, the old one stays good"
  }

  assert {
    condition     = length(random_password.this) == 2
    error_message = "redis-keep-old: the old password is kept until the rotation is over"
  }
}

run "cluster" {
  command = plan

  variables {
    cluster_mode = true
    shards       = 2
    engine       = "redis"
  }

  assert {
    condition     = aws_elasticache_replication_group.this[0].num_node_groups == 2 && aws_elasticache_replication_group.this[0].replicas_per_node_group == 1 && aws_elasticache_parameter_group.this[0].family == "redis7"
    error_message = "cluster-shards: as many as were asked for, each with its replicas"
  }

  assert {
    condition     = output.url == "rediss+cluster://cluster.internal:6379"
    error_message = "cluster-url: TLS, the address that names the nodes"
  }

  assert {
    condition     = output.members == tolist(["posthaste-test-1-0001-001", "posthaste-test-1-0001-002", "posthaste-test-1-0002-001", "posthaste-test-1-0002-002"])
    error_message = "cluster-members: named as ElastiCache names them"
  }
}

run "memorydb" {
  command = plan

  variables {
    service          = "memorydb"
    node_type        = "db.t4g.small"
    password_version = 2
    password_overlap = true
  }

  assert {
    condition     = aws_memorydb_cluster.this[0].tls_enabled && aws_memorydb_cluster.this[0].kms_key_arn == var.kms_key_arn
    error_message = "memorydb-encrypted: on the way and where it lies"
  }

  assert {
    condition     = aws_memorydb_user.this[0].access_string == "on ~ph:* &ph:* +@all -@dangerous +info +cluster +role"
    error_message = "memorydb-rights: its keys alone, and nothing dangerous"
  }

  assert {
    condition     = nonsensitive(length(aws_memorydb_user.this[0].authentication_mode[0].passwords) == 2)
    error_message = "memorydb-rotate: both passwords are good during a rotation"
  }

  assert {
    condition     = output.url == "rediss+cluster://posthaste@memory.internal:6379" && aws_memorydb_cluster.this[0].acl_name == "posthaste-test"
    error_message = "memorydb-url: TLS, with its user, without a password"
  }
}

run "alone" {
  command = plan

  variables {
    replicas = 0
  }

  assert {
    condition     = strcontains(output.durability, "A LOST NODE LOSES EVERY TASK")
    error_message = "redis-says-what-is-lost: without a replica it says so"
  }

  assert {
    condition     = !aws_elasticache_replication_group.this[0].automatic_failover_enabled
    error_message = "redis-alone: nothing to fail over to"
  }
}

run "refuses" {
  command = plan

  variables {
    name               = "post--haste"
    engine_version     = "eight"
    node_type          = "db.t4g.small"
    replicas           = 6
    shards             = 0
    port               = 80
    subnet_ids         = ["subnet-1"]
    clients            = {}
    kms_key_arn        = "alias/key"
    password_version   = 0
    generation         = 0
    restore_snapshot   = "no such name!"
    snapshot_days      = 0
    snapshot_window    = "2-3"
    maintenance_window = "sunday"
    log_retention_days = 10
  }

  expect_failures = [
    var.name, var.engine_version, var.node_type, var.replicas, var.shards, var.port, var.subnet_ids, var.clients, var.kms_key_arn,
    var.password_version, var.generation, var.restore_snapshot, var.snapshot_days, var.snapshot_window, var.maintenance_window, var.log_retention_days,
  ]
}

run "refuses_other_stores" {
  command = plan

  variables {
    service = "dynamodb"
    engine  = "keydb"
  }

  expect_failures = [var.service, var.engine]
}

run "refuses_an_engine_of_another_family" {
  command = plan

  variables {
    engine_version = "7.2"
  }

  expect_failures = [var.engine_version]
}

run "refuses_shards_without_a_cluster" {
  command = plan

  variables {
    shards = 2
  }

  expect_failures = [aws_elasticache_replication_group.this]
}
