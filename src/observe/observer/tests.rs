//! What one record does to the metrics, and that their text is what Prometheus expects.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::*;
use crate::account::Operation;
use crate::clock::Moment;
use crate::config::Settings;
use crate::guard::Decision;
use crate::observe::{Guard, Hop, Refusal, RoutedBy};
use crate::upstream::FailureKind;

fn observer() -> Observer {
    let settings = Settings::demo(&|_| None).expect("the demo");
    Observer::new(Labels::of(&settings), io::sink()).expect("an observer")
}

fn busy_record() -> CallRecord {
    let mut record = CallRecord::new(Moment::from_seconds(0), "id".to_owned(), None);
    record.dialect = Some("coolkit");
    record.operation = Some(Operation::Login);
    record.app = Some(crate::config::SAMPLE_ID.to_owned());
    record.upstream = Some("canonical");
    record.region = Some("cn".to_owned());
    record.attempts = vec![Attempt::Failed(FailureKind::ConnectFailed), Attempt::Unintelligible];
    record.outcome = Outcome::Problem(ProblemCode::UpstreamUnintelligible);
    record.refusal = Some(Refusal { guard: Guard::Replay, reason: "seen_before" });
    record.would_refuse = vec![Refusal { guard: Guard::Clock, reason: "too_old" }];
    record.old_secret = true;
    record.opened_by = vec!["an id that no config names".to_owned()];
    record.dropped_extensions = 3;
    record.hops = 1;
    record.hop = Some(Hop { region: "eu".to_owned(), upstream: "coolkit", attempts: 1 });
    record.routed = Some(RoutedBy::Learned);
    record.regions_disagree = true;
    record.duration = Duration::from_millis(20);
    record.upstream_duration = Duration::from_millis(19);
    record
}

#[test]
fn one_record_moves_every_metric_that_it_concerns() {
    let observer = observer();
    observer.record(&busy_record());
    let text = observer.metrics().render();
    for line in [
        "dragoman_requests_total{app=\"McFJj4Noke1mGDZCR1QarGW7P9Ycp0Vr\",dialect=\"coolkit\",operation=\"login\",outcome=\"upstream_unintelligible\"} 1",
        "dragoman_request_duration_seconds_bucket{dialect=\"coolkit\",operation=\"login\",le=\"0.025\"} 1",
        "dragoman_request_duration_seconds_bucket{dialect=\"coolkit\",operation=\"login\",le=\"0.01\"} 0",
        "dragoman_own_duration_seconds_bucket{dialect=\"coolkit\",operation=\"login\",le=\"0.001\"} 1",
        "dragoman_own_duration_seconds_bucket{dialect=\"coolkit\",operation=\"login\",le=\"0.0005\"} 0",
        "dragoman_refusals_total{dialect=\"coolkit\",guard=\"replay\",reason=\"seen_before\"} 1",
        "dragoman_would_be_refusals_total{guard=\"clock\",reason=\"too_old\"} 1",
        "dragoman_old_secret_requests_total{app=\"McFJj4Noke1mGDZCR1QarGW7P9Ycp0Vr\"} 1",
        "dragoman_upstream_attempts_total{region=\"unknown\",result=\"connect_failed\",upstream=\"coolkit\"} 1",
        "dragoman_upstream_attempts_total{region=\"cn\",result=\"unintelligible\",upstream=\"canonical\"} 1",
        "dragoman_translation_failures_total{dialect=\"canonical\",side=\"upstream\"} 1",
        "dragoman_tokens_opened_total{key=\"self-made\"} 1",
        "dragoman_dropped_extensions_total{dialect=\"coolkit\"} 3",
        "dragoman_region_hops_total{region=\"cn\"} 1",
        "dragoman_region_routed_total{by=\"learned\",region=\"unknown\"} 1",
        "dragoman_region_disagreements_total{region=\"cn\"} 1",
        "dragoman_access_log_dropped_lines_total 0",
    ] {
        assert!(text.lines().any(|found| found == line), "no {line}\n{text}");
    }
}

#[test]
fn a_call_that_was_refused_before_it_went_to_its_region_is_not_counted_there() {
    let observer = observer();
    let mut record = CallRecord::new(Moment::from_seconds(0), "id".to_owned(), None);
    record.routed = Some(RoutedBy::Learned);
    observer.record(&record);
    let text = observer.metrics().render();
    assert!(!text.contains("dragoman_region_routed_total{"), "{text}");
}

#[test]
fn a_request_that_can_not_be_read_is_a_translation_failure_of_the_client() {
    let observer = observer();
    let mut record = CallRecord::new(Moment::from_seconds(0), "id".to_owned(), None);
    record.dialect = Some("coolkit");
    record.outcome = Outcome::Problem(ProblemCode::InvalidRequest);
    observer.record(&record);
    let text = observer.metrics().render();
    assert!(text.contains("dragoman_translation_failures_total{dialect=\"coolkit\",side=\"client\"} 1"));
}

