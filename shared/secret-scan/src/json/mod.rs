//! Walks through the fields of a change.

mod binds;
mod logins;
mod named;

use binds::Scope;
use serde_json::{Map, Value};

use crate::{
    budget::Budget,
    detect,
    finding::{Finding, Span, TooDense},
    rules::{KeywordGroups, RuleId, rule},
    sql,
    text::{Hits, Text, fold},
    value,
};

/// Returns what `run` finds in a change.
pub(crate) fn find(run: impl FnOnce(&Search) -> Option<Found>) -> Result<Option<Finding>, TooDense> {
    let Some(Found { path, outcome }) = run(&Search { budget: Budget::new() }) else { return Ok(None) };
    let path = if path.is_empty() { "change".to_owned() } else { path };
    match outcome {
        Outcome::Secret { rule, span } => Ok(Some(Finding { path, rule: rule.rule(), span })),
        Outcome::TooDense => Err(TooDense { path }),
    }
}

/// What ended a search, and where. The path grows on the way back, so a clean change costs no allocation for it.
pub(crate) struct Found {
    /// Path below the value that was searched; empty if it is the value itself.
    path: String,
    outcome: Outcome,
}

enum Outcome {
    Secret { rule: RuleId, span: Option<Span> },
    TooDense,
}

impl Found {
    /// A value that is a secret as a whole.
    fn whole(rule: RuleId, value: &Value) -> Self {
        let span = value.as_str().map(|text| Span::new(text, 0..text.len()));
        Self { path: String::new(), outcome: Outcome::Secret { rule, span } }
    }

    /// A secret that is the name of a field.
    fn without_span(self) -> Self {
        match self.outcome {
            Outcome::Secret { rule, .. } => Self { outcome: Outcome::Secret { rule, span: None }, ..self },
            Outcome::TooDense => self,
        }
    }

    fn below(self, parent: &str) -> Self {
        let separator = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        Self { path: format!("{parent}{separator}{}", self.path), ..self }
    }
}

/// Search of one change.
pub(crate) struct Search {
    budget: Budget,
}

impl Search {
    /// Searches `value`, which is held by the field `name`. `scope` is the object around it. The recursion is safe because
    /// `serde_json` parses at most 128 levels.
    pub(crate) fn value(&self, value: &Value, name: &str, scope: Option<&Scope<'_>>) -> Option<Found> {
        match value {
            Value::String(text) => self.text(text, name),
            Value::Array(items) if named::is_pair(items) => {
                Some(Found::whole(rule::FIELD_PAIR, &items[1]).below("[1]"))
            }
            Value::Array(items) => {
                if let Some(at) = scope.and_then(|scope| scope.secret_at(name, items)) {
                    return Some(Found::whole(rule::BOUND_PARAMETER, &items[at]).below(&format!("[{at}]")));
                }
                items
                    .iter()
                    .enumerate()
                    .find_map(|(at, item)| Some(self.value(item, name, scope)?.below(&format!("[{at}]"))))
            }
            Value::Object(fields) => {
                if let Some(field) = scope.and_then(|scope| scope.secret_in(name, fields)) {
                    return Some(Found::whole(rule::BOUND_PARAMETER, &fields[field]).below(field));
                }
                self.object(fields, named::is_layout(name), scope)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => None,
        }
    }

    /// Searches the fields of an object. `layout` says that their names are those of columns shown on a screen.
    pub(crate) fn object(&self, fields: &Map<String, Value>, layout: bool, scope: Option<&Scope<'_>>) -> Option<Found> {
        if let Some((field, rule)) = named::described(fields).or_else(|| logins::found(fields)) {
            return Some(Found::whole(rule, &fields[field]).below(field));
        }
        let scope = &Scope::new(fields, scope);
        fields.iter().find_map(|(name, value)| {
            if named::is_known(name) {
                self.budget.earn(name.len());
                return Some(self.value(value, name, Some(scope))?.below(name));
            }
            // A name that is itself a secret must not show up in the path.
            if let Some(found) = self.text(name, "") {
                return Some(found.without_span());
            }
            let shown = layout && !value.as_str().is_some_and(value::is_opaque);
            if let Some(rule) = named::found(name, value).filter(|_| !shown) {
                return Some(Found::whole(rule, value).below(name));
            }
            Some(self.value(value, name, Some(scope))?.below(name))
        })
    }

    /// Searches one string, the value of the field `name`.
    fn text(&self, original: &str, name: &str) -> Option<Found> {
        self.budget.earn(original.len());
        let folded = fold(original);
        let all = folded.as_ref().map_or(original, |folded| &folded.text);
        let hits = Hits::find(all, &self.budget);
        let text = Text::new(all, &hits, &self.budget);
        let found = detect::find(&text).or_else(|| {
            let statements = text.has(KeywordGroups::STATEMENTS)
                || text.has(KeywordGroups::NAMES) && detect::pairs::names_secret(&text);
            statements.then(|| sql::find(&text, binds::STATEMENTS.contains(&name))).flatten()
        });
        let outcome = match found {
            Some(found) => {
                let start = text.position(found.value);
                let span = start..start + found.value.len();
                let span = folded.as_ref().map_or(span.clone(), |folded| folded.original(span));
                let span = Span::new(original, span);
                Outcome::Secret { rule: found.rule, span: Some(span) }
            }
            None if self.budget.is_exhausted() => Outcome::TooDense,
            None => return None,
        };
        Some(Found { path: String::new(), outcome })
    }
}
