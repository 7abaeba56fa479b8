//! Methods by their names that are answered above the core: the utilities, the settings of calls, the log, the report.
//!
//! Owns: which file answers which name; those of the log and the report. Lives on: any thread; nothing waits. Must not
//! import: `core`, `signal`, `runtime`.

use super::capabilities::{Capabilities, is_network_connected};
use super::error::Error;
use super::log_line::LogLevel;
use super::logging::{LogManager, Logger};
use super::phone::Phone;
use super::{numbers, settings};
use serde_json::{Map, Value, json};

/// Names of the methods that belong to no phone: namespaces `ATT.logManager`, `Logger` and `ATT.browser`.
const OF_THE_PROCESS: [&str; 22] = [
    "getLogLevels",
    "getGlobalLogLevel",
    "setGlobalLogLevel",
    "getDefaultLogLevel",
    "getLoggers",
    "getLogger",
    "createCustomLogger",
    "deleteCustomLogger",
    "getCurrentModuleLogLevels",
    "getModuleDefaults",
    "resetLogLevels",
    "getLogLevel",
    "setLogLevel",
    "isCustomType",
    "logError",
    "logWarning",
    "logInfo",
    "logDebug",
    "logTrace",
    "hasWebRTC",
    "getBrowserSupport",
    "isNetworkConnected",
];

/// True for a method that is answered here.
pub(super) fn is_answered(method: &str) -> bool {
    numbers::is_answered(method) || settings::NAMES.contains(&method) || OF_THE_PROCESS.contains(&method)
}

/// The answer of a method that was called by its name with its arguments in `options`; `None` for one of the core's.
///
/// # Errors
/// Those of the method. One with a code has caused its `error` event, with the tag.
pub(super) fn answer(phone: &Phone, method: &str, options: &Value, tag: Option<&str>) -> Option<Result<Value, Error>> {
    numbers::answer(phone, method, options, tag)
        .or_else(|| settings::answer(phone, method, options, tag))
        .or_else(|| of_the_process(method, options))
}

/// Calls a method that needs no phone by its name: those of `logManager`, of `Logger` and of `browser` in `methods.json`, with
/// their arguments by name. The methods of a logger have its name as `module` beside their own; a logger is given as
/// `{"module", "level", "isCustomType"}`. A phone answers the same names ([`Phone::invoke`]).
///
/// # Errors
/// [`Error::UnknownMethod`]; [`Error::Config`] for arguments that cannot be used: of these the Phone API has no codes.
pub fn utility(method: &str, options: &Value) -> Result<Value, Error> {
    of_the_process(method, options).unwrap_or_else(|| Err(Error::UnknownMethod(method.to_owned())))
}

fn of_the_process(method: &str, options: &Value) -> Option<Result<Value, Error>> {
    if !OF_THE_PROCESS.contains(&method) {
        return None;
    }
    Some(log_manager(method, options).or_else(|| logger(method, options)).unwrap_or_else(|| Ok(report(method))))
}

/// An argument that is a text.
fn text<'a>(options: &'a Value, name: &str) -> Result<&'a str, Error> {
    let given = options.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    given.ok_or_else(|| Error::Config(format!("{name} must be a text")))
}

fn level(options: &Value) -> Result<LogLevel, Error> {
    text(options, "level")?.parse()
}

fn described(logger: &Logger) -> Value {
    json!({"module": logger.name(), "level": logger.level().name(), "isCustomType": logger.is_custom()})
}

fn log_manager(method: &str, options: &Value) -> Option<Result<Value, Error>> {
    let levels = |pairs: &mut dyn Iterator<Item = (String, LogLevel)>| {
        Value::Object(pairs.map(|(name, level)| (name, Value::from(level.name()))).collect::<Map<_, _>>())
    };
    Some(match method {
        "getLogLevels" => Ok(LogManager::levels().iter().map(|level| Value::from(level.name())).collect()),
        "getGlobalLogLevel" => Ok(LogManager::global_level().name().into()),
        "setGlobalLogLevel" => level(options).map(LogManager::set_global_level).map(|()| Value::Null),
        "getDefaultLogLevel" => Ok(LogManager::default_level().name().into()),
        "getLoggers" => Ok(LogManager::loggers().into()),
        "getLogger" => text(options, "module").and_then(LogManager::logger).map(|logger| described(&logger)),
        "createCustomLogger" => {
            text(options, "module").and_then(LogManager::create_custom_logger).map(|logger| described(&logger))
        }
        "deleteCustomLogger" => {
            text(options, "module").and_then(LogManager::delete_custom_logger).map(|()| Value::Null)
        }
        "getCurrentModuleLogLevels" => Ok(levels(&mut LogManager::module_levels().into_iter())),
        "getModuleDefaults" => {
            Ok(levels(&mut LogManager::module_defaults().into_iter().map(|(name, level)| (name.to_owned(), level))))
        }
        "resetLogLevels" => {
            LogManager::reset_levels();
            Ok(Value::Null)
        }
        _ => return None,
    })
}

/// The methods of `Logger`, of the one that `module` names.
fn logger(method: &str, options: &Value) -> Option<Result<Value, Error>> {
    let write = match method {
        "getLogLevel" | "setLogLevel" | "isCustomType" => None,
        "logError" => Some(LogLevel::Error),
        "logWarning" => Some(LogLevel::Warn),
        "logInfo" => Some(LogLevel::Info),
        "logDebug" => Some(LogLevel::Debug),
        "logTrace" => Some(LogLevel::Trace),
        _ => return None,
    };
    let run = || {
        let logger = LogManager::logger(text(options, "module")?)?;
        if let Some(level) = write {
            logger.log_from(level, &message(options), None, None);
            return Ok(Value::Null);
        }
        Ok(match method {
            "getLogLevel" => logger.level().name().into(),
            "isCustomType" => logger.is_custom().into(),
            _ => {
                logger.set_level(level(options)?);
                Value::Null
            }
        })
    };
    Some(run())
}

/// What is to be written: a text as it is, everything else as JSON; `data` on a second line.
fn message(options: &Value) -> String {
    let mut message = match options.get("message") {
        None => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    match options.get("data") {
        None | Some(Value::Null) => {}
        Some(data) => message += &format!("\n{data}"),
    }
    message
}

fn report(method: &str) -> Value {
    match method {
        "hasWebRTC" => Capabilities::now().support.to_string().into(),
        "isNetworkConnected" => is_network_connected().into(),
        // getBrowserSupport: the whole report.
        _ => Capabilities::now().to_json(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_method_of_the_process_is_answered() {
        let spaces = ["ATT.logManager", "Logger", "ATT.browser"];
        // createLogger makes the library's own loggers; it is not documented.
        let documented = ewebrtc_wire::methods().iter().filter(|info| spaces.contains(&info.namespace));
        let mut count = 0;
        for info in documented.filter(|info| info.name != "createLogger") {
            count += 1;
            assert!(OF_THE_PROCESS.contains(&info.name), "{}", info.name);
        }
        assert_eq!(count, OF_THE_PROCESS.len());
    }
}
