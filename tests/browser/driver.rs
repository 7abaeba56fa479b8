//! Headless Chromium, driven by chromedriver through the WebDriver protocol (W3C WebDriver, sections 6 to 13).
//!
//! Owns: the chromedriver process, the browser it starts and the browser's profile folder; all are gone when [`Browser`]
//! is dropped, also when a test panics. Lives on: the test's thread; every call waits. Must not import: the library.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

/// Debian's browser and its driver (packages `chromium` and `chromium-driver`).
const CHROMIUM: &str = "/usr/bin/chromium";
const CHROMEDRIVER: &str = "/usr/bin/chromedriver";

/// Longest wait for chromedriver's port and for the browser's first window: a cold start on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(60);

/// How often chromedriver is started before there is no port for it.
const DRIVER_STARTS: u32 = 5;

/// Longest run of one script in the page; each script has a shorter deadline of its own.
const SCRIPT_LIMIT: Duration = Duration::from_secs(60);

/// A browser with one window.
pub struct Browser {
    driver: Child,
    port: u16,
    session: String,
    profile: PathBuf,
}

impl Browser {
    /// Starts chromedriver and a browser with an empty profile below `scratch`. Fails with a text that says what is
    /// missing.
    pub fn start(scratch: &Path) -> Result<Self, String> {
        for program in [CHROMIUM, CHROMEDRIVER] {
            if !Path::new(program).exists() {
                return Err(format!("{program} is missing: run `make deps`"));
            }
        }
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let profile = scratch.join(format!("chromium-{}-{number}", std::process::id()));
        // The folder is ours by its name; one left by a run that was killed is of no use.
        let _ = std::fs::remove_dir_all(&profile);
        std::fs::create_dir_all(&profile).map_err(|error| format!("{}: {error}", profile.display()))?;

        let (driver, port) = started_driver()?;
        // From here on dropping the value cleans up, whatever happens.
        let mut browser = Self { driver, port, session: String::new(), profile };
        let created = browser.request("POST", "/session", Some(capabilities(&browser.profile)))?;
        browser.session =
            created["sessionId"].as_str().ok_or_else(|| format!("chromedriver gave no session: {created}"))?.to_owned();
        let timeouts = json!({ "script": SCRIPT_LIMIT.as_millis() as u64, "pageLoad": 30_000 });
        browser.command("timeouts", timeouts)?;
        Ok(browser)
    }

    /// Loads a page and waits until it is complete.
    pub fn open(&self, url: &str) -> Result<(), String> {
        self.command("url", json!({ "url": url })).map(drop)
    }

    /// Evaluates `expression` in the page with `args[0]`, `args[1]`, ... and waits for the promise it may give.
    pub fn eval(&self, expression: &str, args: Value) -> Result<Value, String> {
        let script = format!(
            "const args = arguments[0]; const done = arguments[1]; \
             (async () => ({expression}))().then(value => done({{ value: value === undefined ? null : value }}), \
             error => done({{ error: String(error) }}));"
        );
        let outcome = self.command("execute/async", json!({ "script": script, "args": [args] }))?;
        match outcome.get("error") {
            Some(error) => Err(format!("{expression}: {error}")),
            None => Ok(outcome["value"].clone()),
        }
    }

    fn command(&self, name: &str, body: Value) -> Result<Value, String> {
        self.request("POST", &format!("/session/{}/{name}", self.session), Some(body))
    }

