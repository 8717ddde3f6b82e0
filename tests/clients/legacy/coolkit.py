"""A strict backend that speaks coolkit (eWeLink cloud, v1 HTTP API), from the vendor's documentation of 2019-06
to 2020-10 as the project's dialect file 3a tells it.

What it demands:
- "Sign": `Authorization: Sign base64(HMAC-SHA256(secret, message))`; message = the raw body of a POST; for a GET
  the query sorted and decoded, sorted as sent, or raw (the documents describe the first, their examples sign the
  last), for refresh also the JSON of the query (oddity of the 2019 page).
- "Common members": appid and nonce (8 alphanumerics, as documented), ts (integer seconds), version 8. What other
  clients are known to send (ts as text, milliseconds, version 6) is refused: a gateway sends the documented form.
- A JSON object whatever the Content-Type says; no member twice.
- "Operations": the members of the table, each a string. A missing one is error 400 and `msg` names it.
- `Authorization: Bearer at` for the change of a password, with the common members in the body but no Sign.

Answers are always HTTP 200; an error has an integer `error`, `msg` and `info`. A path or method that is not there
is error 405 (3a reads it as a fault; the documents print no form for it).
"""

import base64
import hmac
import re
import secrets
import uuid
from datetime import datetime, timezone

from serving import Answer, Codes, TooFrequent, arguments, clock, compact, is_email, serve, strict_json

PURPOSES = {"0": "register", "1": "reset_password", "3": "delete_account", "4": "wechat"}


class Refusal(Exception):
    def __init__(self, error, text, **more):
        super().__init__(text)
        self.members = {"error": error, "msg": text, "info": text, **more}


def mac(secret, message):
    return hmac.digest(secret.encode(), message, "sha256")


def text_member(members, name):
    value = members.get(name)
    if value is None or value == "":
        raise Refusal(400, f"{name} is missing")
    if not isinstance(value, str):
        raise Refusal(400, f"{name} must be a string")
    return value


def iso(seconds):
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"


