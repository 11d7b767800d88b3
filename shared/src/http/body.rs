//! Request bodies: content type, size limit, compression, JSON.

use std::io;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::{ApiError, Code, gzip, zstd};
use crate::models::{FieldError, limits};

/// Deadline of a whole body, however regularly its bytes arrive. It is well below the deadline of requests, so that a client that
/// sends too slowly gets an error of its own, and is not counted as an outage.
const BODY_DEADLINE: Duration = Duration::from_secs(20);

/// Maximum number of blocks in a compressed body. A decoder builds tables for each block, however little it contains; those of
/// compressors contain some kilobytes.
pub(super) const MAX_BLOCKS: usize = 10_000;

/// Extractor: a JSON body of at most `MAX_BYTES`.
#[derive(Debug)]
pub struct JsonBody<T, const MAX_BYTES: usize = { limits::BODY_BYTES }>(pub T);

/// Extractor: a JSON body that contains no item.
pub type SmallBody<T> = JsonBody<T, { limits::SMALL_BODY_BYTES }>;

impl<S: Send + Sync, T: DeserializeOwned, const MAX_BYTES: usize> FromRequest<S> for JsonBody<T, MAX_BYTES> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let bytes = read(request, MAX_BYTES).await?;
        from_json(&bytes).map(Self)
    }
}

/// Extractor: the decompressed bytes of an upload, at most [`limits::UPLOAD_BYTES`].
#[derive(Debug)]
pub struct RawBody(pub Vec<u8>);

impl<S: Send + Sync> FromRequest<S> for RawBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        read(request, limits::UPLOAD_BYTES).await.map(Self)
    }
}

/// Parses a JSON object.
///
/// # Errors
/// 400 with the path of the first invalid field, or with the syntax error.
pub fn from_json<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, ApiError> {
    let malformed = |message: String| ApiError::new(Code::InvalidRequest, message);
    match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{') => {}
        Some(_) => return Err(malformed("the body must be a JSON object".to_owned())),
        None => return Err(malformed("the body is empty; it must be a JSON object".to_owned())),
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let inner = error.inner();
        if !inner.is_data() {
            return malformed(format!("the body is not JSON: {inner}"));
        }
        ApiError::invalid(vec![FieldError::from_json_error(&error.path().to_string(), inner)])
    })?;
    json.end().map_err(|error| malformed(format!("the body is not JSON: {error}")))?;
    Ok(value)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Identity,
    Gzip,
    Zstd,
}

async fn read(request: Request, limit: usize) -> Result<Vec<u8>, ApiError> {
    if !request.headers().contains_key(CONTENT_TYPE) {
        return Err(in_time(without_a_type(request.into_body())).await.unwrap_or_else(|late| late));
    }
    let encoding = encoding(request.headers())?;
    let bytes = in_time(collect(request.into_body(), limit)).await??;
    if encoding == Encoding::Identity {
        return Ok(bytes);
    }
    let inflated = tokio::task::spawn_blocking(move || inflate(encoding, &bytes, limit)).await;
    inflated.map_err(|_| ApiError::panicked())?
}

/// Reads a body until its deadline.
async fn in_time<T>(reading: impl Future<Output = T>) -> Result<T, ApiError> {
    let late = |_| {
        let seconds = BODY_DEADLINE.as_secs();
        ApiError::new(
            Code::RequestTimeout,
            format!("the body did not arrive within {seconds} seconds; send less at once, or over a faster connection"),
        )
    };
    timeout(BODY_DEADLINE, reading).await.map_err(late)
}

/// Returns the error of a request without `Content-Type`. It has no body, or may be a cross-site request, which browsers
/// send without a preflight.
async fn without_a_type(body: Body) -> ApiError {
    let is_empty = Limited::new(body, 1).collect().await.is_ok_and(|body| body.to_bytes().is_empty());
    if is_empty {
        return ApiError::new(Code::InvalidRequest, "the body is missing; it must be a JSON object");
    }
    ApiError::new(Code::UnsupportedMediaType, "Content-Type is missing; it must be application/json")
}

