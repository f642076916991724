#!/usr/bin/env python3
"""Holds lines of a process against CloudWatch's embedded metric format and against infra/metrics.json.

    posthaste worker | infra/tests/emf.py --by worker     lines without `_aws` are passed over; at least one must have it
    infra/tests/emf.py --self-test                        good and bad lines that it must tell apart

The rules are those of the published specification and its JSON schema:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import argparse
import json
import pathlib
import sys

METRICS = json.loads((pathlib.Path(__file__).resolve().parents[1] / "metrics.json").read_text("utf-8"))
SCALES = ["", "Kilo", "Mega", "Giga", "Tera"]
AMOUNTS = [f"{scale}{kind}" if not scale else f"{scale}{kind.lower()}" for kind in ("Bytes", "Bits") for scale in SCALES]
UNITS = {"Seconds", "Microseconds", "Milliseconds", "Percent", "Count", "None", "Count/Second", *AMOUNTS, *(f"{amount}/Second" for amount in AMOUNTS)}
LONGEST_LINE = 256 * 1024


def text(value, longest):
    return isinstance(value, str) and 1 <= len(value) <= longest


def number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def format_problems(line):
    """What the specification does not allow."""
    if len(line.encode()) > LONGEST_LINE:
        yield "longer than a log event may be"
    try:
        # NaN and infinity are no JSON.
        root = json.loads(line, parse_constant=lambda name: (_ for _ in ()).throw(ValueError(name)))
    except ValueError as error:
        yield f"not JSON: {error}"
        return
    meta = root.get("_aws") if isinstance(root, dict) else None
    if not isinstance(meta, dict):
        yield "_aws is not an object"
        return
    if not isinstance(meta.get("Timestamp"), int) or isinstance(meta.get("Timestamp"), bool) or meta["Timestamp"] < 1_000_000_000_000:
        yield "_aws.Timestamp is not a whole number of milliseconds since 1970"
    if not isinstance(meta.get("CloudWatchMetrics"), list) or not meta["CloudWatchMetrics"]:
        yield "_aws.CloudWatchMetrics is not a list of directives"
        return
    for directive in meta["CloudWatchMetrics"]:
        if not isinstance(directive, dict) or set(directive) != {"Namespace", "Dimensions", "Metrics"}:
            yield "a directive has Namespace, Dimensions and Metrics, and nothing else"
            continue
        if not text(directive["Namespace"], 1024):
            yield "Namespace is not a text of 1 to 1024 characters"
        sets = directive["Dimensions"]
        if not isinstance(sets, list) or not sets or not all(isinstance(s, list) and len(s) <= 30 for s in sets):
            yield "Dimensions is not a list of lists of at most 30 names"
            sets = []
        for name in {n for s in sets for n in s if isinstance(n, str)}:
            if not text(name, 250) or not text(root.get(name), 1024):
                yield f"the dimension {name} has no text of 1 to 1024 characters beside _aws"
        metrics = directive["Metrics"]
        if not isinstance(metrics, list) or not 1 <= len(metrics) <= 100:
            yield "Metrics is not a list of 1 to 100"
            metrics = []
        for metric in metrics:
            if not isinstance(metric, dict) or not text(metric.get("Name"), 1024) or set(metric) - {"Name", "Unit", "StorageResolution"}:
                yield f"{metric} is no definition of a metric"
                continue
            if metric.get("Unit", "None") not in UNITS:
                yield f"{metric['Name']}: {metric['Unit']!r} is no unit"
            if metric.get("StorageResolution", 60) not in (1, 60):
                yield f"{metric['Name']}: StorageResolution is 1 or 60"
            value = root.get(metric["Name"])
            if not (number(value) or isinstance(value, list) and len(value) <= 100 and all(map(number, value))):
                yield f"{metric['Name']} has no number beside _aws"


def own_problems(line, by):
    """What alarms and scaling would look for in vain."""
    root = json.loads(line)
    wanted = {name: spec["unit"] for name, spec in METRICS["metrics"].items() if by in spec["by"]}
    said = {}
    for directive in root["_aws"]["CloudWatchMetrics"]:
        if directive["Namespace"] != METRICS["namespace"]:
            yield f"the namespace is {directive['Namespace']}, the alarms look in {METRICS['namespace']}"
        if directive["Dimensions"] != [METRICS["dimensions"]]:
            yield f"the dimensions are {directive['Dimensions']}, the alarms ask by {[METRICS['dimensions']]}"
        said.update({metric["Name"]: metric.get("Unit") for metric in directive["Metrics"]})
    if said != wanted:
        yield f"says {said}; infra/metrics.json has {wanted} for {by}"


def check(lines, by):
    found, problems = 0, []
    for n, line in enumerate(lines, 1):
        if '"_aws"' not in line:
            continue
        found += 1
        wrong = list(format_problems(line)) or list(own_problems(line, by))
        problems += [f"line {n}: {problem}" for problem in wrong]
    return found, problems


def sample(**change):
    root = {"_aws": {"Timestamp": 1764331200000, "CloudWatchMetrics": [{
        "Namespace": METRICS["namespace"], "Dimensions": [METRICS["dimensions"]],
        "Metrics": [{"Name": name, "Unit": spec["unit"]} for name, spec in METRICS["metrics"].items()]}]},
        **{dimension: "posthaste-small" for dimension in METRICS["dimensions"]}, **{name: 0 for name in METRICS["metrics"]}}
    directive = root["_aws"]["CloudWatchMetrics"][0]
    for key, value in change.items():
        {"root": root, "meta": root["_aws"], "directive": directive, "metric": directive["Metrics"][0]}[key].update(value)
    return json.dumps({k: v for k, v in root.items() if v is not Ellipsis}, default=str)


def self_test():
    bad = {
        "no time": sample(meta={"Timestamp": "now"}), "seconds": sample(meta={"Timestamp": 1764331200}), "no directives": sample(meta={"CloudWatchMetrics": []}),
        "another namespace": sample(directive={"Namespace": "Other"}), "an empty namespace": sample(directive={"Namespace": ""}),
        "flat dimensions": sample(directive={"Dimensions": METRICS["dimensions"]}), "another dimension": sample(directive={"Dimensions": [["Host"]]}, root={"Host": "a"}),
        "a dimension without a value": sample(root={METRICS["dimensions"][0]: ...}), "a dimension that is a number": sample(root={METRICS["dimensions"][0]: 7}),
        "no metrics": sample(directive={"Metrics": []}), "another metric": sample(metric={"Name": "Other"}, root={"Other": 1}), "no such unit": sample(metric={"Unit": "Tasks"}),
        "another unit": sample(metric={"Unit": "Percent"}), "a value that is a text": sample(root={"Workers": "2"}), "a value that is missing": sample(root={"Workers": ...}),
        "a truth": sample(root={"Workers": True}), "not a number": sample().replace('"Workers": 0', '"Workers": NaN'), "more in a directive": sample(directive={"Metric": 1}),
        "a resolution": sample(metric={"StorageResolution": 5}), "not JSON": sample()[:-1], "two documents": sample() + sample(),
    }
    wrong = [f"{name} is taken for good" for name, line in bad.items() if not check([line], "worker")[1]]
    wrong += [f"a good line is refused: {problem}" for problem in check(["started", sample()], "worker")[1]]
    wrong += ["the worker's line is taken for the api's"] if not check([sample()], "api")[1] else []
    for problem in wrong:
        print(f"FAIL  {problem}")
    print(f"{len(bad) + 2 - len(wrong)} passed, {len(wrong)} failed")
    return not wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--by", choices=["api", "worker"], help="the process that printed the lines")
    parser.add_argument("--self-test", action="store_true")
    options = parser.parse_args()
    if options.self_test:
        sys.exit(not self_test())
    if not options.by:
        parser.error("--by api or --by worker")
    found, problems = check(sys.stdin, options.by)
    for problem in problems or ([] if found else ["no line has _aws"]):
        print(problem)
    sys.exit(bool(problems) or not found)


if __name__ == "__main__":
    main()
