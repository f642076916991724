# The installation as a whole. Its variables are those of the small one, letter by letter, and what they refuse is tested there. What each
# part of it must be is tested beside the part (infra/modules/*/tests); infra/tests/plan.py reads the plan of `whole`, so that what is known
# only in AWS has a value here.

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
    condition     = module.network.nat_gateways == 3
    error_message = "production-nat: a NAT gateway in each zone"
  }

  assert {
    condition     = module.redis.clients == { backend = "sg-backend", worker = "sg-worker" }
    error_message = "production-redis-clients: backend and worker reach Redis, and nobody else"
  }

  assert {
    condition     = module.redis.nodes == 3
    error_message = "production-redis-nodes: a primary and two replicas"
  }

  assert {
    condition     = output.url == "https://post.example.com" && output.redis_endpoint == "primary.internal:6379"
    error_message = "production-outputs: the URL and where Redis is"
  }

  assert {
    condition     = output.log_groups.backend == "/posthaste/posthaste-production/backend" && output.log_groups.worker == "/posthaste/posthaste-production/worker"
    error_message = "production-log-groups: named in the outputs"
  }

  assert {
    condition     = length(module.network.public_subnet_ids) == 3 && length(module.network.private_subnet_ids) == 3
    error_message = "production-zones: spread over 3"
  }

  assert {
    condition     = length(module.ci) == 1
    error_message = "production-ci: a role for the repository that was named"
  }
}
