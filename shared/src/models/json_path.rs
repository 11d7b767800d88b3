//! Paths of fields in a JSON value, such as `data.tags[2]`.

/// Returns the path of `child` below `parent`. Either may be empty.
pub(crate) fn join(parent: &str, child: &str) -> String {
    let separator = if child.is_empty() || child.starts_with('[') { "" } else { "." };
    format!("{parent}{separator}{child}")
}
