//! A client of each dialect, written by hand from the dialects' documents: nothing of this crate's packs is in
//! them.

use std::cell::RefCell;
use std::net::SocketAddr;

use serde_json::{Value, json};

use super::coolkit::{self, App};
use super::http::{Answer, Connection};

/// Every dialect that is built in.
pub const DIALECTS: [&str; 5] = ["coolkit", "qingzhenyun", "discuzq", "shopxo", "canonical"];

/// What a lying client says of where it is; a gateway that does not trust it must not pass it on.
const FORGED: &str = "X-Forwarded-For: 203.0.113.9, 203.0.113.10\r\n";

/// For what a code is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum For {
    Register,
    Login,
    Reset,
}

/// One app of one dialect, and what it remembers between two calls.
pub struct Client {
    pub dialect: &'static str,
    pub address: SocketAddr,
    app: App,
    /// Whether it keeps its connection for the next call.
    pub keeps_connection: bool,
    kept: RefCell<Option<Connection>>,
    /// What it sent last.
    pub sent: RefCell<Vec<u8>>,
    /// Whether it says that it asks for somebody else.
    pub lies: bool,
    /// What came with the last code.
    pub challenge: Option<String>,
    /// What opens calls.
    pub token: Option<String>,
    /// What renews that.
    pub refresh_token: Option<String>,
    /// The account's id, where answers tell it.
    pub id: Option<String>,
}

impl Client {
    /// A client that has done nothing yet; the app is that of coolkit's client.
    pub fn new(dialect: &'static str, address: SocketAddr, app: &App) -> Self {
        let app = App::new(&app.id, &app.secret);
        Self {
            dialect,
            address,
            app,
            keeps_connection: false,
            kept: RefCell::default(),
            sent: RefCell::default(),
            lies: false,
            challenge: None,
            token: None,
            refresh_token: None,
            id: None,
        }
    }

    /// One request, on a connection of its own unless the client keeps one.
    pub fn send(&self, method: &str, target: &str, fields: &[(&str, &str)], body: &str) -> Answer {
        let mut request = format!("{method} {target} HTTP/1.1\r\nHost: {}\r\n", self.address);
        if self.lies {
            request += FORGED;
        }
        for (name, value) in fields {
            request += &format!("{name}: {value}\r\n");
        }
        request += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
        *self.sent.borrow_mut() = request.clone().into_bytes();
        let kept = self.kept.borrow_mut().take();
        let mut connection = kept.unwrap_or_else(|| Connection::open(self.address));
        let answer = connection.exchange(request.as_bytes());
        if self.keeps_connection && !answer.closes() {
            *self.kept.borrow_mut() = Some(connection);
        }
        answer
    }

    /// A JSON body, with the token as `Authorization: Bearer` where one is given.
    pub fn json(&self, method: &str, target: &str, token: Option<&str>, members: &Value) -> Answer {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let mut fields = vec![("Content-Type", "application/json")];
        fields.extend(bearer.as_deref().map(|bearer| ("Authorization", bearer)));
        self.send(method, target, &fields, &members.to_string())
    }

    /// A signed call of coolkit.
    pub fn signed(&self, path: &str, members: Value) -> Answer {
        let body = self.app.body(members);
        let sign = self.app.sign(body.as_bytes());
        self.send("POST", path, &[("Authorization", &sign), ("Content-Type", "application/json")], &body)
    }

    /// A JSON:API document as Discuz! Q's clients send it.
    pub fn document(&self, method: &str, target: &str, token: Option<&str>, attributes: &Value) -> Answer {
        self.json(method, target, token, &json!({"data": {"attributes": attributes}}))
    }

    /// A call of ShopXO's official client, with the token in the query as it has it.
    pub fn shop(&self, route: &str, members: &Value) -> Answer {
        let token = self.token.as_deref().unwrap_or_default();
        let target = format!(
            "/api.php?s={route}&system_type=default&application=app&application_client_type=h5\
             &application_client_brand=&token={token}&uuid=1c2f6a40-5b7e&lang=zh&theme=yellow&ajax=ajax"
        );
        self.json("POST", &target, None, members)
    }

