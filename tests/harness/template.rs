use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use crate::Response;

/// CloudFormation template, expanded from the SAM template.
pub struct Template(Value);

/// Configuration of the gateway for one method of one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Method in lower case, or `any`.
    pub method: String,
    /// Path, with parameters in braces.
    pub path: String,
    /// Function that handles the request.
    pub function: String,
    /// Whether an API key is required.
    pub needs_key: bool,
    /// Whether the body must be a JSON object.
    pub needs_object: bool,
}

/// Root folder of the project.
fn project() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Path of a program that `tests/run` installs from PyPI.
pub fn python_tool(name: &str) -> PathBuf {
    project().join("target/tools/python/bin").join(name)
}

impl Template {
    /// Returns the project's template.
    ///
    /// # Panics
    /// If it cannot be expanded.
    pub fn project() -> &'static Self {
        static TEMPLATE: OnceLock<Template> = OnceLock::new();
        TEMPLATE.get_or_init(|| Self::expand(&project().join("template.yaml")).expect("the template can be expanded"))
    }

    /// Expands the SAM template in a file with the defaults of its parameters.
    ///
    /// # Errors
    /// Message of the transformation, if the template is invalid.
    pub fn expand(file: &Path) -> Result<Self, String> {
        let mut templates = Self::expand_with(file, &[BTreeMap::new()])?;
        templates.pop().ok_or_else(|| "the template was not expanded".to_owned())
    }

    /// Expands the SAM template in a file once for each set of parameter values.
    ///
    /// # Errors
    /// Message of the transformation, if the template is invalid.
    pub fn expand_with(file: &Path, sets: &[BTreeMap<String, String>]) -> Result<Vec<Self>, String> {
        let mut expand = Command::new(python_tool("python"));
        expand.arg(project().join("tests/template/expand.py")).arg(file);
        let sets = serde_json::to_string(sets).expect("the sets are valid JSON");
        let output = expand.arg(sets).output().expect("Python runs");
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let documents: Vec<Value> = serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
        Ok(documents.into_iter().map(Self).collect())
    }

    /// Wraps a CloudFormation template.
    pub fn new(document: Value) -> Self {
        Self(document)
    }

    /// Whole document.
    pub fn json(&self) -> &Value {
        &self.0
    }

    /// Returns the resources of the type `kind`, with their names.
    pub fn resources<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = (&'a str, &'a Value)> {
        let all = self.0["Resources"].as_object().into_iter().flatten();
        all.filter(move |(_, resource)| resource["Type"] == kind).map(|(name, resource)| (name.as_str(), resource))
    }

    /// Returns the functions by the name of the binary: logical id and resource.
    pub fn functions(&self) -> BTreeMap<&str, (&str, &Value)> {
        let functions = self.resources("AWS::Lambda::Function");
        functions
            .filter_map(|(name, function)| {
                Some((function["Metadata"]["BuildProperties"]["Binary"].as_str()?, (name, function)))
            })
            .collect()
    }

    /// Returns the environment variables of the function `name`. The value is `None` where it depends on the deployment.
    pub fn variables(&self, name: &str) -> BTreeMap<&str, Option<&str>> {
        let functions = self.functions();
        let (_, function) = functions.get(name).unwrap_or_else(|| panic!("there is no function {name}"));
        let variables = function["Properties"]["Environment"]["Variables"].as_object().into_iter().flatten();
        variables.map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    /// Timeout of the function `name` in seconds.
    pub fn timeout(&self, name: &str) -> u64 {
        self.functions()[name].1["Properties"]["Timeout"].as_u64().expect("a number")
    }

    fn api(&self) -> &Value {
        self.resources("AWS::ApiGateway::RestApi").next().map_or(&Value::Null, |(_, api)| &api["Properties"]["Body"])
    }

    /// Media types whose bodies API Gateway encodes in base64.
    pub fn binary_media_types(&self) -> Vec<&str> {
        let types = self.api()["x-amazon-apigateway-binary-media-types"].as_array().into_iter().flatten();
        types.filter_map(Value::as_str).collect()
    }

    /// Returns the routes of the API.
    pub fn routes(&self) -> Vec<Route> {
        let functions = self.functions();
        let binary = |operation: &Value| {
            // …/functions/${AuthFunctionAliaslive}/invocations
            let uri = operation["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"].as_str()?;
            let (name, _) = uri.split_once("/functions/${")?.1.split_once("Alias")?;
            functions.iter().find(|(_, (resource, _))| *resource == name).map(|(binary, _)| (*binary).to_owned())
        };
        let mut routes = Vec::new();
        for (path, operations) in self.api()["paths"].as_object().into_iter().flatten() {
            for (method, operation) in operations.as_object().into_iter().flatten() {
                let method = if method == "x-amazon-apigateway-any-method" { "any" } else { method };
                routes.push(Route {
                    method: method.to_owned(),
                    path: path.clone(),
                    function: binary(operation).unwrap_or_default(),
                    needs_key: operation["security"].as_array().is_some_and(|schemes| !schemes.is_empty()),
                    needs_object: operation["x-amazon-apigateway-request-validator"] == "body-only",
                });
            }
        }
        routes
    }

    /// Returns the gateway response of the type `kind`, which API Gateway generates itself.
    pub fn gateway_response(&self, kind: &str, request_id: &str) -> Response {
        let responses = self.gateway_responses();
        let fallback =
            if kind.ends_with("5XX") || kind.starts_with("INTEGRATION") { "DEFAULT_5XX" } else { "DEFAULT_4XX" };
        let response = if responses[kind].is_null() { &responses[fallback] } else { &responses[kind] };
        let default_status = match kind {
            "DEFAULT_4XX" | "BAD_REQUEST_BODY" => 400,
            "UNSUPPORTED_MEDIA_TYPE" => 415,
            "REQUEST_TOO_LARGE" => 413,
            "THROTTLED" | "QUOTA_EXCEEDED" => 429,
            "DEFAULT_5XX" => 500,
            _ => 403,
        };
        let status = response["statusCode"].as_str().and_then(|status| status.parse().ok()).unwrap_or(default_status);
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        for (name, value) in response["responseParameters"].as_object().into_iter().flatten() {
            let name = name.strip_prefix("gatewayresponse.header.").expect("a header parameter");
            let value = value.as_str().expect("a text");
            // A quoted literal, or a reference to the context.
            let value = if value == "context.requestId" { request_id } else { value.trim_matches('\'') };
            headers.insert(
                HeaderName::try_from(name).expect("the name of a header"),
                HeaderValue::from_str(value).expect("the value of a header"),
            );
        }
        let body = response["responseTemplates"]["application/json"].as_str().unwrap_or_default();
        Response { status, headers, body: body.replace("$context.requestId", request_id).into_bytes() }
    }

    /// Gateway responses that the template overrides, by type.
    pub fn gateway_responses(&self) -> &Value {
        &self.api()["x-amazon-apigateway-gateway-responses"]
    }
}
