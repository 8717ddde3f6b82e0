//! The registry as JSON, for the console: every counter and gauge with its labels, and each histogram summed over all
//! of its labels, so that what is polled each second stays small.

use prometheus::proto::{Histogram, Metric, MetricFamily, MetricType};
use serde_json::{Map, Value, json};

/// Families by their names.
pub(super) fn of(families: &[MetricFamily]) -> Value {
    let family = |family: &MetricFamily| {
        let metrics = family.get_metric();
        let value = match family.get_field_type() {
            MetricType::HISTOGRAM => summed(metrics.iter().map(Metric::get_histogram)),
            kind => metrics.iter().map(|metric| sample(metric, kind)).collect(),
        };
        (family.name().to_owned(), value)
    };
    Value::Object(families.iter().map(family).collect())
}

fn sample(metric: &Metric, kind: MetricType) -> Value {
    let label = |label: &prometheus::proto::LabelPair| (label.name().to_owned(), label.value().into());
    let labels: Map<String, Value> = metric.get_label().iter().map(label).collect();
    let value = match kind {
        MetricType::COUNTER => metric.get_counter().get_value(),
        _ => metric.get_gauge().get_value(),
    };
    json!({"labels": labels, "value": value})
}

/// Upper bounds, the observations up to each of them, and all of them.
fn summed<'a>(histograms: impl Iterator<Item = &'a Histogram>) -> Value {
    let mut bounds: Vec<(f64, u64)> = Vec::new();
    let (mut count, mut sum) = (0, 0.0);
    for histogram in histograms {
        count += histogram.get_sample_count();
        sum += histogram.get_sample_sum();
        // All of a family have the same bounds, in the same order.
        bounds.resize(histogram.get_bucket().len(), (0.0, 0));
        for (all, bucket) in bounds.iter_mut().zip(histogram.get_bucket()) {
            *all = (bucket.upper_bound(), all.1 + bucket.cumulative_count());
        }
    }
    let (bounds, counts): (Vec<f64>, Vec<u64>) =
        bounds.into_iter().filter(|(bound, _)| bound.is_finite()).unzip();
    json!({"bounds": bounds, "counts": counts, "count": count, "sum": sum})
}

#[cfg(test)]
mod tests {
    use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};

    use super::*;

    #[test]
    fn counters_keep_their_labels_and_histograms_are_summed() {
        let registry = Registry::new();
        let calls = IntCounterVec::new(Opts::new("calls_total", "Calls."), &["dialect"]).unwrap();
        let options = HistogramOpts::new("seconds", "Seconds.").buckets(vec![0.1, 1.0]);
        let seconds = HistogramVec::new(options, &["dialect"]).unwrap();
        registry.register(Box::new(calls.clone())).unwrap();
        registry.register(Box::new(seconds.clone())).unwrap();
        calls.with_label_values(&["coolkit"]).inc_by(3);
        for (dialect, took) in [("coolkit", 0.05), ("shopxo", 0.5), ("shopxo", 7.0)] {
            seconds.with_label_values(&[dialect]).observe(took);
        }
        let figures = of(&registry.gather());
        assert_eq!(figures["calls_total"], json!([{"labels": {"dialect": "coolkit"}, "value": 3.0}]));
        assert_eq!(
            figures["seconds"],
            json!({"bounds": [0.1, 1.0], "counts": [1, 2], "count": 3, "sum": 7.55})
        );
    }
}
