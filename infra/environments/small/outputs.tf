output "url" {
  description = "Where people and programs reach it."
  value       = module.service.url
}

output "first_api_key" {
  description = "How to read the first admin key."
  value       = "aws secretsmanager get-secret-value --secret-id ${local.name}/api-keys --query SecretString --output text | cut -d: -f3"
}

output "log_groups" {
  description = "Log groups, by what they hold."
  value       = merge(module.service.log_groups, { flow = module.network.flow_log_group })
}

output "redis_endpoint" {
  description = "Host and port of Redis, reached from backend and worker alone."
  value       = module.redis.endpoint
}

output "redis_durability" {
  description = "What is lost with a node of Redis."
  value       = module.redis.durability
}

output "cluster" {
  description = "ECS cluster and its services."
  value       = { name = module.service.cluster_name, services = module.service.service_names }
}

output "dashboard" {
  description = "Name of the dashboard in CloudWatch."
  value       = module.observability.dashboard
}

output "alarm_topic_arn" {
  description = "Topic that alarms are sent to."
  value       = module.observability.topic_arn
}

output "deploy_role_arn" {
  description = "Role that deploy.yml deploys with: the variable AWS_ROLE_ARN of the GitHub environment."
  value       = one(module.ci[*].role_arn)
}
