//! Texts of errors for the log.

use std::error::Error;

/// Returns the texts of `error` and its causes, joined by `: `.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

/// Returns `text`, written by a server or library, with every word that may be an email address or a URL replaced by
/// `[removed]`: words with `@` or `://`.
pub fn scrubbed(text: &str) -> String {
    let is_address = |word: &str| word.contains('@') || word.contains("://");
    let words = text.split(' ').map(|word| if is_address(word) { "[removed]" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scrubbed_removes_addresses() {
        let text = "no route to postgres://studio:sesame@db.internal/studio for ada@example.com, user 7";
        assert_eq!(scrubbed(text), "no route to [removed] for [removed] user 7");
        assert_eq!(scrubbed("no response in time"), "no response in time");
    }

    #[test]
    fn chain_includes_causes() {
        let cause = std::io::Error::other("the disk is full");
        let error = std::io::Error::other(StoreFailed(cause));
        assert_eq!(chain(&error), "nothing was stored: the disk is full");
    }

    #[derive(Debug, thiserror::Error)]
    #[error("nothing was stored")]
    struct StoreFailed(#[source] std::io::Error);
}
