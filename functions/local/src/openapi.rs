use serde_json::json;
use shared::http::openapi::{add_components, complete_operations};
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::server::{ServerBuilder, ServerVariableBuilder};
use utoipa::openapi::tag::{Tag, TagBuilder};
use utoipa::openapi::{
    ComponentsBuilder, ContactBuilder, Info, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, Server,
};

const DESCRIPTION: &str = "Synchronises the connections, saved queries and query history of a user between devices.

Bodies are JSON in UTF-8. Times are RFC 3339. Strings hold no NUL character. Requests may have fields that the server does \
not know; it ignores them. Responses may get new fields; clients ignore those that they do not know.

Every response has `Cache-Control: no-store`, `X-Content-Type-Options: nosniff` and `X-Request-Id`, and over HTTPS \
`Strict-Transport-Security`. Every error has the same \
shape, `Error`, on unknown routes (404) and for wrong methods (405, with `Allow`) too.

Calls are limited by token buckets: per user if they carry an access or refresh token, otherwise per network (an IPv4 address \
or an IPv6 /64). Wrong passwords have limits of their own; see the login. `GET /api/sync/limits` returns the rates. Responses of \
limited operations have `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10), and for older clients \
`RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset`.

Behind API Gateway, client applications also send their API key as `X-Api-Key`; without a valid key the response is 403 \
`FORBIDDEN`. The key identifies the application, not the user. Operations without a 403 response need no key. The local \
server needs none at all.";

/// Parts of the OpenAPI document besides the operations.
fn description() -> OpenApi {
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some(
            "Access token: the `token` that sign-up, login and refresh return. It is a JWT that follows RFC8725: HS256 is the \
             only algorithm that is accepted, it expires after 24 hours, and it stops working when its session ends.",
        ))
        .build();
    let mut components = ComponentsBuilder::new().security_scheme("bearer", SecurityScheme::Http(bearer)).build();
    add_components(&mut components);
    OpenApiBuilder::new().info(info()).servers(Some(servers())).tags(Some(tags())).components(Some(components)).build()
}

fn info() -> Info {
    InfoBuilder::new()
        .title("SQL Studio Sync")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(DESCRIPTION))
        .contact(Some(ContactBuilder::new().name(Some("SQL Studio")).email(Some("support@sqlstudio.app")).build()))
        .license(Some(LicenseBuilder::new().name("MIT").identifier(Some("MIT")).build()))
        .build()
}

fn servers() -> [Server; 2] {
    let internal = |is_internal: bool| Some(ExtensionsBuilder::new().add("x-internal", json!(is_internal)).build());
    let variable = |default: &str, description: &str| {
        ServerVariableBuilder::new().default_value(default).description(Some(description))
    };
    let gateway = ServerBuilder::new()
        .url("https://{api_id}.execute-api.{region}.amazonaws.com/{stage}")
        .description(Some("Production or staging deployment behind Amazon API Gateway; needs `X-Api-Key`."))
        .parameter("api_id", variable("a1b2c3d4e5", "Id of the REST API, in the output `ApiUrl` of the deployment."))
        .parameter("region", variable("eu-central-1", "AWS region of the deployment."))
        .parameter(
            "stage",
            variable("production", "Stage of the deployment.").enum_values(Some(["dev", "staging", "production"])),
        )
        .extensions(internal(false));
    let local = ServerBuilder::new()
        .url("http://127.0.0.1:8500")
        .description(Some("Local development server, started with `cargo run`."))
        .extensions(internal(true));
    [local.build(), gateway.build()]
}

fn tags() -> Vec<Tag> {
    [
        ("auth", "Accounts and sessions."),
        ("sync", "Upload and download of items."),
        ("conflicts", "Conflicts between versions of an item."),
        ("health", "State of the service, and this reference."),
        ("pages", "HTML pages that emailed links open."),
    ]
    .map(|(name, description)| TagBuilder::new().name(name).description(Some(description)).build())
    .into()
}

/// Returns the OpenAPI document, as it is kept in `functions/health/openapi.json`.
///
/// # Errors
/// Fails if it cannot be serialised.
pub fn document() -> serde_json::Result<String> {
    let mut document = description();
    let functions = [auth::document, upload::document, download::document, conflicts::document, health::document];
    for function in functions {
        document.merge(function());
    }
    complete_operations(&mut document);
    document.to_pretty_json().map(|json| json + "\n")
}
