"""The form of shopxo's messages, as dialect file 3d and the recordings show it: where members of a request come
from, how PHP writes JSON, and the user object."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from email.parser import BytesParser
from urllib.parse import parse_qsl


class Refusal(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code, self.message = code, message


@dataclass
class Call:
    members: dict
    # Those of them that did not come by JSON.
    public: dict

    def get(self, name):
        return self.members.get(name)

    def text(self, name, message, code=-1):
        """A member that is not empty as PHP sees it."""
        value = self.members.get(name)
        if value in (None, "", "0", 0, False) or value == [] or value == {}:
            raise Refusal(code, message)
        return value if isinstance(value, (list, dict)) else str(value)

    def code(self):
        """The code that came by SMS or e-mail."""
        if "verify" not in self.members:
            raise Refusal(-500, 'Undefined array key "verify"')
        return self.text("verify", "验证码不能为空")


def read_members(request):
    """(all members, those that count for `application`)"""
    form, json_members = {}, {}
    if request.content_type == "application/json":
        try:
            value = json.loads(request.body or b"{}")
        except ValueError:
            value = {}
        json_members = value if isinstance(value, dict) else {}
    elif request.content_type == "application/x-www-form-urlencoded":
        form = dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
    elif request.content_type == "multipart/form-data":
        head = f"Content-Type: {request.header('Content-Type')}\r\n\r\n".encode()
        message = BytesParser().parsebytes(head + request.body)
        for part in message.get_payload() if message.is_multipart() else []:
            name = part.get_param("name", header="Content-Disposition")
            form[name] = part.get_payload(decode=True).decode("utf-8", "replace")
    public = dict(request.query) | form
    return public | json_members, public


def mask(text):
    return text and f"{text[:3]}***{text[-3:]}"


def time_text(seconds):
    return f"{datetime.fromtimestamp(seconds, timezone(timedelta(hours=8))):%Y-%m-%d %H:%M:%S}"


def php_json(value, escape_unicode=False):
    """As PHP's json_encode writes it, slashes escaped."""
    text = json.dumps(value, ensure_ascii=escape_unicode, separators=(",", ":"))
    return text.replace("/", "\\/").encode()


def user_object(user, token, platform, number):
    """The user object in the members and order of the recordings; `number` is int, or str as older servers wrote."""
    mobile, email = mask(user["mobile"]), mask(user["email"])
    shown = {
        "id": number(user["id"]), "number_code": user["number_code"], "status": number(user["status"]),
        "username": user["username"], "nickname": user["nickname"], "mobile": user["mobile"],
        "email": user["email"], "gender": number(user["gender"]),
        "avatar": user["avatar"] or "http://127.0.0.1/static/common/images/default-user-avatar-md.png",
        "province": user["province"], "city": user["city"], "county": "", "birthday": "", "address": "",
        "integral": number(0), "locking_integral": number(0), "referrer": number(0),
        "is_delete_time": number(0), "is_logout_time": number(0), "add_time": number(user["add_time"]),
        "upd_time": number(user["upd_time"]), "system_type": "default",
        "platform": platform, "token": token,
    }
    for name in ("alipay", "weixin", "weixin_union", "weixin_web", "baidu", "toutiao", "toutiao_union", "qq",
                 "qq_union", "kuaishou"):
        shown[f"{name}id" if name.endswith("_union") else f"{name}_openid"] = ""
    return shown | {
        "add_time_text": time_text(user["add_time"]), "upd_time_text": time_text(user["upd_time"]),
        "gender_text": ("保密", "女", "男")[user["gender"]], "mobile_security": mobile,
        "email_security": email, "address_info": "",
        "user_name_view": user["username"] or user["nickname"] or mobile or email, "is_setup_pwd": 1,
    }
