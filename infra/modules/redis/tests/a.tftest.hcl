variables {
  name               = "posthaste-x"
  node_type          = "cache.t4g.micro"
  replicas           = 1
  vpc_id             = "vpc-1"
  subnet_ids         = ["subnet-1", "subnet-2"]
  clients            = { backend = "sg-backend", worker = "sg-worker" }
  kms_key_arn        = "arn:aws:kms:x"
  snapshot_days      = 7
  final_snapshot     = false
  log_retention_days = 14
}
override_resource {
  target          = aws_elasticache_replication_group.this[0]
  override_during = plan
  values          = { primary_endpoint_address = "redis.internal" }
}
run "a" {
  command = plan
  assert {
    condition     = output.url == "rediss://redis.internal:6379"
    error_message = "url: ${output.url}"
  }
}
