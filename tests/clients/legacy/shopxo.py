"""A strict backend that speaks shopxo (ShopXO v6.9.0), from the project's dialect file 3d and the traffic that was
recorded against a real server (fixtures shopxo-recorded.jsonl and shopxo-codes.tsv).

What it demands, all of it as recorded:
- "Form": the route is `s` (any case, leading slash, trailing .html) or the tail behind /api.php. Members come from
  the query and from a JSON, urlencoded or multipart body, which wins; under any other Content-Type a body has
  none. `application=app` must be in the query or a form, else a login answers {body_html, user_id}. All of GET,
  POST, PUT and DELETE are alike.
- `type` says what `accounts` is; mobiles are mainland numbers without +86.
- An empty `verify` is refused; a missing one is a PHP error where a code belongs.
- `token` in the query or the body, never in a header. Codes have 4 digits, and an eighth try finds them expired; a
  good code stays good (login.sms_code_reuse). A new login leaves the tokens of before as they were.
- With `--captcha`, a picture (user/userverifyentry, type user_reg, user_login or user_forget) belongs to a `uuid`;
  what it shows is at /_test/codes?to=UUID. A login spends it, a register does not.

`data` is "" on every failure. Not recorded, and so chosen: the order of checks that no recording tells, the names
of the picture's types, English for all but the four messages that were seen in it.
"""

import itertools
import re
import secrets

from serving import Answer, Codes, TooFrequent, arguments, clock, is_email, is_mainland_mobile, serve
from shopxo_form import Call, Refusal, php_json, read_members, user_object

PURPOSES = {"reg": "register", "login": "login", "forgetpwd": "reset_password"}
PICTURES = {"user_reg": "reg", "user_login": "login", "user_forget": "forgetpwd"}
# Nobody reads it, the answer is at the side door.
PICTURE = b'<svg xmlns="http://www.w3.org/2000/svg" width="4" height="1"/>'
ENGLISH = {
    "密码错误": "Password error",
    "登录失效，请重新登录": "Login Failed, please login again",
    "发送失败[操作频繁，请稍后再试！]": "Sending Failed[Frequent operation, please try again later!]",
}
NO_MOBILE, NO_EMAIL = "手机号码不存在、请先注册！", "电子邮箱不存在、请先注册！"


