"""What schemathesis cannot learn from the document: accounts, passwords, compressed bodies, how changes are judged."""

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
    with urlopen(request, timeout=30) as answer:
        return json.load(answer)


class Account:
    """Somebody who has just signed up, and has an item of each kind, an open conflict and a settled one."""

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
    # Some operations end the session, or the account: whoever is answered 401 goes on as somebody new.
    schemathesis.auth(retry_on=[401])(Account)

# Where a password is asked for that exists, it is often the right one.
schemathesis.openapi.format("password", st.just(PASSWORD) | st.text(min_size=8, max_size=128))


@schemathesis.deserializer("text/html")
def html(context, response):
    """Pages are strings to their schema."""
    return response.text


@schemathesis.hook
def before_call(context, case, kwargs):
    if not isinstance(case.body, dict):
        return
    name = "password" if case.path == "/api/auth/signup" else "new_password"
    if name in case.body:
        case.body = {**case.body, name: strong(case.body[name])}
    if case.path == "/api/sync/upload" and isinstance(case.body.get("changes"), list):
        case.body = {**case.body, "changes": [matched(case, change) for change in case.body["changes"]]}


def strong(password):
    """A new password holds upper case, lower case and a digit, of any script: more than a pattern can say."""
    has_the_length = isinstance(password, str) and 8 <= len(password) <= 128
    return "aA1" + password[3:] if has_the_length and "\0" not in password else password


def matched(case, change):
    """A change whose fields go together, if each of them is right: made one by one they never do."""
    if not isinstance(change, dict):
        return change
    data = change.get("data")
    if data is None:
        return {**change, "action": "delete"}
    kind = next((kind for kind, name in KINDS.items() if keeps(case, name, data)), None)
    if not kind:
        return change
    data = {**data, "id": None}
    return {**change, "item_type": kind, "data": data, "updated_at": change.get("updated_at", NOON), "checksum": None}


@schemathesis.hook.apply_to(path="/api/auth/signup")
def filter_body(context, body):
    """Names are brought into NFKC before they are checked, which no pattern can say: so they come in it."""
    name = body.get("username") if isinstance(body, dict) else None
    return not isinstance(name, str) or unicodedata.is_normalized("NFKC", name)


def zstd(content):
    """A frame of Zstandard (RFC 8878) with one block, which is not compressed."""
    size, block = len(content).to_bytes(4, "little"), (len(content) << 3 | 1).to_bytes(3, "little")
    return b"\x28\xb5\x2f\xfd\xa0" + size + block + content


# A change that is right, and alters nothing.
RIGHT = {"item_type": "saved_query", "item_id": "q", "action": "delete", "updated_at": "2026-01-01T00:00:00Z"}
uploads = st.sampled_from([FIRST, [RIGHT]]).map(lambda changes: {"device_id": "tablet", "changes": changes})
uploads = uploads.map(lambda upload: json.dumps(upload).encode())
schemathesis.openapi.media_type("application/gzip", uploads.map(gzip.compress))
schemathesis.openapi.media_type("application/zstd", uploads.map(zstd))


VALIDATORS = {}


def keeps(case, name, value):
    """Whether `value` keeps the document's schema `name`."""
    if name not in VALIDATORS:
        components = case.operation.schema.raw_schema["components"]
        schema = {"$ref": f"#/components/schemas/{name}", "components": components}
        VALIDATORS[name] = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
    return VALIDATORS[name].is_valid(value)


def is_right(case, change):
    """Whether a change is what the document says: in its schemas and, where these cannot, in words."""
    if not isinstance(change, dict) or "\\u0000" in json.dumps(change):
        return False
    data = change.get("data")
    if not keeps(case, "Change", {**change, "data": None}) or not isinstance(data, dict | None):
        return False
    if change.get("item_type") != "query_history" and change.get("updated_at") is None:
        return False
    if change["action"] == "delete":
        return True  # what it carries is not looked at
    if data is None or data.get("id") not in (None, change["item_id"]):
        return False
    if data.get("created_at") is not None and not keeps(case, "Timestamp", data["created_at"]):
        return False
    return keeps(case, KINDS[change["item_type"]], data)


@schemathesis.check
def changes_are_judged_as_documented(context, response, case):
    """An upload is answered 200 even if changes of it are refused: only the body tells whether they were rightly."""
    request = response.request
    if case.operation.path != "/api/sync/upload" or response.status_code != 200:
        return
    if request.headers.get("Content-Type") != "application/json":
        return
    body = json.loads(request.body)
    assert keeps(case, "UploadRequest", {**body, "changes": [RIGHT]}), "a wrong upload was accepted"
    assert body["changes"], "an upload without changes was accepted"
    rejected = {entry["change"]["index"]: entry for entry in response.json()["rejected"]}
    for index, change in enumerate(body["changes"]):
        refusal = rejected.get(index)
        if not is_right(case, change):
            assert refusal, f"the wrong change {index} was accepted: {json.dumps(change)}"
        elif refusal:
            # The other codes tell what no schema knows, such as a credential or a checksum of something else.
            assert refusal["code"] != "INVALID_CHANGE", f"the right change {index} was refused: {refusal['reason']}"
