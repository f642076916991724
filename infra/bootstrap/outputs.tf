output "state_bucket" {
  description = "Bucket of the states: -backend-config=bucket=… of the environments."
  value       = aws_s3_bucket.state.bucket
}

output "repository_urls" {
  description = "Where the images are pushed to."
  value       = module.registry.repository_urls
}

output "images_role_arn" {
  description = "Role that deploy.yml pushes with: the variable AWS_ROLE_ARN of the GitHub environment `images`."
  value       = one(module.ci[*].role_arn)
}
