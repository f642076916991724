# What the two containers are told. Plain values here, secrets by the ARN of their secret: ECS reads those when a task starts, so that
# they are in no plan, no task definition and no console. infra/tests/plan.py compares the names with the program's own list.

locals {
  backend_port = 8000
  # ECS waits so long for the first good health check. Redis may take its time at a first apply or after a failover.
  start_seconds = 300
  # Running attempts end within the grace; ECS kills what is left after this. At most 120 on Fargate.
  stop_seconds = var.shutdown_grace_seconds + 10

  smtp = var.smtp_url_secret_arn != null

  common = merge({
    REDIS_URL             = var.redis_url
    POSTHASTE_NAMESPACE   = var.name
    POSTHASTE_DURABILITY  = var.durability
    POSTHASTE_PUBLIC_URL  = "https://${var.domain_name}"
    POSTHASTE_LOG         = "json"
    POSTHASTE_METRICS_EMF = "on"
    # Without a provider messages are held and shown, not lost and not sent; said here because it is so by itself on loopback only.
    POSTHASTE_SANDBOX = local.smtp ? "off" : "on"
    }, var.email_from == null ? {} : { POSTHASTE_EMAIL_FROM = var.email_from },
  var.environment)

  environment = {
    backend = merge(local.common, {
      # The load balancer's addresses: of nobody else is X-Forwarded-For believed.
      POSTHASTE_TRUSTED_PROXIES = join(",", var.load_balancer_cidrs)
      POSTHASTE_SHUTDOWN_GRACE  = "${var.shutdown_grace_seconds}s"
    })
    worker = merge(local.common, {
      POSTHASTE_QUEUES         = var.queues
      POSTHASTE_CONCURRENCY    = tostring(var.concurrency)
      POSTHASTE_SHUTDOWN_GRACE = "${var.shutdown_grace_seconds}s"
      # Asked by the health check inside the container alone.
      POSTHASTE_WORKER_ADDR = "127.0.0.1:8001"
    })
  }

  shared_secrets = merge(
    { POSTHASTE_REDIS_PASSWORD = var.redis_password_secret_arn },
    local.smtp ? { POSTHASTE_SMTP_URL = var.smtp_url_secret_arn } : {},
  )
  secrets = {
    # The load balancer is public, so there are always keys.
    backend = merge(local.shared_secrets, { POSTHASTE_API_KEYS = aws_secretsmanager_secret.api_keys.arn })
    worker  = local.shared_secrets
  }

  containers = {
    for name in ["backend", "worker"] : name => {
      name      = name
      image     = { backend = var.backend_image, worker = var.worker_image }[name]
      essential = true
      command   = [{ backend = "api", worker = "worker" }[name]]

      environment = [for key in sort(keys(local.environment[name])) : { name = key, value = local.environment[name][key] }]
      secrets     = [for key in sort(keys(local.secrets[name])) : { name = key, valueFrom = local.secrets[name][key] }]

      portMappings = name == "backend" ? [{ containerPort = local.backend_port, hostPort = local.backend_port, protocol = "tcp" }] : []

      # By the binary itself: the images have no shell and no curl.
      healthCheck = {
        command     = concat(["CMD", "/usr/local/bin/posthaste", "health"], name == "worker" ? ["--worker"] : [])
        interval    = 10
        timeout     = 6
        retries     = 3
        startPeriod = local.start_seconds
      }
      stopTimeout = local.stop_seconds

      user                   = "65532:65532"
      readonlyRootFilesystem = true
      linuxParameters        = { capabilities = { add = [], drop = ["ALL"] }, initProcessEnabled = false }

      logConfiguration = {
        logDriver = "awslogs"
        options = {
          awslogs-group         = aws_cloudwatch_log_group.this[name].name
          awslogs-region        = var.region
          awslogs-stream-prefix = name
          # A log that is slow must not stop deliveries; 4 MB of lines wait for it.
          mode            = "non-blocking"
          max-buffer-size = "4m"
        }
      }
    }
  }
}

resource "aws_ecs_task_definition" "backend" {
  family                   = "${var.name}-backend"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.backend.cpu
  memory                   = var.backend.memory
  execution_role_arn       = aws_iam_role.execution["backend"].arn
  task_role_arn            = aws_iam_role.task["backend"].arn
  container_definitions    = jsonencode([local.containers.backend])
  # A roll-back needs the one before.
  skip_destroy = true

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.cpu_architecture
  }
}

resource "aws_ecs_task_definition" "worker" {
  family                   = "${var.name}-worker"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.worker.cpu
  memory                   = var.worker.memory
  execution_role_arn       = aws_iam_role.execution["worker"].arn
  task_role_arn            = aws_iam_role.task["worker"].arn
  container_definitions    = jsonencode([local.containers.worker])
  skip_destroy             = true

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.cpu_architecture
  }
}

# --- the API keys ------------------------------------------------------------------------------

resource "random_password" "first_key" {
  length  = 48
  special = false
}

resource "aws_secretsmanager_secret" "api_keys" {
  # checkov:skip=CKV2_AWS_57: keys are made and revoked in the API (docs/operate/keys.md); this one is the way in to make the first of them
  name                    = "${var.name}/api-keys"
  description             = "POSTHASTE_API_KEYS of ${var.name}: name:scopes:secret, separated by commas"
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = 7
}

# One admin key to begin with. What is put there afterwards stays.
resource "aws_secretsmanager_secret_version" "api_keys" {
  secret_id     = aws_secretsmanager_secret.api_keys.id
  secret_string = "ops:admin:${random_password.first_key.result}"

  lifecycle {
    ignore_changes = [secret_string]
  }
}
