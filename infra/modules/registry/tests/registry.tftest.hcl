variables {
  name        = "posthaste"
  kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/test"
}

run "registry" {
  command = plan

  assert {
    condition     = alltrue([for repository in aws_ecr_repository.this : repository.image_tag_mutability == "IMMUTABLE"])
    error_message = "registry-immutable: a tag means one image for ever"
  }

  assert {
    condition     = alltrue([for repository in aws_ecr_repository.this : repository.image_scanning_configuration[0].scan_on_push])
    error_message = "registry-scan: every image is looked through when it is pushed"
  }

  assert {
    condition     = alltrue([for repository in aws_ecr_repository.this : repository.encryption_configuration[0].encryption_type == "KMS" && repository.encryption_configuration[0].kms_key == var.kms_key_arn])
    error_message = "registry-encrypted: with our key"
  }

  assert {
    condition     = toset(keys(aws_ecr_lifecycle_policy.this)) == toset(["backend", "worker"]) && alltrue([for policy in aws_ecr_lifecycle_policy.this : length(jsondecode(policy.policy).rules) == 2])
    error_message = "registry-lifecycle: neither repository grows without end"
  }
}

run "refuses" {
  command = plan

  variables {
    name        = "Posthaste"
    kms_key_arn = "alias/key"
    keep_images = 3
  }

  expect_failures = [var.name, var.kms_key_arn, var.keep_images]
}
