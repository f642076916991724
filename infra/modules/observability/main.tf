# Alarms, the topic that they are sent to, and one dashboard. The program's own metrics come by its log (embedded metric format) and are
# named in infra/metrics.json, which a test of the program reads, too. What each alarm means: docs/operate/aws-runbook.md.

locals {
  own        = jsondecode(file("${path.module}/../../metrics.json"))
  dimensions = { (local.own.dimensions[0]) = var.name }

  redis = {
    elasticache = { namespace = "AWS/ElastiCache", memory = "DatabaseMemoryUsagePercentage", cpu = "EngineCPUUtilization" }
    memorydb    = { namespace = "AWS/MemoryDB", memory = "DatabaseMemoryUsagePercentage", cpu = "EngineCPUUtilization" }
  }[var.redis_service]
  # ElastiCache measures each node; MemoryDB sums up a cluster.
  redis_nodes = var.redis_service == "elasticache" ? { for node in var.redis_members : node => { CacheClusterId = node } } : { (var.redis_id) = { ClusterName = var.redis_id } }
}

# --- where alarms go ---------------------------------------------------------------------------

resource "aws_sns_topic" "alarms" {
  name              = "${var.name}-alarms"
  display_name      = "Posthaste ${var.name}"
  kms_master_key_id = var.kms_key_arn
}

data "aws_iam_policy_document" "topic" {
  statement {
    sid       = "AlarmsOfThisAccount"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.alarms.arn]

    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

data "aws_caller_identity" "current" {}

resource "aws_sns_topic_policy" "alarms" {
  arn    = aws_sns_topic.alarms.arn
  policy = data.aws_iam_policy_document.topic.json
}

resource "aws_sns_topic_subscription" "email" {
  for_each = var.alarm_emails

  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = each.value
}

# --- the way in --------------------------------------------------------------------------------

resource "aws_cloudwatch_metric_alarm" "errors" {
  alarm_name          = "${var.name}-5xx"
  alarm_description   = "More than ${var.thresholds.error_percent} % of requests are answered 5xx, by the backend or by the load balancer in its place"
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.thresholds.error_percent
  evaluation_periods  = 5
  datapoints_to_alarm = 3
  # No requests, no errors.
  treat_missing_data = "notBreaching"
  alarm_actions      = [aws_sns_topic.alarms.arn]
  ok_actions         = [aws_sns_topic.alarms.arn]

  # A handful of requests is no rate.
  metric_query {
    id          = "percent"
    label       = "answered 5xx, %"
    expression  = "IF(requests > 20, 100 * (FILL(backend, 0) + FILL(balancer, 0)) / requests, 0)"
    return_data = true
  }

  metric_query {
    id = "requests"

    metric {
      namespace   = "AWS/ApplicationELB"
      metric_name = "RequestCount"
      dimensions  = { LoadBalancer = var.load_balancer_arn_suffix }
      period      = 60
      stat        = "Sum"
    }
  }

  metric_query {
    id = "backend"

    metric {
      namespace   = "AWS/ApplicationELB"
      metric_name = "HTTPCode_Target_5XX_Count"
      dimensions  = { LoadBalancer = var.load_balancer_arn_suffix }
      period      = 60
      stat        = "Sum"
    }
  }

  metric_query {
    id = "balancer"

    metric {
      namespace   = "AWS/ApplicationELB"
      metric_name = "HTTPCode_ELB_5XX_Count"
      dimensions  = { LoadBalancer = var.load_balancer_arn_suffix }
      period      = 60
      stat        = "Sum"
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "no_backend" {
  alarm_name          = "${var.name}-no-backend"
  alarm_description   = "The load balancer knows no healthy backend"
  namespace           = "AWS/ApplicationELB"
  metric_name         = "HealthyHostCount"
  dimensions          = { LoadBalancer = var.load_balancer_arn_suffix, TargetGroup = var.target_group_arn_suffix }
  statistic           = "Maximum"
  period              = 60
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  evaluation_periods  = 3
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

# --- the work ----------------------------------------------------------------------------------

resource "aws_cloudwatch_metric_alarm" "no_workers" {
  alarm_name          = "${var.name}-no-workers"
  alarm_description   = "No worker is alive, as the backends see it; or nobody, not even a backend, says anything"
  namespace           = local.own.namespace
  metric_name         = local.names.workers
  dimensions          = local.dimensions
  statistic           = local.own.metrics[local.names.workers].statistic
  unit                = local.own.metrics[local.names.workers].unit
  period              = local.own.every_seconds
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  evaluation_periods  = 3
  # Backends say it when no worker can. When they are silent, too, nothing works.
  treat_missing_data = "breaching"
  alarm_actions      = [aws_sns_topic.alarms.arn]
  ok_actions         = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "backlog_age" {
  alarm_name          = "${var.name}-backlog-age"
  alarm_description   = "The oldest task that could start has waited for more than ${var.thresholds.backlog_age_seconds} s"
  namespace           = local.own.namespace
  metric_name         = local.names.backlog_age
  dimensions          = local.dimensions
  statistic           = local.own.metrics[local.names.backlog_age].statistic
  unit                = local.own.metrics[local.names.backlog_age].unit
  period              = local.own.every_seconds
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.thresholds.backlog_age_seconds
  evaluation_periods  = 5
  datapoints_to_alarm = 5
  # Silence is what no-workers is for.
  treat_missing_data = "notBreaching"
  alarm_actions      = [aws_sns_topic.alarms.arn]
  ok_actions         = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "failed_deliveries" {
  alarm_name          = "${var.name}-failed-deliveries"
  alarm_description   = "More than ${var.thresholds.failed_deliveries} tasks ended as failed within 15 minutes"
  namespace           = local.own.namespace
  metric_name         = local.names.failed_deliveries
  dimensions          = local.dimensions
  statistic           = local.own.metrics[local.names.failed_deliveries].statistic
  unit                = local.own.metrics[local.names.failed_deliveries].unit
  period              = 900
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.thresholds.failed_deliveries
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

# --- Redis -------------------------------------------------------------------------------------

resource "aws_cloudwatch_metric_alarm" "redis_memory" {
  for_each = local.redis_nodes

  alarm_name          = "${var.name}-redis-memory-${each.key}"
  alarm_description   = "${each.key} has used ${var.thresholds.redis_memory_percent} % of its memory; from 80 % the oldest succeeded tasks give way, full it takes no new ones"
  namespace           = local.redis.namespace
  metric_name         = local.redis.memory
  dimensions          = each.value
  statistic           = "Maximum"
  period              = 60
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.thresholds.redis_memory_percent
  evaluation_periods  = 5
  # A node that is replaced says nothing for some minutes.
  treat_missing_data = "missing"
  alarm_actions      = [aws_sns_topic.alarms.arn]
  ok_actions         = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "redis_cpu" {
  for_each = local.redis_nodes

  alarm_name          = "${var.name}-redis-cpu-${each.key}"
  alarm_description   = "The one core that ${each.key} serves commands with is busy for more than ${var.thresholds.redis_cpu_percent} % of its time"
  namespace           = local.redis.namespace
  metric_name         = local.redis.cpu
  dimensions          = each.value
  statistic           = "Average"
  period              = 60
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.thresholds.redis_cpu_percent
  evaluation_periods  = 10
  datapoints_to_alarm = 8
  treat_missing_data  = "missing"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}
