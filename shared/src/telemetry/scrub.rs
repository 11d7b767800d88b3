use std::error::Error;

/// What an error says, and what its causes say.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

/// `text`, which somebody else wrote, without what looks like an address of mail or of a server: words with `@` or `://`.
pub fn scrubbed(text: &str) -> String {
    let is_address = |word: &str| word.contains('@') || word.contains("://");
    let words = text.split(' ').map(|word| if is_address(word) { "[removed]" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_removed() {
        let text = "no route to postgres://studio:sesame@db.internal/studio for ada@example.com, user 7";
        assert_eq!(scrubbed(text), "no route to [removed] for [removed] user 7");
        assert_eq!(scrubbed("no answer in time"), "no answer in time");
    }

    #[test]
    fn an_error_is_told_with_its_causes() {
        let cause = std::io::Error::other("the disk is full");
        let error = std::io::Error::other(StoreFailed(cause));
        assert_eq!(chain(&error), "nothing was stored: the disk is full");
    }

    #[derive(Debug, thiserror::Error)]
    #[error("nothing was stored")]
    struct StoreFailed(#[source] std::io::Error);
}
