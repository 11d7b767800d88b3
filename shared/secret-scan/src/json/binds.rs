//! Values that stand apart from their names: the parameters of a statement (`password = ?` and `["…"]`), and two lists side
//! by side (`columns: ["password"]` and `values: ["…"]`).

use std::cell::OnceCell;

use serde_json::{Map, Value};

use crate::{
    literal,
    names::{self, Name},
    sql::{self, Parameters},
    value,
};

/// Fields that hold a statement.
pub(super) const STATEMENTS: &[&str] = &["query", "sql", "statement"];
/// Fields that list the names of the values of a row.
const NAMES: &[&str] = &["columns", "names", "fields", "keys", "headers"];
/// Fields that list the values of the parameters of a statement, or of a row.
#[rustfmt::skip]
const VALUES: &[&str] = &[
    "params", "parameters", "bind", "binds", "bindings", "args", "arguments", "values", "bind_values", "bind_params",
    "query_params", "parameterValues", "row", "rows",
];

/// Object being searched, and the ones around it.
pub(crate) struct Scope<'v> {
    fields: &'v Map<String, Value>,
    outer: Option<&'v Scope<'v>>,
    /// What the object says of the values of a list in it, once one has asked: the secrets in the order of their positions.
    secrets: OnceCell<Parameters>,
}

impl<'v> Scope<'v> {
    pub(super) const fn new(fields: &'v Map<String, Value>, outer: Option<&'v Scope<'v>>) -> Self {
        Self { fields, outer, secrets: OnceCell::new() }
    }

    /// The position of the first value of `list`, the value of `field`, that is a secret.
    pub(super) fn secret_at(&self, field: &str, list: &[Value]) -> Option<usize> {
        let secrets = self.secrets_of(field)?;
        // A list of many rows must not be compared with a list of many names again and again.
        let named = secrets.numbered.iter().take_while(|(at, _)| *at < list.len());
        named.into_iter().find(|(at, name)| is_secret(*name, &list[*at])).map(|(at, _)| *at)
    }

    /// The first of `values`, the value of `field`, that is a secret: `{"p": "…"}`, `{":p": "…"}`, `{"1": "…"}`.
    pub(super) fn secret_in<'n>(&self, field: &str, values: &'n Map<String, Value>) -> Option<&'n str> {
        let secrets = self.secrets_of(field)?;
        let secret = |(key, value): &(&'n String, &Value)| {
            let key = key.trim_start_matches([':', '@', '$']);
            let number = key.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
            secrets.named(key).or_else(|| secrets.numbered(number?)).is_some_and(|name| is_secret(name, value))
        };
        values.iter().find(secret).map(|(key, _)| key.as_str())
    }

    /// What is known of the values of `field`, if it may list values.
    fn secrets_of(&self, field: &str) -> Option<&Parameters> {
        if VALUES.iter().any(|known| field.eq_ignore_ascii_case(known)) { self.secrets() } else { None }
    }

    /// The secrets of the innermost object that has any.
    fn secrets(&self) -> Option<&Parameters> {
        let own = self.secrets.get_or_init(|| secrets(self.fields));
        if own.is_empty() { self.outer?.secrets() } else { Some(own) }
    }
}

fn is_secret(name: Name, value: &Value) -> bool {
    value.as_str().is_some_and(|text| {
        // Numbers are the widths of columns more often than passwords.
        literal::is_secret(name, text) && !value::is_status_word(text) && text.parse::<f64>().is_err()
    })
}

/// What the fields say of the values of a list beside them.
fn secrets(fields: &Map<String, Value>) -> Parameters {
    if let Some(names) = NAMES.iter().find_map(|field| fields.get(*field)?.as_array()) {
        let secret = |(at, name): (usize, &Value)| Some((at, names::classify_field(name.as_str()?)?));
        let mut secrets = Parameters::default();
        secrets.numbered.extend(names.iter().enumerate().filter_map(secret));
        return secrets;
    }
    let statement = STATEMENTS.iter().find_map(|field| fields.get(*field)?.as_str());
    statement.map(sql::secret_parameters).unwrap_or_default()
}