    /// Asks for a code; the phone is one of mainland China without country code.
    pub fn ask_code(&mut self, purpose: For, phone: &str) -> Answer {
        let name = |register, login, reset| match purpose {
            For::Register => register,
            For::Login => login,
            For::Reset => reset,
        };
        let answer = match self.dialect {
            "coolkit" => {
                let kind = name("0", "there is none", "1");
                self.signed("/api/sms", json!({"sendType": kind, "to": format!("+86{phone}")}))
            }
            "qingzhenyun" => {
                let call = name("sendRegisterMessage", "sendLoginMessage", "sendChangePasswordMessage2");
                let members = json!({"countryCode": "86", "phone": phone});
                self.json("POST", &format!("/v1/user/{call}"), None, &members)
            }
            "discuzq" => {
                let attributes = json!({"mobile": phone, "type": name("login", "login", "reset_pwd")});
                self.document("POST", "/api/sms/send", None, &attributes)
            }
            "shopxo" => {
                let route = name("user/regverifysend", "user/loginverifysend", "user/forgetpwdverifysend");
                self.shop(route, &json!({"accounts": phone, "type": "sms"}))
            }
            _ => {
                let purpose = name("register", "login", "reset_password");
                let members = json!({"channel": "sms", "phone": format!("+86{phone}"), "purpose": purpose});
                self.json("POST", "/v1/verification-codes", None, &members)
            }
        };
        if self.is_good(&answer) {
            let member = if self.dialect == "qingzhenyun" { "/result" } else { "/challenge" };
            self.challenge = answer.json().pointer(member).and_then(Value::as_str).map(str::to_owned);
        }
        answer
    }

    /// Registers a phone with its code. Discuz! Q's client logs in by code first, and registers with what the
    /// refusal brings and a name of its own.
    pub fn register(&mut self, phone: &str, code: &str, password: &str) -> Answer {
        let answer = match self.dialect {
            "coolkit" => self.signed(
                "/api/user/register",
                json!({"phoneNumber": format!("+86{phone}"), "verificationCode": code, "password": password}),
            ),
            "qingzhenyun" => self.json(
                "POST",
                "/v1/user/register",
                None,
                &json!({"password": password, "code": code, "phoneInfo": self.challenge}),
            ),
            "discuzq" => {
                let verified = self.verify_mobile(phone, code);
                let error = &verified.json()["errors"][0];
                if error["code"] != "not_found_user" {
                    return verified;
                }
                let name = format!("u{phone}");
                let attributes =
                    json!({"username": name, "password": password, "mobileToken": error["token"]});
                self.document("POST", "/api/register", None, &attributes)
            }
            "shopxo" => self.shop(
                "user/reg",
                &json!({"accounts": phone, "pwd": password, "verify": code, "type": "sms"}),
            ),
            _ => {
                let verification = json!({"code": code, "challenge": self.challenge});
                let members = json!({"phone": format!("+86{phone}"), "password": password,
                    "password_form": "plain", "verification": verification});
                self.json("POST", "/v1/accounts", None, &members)
            }
        };
        self.remember(answer)
    }

    /// Registers a bare name, as clients of Discuz! Q and ShopXO do.
    pub fn register_name(&mut self, name: &str, password: &str) -> Answer {
        let answer = match self.dialect {
            "discuzq" => {
                let attributes = json!({"username": name, "password": password});
                self.document("POST", "/api/register", None, &attributes)
            }
            "shopxo" => {
                self.shop("user/reg", &json!({"accounts": name, "pwd": password, "type": "username"}))
            }
            other => panic!("{other} has no form for a bare name"),
        };
        self.remember(answer)
    }

    /// Logs in by password, as a phone or, where the client has names, as one.
    pub fn login(&mut self, who: &str, password: &str) -> Answer {
        let answer = match self.dialect {
            "coolkit" => self.signed("/api/user/login", coolkit::login(&format!("+86{who}"), password)),
            "qingzhenyun" => {
                let members = json!({"value": who, "password": password, "countryCode": "86"});
                self.json("POST", "/v1/user/login", None, &members)
            }
            "discuzq" => {
                let attributes = json!({"username": who, "password": password});
                self.document("POST", "/api/login", None, &attributes)
            }
            "shopxo" => {
                self.shop("user/login", &json!({"accounts": who, "pwd": password, "type": "username"}))
            }
            _ => {
                let members =
                    json!({"phone": format!("+86{who}"), "password": password, "password_form": "plain"});
                self.json("POST", "/v1/sessions", None, &members)
            }
        };
        self.remember(answer)
    }

    /// Whether a login by password is good.
    pub fn logs_in(&mut self, who: &str, password: &str) -> bool {
        let answer = self.login(who, password);
        self.is_good(&answer)
    }

    /// Logs in with a code; coolkit's client can't.
    pub fn login_code(&mut self, phone: &str, code: &str) -> Answer {
        let answer = match self.dialect {
            "qingzhenyun" => {
                let members = json!({"phoneInfo": self.challenge, "code": code});
                self.json("POST", "/v1/user/loginByMessage", None, &members)
            }
            "discuzq" => self.verify_mobile(phone, code),
            "shopxo" => self.shop("user/login", &json!({"accounts": phone, "verify": code, "type": "sms"})),
            "canonical" => {
                let verification = json!({"code": code, "challenge": self.challenge});
                let members = json!({"phone": format!("+86{phone}"), "verification": verification});
                self.json("POST", "/v1/sessions", None, &members)
            }
            other => panic!("{other} has no login by code"),
        };
        self.remember(answer)
    }