class Coolkit:
    def __init__(self, options, codes, now):
        self.options, self.codes, self.now = options, codes, now
        self.nonces = {}
        self.accounts = {}
        # Each holds the identity of an account; those in `spent` were replaced by a newer one.
        self.access, self.refreshes, self.spent = {}, {}, set()
        self.routes = {
            ("POST", "/api/sms"): (self.signed, self.send_code),
            ("POST", "/api/user/register"): (self.signed, self.register),
            ("POST", "/api/user/login"): (self.signed, self.login),
            ("POST", "/api/user/password/reset"): (self.signed, self.reset_password),
            ("GET", "/api/user/refresh"): (self.signed, self.refresh),
            ("GET", "/api/user/region"): (self.signed, self.region),
            ("POST", "/api/user/password"): (self.bearer, self.change_password),
        }

    def answer(self, request):
        try:
            route = self.routes.get((request.method, request.path))
            if route is None:
                raise Refusal(405, f"{request.method} {request.path} is no call of this API")
            guard, operation = route
            return Answer(compact(operation(*guard(request))))
        except Refusal as refusal:
            return Answer(compact(refusal.members))

    # Who asks

    def members(self, request):
        if request.method == "GET":
            names = [name for name, _ in request.query]
            if len(set(names)) != len(names):
                raise Refusal(400, "a parameter occurs twice")
            members = dict(request.query)
            # In a query everything is text; these two are numbers all the same.
            for name in ("ts", "version"):
                if re.fullmatch(r"[0-9]{1,12}", members.get(name, "")):
                    members[name] = int(members[name])
        else:
            try:
                members = strict_json(request.body)
            except ValueError:
                raise Refusal(400, "the body must be JSON without duplicate members") from None
            if not isinstance(members, dict):
                raise Refusal(400, "the body must be a JSON object")
        self.check_common(members)
        return members

    def check_common(self, members):
        text_member(members, "appid")
        if not re.fullmatch(r"[0-9A-Za-z]{8}", text_member(members, "nonce")):
            raise Refusal(400, "nonce must be 8 letters or digits")
        for name in ("ts", "version"):
            if members.get(name) is None:
                raise Refusal(400, f"{name} is missing")
            if type(members[name]) is not int:
                raise Refusal(400, f"{name} must be an integer")
        if members["version"] != 8:
            raise Refusal(400, "version must be 8")

    def messages(self, request, members):
        """Everything that a client may have signed for this request."""
        if request.method == "POST":
            return [request.body]
        decoded = "&".join(f"{key}={value}" for key, value in sorted(request.query))
        as_sent = "&".join(sorted(request.query_text.split("&")))
        messages = [decoded, as_sent, request.query_text]
        if request.path == "/api/user/refresh":
            shown = {key: members[key] for key, _ in request.query if key != "grantType"}
            messages.append(compact(shown).decode())
        return [message.encode() for message in messages]

    def signed(self, request):
        members = self.members(request)
        scheme, _, sign = request.header("Authorization").partition(" ")
        try:
            sent = base64.b64decode(sign, validate=True)
        except ValueError:
            sent = b""
        messages = self.messages(request, members)
        secret = self.options.secret
        good = any([hmac.compare_digest(mac(secret, message), sent) for message in messages])
        if scheme != "Sign" or not good or members["appid"] != self.options.appid:
            raise Refusal(406, "authentication failed")
        self.check_fresh(members)
        return members, members["appid"]

    def check_fresh(self, members):
        now = self.now()
        self.nonces = {nonce: end for nonce, end in self.nonces.items() if end > now}
        if abs(now - members["ts"]) > self.options.window or members["nonce"] in self.nonces:
            raise Refusal(406, "authentication failed")
        self.nonces[members["nonce"]] = now + 2 * self.options.window + 1

    def bearer(self, request):
        scheme, _, token = request.header("Authorization").partition(" ")
        identity = self.access.get(token)
        if scheme != "Bearer" or identity is None:
            raise Refusal(402 if token in self.spent else 401, "access token is not valid")
        return self.members(request), identity

    # What is asked

    def identity(self, members):
        """The phone (it wins) or the e-mail; the other may be absent, null or empty."""
        if not members.get("phoneNumber") and not members.get("email"):
            raise Refusal(400, "phoneNumber or email is missing")
        if members.get("phoneNumber"):
            return self.phone(members, "phoneNumber")
        return self.email(members)

    def phone(self, members, name):
        phone = text_member(members, name)
        if not re.fullmatch(r"\+[1-9][0-9]{6,14}", phone):
            raise Refusal(400, f"{name} must be + and digits with the country's code")
        return phone

    def email(self, members):
        email = text_member(members, "email")
        if not is_email(email):
            raise Refusal(400, "email must be an e-mail address")
        return email

    def check_code(self, members, identity, purpose):
        if self.codes.check(identity, purpose, text_member(members, "verificationCode")) != "good":
            raise Refusal(498, "verification code is wrong")
        self.codes.spend(identity, purpose)

    def elsewhere(self):
        if self.options.region:
            raise Refusal(301, "the account is in another region", region=self.options.region)

    def send_code(self, members, _):
        purpose = PURPOSES.get(text_member(members, "sendType"))
        if purpose is None:
            raise Refusal(400, "sendType must be one of 0, 1, 3, 4")
        if bool(members.get("to")) == bool(members.get("email")):
            raise Refusal(400, "exactly one of to and email is wanted")
        identity = self.phone(members, "to") if members.get("to") else self.email(members)
        if purpose == "register" and identity in self.accounts:
            raise Refusal(409, "the account exists")
        if purpose in ("reset_password", "delete_account") and identity not in self.accounts:
            # 401, not 404: so it is documented for this call.
            raise Refusal(401, "no such account")
        if self.options.fail_send:
            raise Refusal(504, "sending failed")
        try:
            self.codes.send(identity, purpose)
        except TooFrequent as frequent:
            raise Refusal(160038, f"too frequent, wait {frequent.wait} s") from None
        return {"error": 0}

    def register(self, members, app):
        identity, password = self.identity(members), text_member(members, "password")
        if not identity.startswith(f"+{self.options.home_country}"):
            self.elsewhere()
        self.check_code(members, identity, "register")
        if identity in self.accounts:
            raise Refusal(409, "the account exists")
        now = iso(self.now())
        kind = "email" if "@" in identity else "phoneNumber"
        user = {
            "_id": secrets.token_hex(12), kind: identity, "appId": app, "lang": "cn", "online": False,
            "onlineTime": now, "ip": "192.0.2.1", "location": "", "offlineTime": now, "appInfos": [],
            "nickname": "", "createdAt": now, "apikey": str(uuid.uuid4()),
        }
        self.accounts[identity] = {"password": password, "user": user}
        return self.session(identity)

    def login(self, members, _):
        identity, password = self.identity(members), text_member(members, "password")
        account = self.accounts.get(identity)
        if account is None:
            self.elsewhere()
            raise Refusal(404, "no such account")
        if account["password"] != password:
            raise Refusal(401, "wrong account or password")
        return self.session(identity)

    def reset_password(self, members, _):
        identity, password = self.identity(members), text_member(members, "password")
        if identity not in self.accounts:
            raise Refusal(401, "no such account")
        self.check_code(members, identity, "reset_password")
        self.accounts[identity]["password"] = password
        return self.session(identity)

    def refresh(self, members, _):
        if members.get("grantType", "refresh") != "refresh":
            raise Refusal(400, "grantType must be refresh")
        token = text_member(members, "rt")
        if token not in self.refreshes:
            raise Refusal(402 if token in self.spent else 401, "refresh token is not valid")
        return self.session(self.refreshes[token])

    def region(self, members, _):
        region = self.options.here
        code = members.get("country_code")
        if code is not None and not re.fullmatch(r"[1-9][0-9]{0,2}", code):
            raise Refusal(400, "country_code must be digits")
        if self.options.region and code not in (None, self.options.home_country):
            region = self.options.region
        return {"error": 0, "region": region, "requestid": str(uuid.uuid4())}

    def change_password(self, members, identity):
        old, new = text_member(members, "oldPassword"), text_member(members, "newPassword")
        account = self.accounts[identity]
        if account["password"] != old:
            # The same number as for a bad token: the table has no other for a wrong password.
            raise Refusal(401, "oldPassword is wrong")
        account["password"] = new
        return {"message": "Change password is success!"}

    def session(self, identity):
        """A new pair; the one before ends with it."""
        for tokens in (self.access, self.refreshes):
            old = {token for token, owner in tokens.items() if owner == identity}
            self.spent |= old
            for token in old:
                del tokens[token]
        at, rt = secrets.token_hex(20), secrets.token_hex(20)
        self.access[at] = self.refreshes[rt] = identity
        user = self.accounts[identity]["user"]
        user["onlineTime"] = iso(self.now())
        return {"at": at, "rt": rt, "user": user, "region": self.options.here}


def main():
    parser = arguments("A strict coolkit backend.", resend_interval=60)
    parser.add_argument("--appid", required=True)
    parser.add_argument("--secret", required=True)
    parser.add_argument("--window", type=int, default=300, metavar="SECONDS", help="how far ts may be off")
    parser.add_argument("--here", default="cn", metavar="REGION", help="where this server stands")
    parser.add_argument("--region", metavar="REGION", help="where accounts live that do not live here: 301")
    parser.add_argument("--home-country", default="86", metavar="CODE",
                        help="phones of this country live here; others, and e-mails, in --region if it is given")
    options = parser.parse_args()
    now = clock(options)
    codes = Codes(4, options.resend_interval, now)
    serve(Coolkit(options, codes, now), codes, options.port)


if __name__ == "__main__":
    main()
