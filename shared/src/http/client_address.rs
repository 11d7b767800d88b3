use http::request::Parts;

/// Address of the client: the peer of the socket, or API Gateway's `sourceIp`. Never a header that a client can write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientAddress(pub String);

impl ClientAddress {
    /// Address of the client that sent the request; `unknown` if nothing recorded it.
    pub(super) fn of(parts: &Parts) -> Self {
        parts.extensions.get().cloned().unwrap_or_else(|| Self("unknown".to_owned()))
    }
}
