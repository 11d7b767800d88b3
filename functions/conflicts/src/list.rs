use axum::Json;
use axum::extract::{RawQuery, State};
use serde::Serialize;
use shared::http::{ApiError, AuthErrors, Caller, CommonErrors, ConflictLimit, Query, QueryErrors};
use shared::models::{ConflictRecord, CountSchema, FieldError, Timestamp, limits};
use shared::storage::ConflictFilter;
use utoipa::ToSchema;

use crate::Conflicts;
use crate::examples;

/// Page of conflicts.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConflictList {
    /// Conflicts, newest first.
    #[schema(max_items = 100)]
    conflicts: Vec<ConflictRecord>,
    /// Number of conflicts on all pages.
    #[schema(value_type = CountSchema)]
    count: i64,
    /// Value of `cursor` for the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 19, pattern = "^-?[0-9]{1,18}$")]
    next_cursor: Option<String>,
}

/// Lists conflicts.
///
/// Resolved conflicts are kept for 30 days.
#[utoipa::path(
    get,
    path = "/api/sync/conflicts",
    operation_id = "list_conflicts",
    tag = "conflicts",
    security(("bearer" = [])),
    params(
        (
            "status" = inline(Option<ConflictFilter>),
            Query,
            description = "State of the conflicts; `open` by default",
            example = "open"
        ),
        (
            "limit" = Option<u32>,
            Query,
            description = "Maximum number of conflicts of the page; 100 by default",
            minimum = 1,
            maximum = 100,
            example = 100
        ),
        (
            "cursor" = Option<String>,
            Query,
            description = "`next_cursor` of the previous page",
            max_length = 19,
            pattern = "^-?[0-9]{1,18}$",
            example = "1769861160000000"
        )
    ),
    responses(
        (
            status = 200,
            description = "A page of conflicts.",
            body = ConflictList,
            links(
                ("resolve" = (
                    operation_id = "resolve_conflict",
                    parameters(("id" = "$response.body#/conflicts/0/id")),
                    description = "Resolves the first conflict."
                )),
                ("next_page" = (
                    operation_id = "list_conflicts",
                    parameters(("cursor" = "$response.body#/next_cursor")),
                    description = "The next page."
                ))
            ),
            example = json!({ "conflicts": [examples::conflict()], "count": 1 })
        ),
        QueryErrors,
        AuthErrors,
        CommonErrors
    )
)]
pub(crate) async fn list(
    State(conflicts): State<Conflicts>,
    caller: Caller<ConflictLimit>,
    RawQuery(query): RawQuery,
) -> Result<Json<ConflictList>, ApiError> {
    let (filter, before, limit) = parse(&Query::parse(query.as_deref())?)?;
    let page = conflicts.book.list(caller.placed(), filter, before, limit).await?;
    Ok(Json(ConflictList {
        conflicts: page.conflicts.iter().map(ConflictRecord::from).collect(),
        count: page.count,
        next_cursor: page.next.map(|before| before.micros().to_string()),
    }))
}

fn parse(query: &Query) -> Result<(ConflictFilter, Option<Timestamp>, usize), ApiError> {
    let mut errors = Vec::new();
    let filter = match query.get("status").unwrap_or("open") {
        "open" => Some(ConflictFilter::Open),
        "resolved" => Some(ConflictFilter::Resolved),
        "all" => Some(ConflictFilter::All),
        _ => None,
    };
    if filter.is_none() {
        errors.push(FieldError::new("status", "must be open, resolved or all"));
    }
    let cursor = query.get("cursor").map(|cursor| cursor.parse().map(Timestamp::from_micros)).transpose();
    let cursor = cursor.map_err(|_| errors.push(FieldError::new("cursor", "must be the next_cursor of a page")));
    let limit = query.limit(limits::PAGE_CONFLICTS).map_err(|error| errors.push(error));
    match (filter, cursor, limit) {
        (Some(filter), Ok(cursor), Ok(limit)) => Ok((filter, cursor, limit)),
        _ => Err(ApiError::invalid(errors)),
    }
}
