use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Live, Text};

/// A JSON document that is too large to write down: parts of it are repeated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Json {
    /// A string.
    Text(Text),
    /// A string with every character written as `\uXXXX`.
    Escaped(Text),
    /// Bytes that are written as they are: a number, a keyword, or no JSON at all.
    Literal(Text),
    /// An array of elements, each of which is repeated.
    Array(Vec<(Json, usize)>),
    /// An object. Fields with one name may occur several times.
    Object(Vec<(String, Json)>),
    /// A number of fields with different names, which continue the object around them.
    Fields(Box<Json>, usize),
    /// A number of fields with one name, which continue the object around them.
    Same(Box<Json>, usize),
    /// Arrays (`[`) or objects (`{`) in each other, to a depth.
    Nested(char, usize),
}

impl From<&Value> for Json {
    fn from(value: &Value) -> Self {
        match value {
            Value::String(text) => Self::Text(Text::of(text)),
            Value::Array(values) => Self::Array(values.iter().map(|value| (value.into(), 1)).collect()),
            Value::Object(fields) => {
                Self::Object(fields.iter().map(|(name, value)| (name.clone(), value.into())).collect())
            }
            other => Self::Literal(Text::of(&other.to_string())),
        }
    }
}

impl Json {
    /// Approximate number of bytes.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len() + 2,
            Self::Escaped(text) => text.len().saturating_mul(6) + 2,
            Self::Literal(text) => text.len(),
            Self::Array(parts) => parts.iter().map(|(part, count)| (part.len() + 1).saturating_mul(*count)).sum(),
            Self::Object(fields) => fields.iter().map(|(name, value)| name.len() + 4 + value.len()).sum(),
            Self::Fields(value, count) | Self::Same(value, count) => (value.len() + 9).saturating_mul(*count),
            Self::Nested(_, depth) => 6 * depth,
        }
    }

    /// Whether nothing is written.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes the document.
    pub fn render(&self, live: &Live, numbers: &mut usize, into: &mut String) {
        match self {
            Self::Text(text) => into.push_str(&Value::from(text.render(live, numbers)).to_string()),
            Self::Escaped(text) => {
                into.push('"');
                for unit in text.render(live, numbers).encode_utf16() {
                    into.push_str(&format!("\\u{unit:04x}"));
                }
                into.push('"');
            }
            Self::Literal(text) => into.push_str(&text.render(live, numbers)),
            Self::Array(parts) => {
                into.push('[');
                let parts = parts.iter().flat_map(|(part, count)| std::iter::repeat_n(part, *count));
                separated(parts, into, |part, into| part.render(live, numbers, into));
                into.push(']');
            }
            Self::Object(fields) => {
                into.push('{');
                separated(fields.iter(), into, |(name, value), into| {
                    if !matches!(value, Self::Fields(..) | Self::Same(..)) {
                        into.push_str(&Value::from(name.as_str()).to_string());
                        into.push(':');
                    }
                    value.render(live, numbers, into);
                });
                into.push('}');
            }
            Self::Fields(value, count) => separated(0..*count, into, |index, into| {
                into.push_str(&format!("\"k{index}\":"));
                value.render(live, numbers, into);
            }),
            Self::Same(value, count) => separated(0..*count, into, |_, into| {
                into.push_str("\"k\":");
                value.render(live, numbers, into);
            }),
            Self::Nested('{', depth) => into.push_str(&format!("{}1{}", "{\"k\":".repeat(*depth), "}".repeat(*depth))),
            Self::Nested(_, depth) => into.push_str(&format!("{}{}", "[".repeat(*depth), "]".repeat(*depth))),
        }
    }
}

/// Writes `parts` with commas between them.
fn separated<T>(parts: impl Iterator<Item = T>, into: &mut String, mut write: impl FnMut(T, &mut String)) {
    for (index, part) in parts.enumerate() {
        if index > 0 {
            into.push(',');
        }
        write(part, into);
    }
}
