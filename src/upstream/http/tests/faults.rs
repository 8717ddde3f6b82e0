//! Each way in which a backend can fail, over both versions of HTTP.

use super::raw::{Act, BODY, Raw};
use super::*;

/// Longer than a busy machine takes for any fault that is none of time.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits a second for the begin of an answer that never begins, and two for the end of one that
/// never ends; faults of other kinds must be told as what they are, however busy the machine is.
fn impatient(address: &str, version: HttpVersion, act: Act) -> HttpUpstream {
    let first_byte_timeout = if act == Act::Hang { Duration::from_secs(1) } else { PATIENCE };
    let total_timeout = if act == Act::Trickle { Duration::from_secs(2) } else { PATIENCE };
    HttpUpstream {
        http_version: version,
        connect_timeout: PATIENCE,
        first_byte_timeout,
        total_timeout,
        answer_bytes: 1 << 20,
        ..settings(&[address])
    }
}

/// What came of one POST: the status and the body, or the failure.
type End = Result<(u16, String), Failure>;

fn read(answer: Result<Response<Bytes>, Failure>) -> End {
    answer.map(|answer| (answer.status().as_u16(), String::from_utf8_lossy(answer.body()).into_owned()))
}

fn expected(act: Act, version: HttpVersion) -> End {
    let delivered = |kind| Err(Failure { kind, delivered: true });
    match act {
        Act::Answer | Act::Continue | Act::ResetAfter => Ok((201, BODY.to_owned())),
        Act::Break => Ok((500, String::new())),
        Act::Early => Ok((413, String::new())),
        Act::Refuse => Err(undelivered(FailureKind::ConnectFailed)),
        Act::ResetBefore => delivered(FailureKind::ClosedBeforeAnswer),
        Act::ResetWithin => delivered(FailureKind::ClosedWithinAnswer),
        // In HTTP/2 the end of a body stands by itself: one of another length is malformed.
        Act::WrongLength if version == HttpVersion::Two => delivered(FailureKind::Malformed),
        Act::WrongLength => delivered(FailureKind::ClosedWithinAnswer),
        Act::Hang => delivered(FailureKind::AnswerTimeout),
        Act::Trickle => delivered(FailureKind::BodyTimeout),
        Act::Bomb | Act::Announced | Act::Endless => delivered(FailureKind::TooLarge),
    }
}

async fn one_fault(act: Act, version: HttpVersion) {
    let what = format!("{act:?} over {version:?}");
    let raw = Raw::start(version, act).await;
    if act == Act::Refuse {
        wait_until("nobody listens", || std::net::TcpStream::connect(raw.address).is_err()).await;
    }
    let figures = Read::new();
    let settings = impatient(&raw.text(), version, act);
    let backend = HttpBackend::counted(settings, figures.0.region("cn", 1)).unwrap();
    for round in 1..=3 {
        let began = Instant::now();
        let mut request = login();
        if act == Act::Early {
            // More than anybody buffers unread.
            *request.body_mut() = vec![b' '; 16 << 20].into();
        }
        let end = read(backend.send(request, Instant::now() + PATIENCE).await);
        assert_eq!(end, expected(act, version), "{what}");
        assert!(began.elapsed() < PATIENCE / 4, "{what}: {:?}", began.elapsed());
        let deliveries = if act == Act::Refuse { 0 } else { round };
        assert_eq!(raw.seen.deliveries(), deliveries, "{what}: each POST is delivered once");
        assert_eq!(backend.turns.available_permits(), 256, "{what}: no permit is lost");
        assert_eq!((figures.calls(), figures.ejections()), (0.0, 0.0), "{what}");
        if act == Act::ResetAfter {
            wait_until("the kept connection is gone", || raw.seen.open() == 0).await;
        }
    }
    let kept = usize::from(is_kept(act, version));
    wait_until(&format!("{what}: no connection is left"), || raw.seen.open() == kept).await;
}

/// Whether the connection is good for another call; it is the only one then.
fn is_kept(act: Act, version: HttpVersion) -> bool {
    match act {
        Act::Answer | Act::Break | Act::Continue | Act::Bomb => true,
        // Of HTTP/2 only the stream is lost.
        Act::WrongLength | Act::Announced | Act::Endless | Act::Early => version == HttpVersion::Two,
        _ => false,
    }
}

const ACTS: [Act; 14] = [
    Act::Answer,
    Act::Break,
    Act::Refuse,
    Act::ResetBefore,
    Act::ResetWithin,
    Act::ResetAfter,
    Act::Hang,
    Act::Trickle,
    Act::WrongLength,
    Act::Bomb,
    Act::Announced,
    Act::Endless,
    Act::Continue,
    Act::Early,
];

#[tokio::test]
async fn over_http_1_each_fault_ends_in_time_and_delivers_a_post_once() {
    let faults = ACTS.map(|act| tokio::spawn(one_fault(act, HttpVersion::One)));
    for fault in faults {
        fault.await.unwrap();
    }
}

#[tokio::test]
async fn over_http_2_each_fault_ends_in_time_and_delivers_a_post_once() {
    let faults = ACTS.map(|act| tokio::spawn(one_fault(act, HttpVersion::Two)));
    for fault in faults {
        fault.await.unwrap();
    }
}

#[tokio::test]
async fn a_broken_exchange_leaves_no_connection_behind() {
    for version in [HttpVersion::One, HttpVersion::Two] {
        for act in [Act::Hang, Act::ResetBefore, Act::ResetWithin] {
            let raw = Raw::start(version, act).await;
            let backend = HttpBackend::new(impatient(&raw.text(), version, act)).unwrap();
            assert!(backend.send(login(), far()).await.is_err());
            wait_until(&format!("{act:?} over {version:?}: closed"), || raw.seen.open() == 0).await;
        }
    }
}

#[tokio::test]
async fn calls_at_once_share_one_connection_of_http_2() {
    let raw = Raw::start(HttpVersion::Two, Act::Answer).await;
    let backend = Arc::new(HttpBackend::new(impatient(&raw.text(), HttpVersion::Two, Act::Answer)).unwrap());
    assert!(backend.send(login(), far()).await.is_ok());
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let backend = Arc::clone(&backend);
            tokio::spawn(async move { backend.send(login(), far()).await.map(|answer| answer.status()) })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), Ok(StatusCode::CREATED));
    }
    assert_eq!(raw.seen.deliveries(), 51);
    assert!(raw.seen.open() < 10, "{} connections", raw.seen.open());
}

#[tokio::test]
async fn a_call_that_is_given_up_gives_its_turn_back() {
    for version in [HttpVersion::One, HttpVersion::Two] {
        let raw = Raw::start(version, Act::Hang).await;
        let figures = Read::new();
        let settings = impatient(&raw.text(), version, Act::Answer);
        let backend = Arc::new(HttpBackend::counted(settings, figures.0.region("cn", 1)).unwrap());
        let calling = Arc::clone(&backend);
        let call = tokio::spawn(async move { calling.send(login(), far()).await });
        wait_until("it is there", || raw.seen.deliveries() == 1).await;
        assert_eq!((figures.calls(), backend.turns.available_permits()), (1.0, 255));
        call.abort();
        assert!(call.await.is_err());
        assert_eq!((figures.calls(), backend.turns.available_permits()), (0.0, 256));
    }
}
