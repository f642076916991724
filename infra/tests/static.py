"""What can be told from the text of infra/ alone: every variable and output is described, validated where anything could be wrong with it."""

import re

# Every value of these types is a good one, or AWS alone knows.
FREE = {"bool"}
NO_CONDITION = {
    "region": "a name that the provider has been given already",
    "vpc_id": "known only to AWS", "zone_id": "known only to AWS", "redis_password_secret_arn": "made by a module", "redis_security_group_id": "made by a module",
    "redis_port": "made by a module", "load_balancer_arn_suffix": "made by a module", "target_group_arn_suffix": "made by a module", "cluster_name": "made by a module",
    "service_names": "made by a module", "redis_id": "made by a module", "push_repository_arns": "made by a module", "cluster_arn": "made by a module",
    "pass_role_arns": "made by a module",
}


def blocks(text, kind):
    return {name: body for name, body in re.findall(rf'^{kind} "([^"]+)" \{{\n(.*?)^\}}', text, re.DOTALL | re.MULTILINE)}


def problems(infra):
    """(check, what is wrong)."""
    lacking, silent, versions = [], [], []
    for path in sorted(infra.rglob("variables.tf")):
        root = path.parent.parent.name == "environments" or path.parent.name == "bootstrap"
        for name, body in blocks(path.read_text("utf-8"), "variable").items():
            where = f"{path.relative_to(infra)}: {name}"
            kind = re.search(r"^  type +=", body, re.MULTILINE)
            if not kind or not re.search(r"^  description +=", body, re.MULTILINE):
                lacking.append(f"{where} has no type or no description")
            free = re.search(r"^  type +=\s*(\w+)$", body, re.MULTILINE)
            if "validation {" not in body and not (free and free.group(1) in FREE) and (root or name not in NO_CONDITION):
                lacking.append(f"{where} has no validation")
            for message in re.findall(r'error_message = "([^"]*)"', body):
                if not message.startswith(f"{name}: "):
                    lacking.append(f"{where}: its message does not begin with its name")
    yield "variables are typed, described and validated", lacking

    for path in sorted(infra.rglob("outputs.tf")):
        for name, body in blocks(path.read_text("utf-8"), "output").items():
            if "description" not in body:
                silent.append(f"{path.relative_to(infra)}: {name} has no description")
    yield "outputs are described", silent

    same = [(infra / "environments" / profile / "variables.tf").read_text("utf-8") for profile in ("small", "production")]
    yield "both environments have the same variables", [] if same[0] == same[1] else ["infra/environments/*/variables.tf differ"]

    for path in sorted(infra.rglob("versions.tf")):
        text = path.read_text("utf-8")
        if 'version = "~> 6.0"' not in text or ">= 1.11" not in text:
            versions.append(f"{path.relative_to(infra)}: AWS provider ~> 6.0 and Terraform >= 1.11 are needed")
    yield "versions are bound", versions

    used = [f"{path.relative_to(infra)} uses WAFv2" for path in infra.rglob("*.tf") if "aws_wafv2" in path.read_text("utf-8")]
    yield "no WAFv2 resources", used
