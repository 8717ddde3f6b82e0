"""What the four legacy servers share: HTTP/1.1 on a free port, sent codes, and doors for a test to look in.

A server prints `listening 127.0.0.1:PORT` and ends on SIGTERM or when its standard input ends, so it never
outlives the test that started it. Beside its dialect it answers

    GET /_test/codes?to=…  every code sent to that phone (E.164) or e-mail, oldest first: [{to, purpose, code}]
    GET /_test/requests    every request that came in: [{method, target, headers: [[name, value]], body}]

and these two are not in the list. Nothing here knows a dialect, and nothing here is of the gateway's code: the
servers were written from the dialects' documents, so that a mistake of the gateway can't be repeated here.
"""

import argparse
import json
import os
import re
import secrets
import signal
import sys
import threading
import time
import traceback
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, parse_qsl, urlsplit

# How long a sent code is good for, in seconds: the figure of qingzhenyun's documents, used for all.
CODE_LIFETIME = 300
# No dialect has calls longer than this.
BODY_LIMIT = 1 << 20


@dataclass
class Request:
    method: str
    target: str
    headers: list
    body: bytes

    def __post_init__(self):
        parts = urlsplit(self.target)
        self.path, self.query_text = parts.path, parts.query
        self.query = parse_qsl(parts.query, keep_blank_values=True)

    def header(self, name, default=""):
        return next((value for key, value in self.headers if key.lower() == name.lower()), default)

    def parameter(self, name, default=""):
        return next((value for key, value in self.query if key == name), default)

    @property
    def content_type(self):
        """The media type alone, in lower case."""
        return self.header("Content-Type").split(";")[0].strip().lower()


@dataclass
class Answer:
    body: bytes
    status: int = 200
    content_type: str = "application/json; charset=utf-8"
    headers: list = field(default_factory=list)


def compact(value, **options):
    """JSON without spaces, members in the order they were put in."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), **options).encode()


def strict_json(text):
    """JSON of the standard: no duplicate members, no NaN; a ValueError otherwise."""

    def members(pairs):
        if len({key for key, _ in pairs}) != len(pairs):
            raise ValueError("a member occurs twice")
        return dict(pairs)

    def refuse(name):
        raise ValueError(f"{name} is no JSON")

    return json.loads(text, object_pairs_hook=members, parse_constant=refuse)


def is_mainland_mobile(text):
    return isinstance(text, str) and re.fullmatch(r"1[3-9][0-9]{9}", text) is not None


def is_email(text):
    return isinstance(text, str) and re.fullmatch(r"[\w.+-]+@[\w-]+(\.[\w-]+)+", text) is not None


class TooFrequent(Exception):
    """A code went to the same place a moment ago; `wait` is in whole seconds."""

    def __init__(self, wait):
        super().__init__(wait)
        self.wait = wait


class Codes:
    """The codes that were sent: to whom, what for, and whether one is still good.

    `resend_interval` is in seconds and counts per place and purpose; 0 switches it off.
    """

    def __init__(self, digits, resend_interval, clock, wrong_tries=None):
        self.digits, self.resend_interval, self.clock = digits, resend_interval, clock
        self.wrong_tries = wrong_tries
        self.sent = []
        self.live = {}

    def send(self, to, purpose, code=None):
        now = self.clock()
        last = self.live.get((to, purpose))
        if last and now < last["at"] + self.resend_interval:
            raise TooFrequent(int(last["at"] + self.resend_interval - now) or 1)
        code = code or "".join(secrets.choice("0123456789") for _ in range(self.digits))
        self.live[to, purpose] = {"code": code, "at": now, "wrong": 0}
        self.sent.append({"to": to, "purpose": purpose, "code": code})

    def check(self, to, purpose, code):
        """"good", "wrong", or "expired" (also: never sent, spent, tried too often)."""
        live = self.live.get((to, purpose))
        if live is None or self.clock() > live["at"] + CODE_LIFETIME:
            return "expired"
        if self.wrong_tries is not None and live["wrong"] >= self.wrong_tries:
            return "expired"
        if live["code"] != code:
            live["wrong"] += 1
            return "wrong"
        return "good"

    def spend(self, to, purpose):
        """A code that did its work is worth nothing any more, but still counts as sent."""
        if (to, purpose) in self.live:
            self.live[to, purpose]["code"] = secrets.token_hex(16)


def arguments(description, resend_interval):
    """The options that every server has; a dialect adds its own."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--port", type=int, default=0, help="a free one if it is left out")
    parser.add_argument("--fail-send", action="store_true", help="no code can be sent")
    parser.add_argument("--resend-interval", type=int, default=resend_interval, metavar="SECONDS")
    parser.add_argument("--clock", type=int, metavar="EPOCH", help="stand still at this time")
    return parser


def clock(options):
    """Seconds since the Unix epoch, or the moment that the options name."""
    return time.time if options.clock is None else lambda: options.clock


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "legacy", ""
    disable_nagle_algorithm = True
    backend, codes = None, None
    received, lock = [], threading.Lock()

    def handle_one_request(self):
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True

    def exchange(self):
        body = self.read_body()
        if body is None:
            return
        request = Request(self.command, self.path, list(self.headers.items()), body)
        with self.lock:
            try:
                answer = self.side_door(request) or self.dialect(request)
            except Exception:
                # The test's helper fails on anything that a server prints here.
                traceback.print_exc()
                answer = Answer(b"", 500, "text/plain")
        self.write(answer)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = exchange

    def read_body(self):
        length = self.headers.get("Content-Length", "0")
        if self.headers.get("Transfer-Encoding"):
            self.send_error(411)
        elif not re.fullmatch("[0-9]+", length):
            self.send_error(400)
        elif int(length) > BODY_LIMIT:
            self.send_error(413)
        else:
            body = self.rfile.read(int(length))
            if len(body) == int(length):
                return body
        self.close_connection = True
        return None

    def side_door(self, request):
        if request.method != "GET" or not request.path.startswith("/_test/"):
            return None
        if request.path == "/_test/requests":
            return Answer(compact(self.received))
        if request.path == "/_test/codes":
            to = parse_qs(request.query_text).get("to", [""])[0]
            return Answer(compact([sent for sent in self.codes.sent if sent["to"] == to]))
        return Answer(b"", 404, "text/plain")

    def dialect(self, request):
        self.received.append({
            "method": request.method,
            "target": request.target,
            "headers": request.headers,
            "body": request.body.decode("utf-8", "replace"),
        })
        return self.backend.answer(request)

    def write(self, answer):
        """Head and body in one write: two would wait for each other's acknowledgement."""
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        for name, value in answer.headers:
            self.send_header(name, value)
        if answer.status != 204:
            self.send_header("Content-Length", str(len(answer.body)))
        self._headers_buffer.append(b"\r\n")
        if self.command != "HEAD" and answer.status != 204:
            self._headers_buffer.append(answer.body)
        self.flush_headers()

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def server_bind(self):
        # The one of the standard library asks the resolver for a name that nobody needs.
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.server_address


def end_with_stdin():
    while sys.stdin.buffer.read(4096):
        pass
    os._exit(0)


def serve(backend, codes, port):
    """Answers until the end of the process. `backend.answer(request)` is called for one request at a time."""
    Handler.backend, Handler.codes = backend, codes
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    server = Server(("127.0.0.1", port), Handler)
    threading.Thread(target=end_with_stdin, daemon=True).start()
    print(f"listening 127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
