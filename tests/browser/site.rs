//! The test's web site: three files on a loopback port, so that the page has an origin of its own (and the gateway must
//! answer its preflights).
//!
//! Owns: one listening socket and its thread, both until the process ends. Must not import: the library.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

const PAGE: &str = include_str!("page.html");
const SCRIPT: &str = include_str!("page.js");
const PAIR: &str = include_str!("pair.js");

/// Starts serving; the address of the page. `localhost`, because browsers treat that name as a safe origin.
pub fn serve() -> std::io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    std::thread::spawn(move || {
        for stream in listener.incoming().filter_map(Result::ok) {
            // The browser opens connections ahead of need and leaves them silent: each gets a thread of its own.
            std::thread::spawn(move || {
                let _ = answer(stream);
            });
        }
    });
    Ok(format!("http://localhost:{port}/"))
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut line = String::new();
    while reader.read_line(&mut line)? > 0 && !line.trim_end().is_empty() {
        line.clear();
    }
    let (status, kind, body) = match first.split(' ').nth(1) {
        Some("/") => ("200 OK", "text/html", PAGE),
        Some("/page.js") => ("200 OK", "text/javascript", SCRIPT),
        Some("/pair.js") => ("200 OK", "text/javascript", PAIR),
        _ => ("404 Not Found", "text/plain", "nothing here"),
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}
