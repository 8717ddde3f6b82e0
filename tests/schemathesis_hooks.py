"""Lets the schema fuzzer reach what a schema can't know: sessions, and codes that were sent.

Each test case gets a session of its own, since logging out is one of the operations. Codes are
read from the outbox file that DRAGOMAN_OUTBOX names.
"""

import json
import os
import pathlib
import uuid

import requests
import schemathesis
from schemathesis.generation import GenerationMode

CODE_PURPOSES = {
    "/v1/accounts": "register",
    "/v1/sessions": "login",
    "/v1/password-resets": "reset_password",
}


@schemathesis.auth(refresh_interval=None)
class FreshSession:
    def get(self, case, context):
        account = {"username": f"fuzz-{uuid.uuid4()}", "password": "correct horse"}
        base = case.operation.base_url.rstrip("/")
        answer = requests.post(f"{base}/v1/accounts", json=account, timeout=10)
        answer.raise_for_status()
        return answer.json()["session"]["access_token"]

    def set(self, case, data, context):
        case.headers = case.headers or {}
        case.headers["Authorization"] = f"Bearer {data}"


@schemathesis.hook
def before_call(context, case, kwargs):
    """Gives well-formed requests what a caller would give them: a key of their own, a code that was sent."""
    if case.meta is None or case.meta.generation.mode != GenerationMode.POSITIVE:
        return
    if case.headers and "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = str(uuid.uuid4())
    purpose = CODE_PURPOSES.get(case.operation.path)
    if purpose and isinstance(case.body, dict) and isinstance(case.body.get("verification"), dict):
        present_sent_code(case.body, purpose)


def present_sent_code(body, purpose):
    identity = next((name for name in ("phone", "email") if isinstance(body.get(name), str)), None)
    channel = {"phone": "sms", "email": "email"}.get(identity)
    outbox = pathlib.Path(os.environ["DRAGOMAN_OUTBOX"])
    for line in reversed(outbox.read_text().splitlines()):
        message = json.loads(line)
        if (message["channel"], message["purpose"]) == (channel, purpose):
            body[identity] = message["to"]
            body["verification"] = {"code": message["code"]}
            return
