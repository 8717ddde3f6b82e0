"""A strict backend that speaks discuzq (Discuz! Q, REST API of server v2.x), from the project's dialect file 3c.

What it demands:
- "Form": a body counts only when the Content-Type contains "json", and of it only `data.attributes`; what is
  missing there is 422 validation_error with a pointer, one error object for each.
- A token in `Authorization` (the prefix Bearer is optional) or `?token=`, nowhere else. One that is not good is
  401 access_denied on every route, those included that need none.
- "Operations": the attributes of the table, each a string (`register` of sms/verify is the number 1). Mobiles are
  mainland numbers without +86.
- Any other path or method is 404 route_not_found.

Answers are application/vnd.api+json; an error's `status` is a string, as in the documents' sample.

Where the documents are silent, and what was chosen:
- PATCH /api/users/{id} takes `password` (old), `newPassword`, and `password_confirmation`, which must be the new
  one when it is there. A wrong old one is 403 login_failed, the table's form of wrong credentials.
- A send that fails is 500 send_failed ("everything else" of the table); a reset for an unknown mobile is
  400 not_found_user without a token; a user is shown to himself alone.
- The types rebind, reset_pay_pwd and verify are left out: nothing of a gateway should reach them (route_not_found).
- X-Forwarded-For is taken as it comes, as real servers do: a test looks at it in /_test/requests.
"""

import base64
import re
import secrets
from datetime import datetime, timedelta, timezone

from serving import Answer, Codes, TooFrequent, arguments, clock, compact, is_mainland_mobile, serve, strict_json

LIFETIME = 2592000
MOBILE_TOKEN_LIFETIME = 3600
LOGIN_TRIES = 5
LABELS = {
    "username": "用户名", "password": "密码", "newPassword": "新密码", "password_confirmation": "确认密码",
    "mobile": "手机号", "code": "验证码", "type": "类型", "refresh_token": "刷新令牌",
    "mobileToken": "手机令牌", "register": "注册", "register_reason": "注册原因", "inviteCode": "邀请码",
}
PURPOSES = {"login": "login", "bind": "bind", "reset_pwd": "reset_password"}


class Refusal(Exception):
    """One error object; `detail` and the other members are written where there are any."""

    def __init__(self, status, code, detail=None, **more):
        super().__init__(code)
        self.status, self.error = status, {"status": str(status), "code": code}
        if detail:
            self.error["detail"] = [detail]
        self.error |= more


def invalid(attribute, reason):
    detail = f"{LABELS.get(attribute, attribute)} {reason}。"
    return Refusal(422, "validation_error", detail, source={"pointer": f"/data/attributes/{attribute}"})


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def time_text(seconds):
    return datetime.fromtimestamp(seconds, timezone(timedelta(hours=8))).isoformat(timespec="seconds")


