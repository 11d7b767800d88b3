//! Tests of the limits: a resource at its limit passes, and one beyond it is found.

use serde_json::{Value, json};
use tests::Template;

use crate::limits::{template_violations, violations};

fn template(kind: &str, properties: Value) -> Template {
    Template::new(json!({ "Resources": { "Subject": { "Type": kind, "Properties": properties } } }))
}

/// Returns a policy of the given size in bytes without white space.
fn policy(size: usize) -> Value {
    let overhead = json!({ "Statement": "" }).to_string().len();
    json!({ "Statement": "s".repeat(size - overhead) })
}

/// Returns a function whose environment has the given size in bytes.
fn environment(size: usize) -> Value {
    let overhead = json!({ "NAME": "" }).to_string().len();
    json!({ "Environment": { "Variables": { "NAME": "v".repeat(size - overhead) } } })
}

fn dashboard(widgets: usize, metrics: usize) -> Value {
    let widget = json!({ "properties": { "metrics": vec![json!([]); metrics] } });
    json!({ "DashboardBody": json!({ "widgets": vec![widget; widgets] }).to_string() })
}

#[test]
fn limits_are_exact() {
    let parameter = |length: usize| json!({ "Name": "p".repeat(length) });
    let alarm = |period: u64, periods: u64| json!({ "Period": period, "EvaluationPeriods": periods });
    let cases = [
        ("AWS::Lambda::Function", environment(4_096), environment(4_097)),
        (
            "AWS::IAM::Role",
            json!({ "Policies": [{ "PolicyDocument": policy(5_000) }, { "PolicyDocument": policy(5_240) }] }),
            json!({ "Policies": [{ "PolicyDocument": policy(5_000) }, { "PolicyDocument": policy(5_241) }] }),
        ),
        (
            "AWS::IAM::Role",
            json!({ "AssumeRolePolicyDocument": policy(2_048) }),
            json!({ "AssumeRolePolicyDocument": policy(2_049) }),
        ),
        (
            "AWS::IAM::Role",
            json!({ "ManagedPolicyArns": vec!["p"; 10] }),
            json!({ "ManagedPolicyArns": vec!["p"; 11] }),
        ),
        (
            "AWS::IAM::ManagedPolicy",
            json!({ "PolicyDocument": policy(6_144) }),
            json!({ "PolicyDocument": policy(6_145) }),
        ),
        ("AWS::SSM::Parameter", parameter(962), parameter(963)),
        (
            "AWS::Budgets::Budget",
            json!({ "Budget": { "BudgetName": "b".repeat(100) } }),
            json!({ "Budget": { "BudgetName": "b".repeat(101) } }),
        ),
        ("AWS::ApiGateway::ApiKey", json!({ "Value": "k".repeat(20) }), json!({ "Value": "k".repeat(19) })),
        ("AWS::ApiGateway::ApiKey", json!({ "Value": "k".repeat(128) }), json!({ "Value": "k".repeat(129) })),
        ("AWS::ApiGateway::ApiKey", json!({ "Value": "k".repeat(30) }), json!({ "Value": "-".repeat(30) })),
        ("AWS::CloudWatch::Alarm", alarm(300, 288), alarm(300, 289)),
        ("AWS::CloudWatch::Alarm", alarm(3_600, 168), alarm(3_600, 169)),
        ("AWS::CloudWatch::Dashboard", dashboard(500, 1), dashboard(501, 1)),
        ("AWS::CloudWatch::Dashboard", dashboard(1, 500), dashboard(1, 501)),
    ];
    for (kind, within, beyond) in cases {
        assert_eq!(violations(&template(kind, within)), Vec::<String>::new(), "{kind}");
        assert_eq!(violations(&template(kind, beyond.clone())).len(), 1, "{kind} {beyond}");
    }
}

#[test]
fn limits_of_a_template_are_exact() {
    let section = |name: &str, count: usize| {
        let entries: serde_json::Map<_, _> = (0..count).map(|number| (format!("N{number}"), json!({}))).collect();
        Template::new(json!({ name: entries }))
    };
    for (name, max) in [("Resources", 500), ("Parameters", 200), ("Outputs", 200)] {
        assert_eq!(template_violations(&section(name, max)), Vec::<String>::new(), "{name}");
        assert_eq!(template_violations(&section(name, max + 1)).len(), 1, "{name}");
    }
    let described = |length: usize| Template::new(json!({ "Description": "d".repeat(length) }));
    assert_eq!(template_violations(&described(1_024)), Vec::<String>::new());
    assert_eq!(template_violations(&described(1_025)).len(), 1);
    assert_eq!(template_violations(&Template::new(json!({ "Metadata": "m".repeat(1_000_000) }))).len(), 1);
}

/// Lambda adds each permission to the policy of the function or alias that it names.
#[test]
fn permissions_of_one_alias_are_added_up() {
    let permission = |alias: &str| {
        json!({ "Type": "AWS::Lambda::Permission", "Properties": {
            "FunctionName": alias,
            "Action": "lambda:InvokeFunction",
            "Principal": "apigateway.amazonaws.com",
            "SourceArn": "s".repeat(1_000),
        } })
    };
    let with = |aliases: &[&str]| {
        let resources = aliases.iter().enumerate().map(|(number, alias)| (format!("P{number}"), permission(alias)));
        Template::new(json!({ "Resources": resources.collect::<serde_json::Map<_, _>>() }))
    };
    assert_eq!(violations(&with(&["a"; 15])), Vec::<String>::new());
    assert_eq!(violations(&with(&["a"; 17])).len(), 1);
    assert_eq!(violations(&with(&["a", "b"].repeat(9))), Vec::<String>::new());
}

#[test]
fn api_keys_are_unique_and_provisioned_concurrency_is_reserved() {
    let key = |value: &str| json!({ "Type": "AWS::ApiGateway::ApiKey", "Properties": { "Value": value.repeat(20) } });
    let keys = |values: [&str; 2]| Template::new(json!({ "Resources": { "A": key(values[0]), "B": key(values[1]) } }));
    assert_eq!(violations(&keys(["a", "b"])), Vec::<String>::new());
    assert_eq!(violations(&keys(["a", "a"])).len(), 1);
    let function = |provisioned: &str| {
        Template::new(json!({ "Resources": {
            "F": { "Type": "AWS::Lambda::Function", "Properties": { "ReservedConcurrentExecutions": "5" } },
            "FAliaslive": { "Type": "AWS::Lambda::Alias", "Properties": {
                "ProvisionedConcurrencyConfig": { "ProvisionedConcurrentExecutions": provisioned },
            } },
        } }))
    };
    assert_eq!(violations(&function("5")), Vec::<String>::new());
    assert_eq!(violations(&function("6")).len(), 1);
}
