# What a GitHub workflow may do here, without a key that could be stolen: GitHub signs who runs, AWS checks it and hands out rights for an
# hour. A role for one GitHub environment (its rules say who may deploy) and one purpose: to push images, or to deploy one installation.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account     = data.aws_caller_identity.current.account_id
  partition   = data.aws_partition.current.partition
  region      = data.aws_region.current.region
  issuer      = "token.actions.githubusercontent.com"
  provider    = "arn:${local.partition}:iam::${local.account}:oidc-provider/${local.issuer}"
  pushes      = length(var.push_repository_arns) > 0
  deploys     = var.cluster_arn != null
  families    = [for service in var.service_names : "arn:${local.partition}:ecs:${local.region}:${local.account}:task-definition/${service}:*"]
  service_ids = [for service in var.service_names : "arn:${local.partition}:ecs:${local.region}:${local.account}:service/${var.cluster_name}/${service}"]
}

data "aws_iam_policy_document" "trust" {
  # checkov:skip=CKV_AWS_358: the claim is compared letter by letter, repository and environment; the check reads the value before the variables are in it
  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = [local.provider]
    }

    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:aud"
      values   = ["sts.amazonaws.com"]
    }

    # Exactly this repository and this environment. A pattern would let in branches, forks' pull requests or other repositories.
    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:sub"
      values   = ["repo:${var.github_repository}:environment:${var.github_environment}"]
    }
  }
}

data "aws_iam_policy_document" "rights" {
  # checkov:skip=CKV_AWS_356: the three actions on "*" know no resource, and two of them only read
  dynamic "statement" {
    for_each = local.pushes ? [1] : []

    content {
      sid       = "SignInToTheRegistry"
      actions   = ["ecr:GetAuthorizationToken"]
      resources = ["*"]
    }
  }

  dynamic "statement" {
    for_each = local.pushes ? [1] : []

    content {
      sid = "PushImages"
      actions = [
        "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload", "ecr:DescribeImages", "ecr:GetDownloadUrlForLayer",
        "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart",
      ]
      resources = var.push_repository_arns
    }
  }

  dynamic "statement" {
    for_each = local.deploys ? [1] : []

    content {
      sid       = "RollTheServices"
      actions   = ["ecs:DescribeServices", "ecs:UpdateService"]
      resources = local.service_ids
    }
  }

  dynamic "statement" {
    for_each = local.deploys ? [1] : []

    content {
      sid       = "ReadTaskDefinitions"
      actions   = ["ecs:DescribeTaskDefinition", "ecs:ListTaskDefinitions"]
      resources = ["*"]
    }
  }

  dynamic "statement" {
    for_each = local.deploys ? [1] : []

    content {
      sid       = "WriteTaskDefinitionsOfTheirFamilies"
      actions   = ["ecs:ListTagsForResource", "ecs:RegisterTaskDefinition", "ecs:TagResource"]
      resources = local.families
    }
  }

  dynamic "statement" {
    for_each = local.deploys ? [1] : []

    content {
      sid       = "HandTheirRolesToTasks"
      actions   = ["iam:PassRole"]
      resources = var.pass_role_arns

      condition {
        test     = "StringEquals"
        variable = "iam:PassedToService"
        values   = ["ecs-tasks.amazonaws.com"]
      }
    }
  }
}

resource "aws_iam_role" "this" {
  name                 = var.name
  description          = "GitHub ${var.github_repository}, environment ${var.github_environment}"
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  max_session_duration = 3600

  lifecycle {
    precondition {
      condition     = local.pushes || local.deploys
      error_message = "ci: a role without rights; give it repositories to push to, or a cluster to deploy to."
    }
  }
}

resource "aws_iam_role_policy" "this" {
  name   = "rights"
  role   = aws_iam_role.this.id
  policy = data.aws_iam_policy_document.rights.json
}
