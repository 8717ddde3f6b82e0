"""A strict backend that speaks qingzhenyun (清真云, later 6pan) v1, from the public documents as the project's
dialect file 3b tells them.

What it demands:
- POST on /v1/user/…; everything else is RESOURCE_NOT_FOUND, 404.
- A JSON object or a form by its Content-Type; under any other type there are no members, so each is missing.
- "Operations": the members of the table. Missing or empty: `{FIELD}_REQUIRED`, not a string or wrong:
  `{FIELD}_NOT_VALID`, literal braces included; a bad phone number: PHONE_NOT_VALIDATE.
- "phoneInfo": one that this very server made, for this purpose, with the code that it sent there.
- "Token": from `Authorization: Bearer`, header `token`, query `auth`, query `token`, body `token`, in this order.
  Missing is CREDENTIALS_REQUIRED, bad is INVALID_TOKEN, from before a change of the password
  USER_VERSION_NOT_MATCH; all are HTTP 401 always.
- Passwords as lower-case hex of their MD5, when it is started with `--password-form md5`.

Where the documents are silent, and what was chosen: the texts of `email` when there is none (""), a body that is
no JSON (`{BODY}_NOT_VALID`), a wrong old password (USER_LOGIN_FAILED).
"""

import base64
import hashlib
import hmac
import json
import re
import secrets
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from serving import Answer, Codes, TooFrequent, arguments, clock, compact, is_mainland_mobile, serve, strict_json

SEPARATOR = ".qzy-sp-token@6cs92d-token."
# A real server's constant is public too; the checksum proves nothing, and this one is made up.
CHECKSUM_CONSTANT = "a constant of this test server"
REGISTER, LOGIN, CHANGE_PASSWORD, RESET = "10", "20", "30", "40"
PURPOSES = {REGISTER: "register", LOGIN: "login", CHANGE_PASSWORD: "change_password", RESET: "reset_password"}
TOKEN_LIFETIME = 30 * 24 * 3600


class Refusal(Exception):
    def __init__(self, code, status=400, message=None):
        super().__init__(code)
        self.code, self.status, self.message = code, status, message or code


@dataclass
class Call:
    """One request, and what its answer will carry beside the result."""

    members: dict
    request: object
    user: dict = None
    session: str = None
    token: str = None
    headers: list = field(default_factory=list)


def field_name(member):
    """phoneInfo → PHONE_INFO"""
    return re.sub("([A-Z])", r"_\1", member).upper()


def wrap(text):
    """URL-safe base64 with a dot for padding."""
    return base64.urlsafe_b64encode(text.encode()).decode().replace("=", ".")


def unwrap(text):
    return base64.b64decode(text.replace(".", "="), altchars=b"-_", validate=True).decode()


def checksum(country, phone, purpose):
    return hashlib.md5(f"{country}{phone}{purpose}{CHECKSUM_CONSTANT}".encode()).hexdigest()


def make_phone_info(country, phone, purpose):
    parts = [wrap(country), wrap(phone), wrap(purpose), checksum(country, phone, purpose)]
    return wrap(SEPARATOR.join(parts))


