//! Values that stand apart from their names: the parameters of a statement (`password = ?` and `["…"]`), and two lists side
//! by side (`columns: ["password"]` and `values: ["…"]`).

use std::cell::OnceCell;

use serde_json::{Map, Value};

use crate::{literal, names, names::Name, sql, value};

/// Fields that hold a statement.
const STATEMENTS: &[&str] = &["query", "sql", "statement"];
/// Fields that list the names of the values of a row.
const NAMES: &[&str] = &["columns", "names", "fields", "keys", "headers"];
/// Fields that list the values of the parameters of a statement, or of a row.
#[rustfmt::skip]
const VALUES: &[&str] = &[
    "params", "parameters", "binds", "bindings", "args", "arguments", "values", "bind_values", "query_params", "row", "rows",
];

/// Object being searched, and the ones around it.
pub(crate) struct Scope<'v> {
    fields: &'v Map<String, Value>,
    outer: Option<&'v Scope<'v>>,
    /// Names of the values of a list in the object, in the order of their positions, once a list has asked for them.
    names: OnceCell<Vec<(usize, Name)>>,
}

impl<'v> Scope<'v> {
    pub(super) const fn new(fields: &'v Map<String, Value>, outer: Option<&'v Scope<'v>>) -> Self {
        Self { fields, outer, names: OnceCell::new() }
    }

    /// The position of the first value of `list`, the value of `field`, that is a secret by its name.
    pub(super) fn secret(&self, field: &str, list: &[Value]) -> Option<usize> {
        if !VALUES.iter().any(|known| field.eq_ignore_ascii_case(known)) {
            return None;
        }
        // A list of many rows must not be compared with a list of many names again and again.
        self.names()?.iter().take_while(|(at, _)| *at < list.len()).find_map(|(at, name)| {
            let text = list.get(*at)?.as_str()?;
            // Numbers are the widths of columns more often than passwords.
            let number = text.parse::<f64>().is_ok();
            (literal::is_secret(*name, text) && !value::is_status_word(text) && !number).then_some(*at)
        })
    }

    /// The names of the innermost object that has any.
    fn names(&self) -> Option<&[(usize, Name)]> {
        let own = self.names.get_or_init(|| names(self.fields));
        if own.is_empty() { self.outer?.names() } else { Some(own) }
    }
}

/// The names that the fields give to the values of a list beside them.
fn names(fields: &Map<String, Value>) -> Vec<(usize, Name)> {
    match NAMES.iter().find_map(|field| fields.get(*field)?.as_array()) {
        Some(names) => {
            (names.iter().enumerate()).filter_map(|(at, name)| Some((at, names::classify(name.as_str()?)?))).collect()
        }
        None => {
            let statement = STATEMENTS.iter().find_map(|field| fields.get(*field)?.as_str());
            let mut names = statement.map(sql::secret_parameters).unwrap_or_default();
            names.sort_by_key(|(at, _)| *at);
            names
        }
    }
}
