variables {
  name = "posthaste-test"
}

# What AWS would be asked for, so that a plan needs no account.
override_data {
  target = data.aws_caller_identity.current
  values = { account_id = "123456789012" }
}

run "key" {
  command = plan

  assert {
    condition     = aws_kms_key.this.enable_key_rotation
    error_message = "key-rotates: AWS changes the key every year"
  }

  assert {
    condition     = aws_kms_key.this.deletion_window_in_days == 30
    error_message = "key-comes-back: a deletion can be taken back for thirty days"
  }

  assert {
    condition = anytrue([
      for statement in jsondecode(aws_kms_key.this.policy).Statement :
      try(statement.Principal.Service == "cloudwatch.amazonaws.com" && contains(statement.Action, "kms:GenerateDataKey*"), false)
    ])
    error_message = "key-for-alarms: CloudWatch may use it, or alarms never arrive"
  }
}

run "refuses" {
  command = plan

  variables {
    name                 = "x"
    deletion_window_days = 3
  }

  expect_failures = [var.name, var.deletion_window_days]
}