    fn verify_mobile(&self, phone: &str, code: &str) -> Answer {
        let attributes = json!({"mobile": phone, "code": code, "type": "login"});
        self.document("POST", "/api/sms/verify", None, &attributes)
    }

    /// Asks who is logged in; `None` for coolkit's client, which can't.
    pub fn me(&self) -> Option<Answer> {
        let token = self.token.as_deref();
        Some(match self.dialect {
            "coolkit" => return None,
            "qingzhenyun" => self.json("POST", "/v1/user/info", token, &json!({})),
            "discuzq" => {
                let target = format!("/api/users/{}", self.id.as_deref().unwrap());
                self.send("GET", &target, &[("Authorization", &format!("Bearer {}", token.unwrap()))], "")
            }
            "shopxo" => self.shop("user/tokenuserinfo", &json!({})),
            _ => {
                let bearer = format!("Bearer {}", token.unwrap());
                self.send("GET", "/v1/accounts/me", &[("Authorization", &bearer)], "")
            }
        })
    }

    /// Renews the session; `None` for clients whose dialect has no call for it.
    pub fn refresh(&mut self) -> Option<Answer> {
        let token = self.refresh_token.clone()?;
        let answer = match self.dialect {
            "coolkit" => {
                let (ts, nonce) = (super::now(), coolkit::fresh_nonce());
                let query = format!(
                    "rt={token}&grantType=refresh&appid={}&ts={ts}&version=8&nonce={nonce}",
                    self.app.id
                );
                let sign = self.app.sign(query.as_bytes());
                self.send("GET", &format!("/api/user/refresh?{query}"), &[("Authorization", &sign)], "")
            }
            "discuzq" => {
                let attributes = json!({"refresh_token": token});
                self.document("POST", "/api/refresh-token", None, &attributes)
            }
            _ => self.json("POST", "/v1/sessions/refresh", None, &json!({"refresh_token": token})),
        };
        Some(self.remember(answer))
    }

    /// Logs out; `None` for clients whose dialect has no call for it.
    pub fn log_out(&self) -> Option<Answer> {
        let token = self.token.as_deref();
        match self.dialect {
            "qingzhenyun" => Some(self.json("POST", "/v1/user/logout", token, &json!({}))),
            "canonical" => {
                let bearer = format!("Bearer {}", token.unwrap());
                Some(self.send("DELETE", "/v1/sessions/current", &[("Authorization", &bearer)], ""))
            }
            _ => None,
        }
    }

    /// Whether the dialect's own clients take an answer for good.
    pub fn is_good(&self, answer: &Answer) -> bool {
        let good = (200..300).contains(&answer.status);
        if answer.status == 204 {
            return true;
        }
        let body = answer.json();
        match self.dialect {
            "coolkit" => answer.status == 200 && matches!(body["error"].as_i64(), None | Some(0)),
            "qingzhenyun" => good && body["success"] == true && body["code"] == "OK",
            "discuzq" => good && body.get("errors").is_none() && body["data"].is_object(),
            "shopxo" => answer.status == 200 && body["code"] == 0,
            _ => good,
        }
    }

    /// The phone that a good answer names; qingzhenyun and ShopXO write it without country code.
    pub fn phone_of(&self, answer: &Answer) -> String {
        let member = match self.dialect {
            "coolkit" => "/user/phoneNumber",
            "qingzhenyun" => "/result/phone",
            "discuzq" => "/data/attributes/originalMobile",
            "shopxo" => "/data/mobile",
            _ => "/account/phone",
        };
        let body = answer.json();
        let phone = body.pointer(member).and_then(Value::as_str).unwrap_or_default();
        phone.strip_prefix("+86").unwrap_or(phone).to_owned()
    }

    fn remember(&mut self, answer: Answer) -> Answer {
        if !self.is_good(&answer) {
            return answer;
        }
        let body = answer.json();
        let (token, refresh_token, id) = match self.dialect {
            "coolkit" => ("/at", "/rt", "/user/_id"),
            "qingzhenyun" => ("/token", "/none", "/result/uuid"),
            "discuzq" => ("/data/attributes/access_token", "/data/attributes/refresh_token", "/data/id"),
            "shopxo" => ("/data/token", "/none", "/data/id"),
            _ => ("/session/access_token", "/session/refresh_token", "/account/id"),
        };
        let text = |pointer: &str| match body.pointer(pointer) {
            Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
            Some(Value::Number(number)) => Some(number.to_string()),
            _ => None,
        };
        self.token = text(token);
        self.refresh_token = text(refresh_token);
        self.id = text(id).or(self.id.take());
        answer
    }
}
