//! Log levels, loggers and the callback, in a program without a logger of its own. They belong to the whole process, so the
//! tests of this file take turns.
//!
//! Uses the library's public interface only. `tests/logging_host.rs` is the program that has a logger.

use ewebrtc::{DialOptions, Error, Gateway, GatewayConfig, LogLevel, LogManager, LoginOptions, Phone, PhoneConfig};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// A line, with the thread on which the callback ran.
#[derive(Debug, Clone, PartialEq)]
struct Line {
    level: LogLevel,
    module: String,
    message: String,
    place: Option<(String, u32)>,
    thread: thread::ThreadId,
}

impl Line {
    fn of(line: &ewebrtc::LogLine<'_>) -> Self {
        Self {
            level: line.level,
            module: line.module.to_owned(),
            message: line.message.to_owned(),
            place: line.file.map(str::to_owned).zip(line.line),
            thread: thread::current().id(),
        }
    }
}

type Lines = Arc<Mutex<Vec<Line>>>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The turn of a test: everything at its default, lines collected.
fn turn() -> (MutexGuard<'static, ()>, Lines) {
    static TURN: Mutex<()> = Mutex::new(());
    let guard = lock(&TURN);
    LogManager::install().expect("this program has no logger");
    LogManager::reset_levels();
    (guard, collect())
}

/// Sets a callback that keeps the lines of this thread: what earlier tests have left behind may still log on others.
fn collect() -> Lines {
    let own = thread::current().id();
    collect_if(move |thread| thread == own)
}

/// Sets a callback that keeps the lines of the threads that are wanted.
fn collect_if(wanted: impl Fn(thread::ThreadId) -> bool + Send + Sync + 'static) -> Lines {
    let lines = Lines::default();
    let kept = lines.clone();
    LogManager::set_callback(move |line| {
        if wanted(thread::current().id()) {
            lock(&kept).push(Line::of(line));
        }
    });
    lines
}

fn messages(lines: &Lines) -> Vec<String> {
    lock(lines).iter().map(|line| line.message.clone()).collect()
}

#[test]
fn levels_are_set_for_all_for_one_and_back() {
    let (_turn, _) = turn();
    let names: Vec<&str> = LogManager::levels().iter().map(|level| level.name()).collect();
    assert_eq!(names, ["error", "warn", "info", "debug", "trace"]);
    assert_eq!((LogManager::global_level(), LogManager::default_level()), (LogLevel::Warn, LogLevel::Warn));
    let defaults = LogManager::module_defaults();
    assert_eq!(serde_names(&defaults), json!({"call": "info", "session": "info", "webrtc": "off"}));
    let at_first = LogManager::module_levels();
    assert_eq!(at_first.keys().cloned().collect::<BTreeSet<_>>(), LogManager::loggers().into_iter().collect());
    for (name, level) in &at_first {
        assert_eq!(*level, *defaults.get(name.as_str()).unwrap_or(&LogLevel::Warn), "{name}");
    }

    LogManager::set_global_level(LogLevel::Debug);
    assert_eq!(LogManager::global_level(), LogLevel::Debug);
    for (name, level) in LogManager::module_levels() {
        // The crates beneath are asked for by name only.
        assert_eq!(level, if name == "webrtc" { LogLevel::Off } else { LogLevel::Debug }, "{name}");
    }
    let later = LogManager::create_custom_logger("later").expect("a logger");
    assert_eq!(later.level(), LogLevel::Warn, "a new logger begins at its default");

    let call = LogManager::logger("call").expect("a logger");
    call.set_level(LogLevel::Error);
    assert_eq!(LogManager::logger("call").expect("the same logger").level(), LogLevel::Error);
    assert_eq!(LogManager::module_levels()["call"], LogLevel::Error);
    LogManager::logger("webrtc").expect("a logger").set_level(LogLevel::Warn);

    LogManager::reset_levels();
    assert_eq!((call.level(), LogManager::global_level()), (LogLevel::Info, LogLevel::Warn));
    LogManager::delete_custom_logger("later").expect("deleted");
    assert_eq!(LogManager::module_levels(), at_first);
}

fn serde_names(levels: &std::collections::BTreeMap<&str, LogLevel>) -> Value {
    levels.iter().map(|(name, level)| ((*name).to_owned(), Value::from(level.name()))).collect()
}

