variables {
  name               = "posthaste-test-deploy"
  github_repository  = "posthaste/posthaste"
  github_environment = "production"
  cluster_arn        = "arn:aws:ecs:eu-central-1:123456789012:cluster/posthaste-test"
  cluster_name       = "posthaste-test"
  service_names      = ["posthaste-test-backend", "posthaste-test-worker"]
  pass_role_arns     = ["arn:aws:iam::123456789012:role/one", "arn:aws:iam::123456789012:role/two"]
}


# What AWS would be asked for, so that a plan needs no account.
override_data {
  target = data.aws_region.current
  values = { region = "eu-central-1" }
}

override_data {
  target = data.aws_caller_identity.current
  values = { account_id = "123456789012" }
}

run "deploys" {
  command = plan

  assert {
    condition     = try(jsondecode(aws_iam_role.this.assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"], "") == "repo:posthaste/posthaste:environment:production"
    error_message = "ci-who: this repository in this environment, compared letter by letter"
  }

  assert {
    condition     = jsondecode(aws_iam_role.this.assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:aud"] == "sts.amazonaws.com"
    error_message = "ci-audience: tokens made for AWS alone"
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_role_policy.this.policy).Statement :
      statement.Resource != "*" || alltrue([for action in flatten([statement.Action]) : contains(["ecs:DescribeTaskDefinition", "ecs:ListTaskDefinitions", "ecr:GetAuthorizationToken"], action)])
    ])
    error_message = "ci-narrow: everything that changes something is bound to what it may change"
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_role_policy.this.policy).Statement :
      statement.Action != "iam:PassRole" || try(toset(statement.Resource) == toset(var.pass_role_arns) && statement.Condition.StringEquals["iam:PassedToService"] == "ecs-tasks.amazonaws.com", false)
    ])
    error_message = "ci-pass-role: the roles of the tasks, to tasks, and no others"
  }

  assert {
    condition     = toset(flatten([for statement in jsondecode(aws_iam_role_policy.this.policy).Statement : statement.Resource if contains(flatten([statement.Action]), "ecs:UpdateService")])) == toset(["arn:aws:ecs:eu-central-1:123456789012:service/posthaste-test/posthaste-test-backend", "arn:aws:ecs:eu-central-1:123456789012:service/posthaste-test/posthaste-test-worker"])
    error_message = "ci-services: the two services and no others"
  }

  assert {
    condition     = aws_iam_role.this.max_session_duration == 3600
    error_message = "ci-an-hour: what is handed out ends after an hour"
  }
}

run "pushes" {
  command = plan

  variables {
    cluster_arn          = null
    service_names        = []
    pass_role_arns       = []
    push_repository_arns = ["arn:aws:ecr:eu-central-1:123456789012:repository/posthaste-backend"]
  }

  assert {
    condition     = alltrue([for statement in jsondecode(aws_iam_role_policy.this.policy).Statement : alltrue([for action in flatten([statement.Action]) : startswith(action, "ecr:")])])
    error_message = "ci-push-only: who pushes images cannot deploy"
  }
}

run "refuses" {
  command = plan

  variables {
    name               = "a role"
    github_repository  = "posthaste/*"
    github_environment = "*"
  }

  expect_failures = [var.name, var.github_repository, var.github_environment]
}

run "refuses_a_role_without_rights" {
  command = plan

  variables {
    cluster_arn = null
  }

  expect_failures = [aws_iam_role.this]
}
