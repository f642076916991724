output "repository_urls" {
  description = "Where the images are pushed to, by what they are."
  value       = { for name, repository in aws_ecr_repository.this : name => repository.repository_url }
}

output "repository_arns" {
  description = "The repositories, by what they hold."
  value       = { for name, repository in aws_ecr_repository.this : name => repository.arn }
}
