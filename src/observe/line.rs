//! One access-log line, written straight into a buffer, without the detour over `fmt` that would
//! cost more than the rest of the bookkeeping. Every line has the same members in the same order;
//! what is not known is null.

use std::cell::Cell;
use std::io::Write;
use std::net::IpAddr;
use std::time::Duration;

use super::{CallRecord, Refusal};
use crate::clock::Moment;

/// `2019-05-16T10:48:42`, the part of a time that stays the same for a second.
type Second = [u8; 19];

thread_local! {
    static LAST_SECOND: Cell<(i64, Second)> = const { Cell::new((i64::MIN, [0; 19])) };
}

/// Appends the line of a request, with its line end.
pub(super) fn write_line(line: &mut Vec<u8>, record: &CallRecord) {
    time(line, b"{\"time\":\"", record.time);
    text(line, b",\"request_id\":", Some(&record.request_id));
    client(line, record.client);
    text(line, b",\"dialect\":", record.dialect);
    let operation = record.operation.map(|operation| operation.name());
    text(line, b",\"operation\":", operation);
    text(line, b",\"app\":", record.app.as_deref());
    text(line, b",\"outcome\":", Some(record.outcome.name()));
    number(line, b",\"status\":", record.status.into());
    text(line, b",\"upstream\":", record.upstream);
    text(line, b",\"region\":", record.region.as_deref());
    number(line, b",\"hops\":", record.hops.into());
    list(line, b",\"attempts\":[", &record.attempts, |line, attempt| {
        string(line, attempt.name());
    });
    line.extend_from_slice(b",\"refusal\":");
    match &record.refusal {
        Some(refusal) => write_refusal(line, refusal),
        None => line.extend_from_slice(b"null"),
    }
    list(line, b",\"would_refuse\":[", &record.would_refuse, write_refusal);
    milliseconds(line, b",\"duration_ms\":", record.duration);
    milliseconds(line, b",\"own_ms\":", record.own_duration());
    milliseconds(line, b",\"upstream_ms\":", record.upstream_duration);
    number(line, b",\"bytes_received\":", record.bytes_received);
    number(line, b",\"bytes_sent\":", record.bytes_sent);
    line.extend_from_slice(b"}\n");
}

fn time(line: &mut Vec<u8>, member: &[u8], moment: Moment) {
    line.extend_from_slice(member);
    let second = moment.seconds();
    let (known, mut text) = LAST_SECOND.get();
    if known != second {
        let fresh = moment.to_rfc3339();
        if let Some(fresh) = fresh.as_bytes().first_chunk() {
            text = *fresh;
            LAST_SECOND.set((second, text));
        }
    }
    line.extend_from_slice(&text);
    line.push(b'.');
    thousandths(line, moment.millis().rem_euclid(1_000).unsigned_abs());
    line.extend_from_slice(b"Z\"");
}

fn client(line: &mut Vec<u8>, client: Option<IpAddr>) {
    line.extend_from_slice(b",\"client\":");
    let Some(client) = client else {
        line.extend_from_slice(b"null");
        return;
    };
    line.push(b'"');
    match client {
        IpAddr::V4(address) => {
            for (index, octet) in address.octets().into_iter().enumerate() {
                number(line, if index > 0 { b"." } else { b"" }, octet.into());
            }
        }
        // A vector takes every write.
        IpAddr::V6(address) => drop(write!(line, "{address}")),
    }
    line.push(b'"');
}

fn text(line: &mut Vec<u8>, member: &[u8], value: Option<&str>) {
    line.extend_from_slice(member);
    match value {
        Some(value) => string(line, value),
        None => line.extend_from_slice(b"null"),
    }
}

fn string(line: &mut Vec<u8>, value: &str) {
    let plain = |byte: u8| byte >= b' ' && byte != b'"' && byte != b'\\';
    if value.bytes().all(plain) {
        line.push(b'"');
        line.extend_from_slice(value.as_bytes());
        line.push(b'"');
    } else {
        // A vector takes every write.
        drop(serde_json::to_writer(line, value));
    }
}

fn list<T>(line: &mut Vec<u8>, member: &[u8], items: &[T], write: impl Fn(&mut Vec<u8>, &T)) {
    line.extend_from_slice(member);
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            line.push(b',');
        }
        write(line, item);
    }
    line.push(b']');
}

fn write_refusal(line: &mut Vec<u8>, refusal: &Refusal) {
    text(line, b"{\"guard\":", Some(refusal.guard.name()));
    text(line, b",\"reason\":", Some(refusal.reason));
    line.push(b'}');
}

fn number(line: &mut Vec<u8>, member: &[u8], value: u64) {
    line.extend_from_slice(member);
    let mut digits = [0; 20];
    let mut rest = value;
    let mut start = digits.len();
    for (place, digit) in digits.iter_mut().enumerate().rev() {
        *digit = last_digit(rest);
        rest /= 10;
        start = place;
        if rest == 0 {
            break;
        }
    }
    line.extend_from_slice(digits.get(start..).unwrap_or_default());
}

