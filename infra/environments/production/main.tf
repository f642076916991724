# For real work: three zones, each with its own way out, at least two of everything, no task that is always needed on Spot, a Redis
# that answers when a replica has the task, too.

locals {
  profile = {
    zones                  = 3
    nat                    = "per_az"
    interface_endpoints    = []
    flow_log_days          = 30
    log_days               = 90
    access_log_days        = 90
    container_insights     = true
    deletion_protection    = true
    shutdown_grace_seconds = 60

    backend = { cpu = 512, memory = 1024, min = 2, max = 10, on_demand = 2, spot = false, requests_per_minute = 12000 }
    # What comes on top of the fewest works off a peak, and may go when Spot is short.
    worker = { cpu = 1024, memory = 2048, min = 2, max = 20, on_demand = 2, spot = true, backlog = 1000 }

    redis = {
      node_type      = "cache.m7g.large"
      replicas       = 2
      snapshot_days  = 14
      final_snapshot = true
      durability     = "replicated"
    }

    thresholds = { failed_deliveries = 100 }
  }
}

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

data "aws_route53_zone" "this" {
  name         = var.hosted_zone
  private_zone = false
}

# Fails the plan while the registry has no such image, before anything is made that would wait for it.
data "aws_ecr_image" "this" {
  for_each = toset(["backend", "worker"])

  repository_name = "${var.registry}-${each.key}"
  image_tag       = var.image_tag
}

locals {
  name     = coalesce(var.name, "posthaste-production")
  account  = data.aws_caller_identity.current.account_id
  registry = "${local.account}.dkr.ecr.${var.region}.amazonaws.com/${var.registry}"
  images   = { for name in ["backend", "worker"] : name => "${local.registry}-${name}:${data.aws_ecr_image.this[name].image_tag}" }
  repositories = {
    for name in ["backend", "worker"] : name => "arn:${data.aws_partition.current.partition}:ecr:${var.region}:${local.account}:repository/${var.registry}-${name}"
  }
}

module "key" {
  source = "../../modules/key"

  name = local.name
}

module "network" {
  source = "../../modules/network"

  name                    = local.name
  cidr                    = var.cidr
  kms_key_arn             = module.key.arn
  zone_count              = local.profile.zones
  nat                     = local.profile.nat
  interface_endpoints     = local.profile.interface_endpoints
  flow_log_retention_days = local.profile.flow_log_days
}

module "redis" {
  source = "../../modules/redis"

  name        = local.name
  vpc_id      = module.network.vpc_id
  subnet_ids  = values(module.network.private_subnet_ids)
  kms_key_arn = module.key.arn

  # Nobody else.
  clients = {
    backend = module.service.backend_security_group_id
    worker  = module.service.worker_security_group_id
  }

  service        = coalesce(var.redis.service, "elasticache")
  engine         = coalesce(var.redis.engine, "valkey")
  engine_version = var.redis.engine_version
  node_type      = coalesce(var.redis.node_type, local.profile.redis.node_type)
  replicas       = coalesce(var.redis.replicas, local.profile.redis.replicas)
  cluster_mode   = coalesce(var.redis.cluster_mode, false)
  shards         = coalesce(var.redis.shards, 1)

  password_version = var.redis_password_version
  password_overlap = var.redis_password_overlap
  generation       = var.redis_generation
  restore_snapshot = var.redis_restore_snapshot

  snapshot_days      = local.profile.redis.snapshot_days
  final_snapshot     = local.profile.redis.final_snapshot
  log_retention_days = local.profile.log_days
}

module "service" {
  source = "../../modules/service"

  name        = local.name
  region      = var.region
  domain_name = var.domain_name
  zone_id     = data.aws_route53_zone.this.id
  kms_key_arn = module.key.arn

  vpc_id              = module.network.vpc_id
  public_subnet_ids   = values(module.network.public_subnet_ids)
  load_balancer_cidrs = module.network.public_cidrs
  allowed_cidrs       = var.allowed_cidrs
  # Without NAT the way out is a public address, to which nobody is let in.
  task_subnet_ids  = values(local.profile.nat == "none" ? module.network.public_subnet_ids : module.network.private_subnet_ids)
  assign_public_ip = local.profile.nat == "none"

  backend_image          = local.images.backend
  worker_image           = local.images.worker
  backend_repository_arn = local.repositories.backend
  worker_repository_arn  = local.repositories.worker
  cpu_architecture       = var.cpu_architecture

  backend                = merge(local.profile.backend, var.backend_tasks)
  worker                 = merge(local.profile.worker, var.worker_tasks)
  queues                 = var.queues
  shutdown_grace_seconds = local.profile.shutdown_grace_seconds
  environment            = var.environment
  email_from             = var.email_from
  smtp_url_secret_arn    = var.smtp_url_secret_arn
  smtp_url_kms_key_arn   = var.smtp_url_kms_key_arn

  redis_url                 = module.redis.url
  redis_password_secret_arn = module.redis.password_secret_arn
  redis_security_group_id   = module.redis.security_group_id
  redis_port                = module.redis.port
  # MemoryDB answers when a write is safe; without a replica `replicated` would answer nothing but 503.
  durability = module.redis.service == "memorydb" || coalesce(var.redis.replicas, local.profile.redis.replicas) == 0 ? "acknowledged" : local.profile.redis.durability

  log_retention_days  = local.profile.log_days
  access_log_days     = local.profile.access_log_days
  container_insights  = local.profile.container_insights
  deletion_protection = local.profile.deletion_protection
}

module "observability" {
  source = "../../modules/observability"

  name         = local.name
  region       = var.region
  kms_key_arn  = module.key.arn
  alarm_emails = var.alarm_emails
  thresholds   = local.profile.thresholds

  load_balancer_arn_suffix = module.service.load_balancer_arn_suffix
  target_group_arn_suffix  = module.service.target_group_arn_suffix
  cluster_name             = module.service.cluster_name
  service_names            = values(module.service.service_names)
  redis_service            = module.redis.service
  redis_id                 = module.redis.id
  redis_members            = module.redis.members
}

module "ci" {
  source = "../../modules/ci"
  count  = var.github_repository == null ? 0 : 1

  name               = "${local.name}-deploy"
  github_repository  = var.github_repository
  github_environment = "production"
  cluster_arn        = module.service.cluster_arn
  cluster_name       = module.service.cluster_name
  service_names      = values(module.service.service_names)
  pass_role_arns     = module.service.role_arns
}
