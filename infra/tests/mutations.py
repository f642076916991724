"""What is broken to see each assertion fail: by folder and run, the assertion's name and the edits (file, what stands there, what instead).

A file is named from its folder, or from infra/ with a leading slash. Every edit's text stands there exactly once.
"""

NO_KEYS = [("containers.tf", "merge(local.shared_secrets, { POSTHASTE_API_KEYS = aws_secretsmanager_secret.api_keys.arn })", "local.shared_secrets")]

# Runs whose assertions also fail by what is broken for another run; they get trees of their own.
ALONE = {("modules/service", "without_mail"), ("modules/redis", "rotation")}

MUTATIONS = {
    "modules/key": {"key": {
        "key-rotates": [("main.tf", "enable_key_rotation     = true", "enable_key_rotation = false")],
        "key-comes-back": [("main.tf", "deletion_window_in_days = var.deletion_window_days", "deletion_window_in_days = 7")],
        "key-for-alarms": [("main.tf", '"cloudwatch.amazonaws.com"', '"events.amazonaws.com"')],
    }},
    "modules/network": {
        "without_nat": {
            "nat-none": [("main.tf", 'resource "aws_eip" "nat" {\n  for_each = toset(local.nat_zones)', 'resource "aws_eip" "nat" {\n  for_each = toset(local.zones)')],
            "private-closed": [
                ("main.tf", "for_each = length(local.nat_zones) > 0 ? toset(local.zones) : toset([])", "for_each = toset(local.zones)"),
                ("main.tf", "nat_gateway_id         = aws_nat_gateway.this[contains(local.nat_zones, each.key) ? each.key : local.nat_zones[0]].id",
                 "gateway_id = aws_internet_gateway.this.id"),
            ],
            "no-address-by-itself": [("main.tf", 'nothing gets one by being here.\n  map_public_ip_on_launch = false', "nothing.\n  map_public_ip_on_launch = true")],
            "zones": [("main.tf", "cidrsubnet(var.cidr, 4, 8 + each.value)", "cidrsubnet(var.cidr, 4, each.value)")],
            "flow-log": [("main.tf", "retention_in_days = var.flow_log_retention_days", "retention_in_days = 1")],
            "flow-log-all": [("main.tf", 'traffic_type    = "ALL"', 'traffic_type = "ACCEPT"')],
        },
        "one_nat": {"nat-one": [("main.tf", "one = slice(local.zones, 0, 1)", "one = local.zones")]},
        "nat_in_each_zone": {
            "nat-per-az": [("main.tf", "per_az = local.zones }", "per_az = slice(local.zones, 0, 2) }")],
            "endpoints": [("main.tf", "cidr_ipv4         = var.cidr", 'cidr_ipv4 = "0.0.0.0/0"')],
        },
    },
    "modules/redis": {
        "one_shard": {
            "redis-tls": [("main.tf", 'transit_encryption_mode    = "required"', 'transit_encryption_mode = "preferred"')],
            "redis-at-rest": [("main.tf", "at_rest_encryption_enabled = true", "at_rest_encryption_enabled = false")],
            "redis-password": [("main.tf", "secret_string = local.password", 'secret_string = "another"')],
            "redis-one-password": [("main.tf", '"ROTATE" : "SET"', '"ROTATE" : "ROTATE"')],
            "redis-secret-key": [("main.tf", "\n  kms_key_id  = var.kms_key_arn", '\n  kms_key_id = "alias/aws/secretsmanager"')],
            "redis-clients": [("main.tf", "for_each = var.clients", 'for_each = merge(var.clients, { other = "sg-other" })')],
            "redis-no-network": [("main.tf", "from_port                    = var.port", "from_port = 0")],
            "redis-one-group": [("main.tf", "aws_elasticache_subnet_group.this[0].name\n  security_group_ids = [aws_security_group.this.id]",
                                 'aws_elasticache_subnet_group.this[0].name\n  security_group_ids = [aws_security_group.this.id, "sg-default"]')],
            "redis-noeviction": [("main.tf", 'refuses to start on it.\n  parameter {\n    name  = "maxmemory-policy"\n    value = "noeviction"',
                                  'refuses.\n  parameter {\n    name  = "maxmemory-policy"\n    value = "allkeys-lru"')],
            "redis-failover": [("main.tf", "multi_az_enabled           = var.replicas > 0", "multi_az_enabled = false")],
            "redis-snapshots": [("main.tf", "snapshot_retention_limit  = var.snapshot_days", "snapshot_retention_limit = 0")],
            "redis-log": [("main.tf", "retention_in_days = var.log_retention_days", "retention_in_days = 0")],
            "redis-url": [("outputs.tf", ': "rediss://${local.endpoint}', ': "redis://${local.endpoint}')],
            "redis-members": [("main.tf", 'format("%s-%03d"', 'format("%s-%04d"')],
        },
        "rotation": {
            "redis-rotate": [("main.tf", 'var.password_overlap ? "ROTATE"', 'var.password_overlap ? "SET"')],
            "redis-keep-old": [("main.tf", "var.password_overlap ? var.password_version - 1 : var.password_version", "var.password_version")],
        },
        "cluster": {
            "cluster-shards": [("main.tf", "num_node_groups            = var.cluster_mode ? var.shards : null", "num_node_groups = var.cluster_mode ? 1 : null")],
            "cluster-url": [("outputs.tf", 'var.cluster_mode ? "rediss+cluster://', 'var.cluster_mode ? "redis+cluster://')],
            "cluster-members": [("main.tf", "setproduct(range(1, var.shards + 1), range(1, var.replicas + 2))", "setproduct(range(1, var.shards + 1), range(1, var.replicas + 1))")],
        },
        "memorydb": {
            "memorydb-encrypted": [("main.tf", "tls_enabled = true", "tls_enabled = false")],
            "memorydb-rights": [("main.tf", "+@all -@dangerous +info", "+@all +info")],
            "memorydb-rotate": [("main.tf", "passwords = [for password in random_password.this : password.result]", "passwords = [local.password]")],
            "memorydb-url": [("outputs.tf", '"rediss+cluster://posthaste@', '"redis+cluster://posthaste@')],
        },
        "alone": {
            "redis-says-what-is-lost": [("outputs.tf", "A LOST NODE LOSES EVERY TASK", "Fine")],
            "redis-alone": [("main.tf", "automatic_failover_enabled = var.replicas > 0", "automatic_failover_enabled = true")],
        },
    },
    "modules/registry": {"registry": {
        "registry-immutable": [("main.tf", '"IMMUTABLE"', '"MUTABLE"')],
        "registry-scan": [("main.tf", "scan_on_push = true", "scan_on_push = false")],
        "registry-encrypted": [("main.tf", 'encryption_type = "KMS"', 'encryption_type = "AES256"')],
        "registry-lifecycle": [("main.tf", "for_each = aws_ecr_repository.this", 'for_each = { backend = aws_ecr_repository.this["backend"] }')],
    }},
    "modules/ci": {
        "deploys": {
            "ci-who": [("main.tf", 'test     = "StringEquals"\n      variable = "${local.issuer}:sub"', 'test     = "StringLike"\n      variable = "${local.issuer}:sub"')],
            "ci-audience": [("main.tf", '["sts.amazonaws.com"]', '["https://github.com"]')],
            "ci-narrow": [("main.tf", "resources = local.families", 'resources = ["*"]')],
            "ci-pass-role": [("main.tf", "resources = var.pass_role_arns", 'resources = ["arn:aws:iam::123456789012:role/*"]')],
            "ci-services": [("main.tf", "resources = local.service_ids", 'resources = ["arn:aws:ecs:eu-central-1:123456789012:service/*"]')],
            "ci-an-hour": [("main.tf", "max_session_duration = 3600", "max_session_duration = 43200")],
        },
        "pushes": {"ci-push-only": [("main.tf", "deploys     = var.cluster_arn != null", "deploys = true")]},
    },
    "modules/observability": {
        "alarms": {
            "alarms-told": [("main.tf", 'datapoints_to_alarm = 8\n  treat_missing_data  = "missing"\n  alarm_actions       = [aws_sns_topic.alarms.arn]',
                             'datapoints_to_alarm = 8\n  treat_missing_data  = "missing"\n  alarm_actions       = []')],
            "alarms-encrypted": [("main.tf", "kms_master_key_id = var.kms_key_arn", 'kms_master_key_id = "alias/aws/sns"')],
            "alarms-mail": [("main.tf", 'protocol  = "email"', 'protocol = "email-json"')],
            "alarm-no-workers": [("main.tf", 'treat_missing_data = "breaching"', 'treat_missing_data = "notBreaching"')],
            "alarm-no-workers-metric": [("main.tf", "metric_name         = local.names.workers", "metric_name = local.names.backlog")],
            "alarm-no-backend": [("main.tf", 'treat_missing_data  = "breaching"', 'treat_missing_data = "missing"')],
            "alarm-backlog-age": [("main.tf", "local.own.metrics[local.names.backlog_age].statistic", '"Average"')],
            "alarm-failed": [("main.tf", "local.own.metrics[local.names.failed_deliveries].statistic", '"Average"')],
            "alarm-5xx": [("main.tf", "FILL(balancer, 0)) / requests, 0)", "FILL(balancer, 0)), 0)")],
            "alarm-redis-memory": [("main.tf", "metric_name         = local.redis.memory", 'metric_name = "BytesUsedForCache"')],
            "alarm-redis-cpu": [("main.tf", "metric_name         = local.redis.cpu", 'metric_name = "CPUUtilization"')],
        },
        "memorydb": {"alarm-memorydb": [("main.tf", 'namespace = "AWS/MemoryDB"', 'namespace = "AWS/ElastiCache"')]},
    },
    "modules/service": {
        "service": {
            "backend-from-alb": [("security.tf", "referenced_security_group_id = aws_security_group.alb.id", "referenced_security_group_id = aws_security_group.worker.id")],
            "internet-to-alb": [("security.tf", 'aws_security_group.alb.id\n  description       = "HTTP, redirected', 'aws_security_group.backend.id\n  description       = "HTTP, redirected')],
            "alb-to-backend": [("security.tf", "referenced_security_group_id = aws_security_group.backend.id", 'cidr_ipv4 = "0.0.0.0/0"')],
            "own-groups": [("main.tf", "security_groups  = [aws_security_group.worker.id]", 'security_groups = [aws_security_group.worker.id, "sg-default"]')],
            "worker-no-port": [("containers.tf", 'portMappings = name == "backend" ?', "portMappings = true ?")],
            "worker-loopback": [("containers.tf", '"127.0.0.1:8001"', '"0.0.0.0:8001"')],
            "private-tasks": [("main.tf", "[aws_security_group.backend.id]\n    assign_public_ip = var.assign_public_ip", "[aws_security_group.backend.id]\n    assign_public_ip = true")],
            "https": [("alb.tf", "ELBSecurityPolicy-TLS13-1-2-2021-06", "ELBSecurityPolicy-2016-08")],
            "http-redirect": [("alb.tf", "HTTP_301", "HTTP_302")],
            "certificate": [("alb.tf", 'validation_method = "DNS"', 'validation_method = "EMAIL"')],
            "log-encrypted": [("main.tf", "kms_key_id        = var.kms_key_arn", 'kms_key_id = "alias/aws/logs"')],
            "api-keys-encrypted": [("containers.tf", "kms_key_id              = var.kms_key_arn", 'kms_key_id = "alias/aws/secretsmanager"')],
            "no-plain-secret": [("containers.tf", 'POSTHASTE_LOG         = "json"', 'POSTHASTE_LOG = "json"\n    POSTHASTE_SIGNING_SECRET = "in the open"')],
            "no-password-in-url": [("containers.tf", "REDIS_URL             = var.redis_url", 'REDIS_URL = replace(var.redis_url, "://", "://:in-the-open@")')],
            "backend-secrets": NO_KEYS,
            "worker-secrets": [("containers.tf", "worker  = local.shared_secrets", "worker = { POSTHASTE_REDIS_PASSWORD = var.redis_password_secret_arn, SMTP_URL = var.smtp_url_secret_arn }")],
            "public-url": [("containers.tf", '"https://${var.domain_name}"', '"http://${var.domain_name}"')],
            "trusted-proxies": [("containers.tf", 'join(",", var.load_balancer_cidrs)', '"0.0.0.0/0"')],
            "worker-reads": [("roles.tf", "resources = distinct(values(local.secrets[each.key]))", 'resources = ["arn:aws:secretsmanager:eu-central-1:123456789012:secret:*"]')],
            "least-privilege": [("roles.tf", "resources = [{ backend = var.backend_repository_arn, worker = var.worker_repository_arn }[each.key]]", 'resources = ["*"]')],
            "container-bare": [("containers.tf", "readonlyRootFilesystem = true", "readonlyRootFilesystem = false")],
            "stop-after-grace": [("containers.tf", "var.shutdown_grace_seconds + 10", "var.shutdown_grace_seconds - 5")],
            "health-by-binary": [("containers.tf", '? ["--worker"]', '? ["--ready"]')],
            "late-redis": [("containers.tf", "start_seconds = 300", "start_seconds = 30")],
            "healthz": [("alb.tf", '"/healthz"', '"/readyz"')],
            "emf-on": [("containers.tf", 'POSTHASTE_METRICS_EMF = "on"', 'POSTHASTE_METRICS_EMF = "off"')],
            "log-retention": [("main.tf", "retention_in_days = var.log_retention_days", "retention_in_days = 0")],
            "access-logs": [("alb.tf", "days = var.access_log_days", "days = 1")],
            "roll-back": [("main.tf", "rollback = true\n  }\n\n  # Waits", "rollback = false\n  }\n\n  # Waits")],
            "rolling": [("main.tf", "taken back by ECS itself.\n  deployment_minimum_healthy_percent = 100", "taken back.\n  deployment_minimum_healthy_percent = 0")],
            "keeps-revisions": [("containers.tf", "skip_destroy             = true", "skip_destroy = false")],
            "alb-protected": [("alb.tf", "drop_invalid_header_fields = true", "drop_invalid_header_fields = false")],
            "backend-bounds": [("scaling.tf", "min_capacity       = var.backend.min", "min_capacity = 1")],
            "worker-bounds": [("scaling.tf", "max_capacity       = var.worker.max", "max_capacity = 100")],
            "backend-scales": [("scaling.tf", '"ALBRequestCountPerTarget"', '"ECSServiceAverageCPUUtilization"')],
            "worker-scales": [("scaling.tf", "target_value       = var.worker.backlog", "target_value = 1")],
            "worker-spot": [("main.tf", "base = size.on_demand, weight = 0", "base = 0, weight = 0")],
            "backend-on-demand": [("main.tf", ') : [{ provider = "FARGATE", base', ') : [{ provider = "FARGATE_SPOT", base')],
        },
        "without_mail": {
            "sandbox": [("containers.tf", 'local.smtp ? "off" : "on"', '"off"')],
            "always-keys": NO_KEYS,
        },
    },
    "bootstrap": {
        "bootstrap": {
            "state-versions": [("main.tf", 'versioning_configuration {\n    status = "Enabled"', 'versioning_configuration {\n    status = "Suspended"')],
            "state-encrypted": [("main.tf", '"aws:kms"', '"AES256"')],
            "state-private": [("main.tf", "restrict_public_buckets = true", "restrict_public_buckets = false")],
            "github-audience": [("main.tf", '["sts.amazonaws.com"]', '["https://github.com"]')],
            "images": [("main.tf", "count  = var.github_repository == null ? 0 : 1", "count = 0")],
        },
        "without_github": {"no-github": [("main.tf", "count = var.github_repository != null && var.create_oidc_provider ? 1 : 0", "count = 1")]},
    },
    "environments/small": {"whole": {
        # Not in the profile: the tasks keep their addresses, which is another rule's matter.
        "small-nat": [("main.tf", "nat                     = local.profile.nat", 'nat = "one"')],
        "small-redis-clients": [("main.tf", "worker  = module.service.worker_security_group_id", 'worker = module.service.worker_security_group_id\n    other = "sg-other"')],
        "small-redis-nodes": [("main.tf", "replicas       = 1", "replicas = 0")],
        "small-outputs": [("outputs.tf", "value       = module.redis.endpoint", 'value = "somewhere"')],
        "small-log-groups": [("/modules/service/main.tf", '"/posthaste/${var.name}/${name}"', '"/${var.name}/${name}"')],
        "small-zones": [("main.tf", "zones = 2", "zones = 3")],
        "small-ci": [("main.tf", "count  = var.github_repository == null ? 0 : 1", "count = 0")],
    }},
    "environments/production": {"whole": {
        "production-nat": [("main.tf", 'nat                    = "per_az"', 'nat = "one"')],
        "production-redis-clients": [("main.tf", "worker  = module.service.worker_security_group_id", 'worker = module.service.worker_security_group_id\n    other = "sg-other"')],
        "production-redis-nodes": [("main.tf", "replicas       = 2", "replicas = 1")],
        "production-outputs": [("outputs.tf", "value       = module.redis.endpoint", 'value = "somewhere"')],
        "production-log-groups": [("/modules/service/main.tf", '"/posthaste/${var.name}/${name}"', '"/${var.name}/${name}"')],
        "production-zones": [("/modules/network/outputs.tf", "{ for zone, subnet in aws_subnet.private : zone => subnet.id }", "{ for zone, subnet in aws_subnet.private : zone => subnet.id if zone != local.zones[0] }")],
        "production-ci": [("main.tf", "count  = var.github_repository == null ? 0 : 1", "count = 0")],
    }},
}

