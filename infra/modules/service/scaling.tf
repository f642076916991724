# How many tasks run. The backend follows its requests, the workers what waits for each of them.

locals {
  metrics = jsondecode(file("${path.module}/../../metrics.json"))
  # A name that is not in the list of the program's metrics fails here.
  backlog_per_worker = [for name in ["BacklogPerWorker"] : name if local.metrics.metrics[name] != null][0]
}

resource "aws_appautoscaling_target" "backend" {
  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${aws_ecs_cluster.this.name}/${aws_ecs_service.backend.name}"
  min_capacity       = var.backend.min
  max_capacity       = var.backend.max
}

resource "aws_appautoscaling_policy" "backend" {
  name               = "${var.name}-backend-requests"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.backend.service_namespace
  scalable_dimension = aws_appautoscaling_target.backend.scalable_dimension
  resource_id        = aws_appautoscaling_target.backend.resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = var.backend.requests_per_minute
    scale_out_cooldown = 60
    scale_in_cooldown  = 300

    predefined_metric_specification {
      predefined_metric_type = "ALBRequestCountPerTarget"
      resource_label         = "${aws_lb.this.arn_suffix}/${aws_lb_target_group.backend.arn_suffix}"
    }
  }
}

resource "aws_appautoscaling_target" "worker" {
  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${aws_ecs_cluster.this.name}/${aws_ecs_service.worker.name}"
  min_capacity       = var.worker.min
  max_capacity       = var.worker.max
}

resource "aws_appautoscaling_policy" "worker" {
  name               = "${var.name}-worker-backlog"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.worker.service_namespace
  scalable_dimension = aws_appautoscaling_target.worker.scalable_dimension
  resource_id        = aws_appautoscaling_target.worker.resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = var.worker.backlog
    scale_out_cooldown = 60
    # A worker that goes gives back what it runs; more often than this would cost more than it saves.
    scale_in_cooldown = 300

    customized_metric_specification {
      namespace   = local.metrics.namespace
      metric_name = local.backlog_per_worker
      statistic   = local.metrics.metrics[local.backlog_per_worker].statistic
      unit        = local.metrics.metrics[local.backlog_per_worker].unit

      dimensions {
        name  = local.metrics.dimensions[0]
        value = var.name
      }
    }
  }
}
