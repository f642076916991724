#!/usr/bin/env python3
"""Within a GitHub job: the token that GitHub signs for it against AWS credentials for an hour, for the steps that follow.

    AWS_ROLE_ARN=arn:aws:iam::123456789012:role/posthaste-images infra/oidc.py

The job needs `permissions: id-token: write`. Nothing secret is kept anywhere: the credentials are masked in the log and end by themselves.
"""

import json
import os
import subprocess
import sys
import urllib.request


def main():
    role = os.environ.get("AWS_ROLE_ARN")
    if not role:
        sys.exit("AWS_ROLE_ARN is empty: set the variable of that name in the GitHub environment of this job (docs/operate/aws.md)")
    try:
        request = urllib.request.Request(
            os.environ["ACTIONS_ID_TOKEN_REQUEST_URL"] + "&audience=sts.amazonaws.com",
            headers={"Authorization": "bearer " + os.environ["ACTIONS_ID_TOKEN_REQUEST_TOKEN"]})
    except KeyError:
        sys.exit("there is no token to ask for: the job lacks `permissions: id-token: write`")
    with urllib.request.urlopen(request, timeout=30) as answer:
        token = json.load(answer)["value"]
    print(f"::add-mask::{token}")
    done = subprocess.run(
        ["aws", "sts", "assume-role-with-web-identity", "--role-arn", role, "--role-session-name", f"github-{os.environ.get('GITHUB_RUN_ID', 'run')}",
         "--duration-seconds", "3600", "--web-identity-token", token, "--output", "json"], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"AWS refuses the role {role}: {done.stderr.strip()}")
    given = json.loads(done.stdout)["Credentials"]
    with open(os.environ["GITHUB_ENV"], "a", encoding="utf-8") as out:
        for name, key in (("AWS_ACCESS_KEY_ID", "AccessKeyId"), ("AWS_SECRET_ACCESS_KEY", "SecretAccessKey"), ("AWS_SESSION_TOKEN", "SessionToken")):
            print(f"::add-mask::{given[key]}")
            out.write(f"{name}={given[key]}\n")


if __name__ == "__main__":
    main()
