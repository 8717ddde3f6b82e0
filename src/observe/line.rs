//! One access-log line, written straight into a buffer. Every line has the same members in the
//! same order; what is not known is null.

use std::io::{self, Write};
use std::time::Duration;

use super::{CallRecord, Refusal};

/// Appends the line of a request, with its line end.
pub(super) fn write_line(line: &mut Vec<u8>, record: &CallRecord) -> io::Result<()> {
    line.extend_from_slice(b"{\"time\":\"");
    line.extend_from_slice(record.time.to_rfc3339().as_bytes());
    line.push(b'"');
    text(line, "request_id", Some(&record.request_id))?;
    match record.client {
        Some(client) => write!(line, ",\"client\":\"{client}\"")?,
        None => line.extend_from_slice(b",\"client\":null"),
    }
    text(line, "dialect", record.dialect)?;
    text(
        line,
        "operation",
        record.operation.map(|operation| operation.name()),
    )?;
    text(line, "app", record.app.as_deref())?;
    text(line, "outcome", Some(record.outcome.name()))?;
    write!(line, ",\"status\":{}", record.status)?;
    text(line, "upstream", record.upstream)?;
    text(line, "region", record.region.as_deref())?;
    write!(line, ",\"hops\":{},\"attempts\":[", record.hops)?;
    for (index, attempt) in record.attempts.iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        write!(line, "{comma}\"{}\"", attempt.name())?;
    }
    line.extend_from_slice(b"],\"refusal\":");
    match &record.refusal {
        Some(refusal) => write_refusal(line, refusal)?,
        None => line.extend_from_slice(b"null"),
    }
    line.extend_from_slice(b",\"would_refuse\":[");
    for (index, refusal) in record.would_refuse.iter().enumerate() {
        if index > 0 {
            line.push(b',');
        }
        write_refusal(line, refusal)?;
    }
    line.push(b']');
    milliseconds(line, "duration_ms", record.duration)?;
    milliseconds(line, "own_ms", record.own_duration())?;
    milliseconds(line, "upstream_ms", record.upstream_duration)?;
    let (received, sent) = (record.bytes_received, record.bytes_sent);
    writeln!(line, ",\"bytes_received\":{received},\"bytes_sent\":{sent}}}")
}

fn text(line: &mut Vec<u8>, member: &str, value: Option<&str>) -> io::Result<()> {
    write!(line, ",\"{member}\":")?;
    match value {
        Some(value) => serde_json::to_writer(line, value).map_err(io::Error::from),
        None => line.write_all(b"null"),
    }
}

fn milliseconds(line: &mut Vec<u8>, member: &str, duration: Duration) -> io::Result<()> {
    let micros = duration.as_micros();
    write!(line, ",\"{member}\":{}.{:03}", micros / 1_000, micros % 1_000)
}

fn write_refusal(line: &mut Vec<u8>, refusal: &Refusal) -> io::Result<()> {
    let (guard, reason) = (refusal.guard.name(), refusal.reason);
    write!(line, "{{\"guard\":\"{guard}\",\"reason\":\"{reason}\"}}")
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
        write_line(&mut line, record).unwrap();
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
        record.refusal = Some(Refusal {
            guard: Guard::Replay,
            reason: "seen_before",
        });
        record.would_refuse = vec![Refusal {
            guard: Guard::Clock,
            reason: "too_old",
        }];
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
        assert!(
            !line
                .trim_end()
                .contains(|c: char| c.is_ascii_control() && c != '\u{7f}')
        );
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        for member in ["request_id", "app", "region"] {
            assert_eq!(read[member], hostile);
        }
        assert_eq!(read["outcome"], "success");
        assert_eq!(read["client"], serde_json::Value::Null);
    }
}
