//! Requests to a libSQL server and its responses: the part of Hrana 3 that the transport uses.
//!
//! Requests borrow the statements, and responses are deserialized directly into rows. The types of the `libsql-hrana` crate would
//! hold two more copies of a large upload, in either direction.

use axum::body::Bytes;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};

use super::{BatchError, Statement, StatementResult, Value};

#[derive(Serialize)]
struct Pipeline<'a> {
    requests: Vec<StreamRequest<'a>>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum StreamRequest<'a> {
    Execute { stmt: Stmt<'a> },
    Batch { batch: Batch<'a> },
    Sequence { sql: &'a str },
    Close,
}

#[derive(Serialize)]
struct Stmt<'a> {
    sql: &'a str,
    args: Vec<Argument<'a>>,
    want_rows: bool,
}

#[derive(Serialize)]
struct Batch<'a> {
    steps: Vec<Step<'a>>,
}

#[derive(Serialize)]
struct Step<'a> {
    stmt: Stmt<'a>,
    condition: Option<Condition>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Condition {
    Ok { step: usize },
    Not { cond: Box<Condition> },
}

/// Serializes a value of a request. Integers are strings: JSON numbers may lose their last digits.
struct Argument<'a>(&'a Value);

impl Serialize for Argument<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut value = serializer.serialize_struct("Value", 2)?;
        match self.0 {
            Value::Null => value.serialize_field("type", "null")?,
            Value::Integer(number) => {
                value.serialize_field("type", "integer")?;
                value.serialize_field("value", &number.to_string())?;
            }
            Value::Text(text) => {
                value.serialize_field("type", "text")?;
                value.serialize_field("value", text)?;
            }
        }
        value.end()
    }
}

/// Returns the request body for statements that write nothing.
///
/// Each statement is a request of the stream by itself, because the server limits the size of each response
/// (`--max-response-size`, 10 MB). A transaction around them gives them a consistent snapshot, and ends with the stream.
pub(super) fn read_body(statements: &[Statement]) -> Result<Bytes, BatchError> {
    let all = std::iter::once(command("BEGIN DEFERRED")).chain(statements.iter().map(stmt));
    write(all.map(|stmt| StreamRequest::Execute { stmt }), text_bytes(statements))
}

/// Returns the request body for statements that write. Each runs only if the one before it succeeded. The transaction is
/// committed if all succeeded, else rolled back.
pub(super) fn write_body(statements: &[Statement]) -> Result<Bytes, BatchError> {
    let mut steps = vec![Step { stmt: command("BEGIN IMMEDIATE"), condition: None }];
    for stmt in statements.iter().map(stmt).chain([command("COMMIT")]) {
        let condition = Some(Condition::Ok { step: steps.len() - 1 });
        steps.push(Step { stmt, condition });
    }
    let committed = Box::new(Condition::Ok { step: steps.len() - 1 });
    steps.push(Step { stmt: command("ROLLBACK"), condition: Some(Condition::Not { cond: committed }) });
    write([StreamRequest::Batch { batch: Batch { steps } }], text_bytes(statements))
}

/// Returns the request body for a script in a transaction of its own. It stops at its first error. Closing the stream rolls back
/// a transaction that is still open.
pub(super) fn script_body(script: &str) -> Result<Bytes, BatchError> {
    let sql = format!("BEGIN IMMEDIATE;\n{script}\n;COMMIT");
    write([StreamRequest::Sequence { sql: &sql }], sql.len())
}

fn command(sql: &'static str) -> Stmt<'static> {
    Stmt { sql, args: Vec::new(), want_rows: false }
}

fn stmt(statement: &Statement) -> Stmt<'_> {
    Stmt { sql: statement.sql, args: statement.parameters.iter().map(Argument).collect(), want_rows: true }
}

fn text_bytes(statements: &[Statement]) -> usize {
    let bytes = |statement: &Statement| {
        statement.sql.len() + statement.parameters.iter().map(|value| value.bytes() + 32).sum::<usize>()
    };
    statements.iter().map(bytes).sum()
}

