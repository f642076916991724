variables {
  github_repository = "posthaste/posthaste"
}

# What AWS would be asked for, so that a plan needs no account.
override_data {
  target = data.aws_caller_identity.current
  values = { account_id = "123456789012" }
}

override_data {
  target = module.key.data.aws_caller_identity.current
  values = { account_id = "123456789012" }
}

override_data {
  target = module.ci.data.aws_caller_identity.current
  values = { account_id = "123456789012" }
}

run "bootstrap" {
  command = plan

  assert {
    condition     = aws_s3_bucket_versioning.state.versioning_configuration[0].status == "Enabled"
    error_message = "state-versions: a broken state can be taken back"
  }

  assert {
    condition     = one(aws_s3_bucket_server_side_encryption_configuration.state.rule).apply_server_side_encryption_by_default[0].sse_algorithm == "aws:kms"
    error_message = "state-encrypted: with our key"
  }

  assert {
    condition     = aws_s3_bucket_public_access_block.state.block_public_acls && aws_s3_bucket_public_access_block.state.block_public_policy && aws_s3_bucket_public_access_block.state.ignore_public_acls && aws_s3_bucket_public_access_block.state.restrict_public_buckets
    error_message = "state-private: whatever a policy says, not for the public"
  }

  assert {
    condition     = aws_iam_openid_connect_provider.github[0].client_id_list == toset(["sts.amazonaws.com"])
    error_message = "github-audience: tokens made for AWS alone"
  }

  assert {
    condition     = length(module.ci) == 1 && length(module.registry.repository_arns) == 2
    error_message = "images: two repositories, and a role that pushes to them"
  }
}

run "without_github" {
  command = plan

  variables {
    github_repository = null
  }

  assert {
    condition     = length(module.ci) == 0 && length(aws_iam_openid_connect_provider.github) == 0
    error_message = "no-github: nobody is let in who was not named"
  }
}

run "refuses" {
  command = plan

  variables {
    region            = "Frankfurt"
    name              = "P"
    keep_images       = 1
    github_repository = "*"
  }

  expect_failures = [var.region, var.name, var.keep_images, var.github_repository]
}