fn milliseconds(line: &mut Vec<u8>, member: &[u8], duration: Duration) {
    let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    number(line, member, micros / 1_000);
    line.push(b'.');
    thousandths(line, micros % 1_000);
}

/// Three digits.
fn thousandths(line: &mut Vec<u8>, value: u64) {
    line.extend([value / 100, value / 10, value].map(last_digit));
}

fn last_digit(value: u64) -> u8 {
    b'0' + u8::try_from(value % 10).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{Operation, ProblemCode};
    use crate::clock::Moment;
    use crate::observe::{Attempt, Guard, Outcome};
    use crate::upstream::FailureKind;

    fn line(record: &CallRecord) -> String {
        let mut line = Vec::new();
        write_line(&mut line, record);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn a_full_record_has_every_member_in_its_place() {
        let mut record = CallRecord::new(
            Moment::from_millis(1_558_003_722_091),
            "id-1".to_owned(),
            Some([127, 0, 0, 1].into()),
        );
        record.dialect = Some("coolkit");
        record.operation = Some(Operation::Login);
        record.app = Some("shop".to_owned());
        record.outcome = Outcome::Problem(ProblemCode::UpstreamTimeout);
        record.status = 200;
        record.upstream = Some("canonical");
        record.region = Some("cn".to_owned());
        record.hops = 1;
        record.attempts = vec![Attempt::Failed(FailureKind::ConnectFailed), Attempt::Answered];
        record.refusal = Some(Refusal { guard: Guard::Replay, reason: "seen_before" });
        record.would_refuse = vec![Refusal { guard: Guard::Clock, reason: "too_old" }];
        record.duration = Duration::from_micros(12_345);
        record.upstream_duration = Duration::from_micros(12_000);
        record.bytes_received = 160;
        record.bytes_sent = 350;
        assert_eq!(
            line(&record),
            "{\"time\":\"2019-05-16T10:48:42.091Z\",\"request_id\":\"id-1\",\"client\":\"127.0.0.1\",\
             \"dialect\":\"coolkit\",\"operation\":\"login\",\"app\":\"shop\",\"outcome\":\"upstream_timeout\",\
             \"status\":200,\"upstream\":\"canonical\",\"region\":\"cn\",\"hops\":1,\
             \"attempts\":[\"connect_failed\",\"answered\"],\
             \"refusal\":{\"guard\":\"replay\",\"reason\":\"seen_before\"},\
             \"would_refuse\":[{\"guard\":\"clock\",\"reason\":\"too_old\"}],\
             \"duration_ms\":12.345,\"own_ms\":0.345,\"upstream_ms\":12.000,\
             \"bytes_received\":160,\"bytes_sent\":350}\n"
        );
    }

    #[test]
    fn text_of_others_can_not_end_a_line_or_a_member() {
        let hostile = "a\",\"outcome\":\"success\"}\n{\"time\":\"\u{0}\u{1b}[2J\u{7f}\\".to_owned();
        let mut record = CallRecord::new(Moment::from_seconds(0), hostile.clone(), None);
        record.app = Some(hostile.clone());
        record.region = Some(hostile.clone());
        let line = line(&record);
        assert_eq!(line.matches('\n').count(), 1);
        assert!(!line.trim_end().contains(|c: char| c.is_ascii_control() && c != '\u{7f}'));
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        for member in ["request_id", "app", "region"] {
            assert_eq!(read[member], hostile);
        }
        assert_eq!(read["outcome"], "success");
        assert_eq!(read["client"], serde_json::Value::Null);
    }

    #[test]
    fn times_addresses_and_numbers_are_written_as_the_library_writes_them() {
        for millis in [0, 999, 1_000, -1, 1_558_003_722_091, 1_558_003_722_910, 1_558_003_723_007] {
            for client in ["0.0.0.0", "203.0.113.255", "2001:db8::1"] {
                for number in [0, 9, 10, 1_234_567_890, u64::MAX] {
                    let time = Moment::from_millis(millis);
                    let mut record = CallRecord::new(time, String::new(), client.parse().ok());
                    record.bytes_sent = number;
                    record.duration = Duration::from_micros(number % 10_000_000);
                    let read: serde_json::Value = serde_json::from_str(&line(&record)).unwrap();
                    assert_eq!(read["time"], time.to_rfc3339());
                    assert_eq!(read["client"], client);
                    assert_eq!(read["bytes_sent"], number);
                    let milliseconds = read["duration_ms"].as_f64().unwrap();
                    assert!((milliseconds - record.duration.as_secs_f64() * 1e3).abs() < 1e-6);
                }
            }
        }
    }
}