/// Serializes `requests`. The capacity allows for `text_bytes` of text and its escapes, so that a large body is not copied when
/// it grows.
fn write<'a>(requests: impl IntoIterator<Item = StreamRequest<'a>>, text_bytes: usize) -> Result<Bytes, BatchError> {
    let pipeline = Pipeline { requests: requests.into_iter().chain([StreamRequest::Close]).collect() };
    let mut body = Vec::with_capacity(text_bytes + text_bytes / 4 + 1_024);
    serde_json::to_writer(&mut body, &pipeline).map_err(|error| BatchError::Refused(error.to_string()))?;
    Ok(Bytes::from(body))
}

#[derive(Deserialize)]
struct Body {
    results: Vec<StreamResult>,
}

/// Result of one request of the stream. Exactly one field is present.
#[derive(Deserialize)]
struct StreamResult {
    response: Option<StreamResponse>,
    error: Option<StreamError>,
}

#[derive(Deserialize)]
struct StreamResponse {
    result: Option<StatementOutcome>,
}

/// Result of a statement (rows) or of a batch (steps).
#[derive(Deserialize)]
struct StatementOutcome {
    #[serde(default)]
    rows: Vec<Vec<Cell>>,
    #[serde(default)]
    affected_row_count: u64,
    #[serde(default)]
    step_results: Vec<Option<StatementOutcome>>,
    #[serde(default)]
    step_errors: Vec<Option<StreamError>>,
}

#[derive(Deserialize)]
struct StreamError {
    message: String,
    #[serde(default)]
    code: String,
}

#[derive(Deserialize)]
struct Cell {
    #[serde(rename = "type")]
    kind: Kind,
    value: Option<serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Integer,
    Text,
    #[serde(other)]
    Other,
}

impl From<Cell> for Value {
    fn from(received: Cell) -> Self {
        match (received.kind, received.value) {
            (Kind::Text, Some(serde_json::Value::String(text))) => Self::Text(text),
            (Kind::Integer, Some(serde_json::Value::String(digits))) => {
                digits.parse().map_or(Self::Null, Self::Integer)
            }
            // The tables are STRICT and contain nothing else. As NULL it makes a row corrupt.
            _ => Self::Null,
        }
    }
}

impl From<StatementOutcome> for StatementResult {
    fn from(outcome: StatementOutcome) -> Self {
        let rows = outcome.rows.into_iter().map(|row| row.into_iter().map(Value::from).collect());
        Self { rows: rows.collect(), written: outcome.affected_row_count }
    }
}

/// Response of a server: one entry for each request of the stream.
pub(super) struct PipelineResponse(Vec<StreamResponse>);

/// Deserializes the body of a response.
///
/// # Errors
/// When the body is invalid, or a request of the stream or a step of a batch failed.
pub(super) fn read(body: &[u8]) -> Result<PipelineResponse, BatchError> {
    let body: Body = serde_json::from_slice(body)
        // The body may contain a user's data, so the message contains only the category of the error.
        .map_err(|error| BatchError::Unavailable(format!("invalid response: {:?}", error.classify())))?;
    let mut responses = Vec::with_capacity(body.results.len());
    for (index, result) in body.results.into_iter().enumerate() {
        if let Some(error) = result.error {
            // Only the body of a read has several requests, and `BEGIN` is the first of them.
            return Err(batch_error(&error, index.saturating_sub(1)));
        }
        let response = result.response.ok_or_else(protocol_error)?;
        if let Some(error) = response.result.as_ref().and_then(first_error) {
            return Err(error);
        }
        responses.push(response);
    }
    Ok(PipelineResponse(responses))
}

impl PipelineResponse {
    /// Returns the results of `count` statements sent by [`read_body`].
    pub(super) fn into_read_results(self, count: usize) -> Result<Vec<StatementResult>, BatchError> {
        // The first result is that of `BEGIN`. `Close` has no result.
        let results = self.0.into_iter().filter_map(|response| response.result).skip(1);
        expect_count(count, results.map(StatementResult::from).collect())
    }

    /// Returns the results of `count` statements sent by [`write_body`].
    pub(super) fn into_write_results(self, count: usize) -> Result<Vec<StatementResult>, BatchError> {
        let batch = self.0.into_iter().find_map(|response| response.result).ok_or_else(protocol_error)?;
        let steps = batch.step_results.into_iter().skip(1).take(count);
        expect_count(count, steps.flatten().map(StatementResult::from).collect())
    }

