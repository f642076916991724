"""What an installation uses in a month, counted in its plan, and what that costs by infra/cost/prices.json.

Quantities are those of the fewest tasks: what is paid for when nothing happens. What is paid by use (requests, gigabytes, log lines) is
named and not guessed. A price that is not given stays open, and with it whatever it would be part of.
"""

import json
import pathlib

HERE = pathlib.Path(__file__).resolve().parent


def prices():
    given = json.loads((HERE / "prices.json").read_text("utf-8"))
    for name, entry in given["prices"].items():
        if entry["price"] is not None and not (entry.get("source") and entry.get("date")):
            raise SystemExit(f"infra/cost/prices.json: {name} has a price and no source or date")
    return given


def tasks(plan):
    """(service, tasks not on Spot, tasks on Spot, vCPU, GB, public address) at the fewest."""
    fewest = {after["resource_id"].rsplit("/", 1)[1]: after["min_capacity"] for _, after in plan.of("aws_appautoscaling_target")}
    sizes = {after["family"]: (int(after["cpu"]) / 1024, int(after["memory"]) / 1024) for _, after in plan.of("aws_ecs_task_definition")}
    for _, after in plan.of("aws_ecs_service"):
        count, strategy = fewest[after["name"]], {s["capacity_provider"]: s for s in after["capacity_provider_strategy"]}
        spot = "FARGATE_SPOT" in strategy
        on_demand = min(count, (strategy.get("FARGATE") or {}).get("base") or 0) if spot else count
        yield after["name"], on_demand, count - on_demand, *sizes[after["name"]], after["network_configuration"][0]["assign_public_ip"]


def quantities(plan, hours):
    """(what, how much, of what, name of the price)."""
    total = {"fargate": [0, 0], "fargate_spot": [0, 0]}
    addresses = 0
    for name, on_demand, spot, cpu, memory, public in tasks(plan):
        for kind, count in (("fargate", on_demand), ("fargate_spot", spot)):
            total[kind][0] += count * cpu * hours
            total[kind][1] += count * memory * hours
        addresses += (on_demand + spot) * bool(public)
    for kind, label in (("fargate", "Fargate"), ("fargate_spot", "Fargate Spot")):
        if total[kind][0]:
            yield f"{label}, processors", total[kind][0], "vCPU-hours", f"{kind}_vcpu_hour"
            yield f"{label}, memory", total[kind][1], "GB-hours", f"{kind}_gb_hour"
    for _, after in plan.of("aws_elasticache_replication_group"):
        nodes = after.get("num_cache_clusters") or after["num_node_groups"] * (after["replicas_per_node_group"] + 1)
        yield f"Redis, {nodes} × {after['node_type']}", nodes * hours, "node-hours", f"node_hour_{after['node_type']}"
    zones = sum(1 for address, _ in plan.of("aws_subnet") if ".public[" in address)
    balancers = plan.of("aws_lb")
    yield "Load balancer", len(balancers) * hours, "hours", "alb_hour"
    gateways = len(plan.of("aws_nat_gateway"))
    if gateways:
        yield "NAT gateways", gateways * hours, "hours", "nat_hour"
    addresses += len(plan.of("aws_eip")) + sum(zones for _, after in balancers if not after.get("internal"))
    yield "Public IPv4 addresses", addresses * hours, "address-hours", "public_ipv4_hour"
    endpoints = sum(zones for _, after in plan.of("aws_vpc_endpoint") if after.get("vpc_endpoint_type") == "Interface")
    if endpoints:
        yield "Interface endpoints", endpoints * hours, "endpoint-hours", "endpoint_hour"
    yield "Secrets", len(plan.of("aws_secretsmanager_secret")), "secrets", "secret_month"
    yield "Keys", len(plan.of("aws_kms_key")), "keys", "key_month"
    alarms = [after for _, after in plan.of("aws_cloudwatch_metric_alarm")]
    yield "Alarms", sum(max(1, sum(1 for q in after.get("metric_query") or [] if q.get("metric"))) for after in alarms), "metrics watched", "alarm_metric_month"
    metrics = json.loads((HERE.parent / "metrics.json").read_text("utf-8"))
    yield "The program's own metrics", len(metrics["metrics"]), "metrics", "custom_metric_month"
    yield "Dashboard", len(plan.of("aws_cloudwatch_dashboard")), "dashboards", "dashboard_month"


def number(value):
    return f"{value:,.1f}".rstrip("0").rstrip(".") if value % 1 else f"{value:,.0f}"


def sheet(plans):
    given = prices()
    hours = given["hours_a_month"]
    lines = [
        f"A month has {hours} hours. Quantities are counted in the plan of each profile, at its fewest tasks: what is paid for when nothing happens. "
        "Prices are those of `infra/cost/prices.json`, each with where it was read and when; they are for US East, so put in those of your region "
        "and run `make infra-docs`. Where no price is given the quantity stands alone, and the sum says what it leaves out.\n"]
    for profile, plan in plans.items():
        lines += [f"## {profile.capitalize()}\n", "| what | a month | price | a month, $ |", "| --- | --- | --- | --- |"]
        known, left_out = 0.0, []
        for what, amount, unit, name in quantities(plan, hours):
            price = (given["prices"].get(name) or {}).get("price")
            if price is None:
                left_out.append(what)
            else:
                known += amount * price
            unit = unit.removesuffix("s") if amount == 1 else unit
            lines.append(f"| {what} | {number(amount)} {unit} | {'not given' if price is None else f'{price:g}'} | {'–' if price is None else f'{amount * price:,.2f}'} |")
        lines.append(f"\nWhat has a price: **${known:,.2f} a month**." + (f" Without a price, and not in it: {'; '.join(left_out)}." if left_out else "") + "\n")
    lines += [
        "## By use\n",
        "Paid on top of that, by what happens: capacity units of the load balancer, gigabytes through NAT, out to the internet and between zones, lines of logs and how "
        "long they are kept, requests to the key, layers in the registry, snapshots of Redis beyond the size of its memory, tasks beyond the fewest.\n",
        "## Where the prices are from\n", "| price | $ | read at | on |", "| --- | --- | --- | --- |"]
    for name, entry in given["prices"].items():
        lines.append(f"| `{name}` | {number_of(entry['price'])} | {entry['source']} | {entry['date'] or '–'} |")
    return "\n".join(lines) + "\n"


def number_of(price):
    return "not given" if price is None else f"{price:g}"
