#!/usr/bin/env python3
"""Makes golden files of the fixtures: scripts/golden-from-fixtures.py [path of the dragoman program]

Every printed example of the seeds, and every recorded exchange, becomes two cases: the dialect on the client's side with a
canonical backend (NAME.json), and on the backend's side with a canonical client (NAME.backend.json). Each side is answered
what the other one's translation says. Cases that are there already are left as they are; fixtures of dialects that the
program does not know are passed over. What is expected is what the program says: read it before it is committed.
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "tests/fixtures"
GOLDEN = ROOT / "tests/golden"
PROGRAM = sys.argv[1] if len(sys.argv) > 1 else "dragoman"

VECTORS = json.loads((FIXTURES / "coolkit-vectors.json").read_text())
NOW = "2019-05-16T10:57:29Z"
# Accounts of China, asked for in America.
ELSEWHERE = {"region": "us", "regions": {"cn": [86], "us": [1]}}
MORE = {"coolkit.login.301": ELSEWHERE}
# The operations of routes, for recorded requests that are no good calls.
ROUTES = {
    "user/login": "login",
    "user/reg": "register",
    "user/regverifysend": "send_code/register",
    "user/loginverifysend": "send_code/login",
    "user/forgetpwdverifysend": "send_code/reset_password",
    "user/forgetpwd": "reset_password",
    "user/tokenuserinfo": "me",
    "safety/loginpwdupdate": "change_password",
    "safety/logout": "logout",
}

PHONE = "+8613800138001"
PLAIN = {"password": "a-fine-password", "password_form": "plain"}
ACCOUNT = {"id": "7", "username": "alice", "phone": PHONE, "email": None, "nickname": "Алиса 爱丽丝"}
SESSION = {"access_token": "at-1", "token_type": "Bearer", "expires_in": 3600, "refresh_token": "rt-1"}
OPENED = {"account": ACCOUNT, "session": SESSION, "region": "cn"}
# Every operation in the project's own dialect: name, request, answer.
CANONICAL = [
    ("send_code", "POST /v1/verification-codes", {"channel": "sms", "phone": PHONE, "purpose": "register"},
     202, {"challenge": "c-1", "expires_in": 300, "resend_in": 120}),
    ("send_code.email", "POST /v1/verification-codes", {"channel": "email", "email": "a@b.example", "purpose": "login"},
     202, {"challenge": None, "expires_in": 300, "resend_in": 120}),
    ("register", "POST /v1/accounts", {"phone": PHONE, **PLAIN, "verification": {"code": "123456", "challenge": "c-1"}},
     201, OPENED),
    ("register.username", "POST /v1/accounts", {"username": "alice", **PLAIN}, 201, {**OPENED, "session": None}),
    ("login", "POST /v1/sessions", {"identifier": "alice", **PLAIN}, 201, OPENED),
    ("login_code", "POST /v1/sessions", {"phone": PHONE, "verification": {"code": "123456"}}, 201, OPENED),
    ("reset_password", "POST /v1/password-resets",
     {"phone": PHONE, "verification": {"code": "123456"}, "new_password": "another-one", "password_form": "plain"},
     200, {"account": ACCOUNT, "session": None, "region": None}),
    ("refresh", "POST /v1/sessions/refresh", {"refresh_token": "rt-1"}, 201, OPENED),
    ("logout", "DELETE /v1/sessions/current", None, 204, None),
    ("me", "GET /v1/accounts/me", None, 200, {"account": ACCOUNT, "region": "cn"}),
    ("change_name", "PATCH /v1/accounts/me", {"nickname": "A"}, 200, {"account": ACCOUNT, "region": "cn"}),
    ("change_password", "PUT /v1/accounts/me/password",
     {"old_password": "a-fine-password", "new_password": "another-one", "password_form": "plain"}, 204, None),
    ("region", "GET /v1/region?country_calling_code=86", None, None, None),
    ("login.bad_phone", "POST /v1/sessions", {"phone": "no phone", **PLAIN}, None, None),
    ("login.account_locked", "POST /v1/sessions", {"identifier": "alice", **PLAIN}, 429,
     {"type": "urn:dragoman:problem:account_locked", "title": "Too many failed attempts", "status": 429,
      "code": "account_locked", "retry_after": 900, "attempts_left": 0}),
    ("login.nonsense", "POST /v1/sessions", {"identifier": "alice", **PLAIN}, 200, "<html>It works!</html>"),
]


def dragoman(*arguments, check=True):
    return subprocess.run([PROGRAM, *arguments], check=check, capture_output=True, text=True).stdout


KNOWN = {dialect["name"]: dialect for dialect in json.loads(dragoman("dialects", "--json"))}


def ran(case):
    """The case with everything that becomes of it, or None where it can't be run."""
    with tempfile.TemporaryDirectory() as directory:
        file = pathlib.Path(directory, "case.json")
        file.write_text(json.dumps(case, ensure_ascii=False))
        said = dragoman("test", directory, "--bless", check=False)
        if "1 good" not in said:
            print(f"{case['about']}: {said}", file=sys.stderr)
            return None
        return json.loads(file.read_text())


