# Who reaches whom. The load balancer is the only one that takes traffic from the internet; the backend takes it from the load balancer
# alone; the worker takes none from anybody. Redis says by itself that it takes it from these two (modules/redis).

resource "aws_security_group" "alb" {
  # checkov:skip=CKV2_AWS_5: attached to the load balancer in alb.tf
  name        = "${var.name}-alb"
  description = "Load balancer: HTTPS from the internet, to the backend alone"
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-alb" }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "alb_https" {
  for_each = toset(var.allowed_cidrs)

  security_group_id = aws_security_group.alb.id
  description       = "HTTPS"
  cidr_ipv4         = each.value
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_ingress_rule" "alb_http" {
  # checkov:skip=CKV_AWS_260: answers with a redirect to HTTPS and nothing else
  for_each = toset(var.allowed_cidrs)

  security_group_id = aws_security_group.alb.id
  description       = "HTTP, redirected to HTTPS"
  cidr_ipv4         = each.value
  ip_protocol       = "tcp"
  from_port         = 80
  to_port           = 80
}

resource "aws_vpc_security_group_egress_rule" "alb_to_backend" {
  security_group_id            = aws_security_group.alb.id
  description                  = "To the backend"
  referenced_security_group_id = aws_security_group.backend.id
  ip_protocol                  = "tcp"
  from_port                    = local.backend_port
  to_port                      = local.backend_port
}

resource "aws_security_group" "backend" {
  # checkov:skip=CKV2_AWS_5: attached to the backend's tasks in main.tf
  name        = "${var.name}-backend"
  description = "Backend: from the load balancer alone"
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-backend" }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "backend_from_alb" {
  security_group_id            = aws_security_group.backend.id
  description                  = "From the load balancer"
  referenced_security_group_id = aws_security_group.alb.id
  ip_protocol                  = "tcp"
  from_port                    = local.backend_port
  to_port                      = local.backend_port
}

resource "aws_vpc_security_group_egress_rule" "backend_to_redis" {
  security_group_id            = aws_security_group.backend.id
  description                  = "To Redis"
  referenced_security_group_id = var.redis_security_group_id
  ip_protocol                  = "tcp"
  from_port                    = var.redis_port
  to_port                      = var.redis_port
}

resource "aws_vpc_security_group_egress_rule" "backend_https" {
  security_group_id = aws_security_group.backend.id
  description       = "Images, secrets, logs; a collector of traces"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_security_group" "worker" {
  # checkov:skip=CKV2_AWS_5: attached to the worker's tasks in main.tf
  name        = "${var.name}-worker"
  description = "Worker: takes nothing from anybody"
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-worker" }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_egress_rule" "worker_to_redis" {
  security_group_id            = aws_security_group.worker.id
  description                  = "To Redis"
  referenced_security_group_id = var.redis_security_group_id
  ip_protocol                  = "tcp"
  from_port                    = var.redis_port
  to_port                      = var.redis_port
}

# The guard of the program keeps it from private addresses whatever the port is.
resource "aws_vpc_security_group_egress_rule" "worker_out" {
  for_each = { for port in var.worker_egress_ports : tostring(port) => port }

  security_group_id = aws_security_group.worker.id
  description       = "Mail servers, webhooks and AWS, port ${each.key}"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = each.value
  to_port           = each.value
}
