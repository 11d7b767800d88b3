//! What goes to a libSQL server in one request, and what comes back.

use libsql_hrana::proto::{
    Batch, BatchCond, BatchResult, BatchStep, BatchStreamReq, CloseStreamReq, Error, ExecuteStreamReq, PipelineReqBody,
    PipelineRespBody, SequenceStreamReq, Stmt, StmtResult, StreamRequest, StreamResponse, StreamResult, Value as Sent,
};

use super::{BatchError, Done, Row, Statement, Value};

/// Statements that write nothing. Each is a request of the stream by itself, for the server limits the answer to each
/// (`--max-response-size`, 10 MB); the transaction around them makes them see one moment, and ends with the stream.
pub(super) fn reading(statements: Vec<Statement>) -> PipelineReqBody {
    let begin = Stmt::new("BEGIN DEFERRED", false);
    let all = std::iter::once(begin).chain(statements.into_iter().map(to_stmt));
    stream(all.map(|stmt| StreamRequest::Execute(ExecuteStreamReq { stmt })))
}

/// Statements that write: each on condition that the one before succeeded, and committed if all did.
pub(super) fn writing(statements: Vec<Statement>) -> PipelineReqBody {
    let mut batch = Batch { steps: Vec::with_capacity(statements.len() + 3), replication_index: None };
    batch.steps.push(BatchStep { condition: None, stmt: Stmt::new("BEGIN IMMEDIATE", false) });
    for stmt in statements.into_iter().map(to_stmt).chain([Stmt::new("COMMIT", false)]) {
        batch.steps.push(BatchStep { condition: Some(after(&batch)), stmt });
    }
    let failed = BatchCond::Not { cond: Box::new(after(&batch)) };
    batch.steps.push(BatchStep { condition: Some(failed), stmt: Stmt::new("ROLLBACK", false) });
    stream([StreamRequest::Batch(BatchStreamReq { batch })])
}

/// A script in a transaction of its own. It stops at its first error, and what was not committed is undone when the
/// stream is closed.
pub(super) fn script(script: &str) -> PipelineReqBody {
    let sql = Some(format!("BEGIN IMMEDIATE;\n{script}\n;COMMIT"));
    stream([StreamRequest::Sequence(SequenceStreamReq { sql, sql_id: None, replication_index: None })])
}

fn stream(requests: impl IntoIterator<Item = StreamRequest>) -> PipelineReqBody {
    let close = StreamRequest::Close(CloseStreamReq {});
    PipelineReqBody { baton: None, requests: requests.into_iter().chain([close]).collect() }
}

/// The condition that the last step of `batch` succeeded.
fn after(batch: &Batch) -> BatchCond {
    BatchCond::Ok { step: batch.steps.len() as u32 - 1 }
}

fn to_stmt(statement: Statement) -> Stmt {
    let mut stmt = Stmt::new(statement.sql, true);
    stmt.args = statement.parameters.into_iter().map(to_sent).collect();
    stmt
}

fn to_sent(value: Value) -> Sent {
    match value {
        Value::Null => Sent::Null,
        Value::Integer(value) => Sent::Integer { value },
        Value::Text(text) => Sent::Text { value: text.into() },
    }
}

fn from_sent(value: Sent) -> Value {
    match value {
        Sent::Integer { value } => Value::Integer(value),
        Sent::Text { value } => Value::Text(value.as_ref().to_owned()),
        // The tables are STRICT and hold none of these, so whoever reads one finds a bad row.
        Sent::None | Sent::Null | Sent::Float { .. } | Sent::Blob { .. } => Value::Null,
    }
}

/// What a server answered, one entry for each request of the stream.
pub(super) struct Answer(Vec<StreamResponse>);

/// Reads the body of an answer.
///
/// # Errors
/// When it is none, or when a request of the stream failed.
pub(super) fn read(body: &[u8]) -> Result<Answer, BatchError> {
    let body: PipelineRespBody = serde_json::from_slice(body)
        // The body may hold a user's data: only where it went wrong is told.
        .map_err(|error| BatchError::Unavailable(format!("the answer makes no sense: {:?}", error.classify())))?;
    let mut responses = Vec::with_capacity(body.results.len());
    for (place, result) in body.results.into_iter().enumerate() {
        match result {
            StreamResult::Ok { response } => responses.push(response),
            // Reading: `BEGIN` is the first.
            StreamResult::Error { error } => return Err(fault(error, place.saturating_sub(1))),
            StreamResult::None => return Err(nonsense()),
        }
    }
    let batch = responses.iter().find_map(|response| match response {
        StreamResponse::Batch(batch) => Some(&batch.result),
        _ => None,
    });
    match batch.and_then(first_error) {
        Some(error) => Err(error),
        None => Ok(Answer(responses)),
    }
}

