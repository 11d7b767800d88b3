//! Identifiers of resources, with the form and the length that they have on AWS.

/// Account id from the examples of AWS's documentation.
pub(crate) const ACCOUNT: &str = "123456789012";

/// End of a name that CloudFormation generates. Older resource types get 13 characters, newer ones 12.
pub(crate) const SUFFIX: &str = "1A2B3C4D5E6F7";

/// Properties that name a resource, as paths, and the maximum length of the name. If the property is missing, CloudFormation
/// generates `<stack>-<logical id>-<suffix>`, truncated to this length
/// (<https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/resources-section-structure.html>).
pub(crate) const NAMES: [(&str, &str, usize); 18] = [
    // https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-api-usage-plans.html
    ("AWS::ApiGateway::ApiKey", "Name", 1_024),
    ("AWS::ApiGateway::DomainName", "DomainName", 512),
    ("AWS::ApiGateway::Stage", "StageName", 128),
    // https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_Budget.html
    ("AWS::Budgets::Budget", "Budget/BudgetName", 100),
    ("AWS::CloudWatch::Alarm", "AlarmName", 255),
    // https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutDashboard.html
    ("AWS::CloudWatch::Dashboard", "DashboardName", 255),
    ("AWS::CodeDeploy::Application", "ApplicationName", 100),
    ("AWS::CodeDeploy::DeploymentGroup", "DeploymentGroupName", 100),
    // https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    ("AWS::IAM::ManagedPolicy", "ManagedPolicyName", 128),
    ("AWS::IAM::Role", "RoleName", 64),
    ("AWS::Lambda::Function", "FunctionName", 64),
    ("AWS::Logs::LogGroup", "LogGroupName", 512),
    ("AWS::S3::Bucket", "BucketName", 63),
    ("AWS::Scheduler::Schedule", "Name", 64),
    ("AWS::SQS::Queue", "QueueName", 80),
    // Together with the beginning of its ARN
    // (https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html).
    ("AWS::SSM::Parameter", "Name", 1_011 - "arn:aws:ssm:ap-southeast-2:123456789012:parameter".len()),
    ("AWS::Synthetics::Canary", "Name", 255),
    ("AWS::WAFv2::WebACL", "Name", 128),
];

/// Attributes of the project's custom resources.
const CUSTOM_ATTRIBUTES: [(&str, &str); 1] = [("Settings", "0123456789abcdef")];

/// A resource of a deployment.
pub(crate) struct Resource<'a> {
    pub(crate) stack: &'a str,
    pub(crate) region: &'a str,
    /// Logical id.
    pub(crate) name: &'a str,
    /// Type.
    pub(crate) kind: &'a str,
    /// Returns the resolved value of a property, if it is set.
    pub(crate) property: &'a dyn Fn(&str) -> Option<String>,
}

