"""Prints what CloudFormation would get of a SAM template: `expand.py template.yaml`."""

import json
import os
import sys

os.environ.setdefault("AWS_DEFAULT_REGION", "eu-central-1")

from samcli.yamlhelper import yaml_parse
from samtranslator.translator.transform import transform


class NoManagedPolicies:
    """Looks up policies by their names, which would take an account; the template names none."""

    def load(self):
        return {}


with open(sys.argv[1]) as file:
    template = yaml_parse(file.read())
for name, resource in template["Resources"].items():
    if resource["Type"] == "AWS::Serverless::Function":
        # Where `sam deploy` would have put it.
        resource["Properties"]["CodeUri"] = f"s3://bucket/{name}"
print(json.dumps(transform(template, {}, NoManagedPolicies())))
