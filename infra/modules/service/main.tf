# The two services on Fargate: the backend behind a load balancer, the workers behind nothing. What each container is told, and from
# which secret, is in containers.tf; who reaches whom in security.tf; what each may do in roles.tf; how many there are in scaling.tf.

resource "aws_ecs_cluster" "this" {
  # checkov:skip=CKV_AWS_65: on in production, by the variable; the small profile does without what costs by the metric
  name = var.name

  setting {
    name  = "containerInsights"
    value = var.container_insights ? "enabled" : "disabled"
  }
}

resource "aws_ecs_cluster_capacity_providers" "this" {
  cluster_name       = aws_ecs_cluster.this.name
  capacity_providers = ["FARGATE", "FARGATE_SPOT"]

  default_capacity_provider_strategy {
    capacity_provider = "FARGATE"
    weight            = 1
  }
}

locals {
  # The first `on_demand` tasks never end for want of Spot capacity; those beyond are on Spot if it is allowed.
  capacity = {
    for name, size in { backend = var.backend, worker = var.worker } : name => size.spot ? concat(
      size.on_demand > 0 ? [{ provider = "FARGATE", base = size.on_demand, weight = 0 }] : [],
      [{ provider = "FARGATE_SPOT", base = 0, weight = 1 }],
    ) : [{ provider = "FARGATE", base = 0, weight = 1 }]
  }
}

resource "aws_ecs_service" "backend" {
  # checkov:skip=CKV_AWS_333: without NAT a public address is the only way out, and no rule lets anybody in from the internet; with NAT it is off
  name            = "${var.name}-backend"
  cluster         = aws_ecs_cluster.this.id
  task_definition = aws_ecs_task_definition.backend.arn
  desired_count   = var.backend.min

  # A new task is healthy before an old one goes, and a deployment that does not become healthy is taken back by ECS itself.
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  # Waits for a Redis that comes late: /healthz answers 503 until it has answered once.
  health_check_grace_period_seconds = local.start_seconds

  dynamic "capacity_provider_strategy" {
    for_each = local.capacity.backend

    content {
      capacity_provider = capacity_provider_strategy.value.provider
      base              = capacity_provider_strategy.value.base
      weight            = capacity_provider_strategy.value.weight
    }
  }

  network_configuration {
    subnets          = var.task_subnet_ids
    security_groups  = [aws_security_group.backend.id]
    assign_public_ip = var.assign_public_ip
  }

  load_balancer {
    target_group_arn = aws_lb_target_group.backend.arn
    container_name   = "backend"
    container_port   = local.backend_port
  }

  enable_ecs_managed_tags = true
  propagate_tags          = "SERVICE"
  # There is no shell in the images, and nobody needs a way into a running task.
  enable_execute_command = false

  # A deployment decides what runs (infra/deploy.py), the scaling how many.
  lifecycle {
    ignore_changes = [task_definition, desired_count]
  }

  depends_on = [
    aws_ecs_cluster_capacity_providers.this, aws_lb_listener.https, aws_iam_role_policy.execution,
    aws_secretsmanager_secret_version.api_keys, aws_vpc_security_group_ingress_rule.backend_from_alb,
  ]
}

resource "aws_ecs_service" "worker" {
  # checkov:skip=CKV_AWS_333: without NAT a public address is the only way to mail servers and webhooks, and its security group has no inbound rule at all; with NAT it is off
  name            = "${var.name}-worker"
  cluster         = aws_ecs_cluster.this.id
  task_definition = aws_ecs_task_definition.worker.arn
  desired_count   = var.worker.min

  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  dynamic "capacity_provider_strategy" {
    for_each = local.capacity.worker

    content {
      capacity_provider = capacity_provider_strategy.value.provider
      base              = capacity_provider_strategy.value.base
      weight            = capacity_provider_strategy.value.weight
    }
  }

  network_configuration {
    subnets          = var.task_subnet_ids
    security_groups  = [aws_security_group.worker.id]
    assign_public_ip = var.assign_public_ip
  }

  enable_ecs_managed_tags = true
  propagate_tags          = "SERVICE"
  enable_execute_command  = false

  lifecycle {
    ignore_changes = [task_definition, desired_count]
  }

  depends_on = [aws_ecs_cluster_capacity_providers.this, aws_iam_role_policy.execution]
}

# --- logs --------------------------------------------------------------------------------------

locals {
  log_groups = { for name in ["backend", "worker"] : name => "/posthaste/${var.name}/${name}" }
}

resource "aws_cloudwatch_log_group" "this" {
  # checkov:skip=CKV_AWS_338: log lines name tasks and request ids; they are kept no longer than the team looks back, by a variable
  for_each = local.log_groups

  name              = each.value
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}
