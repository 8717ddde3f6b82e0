//! Messages in golden files: an object, or HTTP/1.1 text. A body that is JSON stands there as JSON if its bytes can be
//! made of it again; everything else is a string.

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::cli::Failure;
use crate::http_text::{self, Message, field_name};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestForm {
    method: String,
    target: String,
    #[serde(default)]
    headers: Map<String, Value>,
    body: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AnswerForm {
    status: u16,
    #[serde(default)]
    headers: Map<String, Value>,
    body: Option<Value>,
}

/// The request of a value.
pub fn request_of(value: &Value) -> Result<Request<Bytes>, Failure> {
    if let Some(text) = value.as_str() {
        return match parse(text)? {
            Message::Request(request) => Ok(request),
            Message::Answer(_) => Err(Failure::new("an answer stands where a request belongs")),
        };
    }
    let form = RequestForm::deserialize(value).map_err(|error| no_message("request", &error))?;
    let mut request = Request::new(body_of(form.body));
    *request.method_mut() = Method::from_bytes(form.method.as_bytes())
        .map_err(|_| Failure::new(format!("{:?} is no method", form.method)))?;
    *request.uri_mut() =
        form.target.parse().map_err(|_| Failure::new(format!("{:?} is no target", form.target)))?;
    *request.headers_mut() = fields_of(&form.headers)?;
    Ok(request)
}

/// The answer of a value.
pub fn answer_of(value: &Value) -> Result<Response<Bytes>, Failure> {
    if let Some(text) = value.as_str() {
        return match parse(text)? {
            Message::Answer(answer) => Ok(answer),
            Message::Request(_) => Err(Failure::new("a request stands where an answer belongs")),
        };
    }
    let form = AnswerForm::deserialize(value).map_err(|error| no_message("answer", &error))?;
    let mut answer = Response::new(body_of(form.body));
    *answer.status_mut() = StatusCode::from_u16(form.status)
        .map_err(|_| Failure::new(format!("{} is no HTTP status", form.status)))?;
    *answer.headers_mut() = fields_of(&form.headers)?;
    Ok(answer)
}

/// A request as an object.
pub fn value_of_request(request: &Request<Bytes>) -> Value {
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let mut value = json!({ "method": request.method().as_str(), "target": target });
    put_rest(&mut value, request.headers(), request.body());
    value
}

/// An answer as an object.
pub fn value_of_answer(answer: &Response<Bytes>) -> Value {
    let mut value = json!({ "status": answer.status().as_u16() });
    put_rest(&mut value, answer.headers(), answer.body());
    value
}

/// What a file expects, in the form in which it is compared.
pub fn in_one_form(member: &str, expected: &Value) -> Result<Value, Failure> {
    match member {
        "upstream_request" => request_of(expected).map(|request| value_of_request(&request)),
        "client_answer" => answer_of(expected).map(|answer| value_of_answer(&answer)),
        _ => Ok(expected.clone()),
    }
}

fn parse(text: &str) -> Result<Message, Failure> {
    http_text::parse(text.as_bytes())
        .map_err(|error| Failure::new("a text is no HTTP message").because(error))
}

fn no_message(what: &str, error: &serde_json::Error) -> Failure {
    Failure::new(format!("a {what} has another form")).because(error).hint("docs/golden.md has the form")
}

fn body_of(body: Option<Value>) -> Bytes {
    match body {
        None => Bytes::new(),
        Some(Value::String(text)) => text.into(),
        Some(value) => value.to_string().into(),
    }
}

fn fields_of(members: &Map<String, Value>) -> Result<HeaderMap, Failure> {
    let mut fields = HeaderMap::new();
    for (name, value) in members {
        let wrong =
            || Failure::new(format!("{name:?} is no header field")).hint("its value is a string, or a list");
        let field = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
        let values = match value {
            Value::Array(values) => values.iter().collect(),
            value => vec![value],
        };
        for value in values {
            let text = value.as_str().ok_or_else(wrong)?;
            let value = HeaderValue::from_bytes(text.as_bytes()).map_err(|_| wrong())?;
            fields.append(field.clone(), value);
        }
    }
    Ok(fields)
}

fn put_rest(value: &mut Value, fields: &HeaderMap, body: &Bytes) {
    let text = |value: &HeaderValue| Value::from(String::from_utf8_lossy(value.as_bytes()));
    let mut names: Vec<&HeaderName> = fields.keys().collect();
    names.sort_by_key(|name| name.as_str());
    let mut members = Map::new();
    for name in names {
        let mut values: Vec<Value> = fields.get_all(name).iter().map(text).collect();
        let one = if values.len() == 1 { values.pop() } else { None };
        members.insert(field_name(name), one.unwrap_or(Value::Array(values)));
    }
    if !members.is_empty() {
        value["headers"] = Value::Object(members);
    }
    if !body.is_empty() {
        value["body"] = value_of_body(body);
    }
}

fn value_of_body(body: &Bytes) -> Value {
    match serde_json::from_slice::<Value>(body) {
        Ok(value @ (Value::Object(_) | Value::Array(_))) if value.to_string().as_bytes() == body => value,
        _ => Value::from(String::from_utf8_lossy(body)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_json_only_where_its_bytes_can_be_made_of_it_again() {
        for (body, value) in [
            (r#"{"a":1}"#, json!({"a": 1})),
            (r#"{"a": 1}"#, json!(r#"{"a": 1}"#)),
            (r#"{"a":1.0e3}"#, json!(r#"{"a":1.0e3}"#)),
            ("a=1", json!("a=1")),
            ("7", json!("7")),
        ] {
            let answer = Response::new(Bytes::from(body));
            let written = value_of_answer(&answer);
            assert_eq!(written, json!({"status": 200, "body": value}));
            assert_eq!(answer_of(&written).unwrap().body(), body);
        }
    }

    #[test]
    fn text_and_object_are_one_message() {
        let text = json!("POST /a?b=c HTTP/1.1\nX-A: 1\nX-A: 2\n\n{}");
        let object =
            json!({"method": "POST", "target": "/a?b=c", "headers": {"X-A": ["1", "2"]}, "body": {}});
        assert_eq!(in_one_form("upstream_request", &text).unwrap(), object);
        assert_eq!(in_one_form("upstream_request", &object).unwrap(), object);
    }
}
