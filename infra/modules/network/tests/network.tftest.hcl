# Each message begins with the name of its rule; infra/tests/mutate.py breaks every one and looks for it.

variables {
  name                    = "posthaste-test"
  cidr                    = "10.40.0.0/16"
  zone_count              = 3
  nat                     = "none"
  flow_log_retention_days = 30
  kms_key_arn             = "arn:aws:kms:eu-central-1:123456789012:key/test"
}

# What AWS would be asked for, so that a plan needs no account.
override_data {
  target = data.aws_availability_zones.available
  values = { names = ["eu-central-1a", "eu-central-1b", "eu-central-1c"] }
}

run "without_nat" {
  command = plan

  assert {
    condition     = length(aws_nat_gateway.this) == 0 && length(aws_eip.nat) == 0
    error_message = "nat-none: no NAT gateway and no address for one"
  }

  assert {
    condition     = length(aws_route.private_nat) == 0
    error_message = "private-closed: without NAT a private subnet has no way to the internet"
  }

  assert {
    condition     = alltrue([for subnet in aws_subnet.public : !subnet.map_public_ip_on_launch]) && alltrue([for subnet in aws_subnet.private : !subnet.map_public_ip_on_launch])
    error_message = "no-address-by-itself: no subnet hands out public addresses"
  }

  assert {
    condition     = length(aws_subnet.private) == 3 && length(aws_subnet.public) == 3 && length(distinct([for subnet in concat(values(aws_subnet.public), values(aws_subnet.private)) : subnet.cidr_block])) == 6
    error_message = "zones: a public and a private subnet in each zone, none over another"
  }

  assert {
    condition     = aws_cloudwatch_log_group.flow[0].retention_in_days == 30 && aws_cloudwatch_log_group.flow[0].kms_key_id == var.kms_key_arn
    error_message = "flow-log: kept for as long as was said, and encrypted"
  }

  assert {
    condition     = aws_flow_log.this[0].traffic_type == "ALL"
    error_message = "flow-log-all: refused connections, too"
  }
}

run "one_nat" {
  command = plan

  variables {
    nat = "one"
  }

  assert {
    condition     = length(aws_nat_gateway.this) == 1 && length(aws_route.private_nat) == 3
    error_message = "nat-one: one gateway, and every private subnet goes out by it"
  }
}

run "nat_in_each_zone" {
  command = plan

  variables {
    nat                 = "per_az"
    interface_endpoints = ["ecr.api", "logs"]
  }

  assert {
    condition     = length(aws_nat_gateway.this) == 3
    error_message = "nat-per-az: a gateway in each zone"
  }

  assert {
    condition     = length(aws_vpc_endpoint.interface) == 2 && aws_vpc_security_group_ingress_rule.endpoints[0].cidr_ipv4 == var.cidr
    error_message = "endpoints: reached from this network alone"
  }
}

run "refuses" {
  command = plan

  variables {
    name                    = "Post haste"
    cidr                    = "10.40.0.0/28"
    zone_count              = 1
    nat                     = "two"
    interface_endpoints     = ["s3"]
    flow_log_retention_days = 13
    kms_key_arn             = "alias/key"
  }

  expect_failures = [
    var.name, var.cidr, var.zone_count, var.nat, var.interface_endpoints, var.flow_log_retention_days, var.kms_key_arn,
  ]
}