/// Returns the compression of the body. It may also be the media type: API Gateway decompresses a `Content-Encoding` and then
/// passes on at most 6 MB, but leaves other media types alone.
fn encoding(headers: &HeaderMap) -> Result<Encoding, ApiError> {
    let unsupported = |message: &'static str| Err(ApiError::new(Code::UnsupportedMediaType, message));
    let value =
        |name| headers.get(name).map(|value| value.to_str().unwrap_or("unreadable").trim().to_ascii_lowercase());
    let kind = value(CONTENT_TYPE).unwrap_or_default();
    let by_type = match kind.split(';').next().unwrap_or_default().trim() {
        "application/json" => Encoding::Identity,
        "application/gzip" => Encoding::Gzip,
        "application/zstd" => Encoding::Zstd,
        _ => return unsupported("Content-Type must be application/json, application/gzip or application/zstd"),
    };
    let by_encoding = match value(CONTENT_ENCODING).as_deref() {
        None | Some("" | "identity") => Encoding::Identity,
        Some("gzip" | "x-gzip") => Encoding::Gzip,
        Some("zstd") => Encoding::Zstd,
        Some(_) => return unsupported("Content-Encoding must be gzip, zstd or identity"),
    };
    match (by_type, by_encoding) {
        (Encoding::Identity, encoding) | (encoding, Encoding::Identity) => Ok(encoding),
        _ => unsupported("a compressed Content-Type takes no Content-Encoding besides"),
    }
}

fn too_large(limit: usize) -> ApiError {
    ApiError::new(Code::PayloadTooLarge, format!("the body must have at most {limit} bytes, decompressed"))
}

async fn collect(body: Body, limit: usize) -> Result<Vec<u8>, ApiError> {
    let collected = Limited::new(body, limit).collect().await;
    collected.map(|body| body.to_bytes().to_vec()).map_err(|error| {
        if error.is::<LengthLimitError>() {
            too_large(limit)
        } else {
            ApiError::new(Code::InvalidRequest, format!("the body broke off: {error}"))
        }
    })
}

/// Decompresses at most `limit` bytes, so that a decompression bomb is not expanded.
fn inflate(encoding: Encoding, bytes: &[u8], limit: usize) -> Result<Vec<u8>, ApiError> {
    let unread = |error: io::Error| match error.kind() {
        // The server ran out of memory; the body may be valid.
        io::ErrorKind::OutOfMemory => ApiError::unavailable(error),
        _ => ApiError::new(Code::InvalidRequest, format!("the compressed body is damaged: {error}")),
    };
    let allowed = limit + 1;
    let inflated = match encoding {
        Encoding::Identity => bytes.to_vec(),
        Encoding::Gzip => gzip::inflate(bytes, allowed).map_err(unread)?,
        Encoding::Zstd => zstd::inflate(bytes, allowed as u64).map_err(unread)?,
    };
    if inflated.len() > limit { Err(too_large(limit)) } else { Ok(inflated) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn compressed_bodies_are_decompressed() {
        let text = b"SELECT 1;".repeat(10_000);
        assert_eq!(inflate(Encoding::Gzip, &gzip(&text), 100_000).unwrap(), text);
        let zstd = ruzstd::encoding::compress_to_vec(text.as_slice(), ruzstd::encoding::CompressionLevel::Fastest);
        assert_eq!(inflate(Encoding::Zstd, &zstd, 100_000).unwrap(), text);
    }

    #[test]
    fn a_decompression_bomb_is_not_expanded() {
        let bomb = gzip(&vec![0; 50_000_000]);
        let error = inflate(Encoding::Gzip, &bomb, 1_000).unwrap_err();
        assert_eq!(error.code, Code::PayloadTooLarge);
    }

    #[test]
    fn damaged_input_is_an_error() {
        let mut damaged = gzip(b"SELECT 1;");
        damaged.truncate(damaged.len() - 6);
        assert_eq!(inflate(Encoding::Gzip, &damaged, 1_000).unwrap_err().code, Code::InvalidRequest);
        assert_eq!(inflate(Encoding::Zstd, b"no frame", 1_000).unwrap_err().code, Code::InvalidRequest);
    }

    #[test]
    fn unknown_content_types_and_encodings_are_refused() {
        let kind = |kind: &str, encoding: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, kind.parse().unwrap());
            headers.insert(CONTENT_ENCODING, encoding.parse().unwrap());
            super::encoding(&headers).ok()
        };
        assert_eq!(kind("application/json; charset=utf-8", "identity"), Some(Encoding::Identity));
        assert_eq!(kind("Application/JSON", "GZIP"), Some(Encoding::Gzip));
        assert_eq!(kind("application/zstd", "identity"), Some(Encoding::Zstd));
        assert_eq!(kind("application/gzip", "gzip"), None);
        assert_eq!(kind("text/plain", "identity"), None);
        assert_eq!(kind("application/json", "br"), None);
    }
}