    /// One request on a connection of its own; the `value` of the answer.
    fn request(&self, verb: &str, path: &str, body: Option<Value>) -> Result<Value, String> {
        let failed = |error: std::io::Error| format!("chromedriver {verb} {path}: {error}");
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).map_err(failed)?;
        stream.set_read_timeout(Some(START_LIMIT + SCRIPT_LIMIT)).map_err(failed)?;
        let body = body.map(|value| value.to_string()).unwrap_or_default();
        write!(
            stream,
            "{verb} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: application/json; charset=utf-8\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.port,
            body.len()
        )
        .map_err(failed)?;
        let mut reader = BufReader::new(stream);
        let mut length = 0_usize;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).map_err(failed)? == 0 || line.trim_end().is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().map_err(|_| format!("chromedriver: length {value:?}"))?;
            }
        }
        let mut text = vec![0; length];
        reader.read_exact(&mut text).map_err(failed)?;
        let answer: Value = serde_json::from_slice(&text).map_err(|error| format!("chromedriver: {error}"))?;
        let value = answer["value"].clone();
        match value.get("error").and_then(Value::as_str) {
            Some(kind) if value.get("stacktrace").is_some() => {
                Err(format!("{kind}: {}", value["message"].as_str().unwrap_or_default()))
            }
            _ => Ok(value),
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Asking politely would wait for pages to unload; nothing in the profile is worth that.
        let _ = self.driver.kill();
        let _ = self.driver.wait();
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            let left = processes_of(&self.profile);
            if left.is_empty() {
                break;
            }
            if Instant::now() > deadline {
                let _ = Command::new("kill").arg("-KILL").args(left.iter().map(u32::to_string)).status();
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}

/// What the browser is asked to be.
///
/// mDNS: a page without permission to use a microphone gets its own addresses only as `….local` names, which would have
/// to be resolved by multicast; that hiding is switched off (`WebRtcHideLocalIpsWithMdns`), and the page reports a
/// `.local` candidate as a problem.
fn capabilities(profile: &Path) -> Value {
    let profile = format!("--user-data-dir={}", profile.display());
    json!({ "capabilities": { "alwaysMatch": { "browserName": "chrome", "goog:chromeOptions": {
        "binary": CHROMIUM,
        "args": [
            "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage",
            // Nothing but the test's own loopback connections.
            "--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--disable-features=WebRtcHideLocalIpsWithMdns",
            "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
            "--autoplay-policy=no-user-gesture-required",
            // Commands travel by a pipe instead of a port: the browser ends when the pipe does.
            "--remote-debugging-pipe",
            profile,
        ],
    } } } })
}

/// A chromedriver that listens, and its port. It takes a free port of IPv6 and then the same one of IPv4; when somebody else
/// has that, it ends at once, and is started anew.
fn started_driver() -> Result<(Child, u16), String> {
    for _ in 0..DRIVER_STARTS {
        // setpriv (util-linux) ends chromedriver when this process dies, however it dies; the browser ends when
        // chromedriver does, because the two are connected by a pipe (see the arguments of the browser).
        let mut driver = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", CHROMEDRIVER, "--port=0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("chromedriver: {error}"))?;
        let said = driver.stdout.take().map(announced_port);
        if let Some(Ok(port)) = said {
            return Ok((driver, port));
        }
        let _ = driver.kill();
        let _ = driver.wait();
        if let Some(Err(RecvTimeoutError::Timeout)) = said {
            return Err(format!("chromedriver did not say its port in {} s", START_LIMIT.as_secs()));
        }
    }
    Err(format!("chromedriver ended {DRIVER_STARTS} times before it had a port"))
}

/// The port of chromedriver, which it says in one of its first lines; the rest of its output is read and dropped, so that
/// it never blocks. `Disconnected`: it has ended without.
fn announced_port(output: impl Read + Send + 'static) -> Result<u16, RecvTimeoutError> {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let port = line
                .strip_suffix('.')
                .and_then(|line| line.rsplit_once("on port "))
                .and_then(|(_, port)| port.parse::<u16>().ok());
            if let Some(port) = port {
                let _ = sender.send(port);
            }
        }
    });
    receiver.recv_timeout(START_LIMIT)
}

/// Processes that name this profile on their command line: the browser's own, and nobody else's.
fn processes_of(profile: &Path) -> Vec<u32> {
    let wanted = profile.display().to_string();
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(Result::ok)
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|process| {
            std::fs::read(format!("/proc/{process}/cmdline"))
                .is_ok_and(|line| String::from_utf8_lossy(&line).contains(&wanted))
        })
        .collect()
}
