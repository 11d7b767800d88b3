use axum::http::Method;
use serde::{Deserialize, Serialize};

use super::{Json, Live, Packing, Text};
use crate::Request;

/// Bounds of what the server reads: the target of a request (`http`), and its headers (`hyper`).
const MAX_TARGET_BYTES: usize = 65_534;
const MAX_HEADERS: usize = 90;
const MAX_HEADER_BYTES: usize = 400 << 10;

/// A request, written so briefly that it can be kept and printed, however large it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// Method and path of the route, such as `get /health`.
    pub route: String,
    /// Value of the `{id}` in the path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Text>,
    /// Parameters of the query: name, value and number of repetitions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub query: Vec<(String, Text, usize)>,
    /// Headers besides those of the body and `Authorization`: name, value and number of repetitions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, Text, usize)>,
    /// Body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Json>,
    /// Compression of the body.
    #[serde(default, skip_serializing_if = "Packing::is_plain")]
    pub packing: Packing,
}

/// A request that was made after a recipe.
pub struct Prepared {
    /// The request.
    pub request: Request,
    /// Size of the body before compression, in bytes.
    pub content_bytes: usize,
}

impl Recipe {
    /// Creates a request of `route` without parameters and body.
    pub fn new(route: &str) -> Self {
        Self {
            route: route.to_owned(),
            id: None,
            query: Vec::new(),
            headers: Vec::new(),
            body: None,
            packing: Packing::default(),
        }
    }

    /// Makes the request; `None` if no server would read its target or headers, or if a header is malformed.
    ///
    /// # Panics
    /// If `route` is not a method and a path.
    pub fn prepare(&self, live: &Live) -> Option<Prepared> {
        let mut numbers = 0;
        let (method, path) = self.route.split_once(' ').expect("a method and a path");
        let method = Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method");
        let mut request = Request::new(method, self.target(path, live, &mut numbers)?);
        for (name, value, count) in &self.headers {
            for _ in 0..*count {
                request = request.header(name, &value.render(live, &mut numbers));
            }
        }
        let mut content_bytes = 0;
        if let Some(body) = &self.body {
            let mut content = String::new();
            body.render(live, &mut numbers, &mut content);
            content_bytes = content.len();
            request.body = self.packing.pack(content.as_bytes());
            for (name, value) in self.packing.headers() {
                if !self.headers.iter().any(|(given, ..)| given == name) {
                    request = request.header(name, value);
                }
            }
        }
        if !self.headers.iter().any(|(name, ..)| name == "authorization") {
            request = request.bearer(live.get("$token").unwrap_or_default());
        }
        has_readable_headers(&request).then_some(Prepared { request, content_bytes })
    }

    fn target(&self, path: &str, live: &Live, numbers: &mut usize) -> Option<String> {
        let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let mut target = match &self.id {
            Some(id) => path.replace("{id}", &encoded(&id.render(live, numbers)).replace('+', "%20")),
            None => path.to_owned(),
        };
        let mut separator = '?';
        for (name, value, count) in &self.query {
            for _ in 0..*count {
                target.push_str(&format!("{separator}{}={}", encoded(name), encoded(&value.render(live, numbers))));
                separator = '&';
            }
        }
        (target.len() <= MAX_TARGET_BYTES).then_some(target)
    }
}

fn has_readable_headers(request: &Request) -> bool {
    let is_readable = |text: &str| text.bytes().all(|byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f));
    let bytes: usize = request.headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
    bytes <= MAX_HEADER_BYTES
        && request.headers.len() <= MAX_HEADERS
        && request.headers.iter().all(|(_, value)| is_readable(value))
}
