//! Where in a JSON value something stands, as `data.tags[2]`.

/// The path of `child` below `parent`, either of which may be nothing.
pub(super) fn join(parent: &str, child: &str) -> String {
    let separator = if child.is_empty() || child.starts_with('[') { "" } else { "." };
    format!("{parent}{separator}{child}")
}
