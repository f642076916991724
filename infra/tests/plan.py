"""Rules of an installation as a whole, read from its plan: what no test of a single part can see."""

import json
import re

# The program calls it secret because it may hold a password. Here it holds none, which `plain-secrets` looks at.
WITHOUT_PASSWORD = {"REDIS_URL"}
RULES = ["internet-alb-only", "worker-closed", "redis-clients-only", "no-inline-rules", "one-public-balancer", "tagged", "alarm-metrics", "metrics-used", "log-kept",
         "plain-secrets", "settings-known", "addresses"]


class Plan:
    def __init__(self, plan):
        self.resources = [(r["address"], r["type"], r["change"]["after"] or {}) for r in plan["resource_changes"] if r["mode"] == "managed"]

    def of(self, *types):
        return [(address, after) for address, kind, after in self.resources if kind in types]

    def containers(self):
        """Service -> its container."""
        return {c["name"]: c for _, after in self.of("aws_ecs_task_definition") for c in json.loads(after["container_definitions"])}


def own_metrics(node, namespace, found):
    """Names of our metrics that stand anywhere in alarms, policies and dashboards, with their dimensions."""
    if isinstance(node, dict):
        if node.get("namespace") == namespace and node.get("metric_name"):
            dimensions = node.get("dimensions") or {}
            if isinstance(dimensions, list):
                dimensions = {d["name"]: d["value"] for d in dimensions}
            found.append((node["metric_name"], tuple(sorted(dimensions)), node.get("statistic"), node.get("unit")))
        for value in node.values():
            own_metrics(value, namespace, found)
    elif isinstance(node, list):
        if len(node) >= 2 and node[0] == namespace and all(isinstance(n, str) for n in node):
            found.append((node[1], tuple(sorted(node[2::2])), None, None))
        for value in node:
            own_metrics(value, namespace, found)
    return found


def problems(plan, metrics, settings=None, public_tasks=False):
    """(rule, what is wrong) of one installation. `settings`: name in the environment -> whether it is secret, as the program lists them."""
    ingress = plan.of("aws_vpc_security_group_ingress_rule")
    for address, rule in ingress:
        if (rule.get("cidr_ipv4") == "0.0.0.0/0" or rule.get("cidr_ipv6")) and rule.get("security_group_id") != "sg-alb":
            yield "internet-alb-only", f"{address} lets the internet in elsewhere than at the load balancer"
        if rule.get("security_group_id") == "sg-worker":
            yield "worker-closed", f"{address} lets somebody reach the worker"
        # Who its clients are is asserted beside them; this is for ways in that are none of them.
        if rule.get("security_group_id") == "sg-redis" and not re.search(r"ingress_rule\.clients\[", address):
            yield "redis-clients-only", f"{address} lets somebody reach Redis who is none of its clients"

    for address, group in plan.of("aws_security_group", "aws_default_security_group"):
        if group.get("ingress") or group.get("egress"):
            yield "no-inline-rules", f"{address} has rules of its own, where nobody looks for them"
    for address, _ in plan.of("aws_security_group_rule"):
        yield "no-inline-rules", f"{address}: rules are aws_vpc_security_group_*_rule here"
    public = [address for address, lb in plan.of("aws_lb", "aws_alb", "aws_elb") if not lb.get("internal")]
    if len(public) != 1:
        yield "one-public-balancer", f"{len(public)} load balancers face the internet"
    for address, service in plan.of("aws_ecs_service"):
        if bool(service["network_configuration"][0]["assign_public_ip"]) != public_tasks:
            yield "addresses", f"{address}: assign_public_ip should be {public_tasks}"

    for address, kind, after in plan.resources:
        # Those that the test gives a value have none of the provider's.
        if after.get("tags_all") and not {"Environment", "ManagedBy", "Project", "Root"} <= set(after["tags_all"]):
            yield "tagged", f"{address} has not all tags"
    for address, group in plan.of("aws_cloudwatch_log_group"):
        if not group.get("retention_in_days"):
            yield "log-kept", f"{address} is kept for ever"

    known = {name: spec for name, spec in metrics["metrics"].items()}
    used = []
    for _, kind, after in plan.resources:
        if kind == "aws_cloudwatch_dashboard":
            after = json.loads(after["dashboard_body"]) if after.get("dashboard_body") else {}
        own_metrics(after, metrics["namespace"], used)
    for name, dimensions, statistic, unit in used:
        if name not in known:
            yield "alarm-metrics", f"{name} is used, and the program does not print it"
        elif dimensions != tuple(metrics["dimensions"]) or statistic not in (None, known[name]["statistic"]) or unit not in (None, known[name]["unit"]):
            yield "alarm-metrics", f"{name} is asked for with {dimensions}, {statistic}, {unit}; the program prints otherwise"
    for name in sorted(set(known) - {name for name, *_ in used} - {"Backlog"}):
        yield "metrics-used", f"{name} is printed, and no alarm and no policy uses it"

    for service, container in plan.containers().items():
        for entry in container["environment"]:
            secret = (settings or {}).get(entry["name"], False) and entry["name"] not in WITHOUT_PASSWORD
            if secret or re.search(r"://[^/@]*:[^/@]*@", entry["value"]):
                yield "plain-secrets", f"{service}: {entry['name']} is a secret and has a plain value"
        if settings is not None:
            names = {entry["name"] for entry in container["environment"] + container["secrets"]}
            for name in sorted(names - set(settings)):
                yield "settings-known", f"{service} is told {name}, and the program knows no such setting"
