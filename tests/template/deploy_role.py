"""Prints the actions that CloudFormation needs for the resources of a template and that the deploy role lacks, one a line.

    deploy_role.py EXPANDED-TEMPLATE deploy-role.yaml

The resource types declare what their handlers call; cfn-lint ships these declarations. Compares actions only, not resources.
"""

import fnmatch
import json
import pathlib
import sys

import cfnlint
from samcli.yamlhelper import yaml_parse

SCHEMAS = pathlib.Path(cfnlint.__file__).parent / "data/schemas"
# Types that SAM adds for canary deployments, which depend on a parameter.
FURTHER_TYPES = {"AWS::CodeDeploy::Application", "AWS::CodeDeploy::DeploymentGroup"}
# Actions for properties and relations that the template does not use.
UNUSED = [
    # The firewall is in front of a stage of API Gateway, not of these.
    "amplify:*", "apprunner:*", "appsync:*", "bedrock-agentcore:*", "cognito-idp:*", "elasticloadbalancing:*", "ec2:*VerifiedAccess*",
    "payments:*",
    # File systems, customer managed keys of functions, code signing in other accounts.
    "elasticfilesystem:*", "s3files:*", "kms:*",
    # Delivery of logs to streams, tables of metadata, and deletion of objects.
    "firehose:*", "s3tables:*", "s3:REST.PUT.OBJECT", "s3:DeleteObject", "s3:*BucketMetadata*",
    "logs:AssociateKmsKey", "logs:DisassociateKmsKey", "logs:PutBearerTokenAuthentication", "logs:PutDataProtectionPolicy",
    # Policies are attached to roles only, and roles have no boundary.
    "iam:AttachGroupPolicy", "iam:DetachGroupPolicy", "iam:AttachUserPolicy", "iam:DetachUserPolicy",
    "iam:PutRolePermissionsBoundary", "iam:DeleteRolePermissionsBoundary",
]


def required(template):
    providers = json.loads((SCHEMAS / "providers/eu-central-1.json").read_text())
    types = {resource["Type"] for resource in template["Resources"].values()} | FURTHER_TYPES
    for name in types:
        if name.startswith("Custom::"):
            continue
        schema = json.loads((SCHEMAS / f"resources/{providers[name]}.json").read_text())
        for handler in schema.get("handlers", {}).values():
            yield from handler.get("permissions", [])


def allowed(role):
    for policy in role["Resources"]["Role"]["Properties"]["Policies"]:
        if policy.get("PolicyName") != "deploy":
            continue
        for statement in policy["PolicyDocument"]["Statement"]:
            if "Action" in statement:
                actions = statement["Action"]
                yield from [actions] if isinstance(actions, str) else actions


def matches(action, patterns):
    return any(fnmatch.fnmatchcase(action.lower(), pattern.lower()) for pattern in patterns)


template = json.loads(pathlib.Path(sys.argv[1]).read_text())
granted = [*allowed(yaml_parse(pathlib.Path(sys.argv[2]).read_text())), *UNUSED]
for action in sorted(set(required(template))):
    if not matches(action, granted):
        print(action)
