//! Bad answers: `application/problem+json` (RFC 9457), read and written.

use bytes::Bytes;
use http::{Response, StatusCode};

use crate::account::{Operation, Problem, ProblemCode, Secret};
use crate::dialect::{Asked, Language, answer};
use crate::json::{Object, Value};
use crate::problem_details;

pub(super) fn write(asked: &Asked<'_>, problem: &Problem) -> Response<Bytes> {
    let status = StatusCode::from_u16(problem.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let title = title(problem.code, asked.language);
    answer(status, problem_details::MEDIA_TYPE, problem_details::write(problem, title))
}

/// The problem that an answer tells: by its `code`, else by the end of its `type`.
pub(super) fn read(members: &Object<'_>) -> Option<Problem> {
    let text = |name| members.present(name).and_then(Value::as_str);
    let name = text("code").or_else(|| text("type")?.strip_prefix(problem_details::TYPE_PREFIX));
    let mut problem = Problem::new(ProblemCode::from_name(name?)?);
    problem.field = text("field").map(|field| field.to_owned().into());
    problem.reason = text("reason").map(|reason| reason.to_owned().into());
    problem.retry_after =
        members.present("retry_after").and_then(Value::as_integer).and_then(|n| n.try_into().ok());
    problem.attempts_left =
        members.present("attempts_left").and_then(Value::as_integer).and_then(|n| n.try_into().ok());
    problem.region = text("region").map(Box::from);
    problem.bind_token = text("bind_token").map(Secret::from);
    problem.operation = text("operation").and_then(Operation::from_name);
    Some(problem)
}

fn title(code: ProblemCode, language: Language) -> &'static str {
    match language {
        Language::English => code.title(),
        Language::Chinese => chinese_title(code),
    }
}

fn chinese_title(code: ProblemCode) -> &'static str {
    use ProblemCode as P;
    match code {
        P::InvalidRequest => "请求格式错误",
        P::InvalidField => "字段值无效",
        P::SignatureInvalid => "签名无效",
        P::RequestExpired => "请求时间超出允许范围",
        P::RequestReplayed => "请求已被使用",
        P::CredentialsInvalid => "帐号或密码错误",
        P::TokenInvalid => "登录已失效，请重新登录",
        P::AccountNotFound => "帐号不存在",
        P::AccountExists => "帐号已存在",
        P::AccountInactive => "帐号未激活",
        P::AccountPendingReview => "帐号已创建，等待审核",
        P::AccountBlocked => "帐号已被禁用",
        P::AccountLocked => "错误次数过多",
        P::CodeInvalid => "验证码错误",
        P::CodeExpired => "验证码已过期",
        P::CaptchaRequired => "需要图形验证码",
        P::CaptchaInvalid => "图形验证码错误",
        P::SendTooFrequent => "验证码发送过于频繁",
        P::SendFailed => "验证码发送失败",
        P::RateLimited => "请求过于频繁",
        P::WrongRegion => "帐号注册在其他区域",
        P::RegistrationClosed => "注册已关闭",
        P::IdentityAlreadyBound => "已绑定其他帐号",
        P::NotPermitted => "没有权限",
        P::NotSupported => "不支持该操作",
        P::PayloadTooLarge => "请求内容过大",
        P::NotFound => "接口不存在",
        P::MethodNotAllowed => "不支持该请求方法",
        P::UnsupportedMediaType => "不支持的内容格式",
        P::Overloaded => "服务繁忙",
        P::UpstreamUnavailable => "服务暂时不可用",
        P::UpstreamTimeout => "服务超时",
        P::UpstreamUnintelligible => "服务返回了无法识别的内容",
        P::Internal => "服务内部错误",
    }
}
