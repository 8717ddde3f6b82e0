"""Logs the schema fuzzer in, so that operations behind a session are really reached.

Each test case gets a session of its own, since logging out is one of the operations.
"""

import uuid

import requests
import schemathesis


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
