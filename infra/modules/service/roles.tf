# Two roles for each service. The execution role is what ECS needs to start a task: its image, its secrets, its log. The task role is
# what the program may do in AWS, and that is nothing.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

data "aws_iam_policy_document" "tasks" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }

    # No task of anybody else's account can have ECS use these roles.
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

resource "aws_iam_role" "execution" {
  for_each = toset(["backend", "worker"])

  name               = "${var.name}-${each.key}-execution"
  description        = "Starts tasks of ${var.name}-${each.key}: image, secrets, log"
  assume_role_policy = data.aws_iam_policy_document.tasks.json
}

resource "aws_iam_role" "task" {
  for_each = toset(["backend", "worker"])

  name               = "${var.name}-${each.key}-task"
  description        = "What ${var.name}-${each.key} may do in AWS: nothing"
  assume_role_policy = data.aws_iam_policy_document.tasks.json
}

data "aws_iam_policy_document" "execution" {
  # checkov:skip=CKV_AWS_356: ecr:GetAuthorizationToken knows no resource
  for_each = toset(["backend", "worker"])

  statement {
    sid       = "SignInToTheRegistry"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }

  statement {
    sid       = "Image"
    actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = [{ backend = var.backend_repository_arn, worker = var.worker_repository_arn }[each.key]]
  }

  statement {
    sid       = "Log"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["arn:${data.aws_partition.current.partition}:logs:${var.region}:${data.aws_caller_identity.current.account_id}:log-group:${local.log_groups[each.key]}:*"]
  }

  statement {
    sid       = "Secrets"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = distinct(values(local.secrets[each.key]))
  }

  statement {
    sid       = "KeyOfTheSecrets"
    actions   = ["kms:Decrypt"]
    resources = distinct(compact([var.kms_key_arn, local.smtp ? var.smtp_url_kms_key_arn : null]))

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["secretsmanager.${var.region}.amazonaws.com"]
    }
  }
}

resource "aws_iam_role_policy" "execution" {
  for_each = toset(["backend", "worker"])

  name   = "start-tasks"
  role   = aws_iam_role.execution[each.key].id
  policy = data.aws_iam_policy_document.execution[each.key].json
}
