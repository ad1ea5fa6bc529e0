//! `relatch serve`: where it listens, and how it ends.

use crate::support::Folder;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

#[test]
fn plain_http_is_for_this_machine_alone() {
    let folder = Folder::new();
    let open = folder.run(&["serve", "--set", "server.listen=0.0.0.0:0"]);
    open.assert_refused(&["server.listen", "server.tls"]);
    assert!(!folder.path("relatch.db").exists(), "it opened the store first");
}

#[test]
fn a_port_that_is_taken_is_named() {
    let folder = Folder::new();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    let taken = folder.run(&["serve", "--set", &format!("server.listen={address}")]);
    taken.assert_refused(&[&address, "is another server running there?"]);
}

#[test]
fn told_to_end_it_answers_what_it_has_taken() {
    let folder = Folder::new();
    folder.make("ada@example.com");
    let mut server = folder.serve(&[]);
    let pair = server.log_in("ada@example.com").1;
    let body = format!(r#"{{"refresh_token":{}}}"#, pair["refresh_token"]);
    let mut stream = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).unwrap();
    let head = format!(
        "POST /auth/refresh HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    let (first, second) = body.split_at(10);
    stream.write_all((head + first).as_bytes()).unwrap();
    // The head is read before the rest is sent, since a request on another connection is answered meanwhile.
    assert_eq!(server.log_in("ada@example.com").0, 200);
    let mut answer = String::new();
    std::thread::scope(|scope| {
        let ending = scope.spawn(|| server.terminate());
        std::thread::sleep(std::time::Duration::from_millis(300));
        stream.write_all(second.as_bytes()).unwrap();
        stream.read_to_string(&mut answer).unwrap();
        assert_eq!(ending.join().unwrap(), Some(0));
    });
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let server = folder.serve(&[]);
    let (_, json) = answer.split_once("\r\n\r\n").unwrap();
    assert_eq!(server.refresh(&serde_json::from_str(json).unwrap()).0, 200);
}
