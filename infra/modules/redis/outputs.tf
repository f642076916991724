locals {
  endpoint = !local.elasticache ? one(aws_memorydb_cluster.this[*].cluster_endpoint[0].address) : (
    var.cluster_mode ? one(aws_elasticache_replication_group.this[*].configuration_endpoint_address) : one(aws_elasticache_replication_group.this[*].primary_endpoint_address)
  )
}

output "endpoint" {
  description = "Host and port: the primary, or of a Cluster the address that names its nodes."
  value       = "${local.endpoint}:${var.port}"
}

output "url" {
  description = "REDIS_URL without the password, which is in the secret. AUTH of ElastiCache knows no user; MemoryDB does."
  value = (
    !local.elasticache ? "rediss+cluster://posthaste@${local.endpoint}:${var.port}" :
    var.cluster_mode ? "rediss+cluster://${local.endpoint}:${var.port}" : "rediss://${local.endpoint}:${var.port}"
  )
}

output "password_secret_arn" {
  description = "Secret that holds the password, and nothing else."
  value       = aws_secretsmanager_secret.password.arn
  # A task that starts before there is a password in it does not start.
  depends_on = [aws_secretsmanager_secret_version.password]
}

output "security_group_id" {
  description = "Security group of Redis."
  value       = aws_security_group.this.id
}

output "port" {
  description = "Port of Redis."
  value       = var.port
}

output "service" {
  description = "elasticache or memorydb."
  value       = var.service
}

output "id" {
  description = "Name of the replication group or cluster."
  value       = local.id
}

output "members" {
  description = "Nodes by name, for their alarms; MemoryDB measures by cluster and has none here."
  value       = local.members
}

output "nodes" {
  description = "How many nodes there are; each costs by the hour."
  value       = local.nodes
}

output "durability" {
  description = "What is lost with a node."
  value = (
    !local.elasticache ? "A lost node loses nothing: MemoryDB answers a write when it is in a log across zones." :
    var.replicas == 0 ? "A LOST NODE LOSES EVERY TASK that was accepted since the last daily snapshot: there is no replica, and ElastiCache keeps no append-only file." :
    "A replica takes over by itself from a primary that is lost, and what it did not have yet is lost; POSTHASTE_DURABILITY=replicated answers 2xx only when a replica has it. Losing all nodes loses everything since the last daily snapshot."
  )
}

output "clients" {
  description = "Security groups that reach Redis, by name."
  value       = { for name, rule in aws_vpc_security_group_ingress_rule.clients : name => rule.referenced_security_group_id }
}
