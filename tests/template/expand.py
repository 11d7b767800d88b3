"""Prints the CloudFormation templates that SAM generates, as a list: `expand.py template.yaml [PARAMETERS]`.

PARAMETERS is a JSON list of objects of parameter values. The template is expanded once for each of them, because SAM
resolves some references to parameters itself. The default is one expansion with the defaults of the template.
"""

import json
import logging
import os
import sys

os.environ.setdefault("AWS_DEFAULT_REGION", "eu-central-1")

from samcli.yamlhelper import yaml_parse
from samtranslator.translator.transform import transform


# Errors are exceptions; SAM logs only that its own configuration and metrics are missing.
logging.disable()


class NoManagedPolicies:
    """Loader of managed policies by name, which would require an AWS account; the template uses none."""

    def load(self):
        return {}


def expand(text, parameters):
    """Returns the CloudFormation template for the text of a SAM template."""
    template = yaml_parse(text)
    for name, resource in template["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            # Location that `sam deploy` would set.
            resource["Properties"]["CodeUri"] = f"s3://bucket/{name}"
    return transform(template, parameters, NoManagedPolicies())


def main(path, sets="[{}]"):
    with open(path) as file:
        text = file.read()
    print(json.dumps([expand(text, parameters) for parameters in json.loads(sets)]))


if __name__ == "__main__":
    main(*sys.argv[1:])
