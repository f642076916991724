variables {
  name                      = "posthaste-test"
  region                    = "eu-central-1"
  vpc_id                    = "vpc-1"
  public_subnet_ids         = ["subnet-1", "subnet-2"]
  task_subnet_ids           = ["subnet-3", "subnet-4"]
  assign_public_ip          = false
  load_balancer_cidrs       = ["10.40.0.0/20", "10.40.16.0/20"]
  domain_name               = "post.example.com"
  zone_id                   = "Z1"
  backend_image             = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/posthaste-backend:v1"
  worker_image              = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/posthaste-worker:v1"
  backend_repository_arn    = "arn:aws:ecr:eu-central-1:123456789012:repository/posthaste-backend"
  worker_repository_arn     = "arn:aws:ecr:eu-central-1:123456789012:repository/posthaste-worker"
  backend                   = { cpu = 256, memory = 512, min = 2, max = 5 }
  worker                    = { cpu = 512, memory = 1024, min = 3, max = 8, on_demand = 1, spot = true, backlog = 700 }
  redis_url                 = "rediss://primary.internal:6379"
  redis_password_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:redis"
  redis_security_group_id   = "sg-redis"
  redis_port                = 6379
  durability                = "acknowledged"
  kms_key_arn               = "arn:aws:kms:eu-central-1:123456789012:key/test"
  smtp_url_secret_arn       = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:smtp"
  email_from                = "Posthaste <noreply@example.com>"
  log_retention_days        = 30
  access_log_days           = 90
  container_insights        = true
  deletion_protection       = true
}

override_resource {
  target          = aws_security_group.alb
  override_during = plan
  values          = { id = "sg-alb" }
}

override_resource {
  target          = aws_security_group.backend
  override_during = plan
  values          = { id = "sg-backend" }
}

override_resource {
  target          = aws_security_group.worker
  override_during = plan
  values          = { id = "sg-worker" }
}

