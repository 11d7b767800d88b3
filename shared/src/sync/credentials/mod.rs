//! placeholder
/// x
pub struct Finding {
    /// p
    pub path: String,
    /// k
    pub kind: Kind,
}
/// k
pub enum Kind {
    /// n
    None,
}
impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("")
    }
}
/// f
pub fn find(_: &serde_json::Value) -> Option<Finding> {
    None
}
