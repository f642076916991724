# The installation as a whole. What each part of it must be is tested beside the part (infra/modules/*/tests); infra/tests/plan.py reads the
# plan of `whole`, so that what is known only in AWS has a value here.

variables {
  domain_name       = "post.example.com"
  hosted_zone       = "example.com"
  image_tag         = "v0.1.0"
  github_repository = "posthaste/posthaste"
  alarm_emails      = ["ops@example.com"]
}

override_resource {
  target          = module.service.aws_security_group.alb
  override_during = plan
  values          = { id = "sg-alb" }
}

override_resource {
  target          = module.service.aws_security_group.backend
  override_during = plan
  values          = { id = "sg-backend" }
}

override_resource {
  target          = module.service.aws_security_group.worker
  override_during = plan
  values          = { id = "sg-worker" }
}

override_resource {
  target          = module.redis.aws_security_group.this
  override_during = plan
  values          = { id = "sg-redis" }
}

override_resource {
  target          = module.service.aws_secretsmanager_secret.api_keys
  override_during = plan
  values          = { arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:api-keys" }
}

override_resource {
  target          = module.redis.aws_secretsmanager_secret.password
  override_during = plan
  values          = { arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:redis" }
}

override_resource {
  target          = module.redis.aws_elasticache_replication_group.this[0]
  override_during = plan
  values          = { primary_endpoint_address = "primary.internal" }
}

# What AWS would be asked for, so that a plan needs no account.
override_data {
  target = data.aws_caller_identity.current
  values = { account_id = "123456789012" }
}

override_data {
  target = module.key.data.aws_caller_identity.current
  values = { account_id = "123456789012" }
}

override_data {
  target = module.service.data.aws_caller_identity.current
  values = { account_id = "123456789012" }
}

override_data {
  target = module.observability.data.aws_caller_identity.current
  values = { account_id = "123456789012" }
}

override_data {
  target = module.ci.data.aws_caller_identity.current
  values = { account_id = "123456789012" }
}

override_data {
  target = module.network.data.aws_availability_zones.available
  values = { names = ["eu-central-1a", "eu-central-1b", "eu-central-1c"] }
}

override_data {
  target = data.aws_route53_zone.this
  values = { id = "Z0123456789" }
}

override_data {
  target = data.aws_ecr_image.this
  values = { image_digest = "sha256:0" }
}

run "whole" {
  command = plan

  assert {
    condition     = module.network.nat_gateways == 0
    error_message = "small-nat: no NAT gateway"
  }

  assert {
    condition     = module.redis.clients == { backend = "sg-backend", worker = "sg-worker" }
    error_message = "small-redis-clients: backend and worker reach Redis, and nobody else"
  }

  assert {
    condition     = module.redis.nodes == 2
    error_message = "small-redis-nodes: a primary and one replica"
  }

  assert {
    condition     = output.url == "https://post.example.com" && output.redis_endpoint == "primary.internal:6379"
    error_message = "small-outputs: the URL and where Redis is"
  }

  assert {
    condition     = output.log_groups.backend == "/posthaste/posthaste-small/backend" && output.log_groups.worker == "/posthaste/posthaste-small/worker"
    error_message = "small-log-groups: named in the outputs"
  }

  assert {
    condition     = length(module.network.public_subnet_ids) == 2 && length(module.network.private_subnet_ids) == 2
    error_message = "small-zones: spread over 2"
  }

  assert {
    condition     = length(module.ci) == 1
    error_message = "small-ci: a role for the repository that was named"
  }
}

run "refuses" {
  command = plan

  variables {
    domain_name            = "Post.example.com"
    image_tag              = "latest"
    region                 = "Frankfurt"
    name                   = "x"
    cidr                   = "10.40.0.0/28"
    allowed_cidrs          = ["everybody"]
    tags                   = { Environment = "other" }
    registry               = "R"
    cpu_architecture       = "RISCV"
    backend_tasks          = { min = 0, max = 1 }
    worker_tasks           = { min = 2, max = 1 }
    queues                 = "a b"
    environment            = { PATH = "/" }
    smtp_url_secret_arn    = "smtps://smtp.example.com"
    smtp_url_kms_key_arn   = "alias/key"
    redis                  = { service = "dynamodb" }
    redis_password_version = 0
    redis_generation       = 0
    redis_restore_snapshot = "no such!"
    alarm_emails           = ["ops"]
    github_repository      = "posthaste/*"
  }

  expect_failures = [
    var.domain_name, var.image_tag, var.region, var.name, var.cidr, var.allowed_cidrs, var.tags, var.registry, var.cpu_architecture, var.backend_tasks,
    var.worker_tasks, var.queues, var.environment, var.smtp_url_secret_arn, var.smtp_url_kms_key_arn, var.redis, var.redis_password_version,
    var.redis_generation, var.redis_restore_snapshot, var.alarm_emails, var.github_repository,
  ]
}

run "refuses_a_name_outside_its_zone" {
  command = plan

  variables {
    hosted_zone         = "example.org"
    smtp_url_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:smtp"
  }

  expect_failures = [var.hosted_zone, var.email_from]
}