override_resource {
  target          = aws_secretsmanager_secret.api_keys
  override_during = plan
  values          = { arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:api-keys" }
}

# What AWS would be asked for, so that a plan needs no account.
override_data {
  target = data.aws_caller_identity.current
  values = { account_id = "123456789012" }
}

run "service" {
  command = plan

  # --- who reaches whom ---

  assert {
    condition     = aws_vpc_security_group_ingress_rule.backend_from_alb.referenced_security_group_id == "sg-alb" && aws_vpc_security_group_ingress_rule.backend_from_alb.cidr_ipv4 == null && aws_vpc_security_group_ingress_rule.backend_from_alb.from_port == 8000 && aws_vpc_security_group_ingress_rule.backend_from_alb.to_port == 8000
    error_message = "backend-from-alb: the load balancer alone reaches the backend, on its port"
  }

  assert {
    condition     = alltrue([for rule in concat(values(aws_vpc_security_group_ingress_rule.alb_https), values(aws_vpc_security_group_ingress_rule.alb_http)) : rule.security_group_id == "sg-alb"])
    error_message = "internet-to-alb: what the internet reaches is the load balancer"
  }

  assert {
    condition     = aws_vpc_security_group_egress_rule.alb_to_backend.referenced_security_group_id == "sg-backend" && aws_vpc_security_group_egress_rule.alb_to_backend.cidr_ipv4 == null
    error_message = "alb-to-backend: the load balancer reaches the backend and nothing else"
  }

  assert {
    condition     = aws_ecs_service.worker.network_configuration[0].security_groups == toset(["sg-worker"]) && aws_ecs_service.backend.network_configuration[0].security_groups == toset(["sg-backend"])
    error_message = "own-groups: each service has its own security group and no other"
  }

  assert {
    condition     = length(jsondecode(aws_ecs_task_definition.worker.container_definitions)[0].portMappings) == 0 && length(aws_ecs_service.worker.load_balancer) == 0
    error_message = "worker-no-port: the worker listens to nobody"
  }

  assert {
    condition     = one([for entry in jsondecode(aws_ecs_task_definition.worker.container_definitions)[0].environment : entry.value if entry.name == "POSTHASTE_WORKER_ADDR"]) == "127.0.0.1:8001"
    error_message = "worker-loopback: its health is asked from within the container alone"
  }

  assert {
    condition     = !aws_ecs_service.worker.network_configuration[0].assign_public_ip && !aws_ecs_service.backend.network_configuration[0].assign_public_ip
    error_message = "private-tasks: no public address unless it was asked for"
  }

  # --- encrypted ---

  assert {
    condition     = aws_lb_listener.https.protocol == "HTTPS" && startswith(aws_lb_listener.https.ssl_policy, "ELBSecurityPolicy-TLS13-1-2-")
    error_message = "https: TLS 1.2 or later"
  }

  assert {
    condition     = aws_lb_listener.http.default_action[0].type == "redirect" && aws_lb_listener.http.default_action[0].redirect[0].protocol == "HTTPS" && aws_lb_listener.http.default_action[0].redirect[0].status_code == "HTTP_301"
    error_message = "http-redirect: without TLS there is nothing but the way to TLS"
  }

  assert {
    condition     = aws_acm_certificate.this.domain_name == "post.example.com" && aws_acm_certificate.this.validation_method == "DNS"
    error_message = "certificate: for the name, proven in its zone"
  }

  assert {
    condition     = alltrue([for group in aws_cloudwatch_log_group.this : group.kms_key_id == var.kms_key_arn])
    error_message = "log-encrypted: with our key"
  }

  assert {
    condition     = aws_secretsmanager_secret.api_keys.kms_key_id == var.kms_key_arn
    error_message = "api-keys-encrypted: with our key"
  }

  # --- secrets ---

  assert {
    condition = alltrue(flatten([for definition in [aws_ecs_task_definition.backend, aws_ecs_task_definition.worker] : [
      for entry in jsondecode(definition.container_definitions)[0].environment :
      !contains(["POSTHASTE_REDIS_PASSWORD", "POSTHASTE_API_KEYS", "POSTHASTE_SMTP_URL", "POSTHASTE_SIGNING_SECRET", "POSTHASTE_KEY", "OTEL_EXPORTER_OTLP_HEADERS"], entry.name)
    ]]))
    error_message = "no-plain-secret: no setting that is a secret has a plain value"
  }

  assert {
    condition = alltrue(flatten([for definition in [aws_ecs_task_definition.backend, aws_ecs_task_definition.worker] : [
      for entry in jsondecode(definition.container_definitions)[0].environment : !can(regex("://[^/@]*:[^/@]*@", entry.value))
    ]]))
    error_message = "no-password-in-url: no plain value holds a password"
  }

  assert {
    condition     = { for entry in jsondecode(aws_ecs_task_definition.backend.container_definitions)[0].secrets : entry.name => entry.valueFrom } == { POSTHASTE_API_KEYS = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:api-keys", POSTHASTE_REDIS_PASSWORD = var.redis_password_secret_arn, POSTHASTE_SMTP_URL = var.smtp_url_secret_arn }
    error_message = "backend-secrets: keys, Redis and mail, each from its secret"
  }

  assert {
    condition     = { for entry in jsondecode(aws_ecs_task_definition.worker.container_definitions)[0].secrets : entry.name => entry.valueFrom } == { POSTHASTE_REDIS_PASSWORD = var.redis_password_secret_arn, POSTHASTE_SMTP_URL = var.smtp_url_secret_arn }
    error_message = "worker-secrets: Redis and mail, and no API keys"
  }

  assert {
    condition     = one([for entry in jsondecode(aws_ecs_task_definition.backend.container_definitions)[0].environment : entry.value if entry.name == "POSTHASTE_PUBLIC_URL"]) == "https://post.example.com"
    error_message = "public-url: the certificate's name"
  }

  assert {
    condition     = one([for entry in jsondecode(aws_ecs_task_definition.backend.container_definitions)[0].environment : entry.value if entry.name == "POSTHASTE_TRUSTED_PROXIES"]) == "10.40.0.0/20,10.40.16.0/20"
    error_message = "trusted-proxies: the load balancer is believed and nobody else"
  }

  assert {
    condition     = toset(flatten([for statement in jsondecode(aws_iam_role_policy.execution["worker"].policy).Statement : statement.Resource if contains(flatten([statement.Action]), "secretsmanager:GetSecretValue")])) == toset([var.redis_password_secret_arn, var.smtp_url_secret_arn])
    error_message = "worker-reads: its own secrets and no others"
  }

  assert {
    condition = alltrue(flatten([for name in ["backend", "worker"] : [
      for statement in jsondecode(aws_iam_role_policy.execution[name].policy).Statement : statement.Resource != "*" || statement.Action == "ecr:GetAuthorizationToken"
    ]]))
    error_message = "least-privilege: every right is bound to what it is for"
  }

  # --- containers ---

  assert {
    condition = alltrue([for definition in [aws_ecs_task_definition.backend, aws_ecs_task_definition.worker] :
      jsondecode(definition.container_definitions)[0].readonlyRootFilesystem && jsondecode(definition.container_definitions)[0].user == "65532:65532" && jsondecode(definition.container_definitions)[0].linuxParameters.capabilities.drop == ["ALL"]
    ])
    error_message = "container-bare: no root, no capabilities, nothing to write to"
  }

  assert {
    condition = alltrue([for definition in [aws_ecs_task_definition.backend, aws_ecs_task_definition.worker] :
      jsondecode(definition.container_definitions)[0].stopTimeout > tonumber(trimsuffix(one([for entry in jsondecode(definition.container_definitions)[0].environment : entry.value if entry.name == "POSTHASTE_SHUTDOWN_GRACE"]), "s"))
    ])
    error_message = "stop-after-grace: ECS kills later than the program's own grace ends"
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.backend.container_definitions)[0].healthCheck.command == ["CMD", "/usr/local/bin/posthaste", "health"] && jsondecode(aws_ecs_task_definition.worker.container_definitions)[0].healthCheck.command == ["CMD", "/usr/local/bin/posthaste", "health", "--worker"]
    error_message = "health-by-binary: each container is asked by the program itself"
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.backend.container_definitions)[0].healthCheck.startPeriod == 300 && aws_ecs_service.backend.health_check_grace_period_seconds == 300
    error_message = "late-redis: a task may wait five minutes for Redis before it counts as broken"
  }

  assert {
    condition     = aws_lb_target_group.backend.health_check[0].path == "/healthz"
    error_message = "healthz: a Redis that is away ends no backend"
  }

  assert {
    condition     = alltrue([for definition in [aws_ecs_task_definition.backend, aws_ecs_task_definition.worker] : contains([for entry in jsondecode(definition.container_definitions)[0].environment : "${entry.name}=${entry.value}"], "POSTHASTE_METRICS_EMF=on")])
    error_message = "emf-on: both print the metrics that alarms and scaling need"
  }

  assert {
    condition     = alltrue([for group in aws_cloudwatch_log_group.this : group.retention_in_days == 30])
    error_message = "log-retention: kept for as long as was said"
  }

  assert {
    condition     = aws_s3_bucket_lifecycle_configuration.access_logs[0].rule[0].expiration[0].days == 90 && aws_s3_bucket_public_access_block.access_logs[0].restrict_public_buckets
    error_message = "access-logs: kept for as long as was said, and for nobody else"
  }

  # --- deployments ---

  assert {
    condition     = alltrue([for service in [aws_ecs_service.backend, aws_ecs_service.worker] : service.deployment_circuit_breaker[0].enable && service.deployment_circuit_breaker[0].rollback])
    error_message = "roll-back: a deployment that does not become healthy is taken back"
  }

  assert {
    condition     = alltrue([for service in [aws_ecs_service.backend, aws_ecs_service.worker] : service.deployment_minimum_healthy_percent == 100 && service.deployment_maximum_percent == 200])
    error_message = "rolling: the new one is there before the old one goes"
  }

  assert {
    condition     = aws_ecs_task_definition.backend.skip_destroy && aws_ecs_task_definition.worker.skip_destroy
    error_message = "keeps-revisions: what a roll-back goes back to is not deleted"
  }

  assert {
    condition     = aws_lb.this.enable_deletion_protection && aws_lb.this.drop_invalid_header_fields
    error_message = "alb-protected: not deleted by mistake, no broken headers"
  }

  # --- how many ---

  assert {
    condition     = aws_appautoscaling_target.backend.min_capacity == 2 && aws_appautoscaling_target.backend.max_capacity == 5
    error_message = "backend-bounds: as many backends as was said"
  }

  assert {
    condition     = aws_appautoscaling_target.worker.min_capacity == 3 && aws_appautoscaling_target.worker.max_capacity == 8
    error_message = "worker-bounds: as many workers as was said"
  }

  assert {
    condition     = aws_appautoscaling_policy.backend.target_tracking_scaling_policy_configuration[0].predefined_metric_specification[0].predefined_metric_type == "ALBRequestCountPerTarget"
    error_message = "backend-scales: by requests for each"
  }

  assert {
    condition = (
      aws_appautoscaling_policy.worker.target_tracking_scaling_policy_configuration[0].target_value == 700
      && aws_appautoscaling_policy.worker.target_tracking_scaling_policy_configuration[0].customized_metric_specification[0].metric_name == "BacklogPerWorker"
      && aws_appautoscaling_policy.worker.target_tracking_scaling_policy_configuration[0].customized_metric_specification[0].namespace == "Posthaste"
      && one(aws_appautoscaling_policy.worker.target_tracking_scaling_policy_configuration[0].customized_metric_specification[0].dimensions).value == var.name
    )
    error_message = "worker-scales: by what waits for each"
  }

  assert {
    condition     = { for entry in aws_ecs_service.worker.capacity_provider_strategy : entry.capacity_provider => [entry.base, entry.weight] } == { FARGATE = [1, 0], FARGATE_SPOT = [0, 1] }
    error_message = "worker-spot: those that are always needed are not on Spot"
  }

  assert {
    condition     = { for entry in aws_ecs_service.backend.capacity_provider_strategy : entry.capacity_provider => entry.weight } == { FARGATE = 1 }
    error_message = "backend-on-demand: no Spot unless it was asked for"
  }
}