impl Resource<'_> {
    /// Returns the value of an attribute, or of `Ref` for `None`. Returns `None` if it is unknown.
    pub(crate) fn attribute(&self, attribute: Option<&str>) -> Option<String> {
        let service = self.kind.strip_prefix("AWS::").unwrap_or("Custom");
        let (service, kind) = service.split_once("::").unwrap_or((service, ""));
        match service {
            "Custom" => self.custom(attribute),
            "ApiGateway" => self.api_gateway(kind, attribute),
            "Lambda" => self.lambda(kind, attribute),
            "IAM" => self.iam(kind, attribute),
            _ => self.other(attribute),
        }
    }

    /// Returns the name of the resource, given or generated.
    fn physical_name(&self) -> Option<String> {
        let (_, property, max_length) = NAMES.iter().find(|(kind, ..)| *kind == self.kind)?;
        if let Some(name) = (self.property)(property) {
            return Some(name);
        }
        // The logical id gets at least half of the length.
        let available = max_length - 2 - SUFFIX.len();
        let stack = &self.stack[..self.stack.len().min(available - self.name.len().min(available / 2))];
        let id = &self.name[..self.name.len().min(available - stack.len())];
        let name = format!("{stack}-{id}-{SUFFIX}");
        Some(if self.kind == "AWS::S3::Bucket" { name.to_lowercase() } else { name })
    }

    fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:aws:{service}:{}:{ACCOUNT}:{resource}", self.region)
    }

    fn custom(&self, attribute: Option<&str>) -> Option<String> {
        match attribute {
            None => Some(format!("{}-{}-{SUFFIX}", self.stack, self.name)),
            Some(attribute) => {
                let (_, value) = CUSTOM_ATTRIBUTES.iter().find(|(name, _)| *name == attribute)?;
                Some((*value).to_owned())
            }
        }
    }

    fn api_gateway(&self, kind: &str, attribute: Option<&str>) -> Option<String> {
        let value = match (kind, attribute) {
            ("RestApi", None | Some("RestApiId")) => "a1b2c3d4e5",
            ("RestApi", Some("RootResourceId")) => "z9y8x7w6v5",
            ("Deployment", None | Some("DeploymentId")) => "a1b2c3",
            ("ApiKey", None | Some("APIKeyId")) => "k1l2m3n4o5",
            ("UsagePlan", None | Some("Id")) => "u1v2w3",
            ("UsagePlanKey", None | Some("Id")) => "k1l2m3n4o5:u1v2w3",
            ("Account" | "BasePathMapping", None) => return Some(format!("{}-{SUFFIX}", self.name)),
            ("Stage" | "DomainName", None) => return self.physical_name(),
            ("DomainName", Some("RegionalDomainName")) => {
                return Some(format!("d-a1b2c3d4e5.execute-api.{}.amazonaws.com", self.region));
            }
            _ => return None,
        };
        Some(value.to_owned())
    }

    fn lambda(&self, kind: &str, attribute: Option<&str>) -> Option<String> {
        let property = |name| (self.property)(name).unwrap_or_default();
        let function = || self.arn("lambda", &format!("function:{}", property("FunctionName")));
        match (kind, attribute) {
            ("Function", None) => self.physical_name(),
            ("Function", Some("Arn")) => {
                self.physical_name().map(|name| self.arn("lambda", &format!("function:{name}")))
            }
            ("Version", None | Some("FunctionArn")) => Some(format!("{}:1234", function())),
            ("Version", Some("Version")) => Some("1234".to_owned()),
            ("Alias", None | Some("AliasArn")) => Some(format!("{}:{}", function(), property("Name"))),
            ("Permission" | "EventInvokeConfig", None) => Some(format!("{}-{}-{SUFFIX}", self.stack, self.name)),
            _ => None,
        }
    }

    fn iam(&self, kind: &str, attribute: Option<&str>) -> Option<String> {
        let arn = |kind| self.physical_name().map(|name| format!("arn:aws:iam::{ACCOUNT}:{kind}/{name}"));
        match (kind, attribute) {
            ("Role", None) => self.physical_name(),
            ("Role", Some("Arn")) => arn("role"),
            ("Role", Some("RoleId")) => Some("AROAIOSFODNN7EXAMPLE1".to_owned()),
            ("ManagedPolicy", None | Some("PolicyArn")) => arn("policy"),
            ("ManagedPolicy", Some("PolicyId")) => Some("ANPAIOSFODNN7EXAMPLE1".to_owned()),
            _ => None,
        }
    }

    fn other(&self, attribute: Option<&str>) -> Option<String> {
        let name = self.physical_name()?;
        Some(match (self.kind, attribute) {
            ("AWS::SQS::Queue", None | Some("QueueUrl")) => {
                format!("https://sqs.{}.amazonaws.com/{ACCOUNT}/{name}", self.region)
            }
            ("AWS::SQS::Queue", Some("QueueName")) => name,
            ("AWS::SQS::Queue", Some("Arn")) => self.arn("sqs", &name),
            ("AWS::WAFv2::WebACL", None) => format!("{name}|{UUID}|REGIONAL"),
            ("AWS::WAFv2::WebACL", Some("Id")) | ("AWS::Synthetics::Canary", Some("Id")) => UUID.to_owned(),
            ("AWS::WAFv2::WebACL", Some("Arn")) => self.arn("wafv2", &format!("regional/webacl/{name}/{UUID}")),
            ("AWS::Logs::LogGroup", Some("Arn")) => self.arn("logs", &format!("log-group:{name}:*")),
            ("AWS::CloudWatch::Alarm", Some("Arn")) => self.arn("cloudwatch", &format!("alarm:{name}")),
            ("AWS::Scheduler::Schedule", Some("Arn")) => self.arn("scheduler", &format!("schedule/default/{name}")),
            ("AWS::SSM::Parameter", Some("Value")) => (self.property)("Value")?,
            ("AWS::S3::Bucket", Some("Arn")) => format!("arn:aws:s3:::{name}"),
            (_, None) => name,
            _ => return None,
        })
    }
}

const UUID: &str = "a1b2c3d4-5678-90ab-cdef-1234567890ab";
