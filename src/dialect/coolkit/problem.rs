//! Bad answers: `{"error": N, "msg": "…", "info": "…"}`, read and written by tables.

use bytes::Bytes;
use http::{Response, StatusCode};

use super::{CONTENT_TYPE, wire_name};
use crate::account::{Operation, Problem, ProblemCode};
use crate::dialect::{Asked, Language, answer, unreadable};
use crate::json::{Object, ObjectWriter, Value};

use Operation::{ChangePassword, Refresh, Register, ResetPassword, SendCode};
use ProblemCode as P;

/// Which number and texts say a problem. An empty list of operations means all; the first row
/// that fits wins. `{field}`, `{reason}`, `{seconds}` and `{operation}` are filled in.
const WRITTEN: &[(P, &[Operation], i64, &str, &str)] = &[
    (P::InvalidRequest, &[], 400, "{field} {reason}", "参数不完整或错误：{field}{reason}"),
    (P::InvalidField, &[], 400, "{field} {reason}", "参数错误：{field}{reason}"),
    (P::PayloadTooLarge, &[], 400, "the request is too large", "请求内容过大"),
    (P::CaptchaRequired, &[], 400, "a captcha is required", "需要图形验证码"),
    (P::CaptchaInvalid, &[], 400, "the captcha is wrong", "图形验证码错误"),
    (P::WrongRegion, &[], 301, "the account is registered in another region", "账号注册在其他区域"),
    (P::CredentialsInvalid, &[], 401, "wrong account or password", "账号密码错误"),
    (P::AccountNotFound, &[SendCode], 401, "the account does not exist", "账号不存在"),
    (P::AccountNotFound, &[], 404, "the account does not exist", "账号不存在"),
    (P::TokenInvalid, &[Refresh], 402, "the refresh token is not valid or has expired", "rt无效或已过期"),
    (P::TokenInvalid, &[], 401, "the access token is not valid or has expired", "at无效或已过期"),
    (P::AccountInactive, &[], 402, "the account is not activated", "账号未激活"),
    (
        P::AccountPendingReview,
        &[],
        402,
        "the account was created and waits for review",
        "账号已创建，等待审核",
    ),
    (P::AccountBlocked, &[], 403, "the account is blocked", "账号已被禁用"),
    (
        P::AccountLocked,
        &[],
        403,
        "too many failures, try again in {seconds} s",
        "错误次数过多，请{seconds}秒后重试",
    ),
    (P::RegistrationClosed, &[], 403, "registration is closed", "注册已关闭"),
    (P::NotPermitted, &[], 403, "not permitted", "没有权限"),
    (P::SignatureInvalid, &[], 406, "authentication failed", "认证失败（APPID错误或签名错误）"),
    (P::RequestExpired, &[], 406, "authentication failed", "认证失败（APPID错误或签名错误）"),
    (P::RequestReplayed, &[], 406, "authentication failed", "认证失败（APPID错误或签名错误）"),
    (P::NotSupported, &[], 407, "{operation} is not supported here", "不支持的操作：{operation}"),
    (P::AccountExists, &[], 409, "the account exists already", "用户已经存在"),
    (P::IdentityAlreadyBound, &[], 409, "bound to another account already", "已绑定其他账号"),
    (P::CodeInvalid, &[], 498, "the verification code is wrong", "验证码错误"),
    (P::CodeExpired, &[], 498, "the verification code has expired", "验证码已过期"),
    (
        P::SendTooFrequent,
        &[SendCode],
        160_038,
        "too frequent, try again in {seconds} s",
        "发送过于频繁，请{seconds}秒后重试",
    ),
    (
        P::RateLimited,
        &[SendCode],
        160_038,
        "too frequent, try again in {seconds} s",
        "发送过于频繁，请{seconds}秒后重试",
    ),
    (
        P::SendTooFrequent,
        &[],
        429,
        "too frequent, try again in {seconds} s",
        "操作过于频繁，请{seconds}秒后重试",
    ),
    (P::RateLimited, &[], 429, "too frequent, try again in {seconds} s", "操作过于频繁，请{seconds}秒后重试"),
    (P::SendFailed, &[], 504, "the code could not be sent", "验证码发送失败"),
    (P::NotFound, &[], 500, "there is nothing at this path", "接口不存在"),
    (P::MethodNotAllowed, &[], 500, "the path does not take this method", "请求方法错误"),
    (P::UnsupportedMediaType, &[], 500, "the body's form is not supported", "不支持的内容格式"),
    (P::Overloaded, &[], 500, "the service is busy, try again later", "服务繁忙，请稍后重试"),
    (P::UpstreamUnavailable, &[], 500, "the service is not available, try again later", "服务暂时不可用"),
    (P::UpstreamTimeout, &[], 500, "the service did not answer in time", "服务超时"),
    (P::UpstreamUnintelligible, &[], 500, "the service failed", "服务异常"),
    (P::Internal, &[], 500, "the service failed", "服务器内部错误"),
];