run "without_mail" {
  command = plan

  variables {
    smtp_url_secret_arn = null
    email_from          = null
    access_log_days     = null
  }

  assert {
    condition     = contains([for entry in jsondecode(aws_ecs_task_definition.worker.container_definitions)[0].environment : "${entry.name}=${entry.value}"], "POSTHASTE_SANDBOX=on")
    error_message = "sandbox: without a provider messages are held, not lost"
  }

  assert {
    condition     = contains([for entry in jsondecode(aws_ecs_task_definition.backend.container_definitions)[0].secrets : entry.name], "POSTHASTE_API_KEYS")
    error_message = "always-keys: whatever is left out, the API asks for keys"
  }
}

run "refuses" {
  command = plan

  variables {
    name                   = "a-name-that-is-too-long-for-it"
    public_subnet_ids      = ["subnet-1"]
    task_subnet_ids        = ["subnet-1"]
    load_balancer_cidrs    = ["0.0.0.0/0"]
    allowed_cidrs          = []
    worker_egress_ports    = [25]
    domain_name            = "https://post.example.com/"
    backend_image          = "posthaste-backend"
    worker_image           = "posthaste-worker:latest"
    backend_repository_arn = "posthaste-backend"
    worker_repository_arn  = "posthaste-worker"
    cpu_architecture       = "RISCV"
    backend                = { cpu = 256, memory = 512, min = 3, max = 2 }
    worker                 = { cpu = 300, memory = 512, min = 1, max = 2 }
    queues                 = "default queue"
    concurrency            = 0
    shutdown_grace_seconds = 115
    environment            = { POSTHASTE_AUTH = "off" }
    email_from             = "noreply"
    smtp_url_kms_key_arn   = "alias/key"
    redis_url              = "redis://primary.internal:6379"
    durability             = "eventual"
    kms_key_arn            = "alias/key"
    log_retention_days     = 10
    access_log_days        = 0
  }

  expect_failures = [
    var.name, var.public_subnet_ids, var.task_subnet_ids, var.load_balancer_cidrs, var.allowed_cidrs, var.worker_egress_ports, var.domain_name, var.backend_image,
    var.worker_image, var.backend_repository_arn, var.worker_repository_arn, var.cpu_architecture, var.backend, var.worker, var.queues, var.concurrency,
    var.shutdown_grace_seconds, var.environment, var.email_from, var.smtp_url_kms_key_arn, var.redis_url, var.durability, var.kms_key_arn, var.log_retention_days, var.access_log_days,
  ]
}

run "refuses_secrets_in_the_open" {
  command = plan

  variables {
    smtp_url_secret_arn = "smtps://user:password@smtp.example.com"
    redis_url           = "rediss://:password@primary.internal:6379"
    environment         = { OTEL_EXPORTER_OTLP_ENDPOINT = "https://user:password@collector.example.com" }
  }

  expect_failures = [var.smtp_url_secret_arn, var.redis_url, var.environment]
}
