//! A load of requests over keep-alive connections: as little work as possible on the client's side, since it
//! shares the cores with the server.

use anyhow::Context;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// What a load showed.
pub(crate) struct Seen {
    /// Answers per second.
    pub(crate) per_second: f64,
    /// The latency of every answer, sorted.
    latencies: Vec<Duration>,
}

impl Seen {
    /// The latency in milliseconds that this share of the answers kept.
    pub(crate) fn millis_at(&self, share: f64) -> f64 {
        let place =
            ((self.latencies.len() as f64 * share) as usize).min(self.latencies.len().saturating_sub(1));
        self.latencies.get(place).map_or(f64::NAN, |latency| latency.as_secs_f64() * 1000.0)
    }
}

/// Refreshes for `span` on `connections` connections at a time, each with its share of the tokens, one after
/// the other; every token is replaced by its successor. An answer other than 200 is an error.
pub(crate) async fn refresh(
    address: SocketAddr,
    tokens: &mut Vec<String>,
    connections: usize,
    span: Duration,
) -> anyhow::Result<Seen> {
    refresh_at("/auth/refresh", address, tokens, connections, span).await
}

/// The same at the route of the alternative that does nothing.
pub(crate) async fn echo(address: SocketAddr, connections: usize, span: Duration) -> anyhow::Result<Seen> {
    let mut tokens = vec!["t".repeat(TOKEN_CHARS); connections];
    refresh_at("/plain/auth/refresh", address, &mut tokens, connections, span).await
}

async fn refresh_at(
    path: &'static str,
    address: SocketAddr,
    tokens: &mut Vec<String>,
    connections: usize,
    span: Duration,
) -> anyhow::Result<Seen> {
    let shares = deal(std::mem::take(tokens), connections);
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for share in shares {
        tasks.spawn(refresh_on_one(path, address, share, start + span));
    }
    let mut latencies = Vec::new();
    while let Some(done) = tasks.join_next().await {
        let (share, seen) = done??;
        tokens.extend(share);
        latencies.extend(seen);
    }
    let per_second = latencies.len() as f64 / start.elapsed().as_secs_f64();
    latencies.sort_unstable();
    Ok(Seen { per_second, latencies })
}

async fn refresh_on_one(
    path: &'static str,
    address: SocketAddr,
    mut tokens: Vec<String>,
    until: Instant,
) -> anyhow::Result<(Vec<String>, Vec<Duration>)> {
    let mut connection = Connection::open(address).await?;
    let mut latencies = Vec::new();
    let mut next = 0;
    while Instant::now() < until && !tokens.is_empty() {
        let place = next % tokens.len();
        next += 1;
        let body = format!(r#"{{"refresh_token":"{}"}}"#, tokens[place]);
        let sent = Instant::now();
        let (status, answer) = connection.post(path, &body).await?;
        latencies.push(sent.elapsed());
        anyhow::ensure!(status == 200, "a refresh was answered {status}: {answer}");
        tokens[place] =
            text_of(&answer, "refresh_token").context("an answer without a refresh token")?.to_owned();
    }
    Ok((tokens, latencies))
}

/// Logs in `count` times, `connections` at a time, and answers how many succeeded per second.
pub(crate) async fn log_in(
    address: SocketAddr,
    body: &str,
    count: usize,
    connections: usize,
) -> anyhow::Result<f64> {
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for place in 0..connections {
        let mine = count / connections + usize::from(place < count % connections);
        let body = body.to_owned();
        tasks.spawn(async move {
            let mut connection = Connection::open(address).await?;
            for _ in 0..mine {
                let (status, answer) = connection.post("/auth/login", &body).await?;
                anyhow::ensure!(status == 200, "a login was answered {status}: {answer}");
            }
            Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(count as f64 / start.elapsed().as_secs_f64())
}

/// A connection that speaks as much HTTP/1.1 as our own server answers.
pub(crate) struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, read: Vec::with_capacity(4096) })
    }

    pub(crate) async fn post(&mut self, path: &str, body: &str) -> anyhow::Result<(u16, String)> {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.write_all(request.as_bytes()).await?;
        self.read.clear();
        loop {
            if let Some(answer) = parse(&self.read)? {
                return Ok(answer);
            }
            let count = self.stream.read_buf(&mut self.read).await?;
            anyhow::ensure!(count > 0, "the server closed the connection");
        }
    }
}

/// The answer, once it is whole.
fn parse(read: &[u8]) -> anyhow::Result<Option<(u16, String)>> {
    let Some(head_end) = read.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&read[..head_end])?;
    let status = head.get(9..12).context("no status")?.parse()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let body = &read[head_end + 4..];
    let length = length.context("no content-length")?;
    if body.len() < length {
        return Ok(None);
    }
    Ok(Some((status, std::str::from_utf8(&body[..length])?.to_owned())))
}

/// The text of a member, without reading all of the JSON.
fn text_of<'a>(json: &'a str, name: &str) -> Option<&'a str> {
    let (_, after) = json.split_once(&format!("\"{name}\":\""))?;
    after.split('"').next()
}

fn deal(tokens: Vec<String>, hands: usize) -> Vec<Vec<String>> {
    let mut dealt = vec![Vec::new(); hands];
    for (n, token) in tokens.into_iter().enumerate() {
        dealt[n % hands].push(token);
    }
    dealt
}

/// As long as a refresh token of ours.
const TOKEN_CHARS: usize = 130;
