# One page for one look: what comes in, what waits, who works, how Redis is.

locals {
  # Each name as the program prints it. One that infra/metrics.json does not have fails here, and so wherever it is used.
  names = { for key, name in {
    backlog            = "Backlog"
    backlog_age        = "BacklogAge"
    backlog_per_worker = "BacklogPerWorker"
    failed_deliveries  = "FailedDeliveries"
    workers            = "Workers"
  } : key => [for known in keys(local.own.metrics) : known if known == name][0] }

  mine = { for key, name in local.names : key => [local.own.namespace, name, local.own.dimensions[0], var.name] }
  alb  = ["LoadBalancer", var.load_balancer_arn_suffix]

  widgets = [
    {
      title = "Requests a minute, and those answered 5xx"
      stat  = "Sum"
      metrics = [
        concat(["AWS/ApplicationELB", "RequestCount"], local.alb),
        concat(["AWS/ApplicationELB", "HTTPCode_Target_5XX_Count"], local.alb),
        concat(["AWS/ApplicationELB", "HTTPCode_ELB_5XX_Count"], local.alb),
      ]
    },
    {
      title   = "Time to answer, s (p99)"
      stat    = "p99"
      metrics = [concat(["AWS/ApplicationELB", "TargetResponseTime"], local.alb)]
    },
    {
      title   = "Tasks that could start"
      stat    = "Maximum"
      metrics = [local.mine.backlog]
    },
    {
      title   = "How long the oldest of them has waited, s"
      stat    = "Maximum"
      metrics = [local.mine.backlog_age]
    },
    {
      title   = "Live workers, and what waits for each"
      stat    = "Average"
      metrics = [local.mine.workers, local.mine.backlog_per_worker]
    },
    {
      title   = "Tasks that ended as failed"
      stat    = "Sum"
      metrics = [local.mine.failed_deliveries]
    },
    {
      title   = "Redis: memory, %"
      stat    = "Maximum"
      metrics = [for node, dimensions in local.redis_nodes : concat([local.redis.namespace, local.redis.memory], flatten([for name, value in dimensions : [name, value]]))]
    },
    {
      title   = "Redis: processor, %"
      stat    = "Average"
      metrics = [for node, dimensions in local.redis_nodes : concat([local.redis.namespace, local.redis.cpu], flatten([for name, value in dimensions : [name, value]]))]
    },
    {
      title   = "Processor and memory of the tasks, %"
      stat    = "Average"
      metrics = flatten([for metric in ["CPUUtilization", "MemoryUtilization"] : [for service in var.service_names : [["AWS/ECS", metric, "ClusterName", var.cluster_name, "ServiceName", service]]]], )
    },
  ]
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name
  dashboard_body = jsonencode({
    widgets = concat(
      [for index, widget in local.widgets : {
        type   = "metric"
        x      = 8 * (index % 3)
        y      = 6 * floor(index / 3)
        width  = 8
        height = 6
        properties = {
          title   = widget.title
          region  = var.region
          view    = "timeSeries"
          period  = 60
          stat    = widget.stat
          metrics = widget.metrics
        }
      }],
      [{
        type       = "alarm"
        x          = 0
        y          = 6 * ceil(length(local.widgets) / 3)
        width      = 24
        height     = 4
        properties = { title = "Alarms", alarms = local.alarm_arns }
      }],
    )
  })
}

locals {
  alarm_arns = concat(
    [for alarm in [
      aws_cloudwatch_metric_alarm.errors, aws_cloudwatch_metric_alarm.no_backend, aws_cloudwatch_metric_alarm.no_workers,
      aws_cloudwatch_metric_alarm.backlog_age, aws_cloudwatch_metric_alarm.failed_deliveries,
    ] : alarm.arn],
    [for alarm in aws_cloudwatch_metric_alarm.redis_memory : alarm.arn],
    [for alarm in aws_cloudwatch_metric_alarm.redis_cpu : alarm.arn],
  )
}
