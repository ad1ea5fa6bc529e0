//! The accept loop over real sockets: slow, oversized and broken requests end alone, and a stop answers what
//! was taken.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use axum::Router;
use axum::extract::Request;
use axum::routing::{get, post};
use relatch_server::config::{Config, HttpLimitsConfig, TlsConfig};
use relatch_server::environment::OsEntropy;
use relatch_server::http::body::read_bytes;
use relatch_server::http::edge::{Edge, around, no_method, no_route};
use relatch_server::http::problem::Problem;
use relatch_server::serve::{Bounds, Tls, serve};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    ended: JoinHandle<usize>,
}

impl Server {
    async fn start(change: impl FnOnce(&mut HttpLimitsConfig), bounds: impl FnOnce(&mut Bounds)) -> Self {
        Self::start_with(None, change, bounds).await
    }

    async fn start_with(
        tls: Option<Arc<Tls>>,
        change: impl FnOnce(&mut HttpLimitsConfig),
        bounds: impl FnOnce(&mut Bounds),
    ) -> Self {
        let mut config = Config::default();
        change(&mut config.server.limits);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let entropy = Arc::new(OsEntropy::open().unwrap());
        let edge = Arc::new(Edge::new(&config.server, &config.identity(address), entropy));
        let router = Router::new()
            .route("/hello", get(async || "hello"))
            .route("/length", post(length))
            .route("/slow", get(slow))
            .route("/panic", get(panics))
            .fallback(no_route)
            .method_not_allowed_fallback(no_method)
            .layer(axum::middleware::from_fn_with_state(edge, around));
        let mut limits = Bounds::of(&config.server.limits);
        bounds(&mut limits);
        let (stop, stopped) = oneshot::channel::<()>();
        let ended = tokio::spawn(serve(listener, tls, router, limits, async {
            let _ = stopped.await;
        }));
        Self { address, stop: Some(stop), ended }
    }

    async fn plain() -> Self {
        Self::start(|_| {}, |_| {}).await
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Sends bytes and reads until the server closes.
    async fn exchange(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        stream.write_all(bytes).await.unwrap();
        read_to_end(&mut stream).await
    }
}

async fn length(request: Request) -> Result<String, Problem> {
    Ok(read_bytes(request).await?.len().to_string())
}

async fn slow() -> &'static str {
    tokio::time::sleep(Duration::from_millis(400)).await;
    "done"
}

async fn panics() -> &'static str {
    panic!("on purpose")
}

/// What comes until the other side closes; a reset counts as closing.
async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    let reading = async {
        while let Ok(read @ 1..) = stream.read(&mut buffer).await {
            bytes.extend_from_slice(&buffer[..read]);
        }
    };
    tokio::time::timeout(Duration::from_secs(10), reading).await.expect("the server never closed");
    String::from_utf8_lossy(&bytes).into_owned()
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("nothing")
}

