//! Texts of the reference page: descriptions in Markdown, and types and bounds of schemas in words.

use serde_json::Value;

/// Text with code and links.
pub(crate) type Text = Vec<Piece>;

/// Part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    Plain(String),
    Code(String),
    /// Link to the schema of this name.
    Link(String),
}

/// Describes the type of a schema in a few words.
pub(crate) fn kind(schema: &Value) -> Text {
    if let Some(name) = referred(schema) {
        return vec![Piece::Link(name.to_owned())];
    }
    if let Some(values) = schema["enum"].as_array() {
        return joined(values.iter().map(|value| vec![Piece::Code(value.to_string())]), " or ");
    }
    for (keyword, between) in [("allOf", " and "), ("oneOf", " or "), ("anyOf", " or ")] {
        if let Some(parts) = schema[keyword].as_array() {
            let mut kinds: Vec<Text> = parts.iter().map(kind).collect();
            kinds.dedup();
            return joined(kinds.into_iter(), between);
        }
    }
    match &schema["type"] {
        Value::Array(types) => {
            let kinds = types.iter().map(|name| {
                let mut alternative = schema.clone();
                alternative["type"] = name.clone();
                kind(&alternative)
            });
            joined(kinds, " or ")
        }
        Value::String(name) if name == "array" => {
            let mut text = plain("array of ");
            text.extend(kind(&schema["items"]));
            text
        }
        Value::String(name) if name == "object" && schema["additionalProperties"].is_object() => {
            let mut text = plain("object with values of type ");
            text.extend(kind(&schema["additionalProperties"]));
            text
        }
        Value::String(name) => match schema["format"].as_str() {
            Some(format) if name != "null" => plain(&format!("{name} ({format})")),
            _ => plain(name),
        },
        _ => plain("any value"),
    }
}

/// Describes the bounds of a schema.
pub(crate) fn limits(schema: &Value) -> Vec<Piece> {
    let ranges = [
        ("minLength", "maxLength", "characters"),
        ("minItems", "maxItems", "entries"),
        ("minProperties", "maxProperties", "entries"),
        ("minimum", "maximum", ""),
    ];
    let mut limits: Vec<String> = Vec::new();
    for (least, most, unit) in ranges {
        let bounds = (bound(&schema[least]), bound(&schema[most]));
        let range = match bounds {
            (Some(least), Some(most)) if least == most => format!("exactly {least}"),
            (Some(least), Some(most)) => format!("{least} to {most}"),
            (Some(least), None) => format!("at least {least}"),
            (None, Some(most)) => format!("at most {most}"),
            (None, None) => continue,
        };
        limits.push(format!("{range} {unit}").trim_end().to_owned());
    }
    let mut text = plain(&limits.join(", "));
    if let Some(pattern) = schema["pattern"].as_str() {
        text.extend(plain(if limits.is_empty() { "pattern " } else { ", pattern " }));
        text.push(Piece::Code(pattern.to_owned()));
    }
    text
}

/// Returns a bound as text; a number without bounds has those of its type.
fn bound(number: &Value) -> Option<String> {
    let is_extreme = matches!(number.as_i64(), Some(i64::MIN | i64::MAX));
    (number.is_number() && !is_extreme).then(|| number.to_string())
}

/// Returns the name of the component that `value` refers to.
pub(crate) fn referred(value: &Value) -> Option<&str> {
    value["$ref"].as_str()?.rsplit('/').next()
}

fn joined(texts: impl Iterator<Item = Text>, between: &str) -> Text {
    let mut all = Vec::new();
    for text in texts.filter(|text| !text.is_empty()) {
        if !all.is_empty() {
            all.extend(plain(between));
        }
        all.extend(text);
    }
    all
}

fn plain(text: &str) -> Text {
    if text.is_empty() { Vec::new() } else { vec![Piece::Plain(text.to_owned())] }
}

/// Reads Markdown as far as the document uses it: paragraphs and code.
pub(crate) fn paragraphs(value: &Value) -> Vec<Text> {
    let text = value.as_str().unwrap_or_default();
    text.split("\n\n").filter(|paragraph| !paragraph.is_empty()).map(pieces).collect()
}

/// Reads one paragraph.
pub(crate) fn text(value: &Value) -> Text {
    pieces(value.as_str().unwrap_or_default())
}

fn pieces(text: &str) -> Text {
    let pieces = text.split('`').enumerate().filter(|(_, piece)| !piece.is_empty());
    let piece = |(place, piece): (usize, &str)| match place % 2 {
        0 => Piece::Plain(piece.to_owned()),
        _ => Piece::Code(piece.to_owned()),
    };
    pieces.map(piece).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(text: &[Piece]) -> String {
        let shown = |piece: &Piece| match piece {
            Piece::Plain(text) => text.clone(),
            Piece::Code(text) => format!("`{text}`"),
            Piece::Link(name) => format!("[{name}]"),
        };
        text.iter().map(shown).collect()
    }

    #[test]
    fn types_are_described() {
        for (schema, expected) in [
            (json!({ "type": "string", "format": "uuid" }), "string (uuid)"),
            (json!({ "type": ["string", "null"] }), "string or null"),
            (json!({ "type": "array", "items": { "$ref": "#/components/schemas/Tag" } }), "array of [Tag]"),
            (json!({ "oneOf": [{ "type": "null" }, { "$ref": "#/components/schemas/Tag" }] }), "null or [Tag]"),
            (json!({ "type": "string", "enum": ["open", "all"] }), "`\"open\"` or `\"all\"`"),
            (json!({ "oneOf": [{ "type": "object" }, { "type": "object" }] }), "object"),
            (json!({}), "any value"),
        ] {
            assert_eq!(shown(&kind(&schema)), expected, "{schema}");
        }
    }

    #[test]
    fn bounds_are_described() {
        for (schema, expected) in [
            (json!({ "minLength": 8, "maxLength": 128 }), "8 to 128 characters"),
            (json!({ "minLength": 43, "maxLength": 43, "pattern": "^A$" }), "exactly 43 characters, pattern `^A$`"),
            (json!({ "maxItems": 100 }), "at most 100 entries"),
            (json!({ "minimum": -1, "maximum": 5 }), "-1 to 5"),
            (json!({ "minimum": i64::MIN, "maximum": i64::MAX }), ""),
            (json!({ "pattern": "^A$" }), "pattern `^A$`"),
            (json!({}), ""),
        ] {
            assert_eq!(shown(&limits(&schema)), expected, "{schema}");
        }
    }
}
