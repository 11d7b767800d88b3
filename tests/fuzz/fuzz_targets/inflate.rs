//! Fuzzes compressed bodies: the output never exceeds the upload limit, errors are client errors, and valid data
//! round-trips.
#![no_main]

use std::io::Write;

use axum::body::Body;
use axum::extract::FromRequest;
use axum::http::Request;
use libfuzzer_sys::fuzz_target;
use shared::http::{ApiError, RawBody};
use shared::models::limits;
use tokio::runtime::Builder;

fn read(kind: &str, body: Vec<u8>) -> Result<Vec<u8>, ApiError> {
    let request = Request::builder().header("content-type", kind).body(Body::from(body)).expect("the request is valid");
    let runtime = Builder::new_current_thread().build().expect("the runtime builds");
    runtime.block_on(RawBody::from_request(request, &())).map(|RawBody(bytes)| bytes)
}

fuzz_target!(|data: &[u8]| {
    let Some((choice, rest)) = data.split_first() else { return };
    let kind = if choice & 1 == 0 { "application/gzip" } else { "application/zstd" };
    match read(kind, rest.to_vec()) {
        Ok(bytes) => assert!(bytes.len() <= limits::UPLOAD_BYTES),
        Err(error) => assert!([400, 413].contains(&error.code.status().as_u16()), "{error:?}"),
    }
    if choice & 2 == 0 {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(rest).expect("writing to memory succeeds");
        let gzip = gzip.finish().expect("writing to memory succeeds");
        assert_eq!(read("application/gzip", gzip).expect("the body is complete"), rest);
    }
});