# Rules of infra/tests/plan.py, broken in environments/small.
WHOLE = {
    "internet-alb-only": [("/modules/service/security.tf", "referenced_security_group_id = aws_security_group.alb.id", 'cidr_ipv4 = "0.0.0.0/0"')],
    "worker-closed": [("/modules/service/security.tf", "# The guard of the program", """resource "aws_vpc_security_group_ingress_rule" "worker" {
  security_group_id            = aws_security_group.worker.id
  referenced_security_group_id = aws_security_group.alb.id
  ip_protocol                  = "tcp"
  from_port                    = 8001
  to_port                      = 8001
}

# The guard of the program""")],
    "redis-clients-only": [("/modules/redis/main.tf", 'resource "random_password" "this" {', """resource "aws_vpc_security_group_ingress_rule" "backdoor" {
  security_group_id = aws_security_group.this.id
  cidr_ipv4         = "10.40.0.0/16"
  ip_protocol       = "tcp"
  from_port         = 6379
  to_port           = 6379
}

resource "random_password" "this" {""")],
    "no-inline-rules": [("/modules/redis/main.tf", 'vpc_id      = var.vpc_id\n\n  tags = { Name = "${var.name}-redis" }', """vpc_id = var.vpc_id

  ingress {
    protocol    = "tcp"
    from_port   = 6379
    to_port     = 6379
    cidr_blocks = ["10.0.0.0/8"]
  }""")],
    "one-public-balancer": [("/modules/service/alb.tf", "internal           = false", "internal = true")],
    "addresses": [("main.tf", 'assign_public_ip = local.profile.nat == "none"', "assign_public_ip = false")],
    "tagged": [("versions.tf", 'Root        = "infra/environments/small"', "")],
    "log-kept": [("/modules/redis/main.tf", "retention_in_days = var.log_retention_days", "retention_in_days = null")],
    "alarm-metrics": [("/modules/observability/main.tf", "{ (local.own.dimensions[0]) = var.name }", "{ Installation = var.name }")],
    "metrics-used": [("/metrics.json", '"Workers": {', '"Extra": { "unit": "Count", "by": [], "statistic": "Sum", "says": "" },\n    "Workers": {')],
    "plain-secrets": [("/modules/service/containers.tf", "REDIS_URL             = var.redis_url", 'REDIS_URL = replace(var.redis_url, "://", "://:in-the-open@")')],
    "settings-known": [("/modules/service/containers.tf", "POSTHASTE_QUEUES         = var.queues", "POSTHASTE_QUEUE = var.queues")],
}
