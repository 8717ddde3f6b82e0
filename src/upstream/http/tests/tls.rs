//! TLS: whom the gateway believes, how it shows who it is, and which version of HTTP comes of it.

use std::path::Path;

use pingora::tls::TlsAcceptor;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::config::Settings;
use authority::Authority;

#[path = "../../../../tests/suite/support/authority.rs"]
mod authority;

impl Authority {
    /// A server that shows the certificate of this name, asks for one if so wished, and offers these
    /// protocols. It counts the requests that it answers.
    async fn serve(&self, name: &str, asks: bool, protocols: &[&[u8]]) -> (String, Arc<AtomicUsize>) {
        pingora::tls::install_default_crypto_provider();
        let certificates = CertificateDer::pem_file_iter(self.file(&format!("{name}.pem"))).unwrap();
        let key = PrivateKeyDer::from_pem_file(self.file(&format!("{name}.key"))).unwrap();
        let builder = if asks {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_file(self.file("ca.pem")).unwrap()).unwrap();
            let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap();
            ServerConfig::builder().with_client_cert_verifier(verifier)
        } else {
            ServerConfig::builder().with_no_client_auth()
        };
        let mut config = builder.with_single_cert(certificates.map(Result::unwrap).collect(), key).unwrap();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (requests, counter) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&counter);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, requests) = (acceptor.clone(), Arc::clone(&counted));
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let is_v2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                    if is_v2 { v2(stream, &requests).await } else { v1(stream, &requests).await }
                });
            }
        });
        drop(requests);
        (address, counter)
    }
}

async fn v1(mut stream: impl AsyncReadExt + AsyncWriteExt + Unpin, requests: &AtomicUsize) {
    let mut buffer = [0; 4096];
    while let Ok(1..) = stream.read(&mut buffer).await {
        requests.fetch_add(1, Ordering::SeqCst);
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nHTTP/1.1";
        if stream.write_all(answer).await.is_err() {
            return;
        }
    }
}

async fn v2<S>(stream: S, requests: &AtomicUsize)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let mut connection = h2::server::handshake(stream).await.unwrap();
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        requests.fetch_add(1, Ordering::SeqCst);
        assert_eq!(request.uri().scheme_str(), Some("https"));
        assert_eq!(request.uri().authority().map(|name| name.as_str()), Some("backend.example"));
        assert_eq!(request.uri().path(), "/base/v1/sessions");
        assert_eq!(request.headers()["x-gateway"], "s3cret");
        let mut stream = respond.send_response(Response::new(()), false).unwrap();
        stream.send_data("HTTP/2".into(), true).unwrap();
    }
}

/// Settings as the config file has them: with TLS, and these keys besides.
fn from_file(address: &str, keys: &str) -> HttpUpstream {
    let text = format!(
        "[[listener]]\naddress = \"127.0.0.1:0\"\n[upstream]\nkind = \"http\"\ndialect = \"canonical\"\n\
         addresses = [{address:?}]\ntls = true\nbase_path = \"/base\"\n\
         secret = {{ header = \"X-Gateway\", value = \"s3cret\" }}\n{keys}\n"
    );
    let (settings, _) = Settings::parse("test.toml", &text, &|_| None).unwrap();
    settings.upstream.http().unwrap().clone()
}

fn trusting(file: &Path, host: &str) -> String {
    format!("certificates = {file:?}\nhost = {host:?}\n")
}

async fn ask(settings: HttpUpstream) -> Result<String, Failure> {
    let answer = HttpBackend::new(settings).unwrap().send(login(), far()).await?;
    Ok(String::from_utf8_lossy(answer.body()).into_owned())
}

const REFUSED: Failure = undelivered(FailureKind::TlsFailed);

#[tokio::test]
async fn only_the_right_name_signed_by_the_own_authority_is_believed() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    ours.sign("backend.example");
    let (address, requests) = ours.serve("backend.example", false, &[]).await;
    let good = from_file(&address, &trusting(&ours.file("ca.pem"), "backend.example"));
    assert_eq!(ask(good).await.unwrap(), "HTTP/1.1");
    assert_eq!(requests.load(Ordering::SeqCst), 1);
    for keys in [
        trusting(&ours.file("ca.pem"), "other.example"),
        trusting(&theirs.file("ca.pem"), "backend.example"),
        "host = \"backend.example\"\n".to_owned(),
    ] {
        for version in ["1", "2", "auto"] {
            let keys = format!("{keys}http_version = {version:?}\n");
            assert_eq!(ask(from_file(&address, &keys)).await, Err(REFUSED), "{keys}");
        }
    }
    assert_eq!(requests.load(Ordering::SeqCst), 1, "nothing reached a server that is not believed");
}

#[tokio::test]
async fn the_handshake_decides_on_the_version_of_http() {
    let authority = Authority::new();
    authority.sign("backend.example");
    for (offered, version, spoken) in [
        (&[b"h2".as_slice(), b"http/1.1"][..], "auto", "HTTP/2"),
        (&[b"http/1.1"], "auto", "HTTP/1.1"),
        (&[], "auto", "HTTP/1.1"),
        (&[b"h2", b"http/1.1"], "1", "HTTP/1.1"),
        (&[b"h2"], "2", "HTTP/2"),
    ] {
        let (address, requests) = authority.serve("backend.example", false, offered).await;
        let keys =
            trusting(&authority.file("ca.pem"), "backend.example") + &format!("http_version = {version:?}");
        let backend = HttpBackend::new(from_file(&address, &keys)).unwrap();
        for _ in 0..3 {
            assert_eq!(backend.send(login(), far()).await.unwrap().body(), spoken, "{version}");
        }
        assert_eq!(requests.load(Ordering::SeqCst), 3);
    }
}

#[tokio::test]
async fn a_backend_that_asks_who_calls_is_shown_the_certificate() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    ours.sign("backend.example");
    ours.sign("gateway.example");
    theirs.sign("gateway.example");
    let (address, requests) = ours.serve("backend.example", true, &[]).await;
    let keys = trusting(&ours.file("ca.pem"), "backend.example");
    let showing = |authority: &Authority| {
        let (certificate, key) =
            (authority.file("gateway.example.pem"), authority.file("gateway.example.key"));
        format!("{keys}client_certificate = {{ certificate = {certificate:?}, key = {key:?} }}\n")
    };
    assert_eq!(ask(from_file(&address, &showing(&ours))).await.unwrap(), "HTTP/1.1");
    assert!(ask(from_file(&address, &showing(&theirs))).await.is_err());
    assert!(ask(from_file(&address, &keys)).await.is_err());
    assert_eq!(requests.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn files_that_went_bad_since_the_check_are_refused_and_do_no_harm() {
    let authority = Authority::new();
    let settings = from_file("127.0.0.1:1", &trusting(&authority.file("ca.pem"), "backend.example"));
    std::fs::write(authority.file("ca.pem"), "no certificate any more").unwrap();
    let refused = HttpBackend::new(settings).err();
    assert!(matches!(refused, Some(UnusableUpstream::Certificates(_))), "{refused:?}");
}
