output "topic_arn" {
  description = "Topic that alarms are sent to."
  value       = aws_sns_topic.alarms.arn
}

output "dashboard" {
  description = "Name of the dashboard."
  value       = aws_cloudwatch_dashboard.this.dashboard_name
}

output "alarm_names" {
  description = "The alarms."
  value = concat(
    [
      aws_cloudwatch_metric_alarm.errors.alarm_name, aws_cloudwatch_metric_alarm.no_backend.alarm_name, aws_cloudwatch_metric_alarm.no_workers.alarm_name,
      aws_cloudwatch_metric_alarm.backlog_age.alarm_name, aws_cloudwatch_metric_alarm.failed_deliveries.alarm_name,
    ],
    [for alarm in aws_cloudwatch_metric_alarm.redis_memory : alarm.alarm_name],
    [for alarm in aws_cloudwatch_metric_alarm.redis_cpu : alarm.alarm_name],
  )
}
