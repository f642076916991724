output "vpc_id" {
  description = "The network."
  value       = aws_vpc.this.id
}

output "public_subnet_ids" {
  description = "Subnets with a way to the internet, by zone."
  value       = { for zone, subnet in aws_subnet.public : zone => subnet.id }
}

output "public_cidrs" {
  description = "Addresses of the public subnets: the load balancer has one in each."
  value       = [for subnet in aws_subnet.public : subnet.cidr_block]
}

output "private_subnet_ids" {
  description = "Subnets without a public address, by zone."
  value       = { for zone, subnet in aws_subnet.private : zone => subnet.id }
}

output "nat_gateways" {
  description = "How many NAT gateways there are; each costs by the hour."
  value       = length(aws_nat_gateway.this)
}

output "flow_log_group" {
  description = "Log group of the flow log; null where there is none."
  value       = one(aws_cloudwatch_log_group.flow[*].name)
}