impl Answer {
    /// The results of `count` statements that were sent for reading.
    pub(super) fn of_reading(self, count: usize) -> Result<Vec<Done>, BatchError> {
        let results = self.0.into_iter().filter_map(|response| match response {
            StreamResponse::Execute(executed) => Some(to_done(executed.result)),
            _ => None,
        });
        exactly(count, results.skip(1).collect())
    }

    /// The results of `count` statements that were sent for writing.
    pub(super) fn of_writing(self, count: usize) -> Result<Vec<Done>, BatchError> {
        let batch = self.0.into_iter().find_map(|response| match response {
            StreamResponse::Batch(batch) => Some(batch.result),
            _ => None,
        });
        let steps = batch.ok_or_else(nonsense)?.step_results.into_iter().skip(1).take(count);
        exactly(count, steps.flatten().map(to_done).collect())
    }

    /// Whether a script was run.
    pub(super) fn of_script(self) -> Result<(), BatchError> {
        let is_done = |response: &StreamResponse| matches!(response, StreamResponse::Sequence(_));
        if self.0.iter().any(is_done) { Ok(()) } else { Err(nonsense()) }
    }
}

fn exactly(count: usize, done: Vec<Done>) -> Result<Vec<Done>, BatchError> {
    if done.len() == count { Ok(done) } else { Err(nonsense()) }
}

fn nonsense() -> BatchError {
    BatchError::Unavailable("the answer does not fit what was asked".to_owned())
}

/// Why the transaction of a batch was not committed, if it was not.
fn first_error(batch: &BatchResult) -> Option<BatchError> {
    let place = batch.step_errors.iter().position(Option::is_some)?;
    let error = batch.step_errors.get(place)?.clone()?;
    // `BEGIN` is the first step.
    Some(fault(error, place.saturating_sub(1)))
}

fn to_done(result: StmtResult) -> Done {
    let rows = result.rows.into_iter().map(|row| row.values.into_iter().map(from_sent).collect::<Row>());
    Done { rows: rows.collect(), written: result.affected_row_count }
}

/// What the server's error codes mean.
fn fault(error: Error, statement: usize) -> BatchError {
    let reason = format!("{}: {}", error.code, error.message);
    let code = error.code.as_str();
    // Busy, locked, or a stream or transaction that took too long: none of these says anything about the statement.
    const PASSING: [&str; 6] = ["BUSY", "LOCKED", "TIMEOUT", "EXPIRED", "SQLITE_FULL", "SQLITE_IOERR"];
    if code.starts_with("SQLITE_CONSTRAINT") {
        BatchError::Constraint { statement, reason }
    } else if code == "RESPONSE_TOO_LARGE" {
        BatchError::TooLarge
    } else if PASSING.iter().any(|passing| code.contains(passing)) {
        BatchError::Unavailable(reason)
    } else {
        BatchError::Refused(reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_written_unless_all_before_it_succeeded() {
        let body = writing(vec![Statement::new("ONE", []), Statement::new("TWO", [Value::from(2)])]);
        let body = serde_json::to_value(&body).unwrap();
        let steps = body["requests"][0]["batch"]["steps"].as_array().unwrap();
        let sql: Vec<_> = steps.iter().map(|step| step["stmt"]["sql"].as_str().unwrap()).collect();
        assert_eq!(sql, ["BEGIN IMMEDIATE", "ONE", "TWO", "COMMIT", "ROLLBACK"]);
        for (before, step) in steps[1..=3].iter().enumerate() {
            assert_eq!(step["condition"], serde_json::json!({ "type": "ok", "step": before }));
        }
        assert_eq!(steps[4]["condition"], serde_json::json!({ "type": "not", "cond": { "type": "ok", "step": 3 } }));
        assert_eq!(body["requests"][1]["type"], "close");
    }

    #[test]
    fn an_error_is_told_by_its_code_and_place() {
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
    fn half_an_answer_is_no_answer() {
        for body in ["", "{", r#"{"results":"#, r#"{"baton":null,"base_url":null,"results":[]}"#] {
            let read = read(body.as_bytes()).and_then(|answer| answer.of_writing(1));
            assert!(matches!(read, Err(BatchError::Unavailable(_))), "{body}");
        }
    }
}
