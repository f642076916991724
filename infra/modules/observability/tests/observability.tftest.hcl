variables {
  name                     = "posthaste-test"
  region                   = "eu-central-1"
  kms_key_arn              = "arn:aws:kms:eu-central-1:123456789012:key/test"
  alarm_emails             = ["ops@example.com"]
  load_balancer_arn_suffix = "app/posthaste-test-alb/1"
  target_group_arn_suffix  = "targetgroup/posthaste-test-backend/1"
  cluster_name             = "posthaste-test"
  service_names            = ["posthaste-test-backend", "posthaste-test-worker"]
  redis_service            = "elasticache"
  redis_id                 = "posthaste-test-1"
  redis_members            = ["posthaste-test-1-001", "posthaste-test-1-002"]
}

override_resource {
  target          = aws_sns_topic.alarms
  override_during = plan
  values          = { arn = "arn:aws:sns:eu-central-1:123456789012:posthaste-test-alarms" }
}

# What AWS would be asked for, so that a plan needs no account.
override_data {
  target = data.aws_caller_identity.current
  values = { account_id = "123456789012" }
}

run "alarms" {
  command = plan

  assert {
    condition = alltrue([for alarm in concat([
      aws_cloudwatch_metric_alarm.errors, aws_cloudwatch_metric_alarm.no_backend, aws_cloudwatch_metric_alarm.no_workers, aws_cloudwatch_metric_alarm.backlog_age,
      aws_cloudwatch_metric_alarm.failed_deliveries,
    ], values(aws_cloudwatch_metric_alarm.redis_memory), values(aws_cloudwatch_metric_alarm.redis_cpu)) : alarm.alarm_actions == toset([aws_sns_topic.alarms.arn])])
    error_message = "alarms-told: every alarm goes to the topic"
  }

  assert {
    condition     = aws_sns_topic.alarms.kms_master_key_id == var.kms_key_arn
    error_message = "alarms-encrypted: with our key"
  }

  assert {
    condition     = aws_sns_topic_subscription.email["ops@example.com"].protocol == "email"
    error_message = "alarms-mail: to whom was named"
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.no_workers.treat_missing_data == "breaching" && aws_cloudwatch_metric_alarm.no_workers.comparison_operator == "LessThanThreshold" && aws_cloudwatch_metric_alarm.no_workers.threshold == 1
    error_message = "alarm-no-workers: below one, and silence counts as none"
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.no_workers.metric_name == "Workers" && aws_cloudwatch_metric_alarm.no_workers.namespace == "Posthaste" && aws_cloudwatch_metric_alarm.no_workers.dimensions == tomap({ Namespace = "posthaste-test" })
    error_message = "alarm-no-workers-metric: as the program prints it"
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.no_backend.treat_missing_data == "breaching"
    error_message = "alarm-no-backend: silence counts as none"
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.backlog_age.metric_name == "BacklogAge" && aws_cloudwatch_metric_alarm.backlog_age.statistic == "Maximum" && aws_cloudwatch_metric_alarm.backlog_age.threshold == 300
    error_message = "alarm-backlog-age: the oldest that anybody sees"
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.failed_deliveries.metric_name == "FailedDeliveries" && aws_cloudwatch_metric_alarm.failed_deliveries.statistic == "Sum"
    error_message = "alarm-failed: those of all workers together"
  }

  assert {
    condition     = strcontains(one([for query in aws_cloudwatch_metric_alarm.errors.metric_query : query.expression if query.id == "percent"]), "/ requests") && length(aws_cloudwatch_metric_alarm.errors.metric_query) == 4
    error_message = "alarm-5xx: a share of the requests, the load balancer's own answers among them"
  }

  assert {
    condition     = toset(keys(aws_cloudwatch_metric_alarm.redis_memory)) == toset(var.redis_members) && alltrue([for alarm in aws_cloudwatch_metric_alarm.redis_memory : alarm.threshold == 75 && alarm.metric_name == "DatabaseMemoryUsagePercentage"])
    error_message = "alarm-redis-memory: of every node, before the program gives finished tasks away"
  }

  assert {
    condition     = toset(keys(aws_cloudwatch_metric_alarm.redis_cpu)) == toset(var.redis_members) && alltrue([for alarm in aws_cloudwatch_metric_alarm.redis_cpu : alarm.metric_name == "EngineCPUUtilization"])
    error_message = "alarm-redis-cpu: of every node, of the core that serves commands"
  }
}

run "memorydb" {
  command = plan

  variables {
    redis_service = "memorydb"
    redis_members = []
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.redis_memory : alarm.namespace == "AWS/MemoryDB"]) && length(aws_cloudwatch_metric_alarm.redis_memory) == 1
    error_message = "alarm-memorydb: of the cluster"
  }
}

run "refuses" {
  command = plan

  variables {
    name         = "x"
    kms_key_arn  = "alias/key"
    alarm_emails = ["ops"]
    thresholds   = { error_percent = 0, backlog_age_seconds = 5, redis_memory_percent = 95 }
    # The last one looks at redis_service, too, and is not asked while that one is wrong.
    redis_members = []
  }

  expect_failures = [var.name, var.kms_key_arn, var.alarm_emails, var.thresholds, var.redis_members]
}

run "refuses_other_stores" {
  command = plan

  variables {
    redis_service = "dynamodb"
  }

  expect_failures = [var.redis_service]
}
