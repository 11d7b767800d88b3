use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder};

/// What the OpenAPI document says besides its routes.
fn description() -> OpenApi {
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some("The `token` that sign-up, login and refresh hand out."))
        .build();
    let info = InfoBuilder::new()
        .title("SQL Studio Sync")
        .version(env!("CARGO_PKG_VERSION"))
        .license(Some(LicenseBuilder::new().name("MIT").identifier(Some("MIT")).build()))
        .description(Some(
            "Keeps connections, saved queries and query history the same on all devices of a user.\n\n\
             All bodies are JSON, all times RFC 3339 in UTC. Every answer carries an `X-Request-Id`; every answer to a \
             limited route `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset` (seconds).\n\n\
             Behind API Gateway the applications of users also send their key as `X-Api-Key`; without a good one the \
             answer is 403 `FORBIDDEN`.",
        ))
        .build();
    let components = ComponentsBuilder::new().security_scheme("bearer", SecurityScheme::Http(bearer)).build();
    OpenApiBuilder::new().info(info).components(Some(components)).build()
}

/// The OpenAPI document, as it is kept in `functions/health/openapi.json`.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn document() -> serde_json::Result<String> {
    let mut document = description();
    let functions = [auth::document, upload::document, download::document, conflicts::document, health::document];
    for function in functions {
        document.merge(function());
    }
    document.to_pretty_json().map(|json| json + "\n")
}
