use axum::Json;
use axum::extract::{RawQuery, State};
use serde::Serialize;
use shared::http::{ApiError, AuthErrors, Caller, CommonErrors, ConflictLimit, Query};
use shared::models::{ConflictRecord, FieldError, Timestamp, limits};
use shared::storage::ConflictFilter;
use utoipa::ToSchema;

use crate::Conflicts;

/// One page of conflicts.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConflictList {
    /// The conflicts, newest first.
    conflicts: Vec<ConflictRecord>,
    /// How many there are in all.
    count: i64,
    /// What to pass as `cursor` for the next page, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_cursor: Option<String>,
}

/// Shows conflicts.
#[utoipa::path(
    get,
    path = "/api/sync/conflicts",
    operation_id = "list_conflicts",
    tag = "conflicts",
    security(("bearer" = [])),
    params(
        ("status" = inline(Option<ConflictFilter>), Query, description = "`open` (default), `resolved` or `all`"),
        ("limit" = Option<u32>, Query, description = "Most conflicts of the page", minimum = 1, maximum = 100),
        (
            "cursor" = Option<String>,
            Query,
            description = "The `next_cursor` of the page before",
            pattern = "^-?[0-9]{1,18}$"
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
                    description = "Settles the first conflict."
                )),
                ("next_page" = (
                    operation_id = "list_conflicts",
                    parameters(("cursor" = "$response.body#/next_cursor")),
                    description = "The next page."
                ))
            )
        ),
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
    let page = conflicts.book.list(caller.user, filter, before, limit).await?;
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
