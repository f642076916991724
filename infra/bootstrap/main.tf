# Once for an account and region, before any installation: the bucket that keeps Terraform's states, the registry of the images, and who
# of GitHub may push to it. Its own state is a file at first; docs/operate/aws.md says how it moves into the bucket.

data "aws_caller_identity" "current" {}

locals {
  bucket = "${var.name}-terraform-${data.aws_caller_identity.current.account_id}-${var.region}"
}

module "key" {
  source = "../modules/key"

  name = "${var.name}-shared"
}

# --- the states --------------------------------------------------------------------------------

# They hold the passwords that Terraform made: whoever reads this bucket reads those.
resource "aws_s3_bucket" "state" {
  # checkov:skip=CKV_AWS_144: every state is versioned; a lost region takes what they describe with it
  # checkov:skip=CKV_AWS_18: who reads a state is in CloudTrail's data events, which are an account's matter and not this bucket's
  # checkov:skip=CKV2_AWS_62: nobody waits for its objects
  bucket = local.bucket

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_versioning" "state" {
  bucket = aws_s3_bucket.state.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "state" {
  bucket = aws_s3_bucket.state.id

  rule {
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = module.key.arn
    }
  }
}

resource "aws_s3_bucket_public_access_block" "state" {
  bucket = aws_s3_bucket.state.id

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "state" {
  bucket = aws_s3_bucket.state.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "state" {
  bucket = aws_s3_bucket.state.id

  rule {
    id     = "old-versions"
    status = "Enabled"

    filter {}

    noncurrent_version_expiration {
      noncurrent_days           = 90
      newer_noncurrent_versions = 20
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 3
    }
  }

  depends_on = [aws_s3_bucket_versioning.state]
}

data "aws_iam_policy_document" "state" {
  statement {
    sid       = "TlsAlone"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.state.arn, "${aws_s3_bucket.state.arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_s3_bucket_policy" "state" {
  bucket = aws_s3_bucket.state.id
  policy = data.aws_iam_policy_document.state.json

  depends_on = [aws_s3_bucket_public_access_block.state]
}

# --- the images --------------------------------------------------------------------------------

module "registry" {
  source = "../modules/registry"

  name        = var.name
  kms_key_arn = module.key.arn
  keep_images = var.keep_images
}

# --- GitHub ------------------------------------------------------------------------------------

resource "aws_iam_openid_connect_provider" "github" {
  count = var.github_repository != null && var.create_oidc_provider ? 1 : 0

  url            = "https://token.actions.githubusercontent.com"
  client_id_list = ["sts.amazonaws.com"]
}

module "ci" {
  source = "../modules/ci"
  count  = var.github_repository == null ? 0 : 1

  name                 = "${var.name}-images"
  github_repository    = var.github_repository
  github_environment   = "images"
  push_repository_arns = values(module.registry.repository_arns)

  depends_on = [aws_iam_openid_connect_provider.github]
}