def write(dialect, name, case):
    if case is None:
        return
    name = re.sub(r"[^A-Za-z0-9._-]", "", name)
    file = GOLDEN / dialect / f"{name}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        file.write_text(json.dumps(case, ensure_ascii=False, indent=2) + "\n")


def base(about, client, upstream, seed, more):
    case = {"about": about, "client": client, "upstream": upstream, "now": NOW, "seed": seed, **more}
    if KNOWN[upstream]["signature"] != "none":
        case["app"] = {"id": VECTORS["appid"], "secret": VECTORS["secret"]}
    return case


def tidy(request):
    """A request as another client could have made it: without what only a gateway adds."""
    kept = {name: value for name, value in request.get("headers", {}).items() if name in ("Content-Type", "Authorization")}
    return {**request, "headers": kept}


def exchange(dialect, name, about, request, operation, answer, seed, more):
    """Both cases of one exchange in a dialect."""
    asked, asked_call = None, None
    if request is not None:
        asked = ran({**base(about, dialect, "canonical", seed, more), "request": request})
        asked_call = asked and asked.get("upstream_request")
    there = base(about + ", from the backend's side", "canonical", dialect, seed, more)
    # Who can't be asked in the canonical dialect, or can't ask in this one, is answered all the same.
    told = ran({**there, "request": tidy(asked_call), "upstream_answer": answer}) if asked_call else None
    if told is None and operation:
        told = ran({**there, "operation": operation, "upstream_answer": answer})
    write(dialect, f"{name}.backend", told)
    if told and (asked_call or asked is None):
        here = base(about, dialect, "canonical", seed, more)
        here |= {"request": request} if asked_call else {"operation": operation}
        asked = ran({**here, "upstream_answer": told["client_answer"]})
    write(dialect, name, asked)


def seeds():
    examples = json.loads((FIXTURES / "seed-examples.json").read_text())
    requests = {}
    for example in examples:
        if "request" in example:
            requests.setdefault((example["dialect"], example["operation"]), example["request"])
    for seed, example in enumerate(examples, 1):
        dialect, name, operation = example["dialect"], example["name"], example["operation"]
        if dialect not in KNOWN:
            continue
        spec = "send_code/register/sms" if operation == "send_code" else operation
        # An answer alone answers the request that is printed for its operation.
        request = example.get("request") or requests.get((dialect, operation))
        answer = {"status": 200, **example["response"]}
        answer.setdefault("headers", {"Content-Type": "application/json"})
        yield dialect, name.split(".", 1)[1], name, request, spec, answer, seed, MORE.get(name, {})


def recorded():
    if "shopxo" not in KNOWN:
        return
    for seed, line in enumerate((FIXTURES / "shopxo-recorded.jsonl").read_text().splitlines(), 1):
        record = json.loads(line)
        request = {key: value for key, value in record["request"].items() if value is not None}
        route = re.search(r"[?&]s=([a-z/]+)", request["target"], re.IGNORECASE)
        operation = ROUTES.get(route.group(1).lower()) if route else None
        response = record["response"]
        headers = {name: value for name, value in response["headers"]}
        answer = {"status": response["status"], "headers": headers, "body": response["body"]}
        name = record["name"]
        yield "shopxo", f"recorded.{name}", f"recorded: {name}", request, operation, answer, seed, {}


def canonical():
    for seed, (name, start, body, status, answer_body) in enumerate(CANONICAL, 1):
        method, target = start.split()
        request = {"method": method, "target": target, "headers": {}}
        if body is not None:
            request |= {"headers": {"Content-Type": "application/json"}, "body": body}
        if name.split(".")[0] in ("logout", "me", "change_name", "change_password"):
            request["headers"]["Authorization"] = "Bearer at-1"
        case = {**base(f"canonical on both sides: {name}", "canonical", "canonical", seed, {}), "request": request}
        if status is not None:
            case["upstream_answer"] = {"status": status}
            if answer_body is not None:
                case["upstream_answer"] |= {"headers": {"Content-Type": "application/json"}, "body": answer_body}
        write("canonical", name, ran(case))


canonical()
for one in [*seeds(), *recorded()]:
    exchange(*one)