class DiscuzQ:
    def __init__(self, options, codes, now):
        self.options, self.codes, self.now = options, codes, now
        self.users, self.access, self.refreshes, self.mobile_tokens = [], {}, {}, {}
        self.routes = {
            "/api/register": self.register,
            "/api/login": self.login,
            "/api/refresh-token": self.refresh,
            "/api/sms/send": self.send_code,
            "/api/sms/verify": self.verify_code,
        }

    def answer(self, request):
        try:
            status, body = self.run(request)
        except Refusal as refusal:
            status, body = refusal.status, {"errors": [refusal.error]}
        return Answer(compact(body), status, "application/vnd.api+json")

    def run(self, request):
        user = self.authenticate(request)
        if request.method == "POST" and request.path in self.routes:
            return self.routes[request.path](self.attributes(request), user)
        person = re.fullmatch("/api/users/([0-9]+)", request.path)
        if person and request.method in ("GET", "PATCH"):
            self.check_self(user, person[1])
            if request.method == "PATCH":
                self.change_password(self.attributes(request), user)
            return 200, {"data": self.resource(user)}
        raise Refusal(404, "route_not_found")

    def authenticate(self, request):
        token = re.sub("^Bearer ", "", request.header("Authorization")) or request.parameter("token")
        if not token:
            return None
        user, expires = self.access.get(token, (None, 0))
        if expires <= self.now():
            raise Refusal(401, "access_denied")
        return user

    def check_self(self, user, wanted):
        if user is None:
            raise Refusal(401, "not_authenticated")
        if str(user["id"]) != wanted:
            raise Refusal(401, "permission_denied")

    def attributes(self, request):
        try:
            document = strict_json(request.body) if "json" in request.content_type else {}
        except ValueError:
            document = {}
        data = document.get("data") if isinstance(document, dict) else None
        attributes = data.get("attributes") if isinstance(data, dict) else None
        return attributes if isinstance(attributes, dict) else {}

    # Attributes

    def text(self, attributes, name, may_be_empty=False):
        value = attributes.get(name)
        if value is None or (value == "" and not may_be_empty):
            raise invalid(name, "不能为空")
        if not isinstance(value, str):
            raise invalid(name, "必须是字符串")
        return value

    def optional(self, attributes, name):
        return self.text(attributes, name) if attributes.get(name) else None

    def new_password(self, attributes, name, may_be_empty=False):
        value = self.text(attributes, name, may_be_empty)
        if not 6 <= len(value) <= 50 and not (may_be_empty and value == ""):
            raise invalid(name, "长度必须介于 6 - 50 之间")
        return value

    def mobile(self, attributes):
        value = self.text(attributes, "mobile")
        if not is_mainland_mobile(value):
            raise invalid("mobile", "格式不正确")
        return value

    def type(self, attributes):
        value = self.text(attributes, "type")
        if value in ("rebind", "reset_pay_pwd", "verify"):
            raise Refusal(404, "route_not_found")
        if value not in PURPOSES:
            raise invalid("type", "无效")
        return value

    def find(self, key, value):
        return next((user for user in self.users if user[key] == value), None)

    # Operations

    def register(self, attributes, _):
        username = re.sub(r"\s", "", self.text(attributes, "username"))
        password = self.new_password(attributes, "password", may_be_empty=True)
        for name in ("code", "register_reason"):
            self.optional(attributes, name)
        if not 0 < len(username) <= 15:
            raise invalid("username", "长度不能大于 15 个字符")
        if self.options.registration_closed:
            raise Refusal(401, "register_close")
        if self.find("username", username):
            raise invalid("username", "已经存在")
        mobile = self.bound_mobile(attributes)
        return self.create(username, password, mobile, attributes.get("register_reason"))

    def create(self, username, password, mobile, reason=None):
        now = self.now()
        user = {
            "id": len(self.users) + 1, "username": username, "password": password, "mobile": mobile, "tries": 0,
            "created": now, "login": now, "reason": reason, "review": self.options.review,
        }
        self.users.append(user)
        # The account is there all the same.
        self.check_reviewed(user)
        return 201 if self.options.created else 200, self.token_document(user)

    def bound_mobile(self, attributes):
        """The mobile that a mobileToken stands for; the token is spent."""
        token = self.optional(attributes, "mobileToken")
        if token is None:
            return ""
        mobile, expires = self.mobile_tokens.pop(token, ("", 0))
        if expires <= self.now():
            raise invalid("mobileToken", "无效")
        if self.find("mobile", mobile):
            raise Refusal(500, "mobile_is_already_bind")
        return mobile

    def login(self, attributes, _):
        name, password = self.text(attributes, "username"), self.text(attributes, "password")
        user = self.find("username", name)
        if user is None and is_mainland_mobile(name):
            user = self.find("mobile", name)
        if user is None:
            raise Refusal(403, "login_failed")
        if user["tries"] >= LOGIN_TRIES:
            raise Refusal(402, "login_failures_times_toplimit")
        if user["password"] != password:
            user["tries"] += 1
            if user["tries"] >= LOGIN_TRIES:
                raise Refusal(402, "login_failures_times_toplimit")
            raise Refusal(403, "login_failed", f"登录失败，您还可以尝试{LOGIN_TRIES - user['tries']}次")
        self.check_reviewed(user)
        if attributes.get("mobileToken"):
            if user["mobile"]:
                raise Refusal(500, "user_has_mobile")
            user["mobile"] = self.bound_mobile(attributes)
        return 200, self.login_document(user)

    def check_reviewed(self, user):
        if user["review"]:
            raise Refusal(401, "register_validate")

    def refresh(self, attributes, _):
        token = self.text(attributes, "refresh_token")
        if token not in self.refreshes:
            raise Refusal(401, "invalid_request")
        return 200, self.token_document(self.refreshes.pop(token))

    def send_code(self, attributes, user):
        kind, mobile = self.type(attributes), self.mobile(attributes)
        if kind == "bind" and user is None:
            raise Refusal(401, "not_authenticated")
        if self.options.fail_send:
            raise Refusal(500, "send_failed")
        try:
            self.codes.send(f"+86{mobile}", PURPOSES[kind])
        except TooFrequent as frequent:
            raise Refusal(500, "sms_interval", f"请在{frequent.wait}秒后重新发送验证码") from None
        attributes = {"interval": self.options.resend_interval}
        return 200, {"data": {"type": "smssend", "id": "1", "attributes": attributes}}

    def verify_code(self, attributes, user):
        kind, mobile, code = self.type(attributes), self.mobile(attributes), self.text(attributes, "code")
        at_once = attributes.get("register", 0)
        if at_once not in (0, 1) or isinstance(at_once, bool):
            raise invalid("register", "无效")
        password = self.new_password(attributes, "password") if kind == "reset_pwd" else None
        if kind == "bind" and user is None:
            raise Refusal(401, "not_authenticated")
        if self.codes.check(f"+86{mobile}", PURPOSES[kind], code) != "good":
            raise Refusal(500, "sms_verify_error")
        self.codes.spend(f"+86{mobile}", PURPOSES[kind])
        owner = self.find("mobile", mobile)
        if kind == "login":
            return self.login_by_code(owner, mobile, at_once)
        if kind == "bind":
            if owner:
                raise Refusal(500, "mobile_is_already_bind")
            user["mobile"] = mobile
            return 200, {"data": self.resource(user)}
        if owner is None:
            raise Refusal(400, "not_found_user")
        owner["password"], owner["tries"] = password, 0
        return 200, {"data": self.resource(owner)}

    def login_by_code(self, owner, mobile, at_once):
        if owner:
            self.check_reviewed(owner)
            return 200, self.login_document(owner)
        if at_once:
            return self.create(f"网友{secrets.token_hex(3)}", "", mobile)
        token = secrets.token_hex(20)
        self.mobile_tokens[token] = (mobile, self.now() + MOBILE_TOKEN_LIFETIME)
        raise Refusal(400, "not_found_user", token=token)

    def change_password(self, attributes, user):
        old = self.text(attributes, "password", may_be_empty=True)
        new = self.new_password(attributes, "newPassword")
        if attributes.get("password_confirmation", new) != new:
            raise invalid("password_confirmation", "与新密码不一致")
        if user["password"] != old:
            raise Refusal(403, "login_failed", "帐号或密码错误")
        user["password"] = new

    # Documents

    def token_document(self, user):
        now = int(self.now())
        # RS256 in name: nobody but this server has to believe it, so the signature is noise.
        claims = {
            "aud": "", "jti": secrets.token_hex(40), "iat": now, "nbf": now, "exp": now + LIFETIME,
            "sub": str(user["id"]), "scopes": [None],
        }
        parts = [b'{"typ":"JWT","alg":"RS256"}', compact(claims), secrets.token_bytes(256)]
        access, refresh = ".".join(map(base64url, parts)), "def50200" + secrets.token_hex(200)
        self.access[access] = (user, now + LIFETIME)
        self.refreshes[refresh] = user
        attributes = {
            "token_type": "Bearer", "expires_in": LIFETIME, "access_token": access, "refresh_token": refresh,
        }
        return {"data": {"type": "token", "id": str(user["id"]), "attributes": attributes}}

    def login_document(self, user):
        user["login"], user["tries"] = self.now(), 0
        return self.token_document(user) | {"included": [self.resource(user)]}

    def resource(self, user):
        """The user as he sees himself."""
        mobile = user["mobile"]
        attributes = {
            "id": user["id"], "username": user["username"], "mobile": mobile and f"{mobile[:3]}****{mobile[7:]}",
            "avatarUrl": "", "threadCount": 0, "followCount": 0, "fansCount": 0, "likedCount": 0,
            "status": 2 if user["review"] else 0, "loginAt": time_text(user["login"]),
            "joinedAt": time_text(user["created"]), "expiredAt": None,
            "createdAt": time_text(user["created"]), "updatedAt": time_text(user["login"]),
            "registerReason": user["reason"] or "", "banReason": "", "originalMobile": mobile,
            "registerIp": "192.0.2.1", "lastLoginIp": "192.0.2.1", "hasPassword": user["password"] != "",
        }
        return {"type": "users", "id": str(user["id"]), "attributes": attributes}


def main():
    parser = arguments("A strict discuzq backend.", resend_interval=60)
    parser.add_argument("--review", action="store_true", help="new accounts wait for review")
    parser.add_argument("--registration-closed", action="store_true")
    parser.add_argument("--created", action="store_true", help="a register is 201, as in the server's source")
    options = parser.parse_args()
    now = clock(options)
    codes = Codes(6, options.resend_interval, now)
    serve(DiscuzQ(options, codes, now), codes, options.port)


if __name__ == "__main__":
    main()