/// The bound of this test and no other, in place of ten seconds.
const SHORT: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_slow_head_is_cut_off_and_an_idle_connection_has_its_own_time() {
    let short_head = |bounds: &mut Bounds| bounds.head_timeout = SHORT;
    let server = Server::start(|_| {}, short_head).await;
    assert_eq!(server.exchange(b"GET /hello HT").await, "");
    assert_eq!(server.exchange(b"").await, "");

    let mut stream = server.connect().await;
    stream.write_all(b"GET /hello HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    tokio::time::sleep(SHORT * 3).await;
    stream.write_all(b"GET /hello HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    assert_eq!(read_to_end(&mut stream).await.matches("200 OK").count(), 2);

    // A head that begins after an idle time is bounded too.
    let mut stream = server.connect().await;
    stream.write_all(b"GET /hello HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    tokio::time::sleep(SHORT).await;
    for byte in b"GET /hello HTTP/1.1" {
        if stream.write_all(&[*byte]).await.is_err() {
            break;
        }
        tokio::time::sleep(SHORT / 10).await;
    }
    assert_eq!(read_to_end(&mut stream).await.matches("200 OK").count(), 1);
}

#[tokio::test]
async fn an_idle_connection_is_closed_in_the_end() {
    let server = Server::start(
        |_| {},
        |bounds| {
            (bounds.head_timeout, bounds.idle_timeout) = (SHORT, SHORT);
        },
    )
    .await;
    let answer = server.exchange(b"GET /hello HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(status(&answer), "200");
}

#[tokio::test]
async fn a_slow_body_is_answered_408_and_a_broken_one_harms_nobody() {
    let server = Server::start(|limits| limits.body_timeout_seconds = 1, |_| {}).await;
    let answer = server.exchange(b"POST /length HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nabc").await;
    assert_eq!(status(&answer), "408");
    assert!(answer.contains("\"code\":\"request_timeout\""), "{answer}");

    let mut broken = server.connect().await;
    broken.write_all(b"POST /length HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nabc").await.unwrap();
    drop(broken);
    let answer = server
        .exchange(b"POST /length HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\nconnection: close\r\n\r\nabc")
        .await;
    assert!(answer.ends_with("\r\n\r\n3"), "{answer}");
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_whether_announced_or_chunked() {
    let server = Server::start(|limits| limits.body_bytes = 1024, |_| {}).await;
    let announced = "POST /length HTTP/1.1\r\nhost: x\r\ncontent-length: 1025\r\nconnection: close\r\n\r\n";
    let answer = server.exchange(format!("{announced}{}", "a".repeat(1025)).as_bytes()).await;
    assert_eq!(status(&answer), "413");
    let chunked =
        "POST /length HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n401\r\n";
    let answer = server.exchange(format!("{chunked}{}\r\n0\r\n\r\n", "a".repeat(1025)).as_bytes()).await;
    assert_eq!(status(&answer), "413");
}

#[tokio::test]
async fn a_large_head_is_431_and_a_long_target_414() {
    let server = Server::plain().await;
    let head = |target: usize, header: usize| {
        let (target, header) = ("a".repeat(target), "b".repeat(header));
        format!("GET /{target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-big: {header}\r\n\r\n")
    };
    for (target, header, expected) in [
        (10, 16_000, "404"),
        (10, 16_400, "431"),
        (10, 40_000, "431"),
        (10, 1_000_000, "431"),
        (8191, 10, "404"),
        (8192, 10, "414"),
        (70_000, 10, "431"),
    ] {
        let mut stream = server.connect().await;
        // The server may close before it has read everything.
        let _ = stream.write_all(head(target, header).as_bytes()).await;
        let answer = read_to_end(&mut stream).await;
        assert_eq!(status(&answer), expected, "target {target}, header {header}: {answer}");
    }
    let answer = server.exchange(head(10, 16_400).as_bytes()).await;
    assert!(answer.contains("\"code\":\"head_too_large\"") && answer.contains("x-request-id: "), "{answer}");
    let many = "x: y\r\n".repeat(1000);
    let answer = server.exchange(format!("GET /hello HTTP/1.1\r\nhost: x\r\n{many}\r\n").as_bytes()).await;
    assert_eq!(status(&answer), "431");
}

#[tokio::test]
async fn what_is_no_http_is_400_and_the_next_caller_is_served() {
    let server = Server::plain().await;
    for broken in [
        &b"GET / HTTP/9.9\r\n\r\n"[..],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /hello HTTP/1.1\r\nhost : x\r\n\r\n",
        b"POST /length HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        b"POST /length HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
    ] {
        let answer = server.exchange(broken).await;
        assert!(["400", "505"].contains(&status(&answer)), "{broken:?}: {answer}");
    }
    let answer = server.exchange(b"GET /hello HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert_eq!(status(&answer), "200");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = Server::plain().await;
    let answer = server
        .exchange(
            b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\nGET /nowhere HTTP/1.1\r\nhost: x\r\n\r\n\
              DELETE /hello HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        )
        .await;
    let places: Vec<usize> =
        ["HTTP/1.1 200", "HTTP/1.1 404", "HTTP/1.1 405"].iter().map(|s| answer.find(s).unwrap()).collect();
    assert!(places.is_sorted(), "{answer}");
    assert!(
        answer.contains("allow: GET,HEAD") && answer.contains("\"code\":\"method_not_allowed\""),
        "{answer}"
    );
}

#[tokio::test]
async fn a_panic_is_500_for_its_own_request_alone() {
    let server = Server::plain().await;
    let answer = server
        .exchange(
            b"GET /panic HTTP/1.1\r\nhost: x\r\nx-request-id: mine\r\n\r\n\
              GET /hello HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        )
        .await;
    assert!(answer.contains("500") && answer.contains("\"code\":\"internal_error\""), "{answer}");
    assert!(answer.contains("\"request_id\":\"mine\"") && answer.contains("200 OK"), "{answer}");
    assert!(!answer.contains("on purpose"));
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_503() {
    let server = Server::start(|limits| limits.request_timeout_seconds = 0, |_| {}).await;
    let answer = server.exchange(b"GET /slow HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert_eq!(status(&answer), "503");
    assert!(answer.contains("retry-after: 5"), "{answer}");
}

#[tokio::test]
async fn http2_works_by_prior_knowledge() {
    let server = Server::plain().await;
    let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let answers = (0..50).map(|_| client.get(format!("http://{}/hello", server.address)).send());
    for answer in futures::future::join_all(answers).await {
        let answer = answer.unwrap();
        assert_eq!((answer.version(), answer.status().as_u16()), (http::Version::HTTP_2, 200));
    }
}

#[tokio::test]
async fn further_connections_wait_for_a_place() {
    let server = Server::start(|_| {}, |bounds| bounds.connections_max = 1).await;
    let mut first = server.connect().await;
    first.write_all(b"GET /hello HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut buffer = [0; 1024];
    assert!(first.read(&mut buffer).await.unwrap() > 0);
    let mut second = server.connect().await;
    second.write_all(b"GET /hello HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    assert!(tokio::time::timeout(SHORT, second.read(&mut buffer)).await.is_err());
    drop(first);
    assert_eq!(status(&read_to_end(&mut second).await), "200");
}

#[tokio::test]
async fn a_stop_answers_what_was_taken_and_closes_what_is_idle() {
    let mut server = Server::plain().await;
    let mut idle = server.connect().await;
    idle.write_all(b"GET /hello HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut buffer = [0; 1024];
    assert!(idle.read(&mut buffer).await.unwrap() > 0);
    let mut busy = server.connect().await;
    busy.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    tokio::time::sleep(SHORT / 3).await;
    server.stop();
    assert_eq!(idle.read(&mut buffer).await.unwrap(), 0);
    let answer = read_to_end(&mut busy).await;
    assert!(status(&answer) == "200" && answer.ends_with("done"), "{answer}");
    assert_eq!(server.ended.await.unwrap(), 0);
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn a_stop_waits_no_longer_than_its_grace() {
    let mut server = Server::start(|_| {}, |bounds| bounds.grace = SHORT / 3).await;
    let mut busy = server.connect().await;
    busy.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    tokio::time::sleep(SHORT / 3).await;
    server.stop();
    assert_eq!(read_to_end(&mut busy).await, "");
    assert_eq!(server.ended.await.unwrap(), 1);
}

#[tokio::test]
async fn tls_offers_http2_and_takes_a_new_certificate_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let config = TlsConfig {
        cert_file: Some(folder.path().join("cert.pem")),
        key_file: Some(folder.path().join("key.pem")),
    };
    let renew = || {
        let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(folder.path().join("cert.pem"), pair.cert.pem()).unwrap();
        std::fs::write(folder.path().join("key.pem"), pair.signing_key.serialize_pem()).unwrap();
        reqwest::Certificate::from_pem(pair.cert.pem().as_bytes()).unwrap()
    };
    assert!(Tls::open(&config).err().unwrap().to_string().contains("cert.pem"));
    let first = renew();
    let tls = Arc::new(Tls::open(&config).unwrap().unwrap());
    let server = Server::start_with(Some(tls.clone()), |_| {}, |_| {}).await;
    let get = async |trusted: &reqwest::Certificate| {
        let client = reqwest::Client::builder().tls_certs_only([trusted.clone()]).build().unwrap();
        client.get(format!("https://localhost:{}/hello", server.address.port())).send().await
    };
    let answer = get(&first).await.unwrap();
    assert_eq!(answer.version(), http::Version::HTTP_2);
    assert!(answer.headers().contains_key("strict-transport-security"));

    let second = renew();
    assert!(get(&second).await.is_err());
    tls.reload().unwrap();
    assert_eq!(get(&second).await.unwrap().status(), 200);
    assert!(get(&first).await.is_err());

    std::fs::write(folder.path().join("key.pem"), "nonsense").unwrap();
    assert!(tls.reload().is_err());
    assert_eq!(get(&second).await.unwrap().status(), 200);
}