#[test]
fn label_values_that_no_config_names_become_unknown() {
    let observer = observer();
    for index in 0..100 {
        let mut record = busy_record();
        record.app = Some(format!("made-up-{index}"));
        record.region = Some(format!("made-up-{index}"));
        observer.record(&record);
    }
    let text = observer.metrics().render();
    assert!(!text.contains("made-up"));
    assert!(text.contains("app=\"unknown\"") && text.contains("region=\"unknown\""));

    let mut settings = Settings::demo(&|_| None).expect("the demo");
    settings.regions.own = "made-up-7".to_owned();
    settings.regions.table[0].name = "made-up-7".to_owned();
    observer.relabel(Labels::of(&settings));
    let mut record = busy_record();
    record.region = Some("made-up-7".to_owned());
    observer.record(&record);
    assert!(observer.metrics().render().contains("region=\"made-up-7\""));
}

#[test]
fn what_other_parts_count_is_read_anew_each_time() {
    let observer = observer();
    let metrics = observer.metrics();
    let reading = AtomicU64::new(0);
    metrics.before_reading(move |metrics| {
        let reading = reading.fetch_add(1, Ordering::Relaxed) + 1;
        metrics.set_refused_connections(reading * 10, reading);
        let reading = usize::try_from(reading).expect("a small number");
        metrics.set_load(reading * 2, reading);
        metrics.set_replay_entries(reading, 10);
    });
    metrics.render();
    metrics.config_reloaded(false);
    let text = metrics.render();
    for line in [
        "dragoman_in_flight_requests 2",
        "dragoman_connections 4",
        "dragoman_replay_entries 2",
        "dragoman_replay_entries_bound 10",
        "dragoman_refused_connections_total{limit=\"all\"} 20",
        "dragoman_refused_connections_total{limit=\"address\"} 2",
        "dragoman_config_last_reload_successful 0",
        "dragoman_config_reloads_total{result=\"failure\"} 1",
        "dragoman_config_reloads_total{result=\"success\"} 0",
    ] {
        assert!(text.lines().any(|found| found == line), "no {line}\n{text}");
    }
}

#[test]
fn lines_that_come_after_the_end_are_counted_as_dropped() {
    let observer = observer();
    observer.close();
    observer.record(&busy_record());
    let text = observer.metrics().render();
    assert!(text.contains("dragoman_access_log_dropped_lines_total 1"));
}

#[test]
fn lines_that_nobody_reads_are_counted_as_dropped() {
    struct Gone;
    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let observer = Observer::new(Labels::default(), Gone).unwrap();
    observer.record(&busy_record());
    observer.record(&busy_record());
    observer.close();
    assert!(observer.metrics().render().contains("dragoman_access_log_dropped_lines_total 2"));
}

#[test]
fn every_metric_has_help_a_type_a_prefix_and_the_suffix_of_its_type() {
    let observer = observer();
    observer.record(&busy_record());
    let text = observer.metrics().render();
    let described = |word: &str| -> HashMap<String, String> {
        text.lines()
            .filter_map(|line| line.strip_prefix(word))
            .filter_map(|line| line.split_once(' '))
            .map(|(name, rest)| (name.to_owned(), rest.to_owned()))
            .collect()
    };
    let (help, types) = (described("# HELP "), described("# TYPE "));
    assert_eq!(help.keys().collect::<HashSet<_>>(), types.keys().collect::<HashSet<_>>());
    assert!(types.contains_key("process_start_time_seconds"));
    for (name, kind) in &types {
        assert!(name.starts_with("dragoman_") || name.starts_with("process_"), "{name}");
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name}: {kind}");
        assert_eq!(kind == "histogram", name.ends_with("_duration_seconds"), "{name}: {kind}");
        assert!(help[name].ends_with('.'), "{name}: {}", help[name]);
        assert!(!name.contains("milli") && !name.contains("_ms"), "{name}");
    }
}

#[test]
fn no_metric_carries_the_request_id_or_the_client() {
    let observer = observer();
    let mut record = busy_record();
    record.request_id = "id-4711".to_owned();
    record.client = Some([192, 0, 2, 4].into());
    observer.record(&record);
    let text = observer.metrics().render();
    assert!(!text.contains("4711") && !text.contains("192.0.2.4"));
}

#[test]
fn what_the_throttle_decides_is_counted_by_limit() {
    let observer = observer();
    let mut kept = busy_record();
    kept.limits =
        vec![(Limit::DestinationInterval, Decision::Returned), (Limit::DestinationHour, Decision::Kept)];
    kept.slowed = true;
    let mut refused = busy_record();
    refused.refusal = Some(Limit::WrongLogins.refusal());
    observer.record(&kept);
    observer.record(&refused);
    let text = observer.metrics().render();
    for line in [
        "dragoman_throttle_decisions_total{decision=\"returned\",limit=\"destination_interval\"} 1",
        "dragoman_throttle_decisions_total{decision=\"kept\",limit=\"destination_hour\"} 1",
        "dragoman_throttle_decisions_total{decision=\"slowed\",limit=\"slow\"} 1",
        "dragoman_throttle_decisions_total{decision=\"refused\",limit=\"wrong_logins\"} 1",
        "dragoman_refusals_total{dialect=\"coolkit\",guard=\"attempts\",reason=\"wrong_logins\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "no {line}\n{text}");
    }
}
