//! Log levels, loggers and the callback, in a program that has a logger of its own: a program of its own, since a process has
//! one logger. `tests/logging.rs` is the program without.

use ewebrtc::{Error, LogLevel, LogManager, Phone, PhoneConfig};
use std::sync::{Arc, Mutex};

/// Keeps what the host would print, and passes the library's lines on as well.
#[derive(Default)]
struct Host(Mutex<Vec<String>>);

impl log::Log for Host {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.target().starts_with("ewebrtc")
    }

    fn log(&self, record: &log::Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        self.0.lock().expect("unpoisoned").push(format!("{} {}: {}", record.level(), record.target(), record.args()));
        LogManager::receiver().log(record);
    }

    fn flush(&self) {}
}

#[test]
fn the_programs_own_logger_keeps_its_place() {
    let host: &'static Host = Box::leak(Box::default());
    log::set_logger(host).expect("the first logger");
    log::set_max_level(log::LevelFilter::Debug);
    let printed = || std::mem::take(&mut *host.0.lock().expect("unpoisoned"));

    assert!(matches!(LogManager::install(), Err(Error::System(_))));
    assert!(matches!(LogManager::install(), Err(Error::System(_))), "refused as often as it is tried");
    let lines = Arc::new(Mutex::new(Vec::new()));
    let kept = lines.clone();
    LogManager::set_callback(move |line| kept.lock().expect("unpoisoned").push(line.to_string()));
    let called = || std::mem::take(&mut *lines.lock().expect("unpoisoned"));
    LogManager::set_global_level(LogLevel::Trace);
    assert_eq!(log::max_level(), log::LevelFilter::Debug, "how much the program logs is its own affair");

    // Loggers made here speak through the program's logger, under its filters, once.
    let own = LogManager::create_custom_logger("own").expect("a logger");
    own.log_info("below its level");
    own.log_warning("written");
    own.set_level(LogLevel::Trace);
    own.log_trace("more than the program wants", None);
    assert_eq!(printed(), ["WARN ewebrtc::app::own: written"]);
    let seen = called();
    assert!(seen.len() == 1 && seen[0].starts_with("[WARNING] written [tests/logging_host.rs:"), "{seen:?}");
    LogManager::delete_custom_logger("own").expect("deleted");
    own.log_error("after the end");
    assert_eq!(printed(), [""; 0]);

    // Lines of the library come to the program whatever the levels here are; those decide on what the callback gets.
    let phone = Phone::new(PhoneConfig::new("http://127.0.0.1:9")).expect("a phone");
    let module = LogManager::logger("phoneNumber").expect("a module");
    for (level, count) in [(LogLevel::Warn, 1), (LogLevel::Error, 0)] {
        module.set_level(level);
        phone.format_number("#").expect("no error");
        assert_eq!(printed(), ["WARN ewebrtc::api::numbers: formatNumber: nothing is left of the text"]);
        assert_eq!(called().len(), count, "{level}");
    }
    phone.close();
}