/// What a number means; an empty list of operations means all, the first row that fits wins, and
/// a number that has no row is `internal`. 406 is refused to the gateway's own pair, not to the
/// caller's.
const READ: &[(i64, &[Operation], P)] = &[
    (301, &[], P::WrongRegion),
    (400, &[], P::InvalidRequest),
    (401, &[SendCode, ResetPassword], P::AccountNotFound),
    (401, &[Refresh, ChangePassword], P::TokenInvalid),
    (401, &[Register], P::Internal),
    (401, &[], P::CredentialsInvalid),
    (402, &[Refresh, ChangePassword], P::TokenInvalid),
    (402, &[], P::AccountInactive),
    (403, &[], P::NotPermitted),
    (404, &[], P::AccountNotFound),
    (406, &[], P::Internal),
    (407, &[], P::NotSupported),
    (409, &[], P::AccountExists),
    (429, &[], P::RateLimited),
    (498, &[], P::CodeInvalid),
    (504, &[], P::SendFailed),
    (160_038, &[], P::SendTooFrequent),
];

pub(super) fn write(asked: &Asked<'_>, problem: &Problem) -> Response<Bytes> {
    let fits = |on: &[Operation]| on.is_empty() || asked.operation.is_some_and(|asked| on.contains(&asked));
    let row = WRITTEN.iter().find(|(code, on, ..)| *code == problem.code && fits(on));
    // Every code has a row for all operations (a test walks them), so the fallback never speaks.
    let (number, template) = match row {
        Some((_, _, number, english, chinese)) => match asked.language {
            Language::English => (*number, *english),
            Language::Chinese => (*number, *chinese),
        },
        None => (500, "the service failed"),
    };
    let text = fill(template, asked, problem);
    let mut body = ObjectWriter::new();
    body.integer("error", number).string("msg", &text).string("info", &text);
    if problem.code == P::WrongRegion {
        body.string_if("region", problem.region.as_deref());
    }
    answer(StatusCode::OK, CONTENT_TYPE, body.finish())
}

fn fill(template: &str, asked: &Asked<'_>, problem: &Problem) -> String {
    let field = problem.field.as_deref().map_or("", |field| wire_name(field, asked.operation));
    let reason = match (asked.language, problem.reason.as_deref()) {
        (Language::English, reason) => reason.unwrap_or("is not valid"),
        (Language::Chinese, Some(Problem::MISSING)) => "不能为空",
        (Language::Chinese, _) => "格式不正确",
    };
    let seconds = problem.retry_after.unwrap_or(60).to_string();
    let operation = problem.operation.or(asked.operation).map_or("this", Operation::name);
    template
        .replace("{field}", field)
        .replace("{reason}", reason)
        .replace("{seconds}", &seconds)
        .replace("{operation}", operation)
        .trim()
        .to_owned()
}

/// The problem that an answer tells, if it tells one.
pub(super) fn read(operation: Operation, status: StatusCode, members: &Object<'_>) -> Option<Problem> {
    let error = members.value("error")?;
    let number = match error {
        Value::Null => return None,
        value => value.as_integer(),
    };
    let Some(number) = number else {
        return Some(unreadable(status));
    };
    if number == 0 {
        return None;
    }
    let row = READ.iter().find(|(n, on, _)| *n == number && (on.is_empty() || on.contains(&operation)));
    let code = row.map_or(P::Internal, |(_, _, code)| *code);
    let mut problem = Problem::new(code);
    match code {
        P::WrongRegion => {
            problem.region = members.present("region").and_then(Value::as_str).map(Box::from);
        }
        P::NotSupported => problem.operation = Some(operation),
        _ => {}
    }
    Some(problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_has_a_row_for_all_operations() {
        for code in ProblemCode::ALL {
            assert!(WRITTEN.iter().any(|(of, on, ..)| of == code && on.is_empty()), "{code:?}");
        }
    }

    #[test]
    fn no_row_stands_behind_one_that_covers_it() {
        for (index, (code, on, ..)) in WRITTEN.iter().enumerate() {
            let hidden = WRITTEN.iter().take(index).any(|(c, o, ..)| c == code && (o.is_empty() || o == on));
            assert!(!hidden, "written row {index}");
        }
        for (index, (number, on, _)) in READ.iter().enumerate() {
            let hidden = READ.iter().take(index).any(|(n, o, _)| n == number && (o.is_empty() || o == on));
            assert!(!hidden, "read row {index}");
        }
    }
}