def read_phone_info(text, wanted):
    """(country, phone) of a phoneInfo of this server for this purpose."""
    try:
        country, phone, purpose, digest = unwrap(text).split(SEPARATOR)
        country, phone, purpose = unwrap(country), unwrap(phone), unwrap(purpose)
    except ValueError:
        raise Refusal("{PHONE_INFO}_NOT_VALID") from None
    if digest != checksum(country, phone, purpose) or purpose != wanted:
        raise Refusal("{PHONE_INFO}_NOT_VALID")
    return country, phone


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Qingzhenyun:
    def __init__(self, options, codes, now):
        self.options, self.codes, self.now = options, codes, now
        self.key = secrets.token_bytes(32)
        self.users, self.ended_sessions = [], set()
        self.routes = {
            "sendRegisterMessage": self.send_register_message,
            "register": self.register,
            "login": self.login,
            "sendLoginMessage": self.send_login_message,
            "loginByMessage": self.login_by_message,
            "sendChangePasswordMessage2": self.send_reset_message,
            "changePasswordByMessage2": self.reset_password,
        }
        self.member_routes = {
            "sendChangePasswordMessage": self.send_change_message,
            "changePasswordByMessage": self.change_password_by_message,
            "changePassword": self.change_password,
            "changeName": self.change_name,
            "info": lambda call: self.shown(call.user),
            "logout": self.logout,
        }

    def answer(self, request):
        call = Call({}, request)
        try:
            result = self.run(call)
        except Refusal as refusal:
            body = {"success": False, "message": refusal.message, "code": refusal.code, "status": refusal.status}
            status = refusal.status
            if self.options.http_status == "ok" and status not in (401, 404):
                status = 200
        else:
            body, status = {"status": 200, "result": result, "code": "OK", "success": True}, 200
        if call.user and call.session not in self.ended_sessions:
            call.token = self.make_token(call.user, call.session)
            body["token"] = call.token
            call.headers.append(("Authorization", f"Bearer {call.token}"))
        return Answer(compact(body), status, headers=call.headers)

    def run(self, call):
        prefix, _, name = call.request.path.rpartition("/")
        if prefix != "/v1/user" or call.request.method != "POST":
            raise Refusal("RESOURCE_NOT_FOUND", 404)
        if name in self.routes:
            call.members = self.members(call.request)
            return self.routes[name](call)
        if name in self.member_routes:
            call.members = self.members(call.request)
            self.authenticate(call)
            return self.member_routes[name](call)
        raise Refusal("RESOURCE_NOT_FOUND", 404)

    def members(self, request):
        try:
            if request.content_type == "application/json":
                members = strict_json(request.body or b"{}")
            elif request.content_type == "application/x-www-form-urlencoded":
                members = dict(parse_qsl(request.body.decode(), keep_blank_values=True, strict_parsing=True))
            else:
                members = {}
        except ValueError:
            raise Refusal("{BODY}_NOT_VALID") from None
        if not isinstance(members, dict):
            raise Refusal("{BODY}_NOT_VALID")
        return members

    # Tokens

    def make_token(self, user, session):
        now = int(self.now())
        claims = {name: user[name] for name in ("uuid", "name", "email", "phone", "version")}
        claims |= {"sid": session, "jti": secrets.token_hex(8), "iat": now, "exp": now + TOKEN_LIFETIME}
        signed = base64url(b'{"alg":"HS256","typ":"JWT"}') + "." + base64url(compact(claims))
        return signed + "." + self.signature(signed)

    def signature(self, signed):
        return base64url(hmac.digest(self.key, signed.encode(), "sha256"))

    def authenticate(self, call):
        request = call.request
        scheme, _, bearer = request.header("Authorization").partition(" ")
        token = (bearer if scheme == "Bearer" else "") or request.header("token")
        token = token or request.parameter("auth") or request.parameter("token") or call.members.get("token")
        if not token:
            raise Refusal("CREDENTIALS_REQUIRED", 401)
        signed, _, signature = str(token).rpartition(".")
        if not hmac.compare_digest(self.signature(signed).encode(), signature.encode()):
            raise Refusal("INVALID_TOKEN", 401)
        payload = signed.partition(".")[2]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        user = self.users[claims["uuid"] - 1]
        if claims["exp"] <= self.now() or claims["sid"] in self.ended_sessions:
            raise Refusal("INVALID_TOKEN", 401)
        if claims["version"] != user["version"]:
            raise Refusal("USER_VERSION_NOT_MATCH", 401)
        call.user, call.session = user, claims["sid"]

    def sign_in(self, call, user):
        user["lastLoginTime"] = user["refreshTime"] = int(self.now() * 1000)
        call.user, call.session = user, secrets.token_hex(8)
        return self.shown(user)

    # Members

    def text(self, call, name):
        value = call.members.get(name)
        if value is None or value == "":
            raise Refusal(f"{{{field_name(name)}}}_REQUIRED")
        if not isinstance(value, str):
            raise Refusal(f"{{{field_name(name)}}}_NOT_VALID")
        return value

    def password(self, call, name):
        value = self.text(call, name)
        if self.options.password_form == "md5" and not re.fullmatch("[0-9a-f]{32}", value):
            raise Refusal("{PASSWORD}_MUST_MD5_ENCODE")
        return value

    def phone(self, call):
        country = call.members.get("countryCode", "86")
        phone = call.members.get("phone")
        if phone is None or phone == "":
            raise Refusal("{PHONE}_REQUIRED")
        self.check_phone(country, phone)
        return country, phone

    def check_phone(self, country, phone):
        if not isinstance(country, str) or not re.fullmatch("[1-9][0-9]{0,2}", country):
            raise Refusal("{COUNTRY_CODE}_NOT_VALID")
        good = isinstance(phone, str) and re.fullmatch("[0-9]{4,14}", phone)
        if not good or (country == "86" and not is_mainland_mobile(phone)):
            raise Refusal("PHONE_NOT_VALIDATE", message="Phone not validate")

    def new_name(self, call):
        name = self.text(call, "name")
        if "@" in name or re.fullmatch("[+-]?[0-9]+", name):
            # Its own odd form, for names that look like an e-mail or a number.
            raise Refusal("{NAME}_EXISTS")
        if self.find(name=name):
            raise Refusal("USER_NAME_EXIST")
        return name

    def find(self, **wanted):
        fits = (user for user in self.users if all(user[key] == value for key, value in wanted.items()))
        return next(fits, None)

    def proven_phone(self, call, purpose):
        """(country, phone) whose code came back with its phoneInfo."""
        country, phone = read_phone_info(self.text(call, "phoneInfo"), purpose)
        code = self.text(call, "code")
        if self.codes.check(f"+{country}{phone}", PURPOSES[purpose], code) != "good":
            raise Refusal("{CODE}_NOT_VALID")
        return country, phone

    # Operations

    def send(self, country, phone, purpose):
        if self.options.fail_send:
            raise Refusal("SEND_MESSAGE_ERROR")
        try:
            self.codes.send(f"+{country}{phone}", PURPOSES[purpose])
        except TooFrequent:
            raise Refusal("SEND_MESSAGE_FREQUENTLY") from None
        return make_phone_info(country, phone, purpose)

    def send_register_message(self, call):
        country, phone = self.phone(call)
        if self.find(country=country, phone=phone):
            raise Refusal("USER_PHONE_EXIST", message="User Phone exists")
        return self.send(country, phone, REGISTER)

    def send_login_message(self, call):
        country, phone = self.phone(call)
        if not self.find(country=country, phone=phone):
            raise Refusal("USER_PHONE_NOT_EXIST")
        return self.send(country, phone, LOGIN)

    def send_reset_message(self, call):
        country, phone = self.phone(call)
        if not self.find(country=country, phone=phone):
            raise Refusal("USER_PHONE_NOT_FOUND")
        return self.send(country, phone, RESET)

    def send_change_message(self, call):
        return self.send(call.user["country"], call.user["phone"], CHANGE_PASSWORD)

    def register(self, call):
        password = self.password(call, "password")
        name = self.new_name(call) if call.members.get("name") else secrets.token_hex(8)
        country, phone = self.proven_phone(call, REGISTER)
        if self.find(country=country, phone=phone):
            raise Refusal("USER_PHONE_EXIST")
        self.codes.spend(f"+{country}{phone}", PURPOSES[REGISTER])
        user = {
            "uuid": len(self.users) + 1, "name": name, "email": "", "phone": phone, "country": country,
            "password": password, "createTime": int(self.now() * 1000), "version": 0,
        }
        self.users.append(user)
        return self.sign_in(call, user)

    def login(self, call):
        value, password = self.text(call, "value"), self.password(call, "password")
        if re.fullmatch("[0-9]+", value):
            user = self.find(country=call.members.get("countryCode", "86"), phone=value)
        else:
            user = self.find(name=value)
        if user is None:
            raise Refusal("USER_NOT_FOUND")
        if user["password"] != password:
            raise Refusal("USER_LOGIN_FAILED")
        return self.sign_in(call, user)

    def login_by_message(self, call):
        country, phone = self.proven_phone(call, LOGIN)
        self.codes.spend(f"+{country}{phone}", PURPOSES[LOGIN])
        return self.sign_in(call, self.find(country=country, phone=phone))

    def reset_password(self, call):
        password = self.password(call, "newPassword")
        country, phone = self.proven_phone(call, RESET)
        self.codes.spend(f"+{country}{phone}", PURPOSES[RESET])
        return self.set_password(self.find(country=country, phone=phone), password)

    def change_password_by_message(self, call):
        password = self.password(call, "newPassword")
        country, phone = self.proven_phone(call, CHANGE_PASSWORD)
        if (country, phone) != (call.user["country"], call.user["phone"]):
            raise Refusal("{PHONE_INFO}_NOT_VALID")
        self.codes.spend(f"+{country}{phone}", PURPOSES[CHANGE_PASSWORD])
        return self.set_password(call.user, password)

    def change_password(self, call):
        old, new = self.password(call, "oldPassword"), self.password(call, "newPassword")
        if call.user["password"] != old:
            raise Refusal("USER_LOGIN_FAILED")
        return self.set_password(call.user, new)

    def set_password(self, user, password):
        """Tokens of before are of an older version from now on."""
        user["password"] = password
        user["version"] += 1
        return True

    def change_name(self, call):
        call.user["name"] = self.new_name(call)
        return True

    def logout(self, call):
        self.ended_sessions.add(call.session)
        return True

    def shown(self, user):
        """The user object in the members and order that the documents print."""
        created, login = user["createTime"], user["lastLoginTime"]
        return {
            "uuid": user["uuid"], "name": user["name"], "email": user["email"], "phone": user["phone"],
            "createTime": created, "ssid": "", "level": 0, "type": 0, "ban": 0, "banTime": created,
            "refreshTime": user["refreshTime"], "lastLoginTime": login, "validateAddon": "{}", "validate": 0,
            "version": user["version"],
        }


def main():
    parser = arguments("A strict qingzhenyun backend.", resend_interval=120)
    parser.add_argument("--password-form", choices=["plain", "md5"], default="plain")
    parser.add_argument("--http-status", choices=["real", "ok"], default="real",
                        help="ok: 200 for everything but 401 and 404, as the later servers did")
    options = parser.parse_args()
    now = clock(options)
    codes = Codes(6, options.resend_interval, now)
    serve(Qingzhenyun(options, codes, now), codes, options.port)


if __name__ == "__main__":
    main()