    /// Checks the response to [`script_body`]: one entry for the script and one for `Close`.
    pub(super) fn into_script_result(self) -> Result<(), BatchError> {
        if self.0.len() == 2 { Ok(()) } else { Err(protocol_error()) }
    }
}

fn expect_count(count: usize, results: Vec<StatementResult>) -> Result<Vec<StatementResult>, BatchError> {
    if results.len() == count { Ok(results) } else { Err(protocol_error()) }
}

fn protocol_error() -> BatchError {
    BatchError::Unavailable("the response does not match the request".to_owned())
}

/// Returns the error of the first failed step of a batch, if one failed.
fn first_error(batch: &StatementOutcome) -> Option<BatchError> {
    let (index, error) =
        batch.step_errors.iter().enumerate().find_map(|(index, error)| Some((index, error.as_ref()?)))?;
    // `BEGIN` is the first step.
    Some(batch_error(error, index.saturating_sub(1)))
}

/// Classifies an error of the server by its code.
fn batch_error(error: &StreamError, statement: usize) -> BatchError {
    let reason = format!("{}: {}", error.code, error.message);
    let code = error.code.as_str();
    // Busy, locked, or a stream or transaction that took too long. None of these is caused by the statement.
    const TEMPORARY: [&str; 6] = ["BUSY", "LOCKED", "TIMEOUT", "EXPIRED", "SQLITE_FULL", "SQLITE_IOERR"];
    if code.starts_with("SQLITE_CONSTRAINT") {
        BatchError::Constraint { statement, reason }
    } else if code == "RESPONSE_TOO_LARGE" {
        BatchError::TooLarge
    } else if TEMPORARY.iter().any(|temporary| code.contains(temporary)) {
        BatchError::Unavailable(reason)
    } else {
        BatchError::Refused(reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_requires_the_success_of_the_one_before_it() {
        let text = Value::from("\"é\"");
        let body =
            write_body(&[Statement::new("ONE", []), Statement::new("TWO", [Value::from(i64::MAX), text])]).unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let steps = body["requests"][0]["batch"]["steps"].as_array().unwrap();
        let sql: Vec<_> = steps.iter().map(|step| step["stmt"]["sql"].as_str().unwrap()).collect();
        assert_eq!(sql, ["BEGIN IMMEDIATE", "ONE", "TWO", "COMMIT", "ROLLBACK"]);
        for (before, step) in steps[1..=3].iter().enumerate() {
            assert_eq!(step["condition"], serde_json::json!({ "type": "ok", "step": before }));
        }
        assert_eq!(steps[4]["condition"], serde_json::json!({ "type": "not", "cond": { "type": "ok", "step": 3 } }));
        assert_eq!(body["requests"][1]["type"], "close");
        let [number, text] = [0, 1].map(|place| &steps[2]["stmt"]["args"][place]);
        assert_eq!(*number, serde_json::json!({ "type": "integer", "value": "9223372036854775807" }));
        assert_eq!(*text, serde_json::json!({ "type": "text", "value": "\"é\"" }));
    }

    #[test]
    fn an_error_is_classified_by_its_code_and_names_its_statement() {
        let body = |code: &str| {
            format!(
                r#"{{"baton":null,"base_url":null,"results":[{{"type":"ok","response":{{"type":"batch","result":
                {{"step_results":[null,null,null],"step_errors":[null,null,{{"message":"m","code":"{code}"}}],
                "replication_index":null}}}}}}]}}"#
            )
        };
        let error = |code: &str| read(body(code).as_bytes()).err().unwrap();
        assert!(matches!(error("SQLITE_CONSTRAINT_NOTNULL"), BatchError::Constraint { statement: 1, .. }));
        assert!(matches!(error("SQLITE_BUSY"), BatchError::Unavailable(_)));
        assert!(matches!(error("STREAM_EXPIRED"), BatchError::Unavailable(_)));
        assert!(matches!(error("SQL_INPUT_ERROR"), BatchError::Refused(_)));
    }

    #[test]
    fn an_incomplete_response_is_an_error() {
        for body in ["", "{", r#"{"results":"#, r#"{"baton":null,"base_url":null,"results":[]}"#] {
            let read = read(body.as_bytes()).and_then(|response| response.into_write_results(1));
            assert!(matches!(read, Err(BatchError::Unavailable(_))), "{body}");
        }
    }
}
