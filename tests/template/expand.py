"""Prints the CloudFormation template that SAM generates: `expand.py template.yaml`."""

import json
import os
import sys

os.environ.setdefault("AWS_DEFAULT_REGION", "eu-central-1")

from samcli.yamlhelper import yaml_parse
from samtranslator.translator.transform import transform


class NoManagedPolicies:
    """Loader of managed policies by name, which would require an AWS account; the template uses none."""

    def load(self):
        return {}


with open(sys.argv[1]) as file:
    template = yaml_parse(file.read())
for name, resource in template["Resources"].items():
    if resource["Type"] == "AWS::Serverless::Function":
        # Location that `sam deploy` would set.
        resource["Properties"]["CodeUri"] = f"s3://bucket/{name}"
print(json.dumps(transform(template, {}, NoManagedPolicies())))