class ShopXO:
    def __init__(self, options, codes, pictures, now):
        self.options, self.codes, self.pictures, self.now = options, codes, pictures, now
        self.users, self.tokens, self.numbers = [], {}, itertools.count(1)
        self.routes = {
            "user/reg": self.register,
            "user/login": self.login,
            "user/regverifysend": self.send_register_code,
            "user/loginverifysend": self.send_login_code,
            "user/forgetpwdverifysend": self.send_reset_code,
            "user/forgetpwd": self.reset_password,
            "user/tokenuserinfo": self.token_user_info,
            "safety/loginpwdupdate": self.change_password,
            "safety/logout": self.delete_account,
        }

    def answer(self, request):
        if request.method == "OPTIONS":
            return Answer(b"", 204, "text/html; charset=utf-8", [("Allow", "GET, POST, PUT, DELETE")])
        call = Call(*read_members(request))
        try:
            route = self.route(request)
            if self.options.site_closed:
                raise Refusal(-10000, "升级中...")
            if route == "user/userverifyentry":
                return self.picture(call)
            message, data = self.operation(route)(call)
            body = {"msg": message, "code": 0, "data": data}
        except Refusal as refusal:
            message = refusal.message
            if call.public.get("lang") == "en":
                message = ENGLISH.get(message, message)
            body = {"msg": message, "code": refusal.code, "data": ""}
            if refusal.code == -400:
                # PHP ends the script there, before the framework could name a type.
                return Answer(php_json(body, True), content_type="text/html; charset=UTF-8")
        return Answer(php_json(body))

    def route(self, request):
        if request.path == "/index.php":
            raise Refusal(-500, "variable type error： array")
        entry, _, tail = request.path.lstrip("/").partition("/")
        if entry != "api.php":
            raise Refusal(-1000, f"控制器不存在({entry})")
        return (request.parameter("s") or tail).strip("/").lower().removesuffix(".html")

    def operation(self, route):
        controller, _, action = route.partition("/")
        if controller not in ("user", "safety"):
            raise Refusal(-1000, f"控制器不存在({controller})")
        if route not in self.routes:
            raise Refusal(-1000, f"非法访问({action})")
        return self.routes[route]

    # Accounts

    def find(self, accounts, kinds=("username", "mobile", "email")):
        wanted = accounts.lower() if isinstance(accounts, str) else accounts
        fits = (user for user in self.users if any(user[kind].lower() == wanted for kind in kinds))
        return next(fits, None)

    def check_format(self, accounts, kind):
        if kind == "sms" and not is_mainland_mobile(accounts):
            raise Refusal(-2, "手机号码格式错误")
        if kind == "email" and not is_email(accounts):
            raise Refusal(-2, "电子邮箱格式错误")
        # PHP's `$` lets a line feed at the end pass, and so does Python's (reg.accounts_newline).
        if kind == "username" and not re.match(r"^[A-Za-z0-9_]{2,18}$", accounts):
            raise Refusal(-2, "用户名格式由字母数字下划线2~18个字符")

    def check_unknown(self, accounts, kind):
        if self.find(accounts):
            taken = {"sms": "手机号码已存在", "email": "电子邮箱已存在"}
            raise Refusal(-3, taken.get(kind, f"用户已存在[{accounts}]"))

    def check_known(self, accounts, kind):
        user = self.find(accounts)
        if user is None:
            raise Refusal(-3, {"sms": NO_MOBILE, "email": NO_EMAIL}.get(kind, "帐号不存在"))
        return user

    def shape(self, accounts):
        """What forgetpwd takes an account for, which says no type."""
        if is_mainland_mobile(accounts):
            return "sms"
        if is_email(accounts):
            return "email"
        raise Refusal(-4, "手机/邮箱格式有误")

    # Codes and pictures

    def place(self, accounts):
        return f"+86{accounts}" if is_mainland_mobile(accounts) else accounts

    def send(self, accounts, action):
        if self.options.fail_send:
            raise Refusal(-100, "发送失败[业务限流]")
        try:
            self.codes.send(self.place(accounts), PURPOSES[action])
        except TooFrequent:
            raise Refusal(-100, "发送失败[操作频繁，请稍后再试！]") from None
        return "发送成功", ""

    def check_code(self, accounts, action, code):
        outcome = self.codes.check(self.place(accounts), PURPOSES[action], code)
        if outcome == "expired":
            raise Refusal(-10, "验证码已过期")
        if outcome == "wrong":
            raise Refusal(-11, "验证码错误")

    def picture(self, call):
        action = PICTURES.get(call.get("type"))
        if action is None or not call.get("uuid"):
            raise Refusal(-1, "参数错误")
        letters = "".join(secrets.choice("abcdefghjkmnpqrstuvwxyz23456789") for _ in range(4))
        # Kept among the codes as well, which is where a test looks.
        self.pictures.send(call.get("uuid"), action, letters)
        self.codes.sent.append({"to": call.get("uuid"), "purpose": "captcha", "code": letters})
        return Answer(PICTURE, content_type="image/svg+xml")

    def check_picture(self, call, action, spend=False):
        if not self.options.captcha:
            if call.get("verify") == "":
                raise Refusal(-1, "验证码不能为空")
            return
        answer = call.text("verify", "图片验证码不能为空", -10)
        outcome = self.pictures.check(call.get("uuid"), action, str(answer).lower())
        if outcome != "good":
            raise Refusal(*((-11, "验证码已过期") if outcome == "expired" else (-12, "验证码错误")))
        if spend:
            self.pictures.live.pop((call.get("uuid"), action))

    # Operations

    def register(self, call):
        accounts = call.text("accounts", "账号不能为空")
        password = call.text("pwd", "密码不能为空")
        kind = call.get("type")
        if kind not in ("username", "sms", "email"):
            raise Refusal(-1, "注册类型有误")
        if not isinstance(accounts, str):
            raise Refusal(-500, "preg_match(): Argument #2 ($subject) must be of type string, array given")
        if self.options.registration_closed:
            raise Refusal(-1, "暂时关闭注册")
        if accounts == "admin":
            raise Refusal(-1, f"该用户名禁止注册({accounts})")
        self.check_format(accounts, kind)
        self.check_unknown(accounts, kind)
        if kind == "username":
            self.check_picture(call, "reg")
        else:
            self.check_code(accounts, "reg", call.code())
        user = self.create(call, accounts, kind, password)
        if user["status"] == 3:
            raise Refusal(-110, "用户等待审核中")
        return "注册成功", self.sign_in(call, user)

    def create(self, call, accounts, kind, password):
        number, now = next(self.numbers), int(self.now())
        user = {
            "id": number, "status": 3 if self.options.review else 0, "pwd": password, "add_time": now,
            "upd_time": now, "username": "", "mobile": "", "email": "",
            "number_code": f"8888{secrets.randbelow(10**8):08}{number}",
        }
        user["mobile" if kind == "sms" else kind] = accounts
        for name in ("nickname", "avatar", "province", "city"):
            value = call.get(name)
            user[name] = value if isinstance(value, str) else ""
        user["gender"] = int(call.get("gender")) if call.get("gender") in (1, 2, "1", "2") else 0
        self.users.append(user)
        return user

    def login(self, call):
        kind = call.get("type")
        if kind not in ("username", "sms", "email"):
            raise Refusal(-1, "登录类型有误")
        accounts = call.text("accounts", "账号不能为空")
        if not isinstance(accounts, str):
            items = "".join(f"  {place} => '{item}',\n" for place, item in enumerate(accounts))
            raise Refusal(-500, f"where express error:=array (\n{items})")
        if kind == "username":
            password = call.get("pwd")
            if not isinstance(password, str) or not 6 <= len(password) <= 18:
                raise Refusal(-1, "登录密码格式6~18个字符之间")
            self.check_picture(call, "login")
            user = self.check_known(accounts, kind)
            if user["pwd"] != password:
                raise Refusal(-4, "密码错误")
        else:
            user = self.check_known(accounts, kind)
            self.check_code(accounts, "login", call.code())
        if user["status"] == 3:
            raise Refusal(-10, "用户等待审核中")
        if kind == "username" and self.options.captcha:
            self.check_picture(call, "login", spend=True)
        user["upd_time"] = int(self.now())
        return "登录成功", self.sign_in(call, user)

    def send_code(self, call, action, wrong_type):
        accounts = call.text("accounts", "账号不能为空")
        kind = call.get("type")
        if kind not in ("username", "sms", "email"):
            raise Refusal(-1, wrong_type)
        if kind == "username":
            raise Refusal(-2, "该类型不支持验证码发送")
        if action == "reg" and self.options.registration_closed:
            raise Refusal(-1, "暂时关闭注册")
        self.check_format(accounts, kind)
        (self.check_unknown if action == "reg" else self.check_known)(accounts, kind)
        self.check_picture(call, action)
        return self.send(accounts, action)

    def send_register_code(self, call):
        return self.send_code(call, "reg", "注册类型有误")

    def send_login_code(self, call):
        return self.send_code(call, "login", "登录类型有误")

    def send_reset_code(self, call):
        accounts = call.text("accounts", "参数错误", -10)
        self.check_known(accounts, self.shape(accounts))
        self.check_picture(call, "forgetpwd")
        return self.send(accounts, "forgetpwd")

    def reset_password(self, call):
        accounts = call.text("accounts", "账号不能为空")
        password = call.text("pwd", "密码不能为空")
        code = call.text("verify", "验证码不能为空")
        user = self.check_known(accounts, self.shape(accounts))
        self.check_code(accounts, "forgetpwd", code)
        user["pwd"] = password
        return "操作成功", ""

    def token_user_info(self, call):
        token = call.text("token", "token不能为空")
        user = self.tokens.get(token)
        if user is None:
            raise Refusal(-1, "用户信息不存在")
        return "success", self.shown(call, user, token)

    def signed_in(self, call):
        token = call.get("token")
        if not isinstance(token, str) or token not in self.tokens:
            raise Refusal(-400, "登录失效，请重新登录")
        return self.tokens[token], token

    def change_password(self, call):
        user, token = self.signed_in(call)
        for name, label in (("my_pwd", "当前密码"), ("new_pwd", "新密码"), ("confirm_new_pwd", "确认密码")):
            value = call.get(name)
            if not isinstance(value, str) or not 6 <= len(value) <= 18:
                raise Refusal(-1, f"{label}格式格式6~18个字符之间")
        if call.get("new_pwd") != call.get("confirm_new_pwd"):
            raise Refusal(-5, "确认密码与新密码不一致")
        if user["pwd"] != call.get("my_pwd"):
            raise Refusal(-4, "当前密码错误")
        user["pwd"], user["upd_time"] = call.get("new_pwd"), int(self.now())
        return "操作成功", self.shown(call, user, token)

    def delete_account(self, call):
        """What `logout` means here. No gateway may ever call it for a log-out."""
        user, _ = self.signed_in(call)
        self.users = [other for other in self.users if other is not user]
        self.tokens = {token: owner for token, owner in self.tokens.items() if owner is not user}
        return "注销成功", ""

    def sign_in(self, call, user):
        if call.public.get("application") != "app":
            return {"body_html": "", "user_id": user["id"]}
        token = secrets.token_hex(16)
        self.tokens[token] = user
        return self.shown(call, user, token) | {"is_mandatory_bind_mobile": 0}

    def shown(self, call, user, token):
        number = str if self.options.numbers == "text" else int
        return user_object(user, token, call.public.get("application_client_type", ""), number)


def main():
    parser = arguments("A strict shopxo backend.", resend_interval=60)
    parser.add_argument("--captcha", action="store_true", help="ask for the picture")
    parser.add_argument("--site-closed", action="store_true")
    parser.add_argument("--registration-closed", action="store_true")
    parser.add_argument("--review", action="store_true", help="new accounts wait for review")
    parser.add_argument("--numbers", choices=["int", "text"], default="int",
                        help="text: as servers on older PHP wrote them")
    options = parser.parse_args()
    now = clock(options)
    codes = Codes(4, options.resend_interval, now, wrong_tries=7)
    pictures = Codes(4, 0, now)
    serve(ShopXO(options, codes, pictures, now), codes, options.port)


if __name__ == "__main__":
    main()
