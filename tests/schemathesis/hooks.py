"""Rules that the OpenAPI document cannot express: accounts, names, passwords, compressed bodies, validity of changes."""

import gzip
import json
import os
import unicodedata
import uuid
from urllib.request import Request, urlopen

import jsonschema_rs
import schemathesis
from hypothesis import strategies as st

PASSWORD = "Sesame42"
NOON = "2026-01-01T12:00:00Z"
KINDS = {"connection": "Connection", "saved_query": "SavedQuery", "query_history": "QueryHistory"}


def change(item_type, item_id, data, action="create"):
    return {"item_type": item_type, "item_id": item_id, "action": action, "data": data, "updated_at": NOON}


def query(item_id, text):
    return change("saved_query", item_id, {"name": "Orders", "query": text})


RUN = {"query": "SELECT 1", "connection_id": "shop", "executed_at": NOON, "duration_ms": 1, "rows_affected": 1,
       "success": True}
FIRST = [
    query("orders", "SELECT 1"),
    query("places", "SELECT 1"),
    change("connection", "shop", {"name": "Shop", "type": "postgres", "database": "shop"}),
    change("query_history", "run", RUN),
]


def post(path, body, token=None):
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    request = Request(os.environ["SIGN_UP_AT"] + path, json.dumps(body).encode(), headers)
    with urlopen(request, timeout=30) as response:
        return json.load(response)


class Account:
    """A new user with an item of each type, an open and a resolved conflict."""

    def get(self, case, context):
        name = uuid.uuid4().hex
        user = post("/api/auth/signup", {"username": name, "email": f"{name}@example.com", "password": PASSWORD})
        for device, strategy, changes in [
            ("laptop", "user_choice", FIRST),
            ("laptop", "user_choice", [change("query_history", "run", None, "delete")]),
            ("phone", "user_choice", [query("orders", "SELECT 2")]),
            ("phone", "last_write_wins", [query("places", "SELECT 2")]),
        ]:
            upload = {"device_id": device, "conflict_strategy": strategy, "changes": changes}
            post("/api/sync/upload", upload, user["token"])
        return user["token"]

    def set(self, case, token, context):
        case.headers["Authorization"] = f"Bearer {token}"


if "SIGN_UP_AT" in os.environ:
    # Some operations end the session or delete the account: after a 401, a new user is signed up.
    schemathesis.auth(retry_on=[401])(Account)

# An existing password is often the correct one.
schemathesis.openapi.format("password", st.just(PASSWORD) | st.text(min_size=8, max_size=128))


@schemathesis.deserializer("text/html")
def html(context, response):
    """The schema of a page is a string."""
    return response.text


@schemathesis.hook
def before_call(context, case, kwargs):
    if not isinstance(case.body, dict):
        return
    name = "password" if case.path == "/api/auth/signup" else "new_password"
    if name in case.body:
        case.body = {**case.body, name: uncommon(case.body[name])}
    if case.path == "/api/sync/upload" and isinstance(case.body.get("changes"), list):
        case.body = {**case.body, "changes": [consistent(case, change) for change in case.body["changes"]]}


def uncommon(password):
    """Makes a new password differ from the common ones, such as 00000000."""
    has_the_length = isinstance(password, str) and 8 <= len(password) <= 128
    return "~=x" + password[3:] if has_the_length and "\0" not in password else password


def consistent(case, change):
    """Makes the fields of a change consistent if each is valid; fields generated independently never are."""
    if not isinstance(change, dict):
        return change
    data = change.get("data")
    if data is None:
        return {**change, "action": "delete"}
    kind = next((kind for kind, name in KINDS.items() if conforms(case, name, data)), None)
    if not kind:
        return change
    data = {**data, "id": None}
    return {**change, "item_type": kind, "data": data, "updated_at": change.get("updated_at", NOON), "checksum": None}


@schemathesis.hook.apply_to(path="/api/auth/signup")
def filter_body(context, body):
    """Generates names in NFKC and of visible characters only: no pattern expresses how the server normalises names, and which are
    invisible."""
    name = body.get("username") if isinstance(body, dict) else None
    return not isinstance(name, str) or (unicodedata.is_normalized("NFKC", name) and all(map(is_visible, name)))


def is_visible(character):
    # Among the ignorable characters that are letters or marks: fillers and variation selectors.
    ignorable = character in "\u034f\u115f\u1160\u17b4\u17b5" or "VARIATION SELECTOR" in unicodedata.name(character, "")
    return unicodedata.category(character) not in ("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp") and not ignorable


def zstd(content):
    """A Zstandard frame (RFC 8878) with one uncompressed block."""
    size, block = len(content).to_bytes(4, "little"), (len(content) << 3 | 1).to_bytes(3, "little")
    return b"\x28\xb5\x2f\xfd\xa0" + size + block + content


# A valid change without effect.
VALID_CHANGE = {"item_type": "saved_query", "item_id": "q", "action": "delete", "updated_at": "2026-01-01T00:00:00Z"}
uploads = st.sampled_from([FIRST, [VALID_CHANGE]]).map(lambda changes: {"device_id": "tablet", "changes": changes})
uploads = uploads.map(lambda upload: json.dumps(upload).encode())
schemathesis.openapi.media_type("application/gzip", uploads.map(gzip.compress))
schemathesis.openapi.media_type("application/zstd", uploads.map(zstd))


VALIDATORS = {}


def conforms(case, name, value):
    """Returns whether `value` conforms to the schema `name` of the document."""
    if name not in VALIDATORS:
        components = case.operation.schema.raw_schema["components"]
        schema = {"$ref": f"#/components/schemas/{name}", "components": components}
        VALIDATORS[name] = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
    return VALIDATORS[name].is_valid(value)


def is_valid_change(case, change):
    """Returns whether a change is valid by the schemas and the descriptions of the document."""
    if not isinstance(change, dict) or "\\u0000" in json.dumps(change):
        return False
    data = change.get("data")
    if not conforms(case, "Change", {**change, "data": None}) or not isinstance(data, dict | None):
        return False
    if change.get("item_type") != "query_history" and change.get("updated_at") is None:
        return False
    if change["action"] == "delete":
        return True  # its data is ignored
    if data is None or data.get("id") not in (None, change["item_id"]):
        return False
    if data.get("created_at") is not None and not conforms(case, "Timestamp", data["created_at"]):
        return False
    return conforms(case, KINDS[change["item_type"]], data)


@schemathesis.check
def changes_are_accepted_as_documented(context, response, case):
    """Checks that exactly the invalid changes of an upload are rejected; the status is 200 in either case."""
    request = response.request
    if case.operation.path != "/api/sync/upload" or response.status_code != 200:
        return
    if request.headers.get("Content-Type") != "application/json":
        return
    body = json.loads(request.body)
    assert conforms(case, "UploadRequest", {**body, "changes": [VALID_CHANGE]}), "an invalid upload was accepted"
    assert body["changes"], "an upload without changes was accepted"
    rejected = {entry["change"]["index"]: entry for entry in response.json()["rejected"]}
    for index, change in enumerate(body["changes"]):
        rejection = rejected.get(index)
        if not is_valid_change(case, change):
            assert rejection, f"the invalid change {index} was accepted: {json.dumps(change)}"
        elif rejection:
            # Other codes have reasons outside the schema, such as a credential or the checksum of other data.
            assert rejection["code"] != "INVALID_CHANGE", f"the valid change {index} was rejected: {rejection['reason']}"
