output "url" {
  description = "Where people and programs reach it."
  value       = "https://${var.domain_name}"
}

output "backend_security_group_id" {
  description = "Security group of the backend's tasks."
  value       = aws_security_group.backend.id
}

output "worker_security_group_id" {
  description = "Security group of the worker's tasks."
  value       = aws_security_group.worker.id
}

output "cluster_name" {
  description = "ECS cluster."
  value       = aws_ecs_cluster.this.name
}

output "cluster_arn" {
  description = "ECS cluster, by its ARN."
  value       = aws_ecs_cluster.this.arn
}

output "service_names" {
  description = "ECS services, by what they are."
  value       = { backend = aws_ecs_service.backend.name, worker = aws_ecs_service.worker.name }
}

output "role_arns" {
  description = "Roles that ECS hands to the tasks."
  value       = concat([for role in aws_iam_role.execution : role.arn], [for role in aws_iam_role.task : role.arn])
}

output "log_groups" {
  description = "Log groups of the containers."
  value       = { for name, group in aws_cloudwatch_log_group.this : name => group.name }
}

output "api_keys_secret_arn" {
  description = "Secret with POSTHASTE_API_KEYS; the first admin key is in it."
  value       = aws_secretsmanager_secret.api_keys.arn
}

output "load_balancer_arn_suffix" {
  description = "The load balancer as CloudWatch names it."
  value       = aws_lb.this.arn_suffix
}

output "target_group_arn_suffix" {
  description = "The backends as CloudWatch names them."
  value       = aws_lb_target_group.backend.arn_suffix
}