#[test]
fn loggers_of_the_application_come_and_go() {
    let (_turn, lines) = turn();
    let own = LogManager::create_custom_logger("billing").expect("a logger");
    assert_eq!((own.name(), own.is_custom(), own.level()), ("billing", true, LogLevel::Warn));
    assert!(LogManager::loggers().contains(&"billing".to_owned()));
    assert!(!LogManager::logger("phone").expect("a module").is_custom());
    let refused = |result: Result<ewebrtc::Logger, Error>| matches!(result, Err(Error::Config(_)));
    for name in ["", "billing", "call", "a\nb", &"n".repeat(65)] {
        assert!(refused(LogManager::create_custom_logger(name)), "{name:?}");
    }
    for name in ["", "nobody"] {
        assert!(refused(LogManager::logger(name)), "{name:?}");
    }
    for name in ["", "nobody", "call"] {
        assert!(matches!(LogManager::delete_custom_logger(name), Err(Error::Config(_))), "{name:?}");
    }
    own.log_warning("before");
    LogManager::delete_custom_logger("billing").expect("deleted");
    own.set_level(LogLevel::Trace);
    own.log_error("after");
    assert_eq!(messages(&lines), ["before"]);
    // The name is free again, and the old handle is not the new logger.
    let again = LogManager::create_custom_logger("billing").expect("a logger");
    own.log_error("after");
    again.log_error("again");
    assert_eq!(messages(&lines), ["before", "again"]);
    LogManager::delete_custom_logger("billing").expect("deleted");

    let many: Vec<String> =
        (0..).map(|n| format!("n{n}")).take_while(|n| LogManager::create_custom_logger(n).is_ok()).collect();
    assert_eq!(many.len(), 1024);
    many.iter().for_each(|name| LogManager::delete_custom_logger(name).expect("deleted"));
}

#[test]
fn lines_are_filtered_by_level_and_say_where_they_come_from() {
    let (_turn, lines) = turn();
    let own = LogManager::create_custom_logger("own").expect("a logger");
    let all = || {
        own.log_error("error");
        own.log_warning("warn");
        own.log_info("info");
        own.log_debug("debug");
        own.log_trace("trace", Some(&json!({"step": 1})));
    };
    let expected = ["error", "warn", "info", "debug", "trace\n{\"step\":1}"];
    for (count, level) in LogManager::levels().iter().enumerate() {
        own.set_level(*level);
        all();
        assert_eq!(messages(&lines), expected[..=count], "{level}");
        lock(&lines).clear();
    }
    own.set_level(LogLevel::Off);
    all();
    assert_eq!(messages(&lines), [""; 0]);

    let line = line!() + 1;
    LogManager::logger("session").expect("a module").log_info("of a module");
    let seen = lock(&lines).pop().expect("a line");
    assert_eq!((seen.level, seen.module.as_str()), (LogLevel::Info, "session"));
    assert_eq!(seen.place, Some((file!().to_owned(), line)));
    assert_eq!(seen.thread, thread::current().id());
    LogManager::delete_custom_logger("own").expect("deleted");

    // The library's own lines, those of the crates beneath, and those of others.
    let phone = Phone::new(PhoneConfig::new("http://127.0.0.1:9")).expect("a phone");
    phone.format_number("#").expect("no error");
    phone.invoke("formatNumber", json!({"number": "+"}), None).expect("no error");
    for _ in ["by method", "by name"] {
        let seen = lock(&lines).pop().expect("a line");
        assert_eq!((seen.level, seen.module.as_str()), (LogLevel::Warn, "phoneNumber"));
    }
    for target in ["webrtc::peer_connection", "rtc_ice::agent", "hyper::proto", "logging"] {
        log::error!(target: target, "not ours");
    }
    assert_eq!(messages(&lines), [""; 0]);
    assert!(!log::log_enabled!(target: "webrtc", log::Level::Error));
    LogManager::logger("webrtc").expect("a module").set_level(LogLevel::Error);
    log::error!(target: "rtc_ice::agent", "asked for");
    log::warn!(target: "rtc_ice::agent", "not asked for");
    assert_eq!(messages(&lines), ["asked for"]);
    assert!(log::log_enabled!(target: "webrtc", log::Level::Error));
}

#[test]
fn lines_that_nobody_wants_cost_nothing() {
    let (_turn, _) = turn();
    assert_eq!(log::max_level(), log::LevelFilter::Info);
    LogManager::set_global_level(LogLevel::Error);
    assert_eq!(log::max_level(), log::LevelFilter::Error);
    LogManager::logger("media").expect("a module").set_level(LogLevel::Trace);
    assert_eq!(log::max_level(), log::LevelFilter::Trace);
    LogManager::remove_callback();
    assert_eq!(log::max_level(), log::LevelFilter::Off);
    LogManager::logger("media").expect("a module").log_error("to nobody");
    let lines = collect();
    LogManager::logger("media").expect("a module").log_error("to somebody");
    assert_eq!(messages(&lines), ["to somebody"]);
}

