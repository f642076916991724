output "role_arn" {
  description = "The role, for the workflow's variable."
  value       = aws_iam_role.this.arn
}