#[test]
fn the_callback_may_do_anything_but_wait() {
    let (_turn, _) = turn();
    let phone = Phone::new(PhoneConfig::new("http://127.0.0.1:9")).expect("a phone");
    let own = LogManager::create_custom_logger("own").expect("a logger");
    let lines = Lines::default();
    let (kept, inside, held) = (lines.clone(), own.clone(), phone.clone());
    LogManager::set_callback(move |line| {
        // Would come back without end, and is left out.
        inside.log_error("from inside");
        // No lock is held: levels, loggers and the callback itself can be changed.
        inside.set_level(LogLevel::Debug);
        LogManager::install().expect("installed already");
        LogManager::create_custom_logger("inner").expect("a logger");
        LogManager::delete_custom_logger("inner").expect("deleted");
        assert_eq!(held.invoke("getCalls", Value::Null, None), Err(Error::InHandler));
        assert_eq!(held.invoke_on(1, "mute", Value::Null, None), Err(Error::InHandler));
        assert_eq!(held.wait_closed(), Err(Error::InHandler));
        assert_eq!(held.clean_phone_number("9-1-1"), Ok("911".into()));
        if line.message == "last" {
            LogManager::remove_callback();
        }
        // At the end: a line is seen only when all of this was as it must be.
        lock(&kept).push(Line::of(line));
    });
    own.log_error("first");
    own.log_debug("second");
    own.log_error("last");
    own.log_error("too late");
    assert_eq!(messages(&lines), ["first", "second", "last"]);
    assert_eq!(phone.invoke("getCalls", Value::Null, None), Ok(json!([])), "waiting is fine again outside");
    LogManager::delete_custom_logger("own").expect("deleted");
}

#[test]
fn a_panic_of_the_callback_stays_there() {
    let (_turn, _) = turn();
    let own = LogManager::create_custom_logger("own").expect("a logger");
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    LogManager::set_callback(move |line| {
        counted.fetch_add(1, Ordering::SeqCst);
        assert_ne!(line.message, "bad", "a fault of the host");
    });
    for message in ["good", "bad", "bad", "good"] {
        own.log_error(message);
    }
    assert_eq!(calls.load(Ordering::SeqCst), 4);
    LogManager::delete_custom_logger("own").expect("deleted");
}

#[test]
fn callbacks_are_replaced_while_others_log_and_end_once() {
    let (_turn, _) = turn();
    struct Ends(Arc<AtomicUsize>);
    impl Drop for Ends {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let own = LogManager::create_custom_logger("own").expect("a logger");
    let (ended, seen) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let replace = || {
        let (ends, seen) = (Ends(ended.clone()), seen.clone());
        LogManager::set_callback(move |line| {
            let _held = &ends;
            seen.fetch_add(usize::from(line.module == "own"), Ordering::SeqCst);
        });
    };
    replace();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..500).for_each(|_| own.log_error("line")));
        }
        (0..200).for_each(|_| replace());
    });
    assert_eq!(seen.load(Ordering::SeqCst), 2000, "no line is lost");
    LogManager::remove_callback();
    assert_eq!(ended.load(Ordering::SeqCst), 201, "each callback ended once");
    LogManager::delete_custom_logger("own").expect("deleted");
}

#[test]
fn a_call_writes_no_secrets_at_any_level() {
    let (_turn, _) = turn();
    let lines = collect_if(|_| true);
    LogManager::set_global_level(LogLevel::Trace);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (tokens, ids) = runtime.block_on(async {
        let gateway = Gateway::start(GatewayConfig::development()).await.expect("the gateway starts");
        let phone = Phone::new(PhoneConfig::new(gateway.url())).expect("a phone");
        let mut events = phone.events();
        let wrong = "wrong-token-5b1c";
        phone.login(LoginOptions::new(wrong)).await.expect_err("refused");
        let token = gateway.dev_token("4251234567").await.expect("a token").access_token;
        let mut options = LoginOptions::new(token.clone());
        options.e911_id = Some("E911-secret".into());
        phone.login(options).await.expect("login");
        phone.dial(DialOptions::new("nobody-9182")).await.expect("accepted");
        while events.next().await.expect("an event").name() != "call:disconnected" {}
        let call = phone.dial(DialOptions::new("echo")).await.expect("dial");
        call.connected().await.expect("connected");
        let mut established = false;
        while !established {
            let event = tokio::time::timeout(Duration::from_secs(20), events.next()).await.expect("in time");
            established = event.expect("an event").name() == "media:established";
        }
        call.hangup().await.expect("hangup");
        phone.logout().await.expect("logout");
        phone.close();
        phone.closed().await;
        gateway.stop().await;
        (vec![wrong.to_owned(), token.expose().to_owned()], ["4251234567", "nobody-9182", "E911-secret", "127.0.0.1"])
    });
    let lines = lock(&lines).clone();
    assert!(lines.iter().any(|line| line.module == "gateway"), "the lines were not seen: {lines:#?}");
    for line in &lines {
        for token in &tokens {
            assert!(!line.message.contains(token), "a token: {line:?}");
        }
        for id in ids.iter().filter(|_| line.level <= LogLevel::Info) {
            assert!(!line.message.contains(id), "somebody's address: {line:?}");
        }
        assert_ne!(line.module, "webrtc", "{line:?}");
    }
}
