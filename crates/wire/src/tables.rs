//! The event and method tables of `data/`, and the names of our own events beside them.
//!
//! Owns: look-ups in the generated tables. Lives on: any thread. Must not import: anything but the generated code.

/// One documented property of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PropertyInfo {
    /// Name as it stands in the JSON.
    pub name: &'static str,
    /// Documented type (`String`, `Number`, `Array`, `Date`, `Boolean`, `Object`).
    pub kind: &'static str,
    /// False: present in every event of this name.
    pub optional: bool,
}

/// One event of the Phone API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventInfo {
    /// Name, e.g. `call:connected`.
    pub name: &'static str,
    /// Its properties, beside those every event has.
    pub properties: &'static [PropertyInfo],
}

/// One method of the Phone API or of a utility namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MethodInfo {
    /// Name, e.g. `dial`.
    pub name: &'static str,
    /// Namespace, e.g. `Phone`.
    pub namespace: &'static str,
    /// Names of its positional arguments.
    pub arguments: &'static [&'static str],
    /// Names of its options.
    pub options: &'static [&'static str],
    /// Checks in order, each with the code of its refusal.
    pub validation: &'static [(&'static str, &'static str)],
}

/// Events of our own beyond the documented list; none of their names can be mistaken for a documented one.
pub const OWN_EVENTS: &[&str] =
    &["command:finished", "dtmf:received", "gateway:reachable", "media:interrupted", "media:recovered", "phone:closed"];

use crate::errors::{ApiError, SdkError};
include!(concat!(env!("OUT_DIR"), "/tables.rs"));

pub(crate) fn sdk_error_table() -> &'static [SdkError] {
    SDK_ERRORS
}

pub(crate) fn api_error_table() -> &'static [ApiError] {
    API_ERRORS
}

/// The documented events.
pub fn events() -> &'static [EventInfo] {
    EVENTS
}

/// The documented event of this name.
pub fn event_info(name: &str) -> Option<&'static EventInfo> {
    EVENTS.iter().find(|e| e.name == name)
}

/// True for every name that can be subscribed: documented events and [`OWN_EVENTS`].
pub fn is_event_name(name: &str) -> bool {
    event_info(name).is_some() || OWN_EVENTS.contains(&name)
}

/// The documented methods of all namespaces.
pub fn methods() -> &'static [MethodInfo] {
    METHODS
}

/// The method `namespace.name`.
pub fn method_info(namespace: &str, name: &str) -> Option<&'static MethodInfo> {
    METHODS.iter().find(|m| m.namespace == namespace && m.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_complete() {
        assert_eq!(events().len(), 49);
        assert_eq!(SDK_ERRORS.len(), 158);
        assert_eq!(API_ERRORS.len(), 31);
        let dial = method_info("Phone", "dial").expect("dial is documented");
        assert!(dial.options.contains(&"destination"));
        assert_eq!(dial.validation.first().map(|v| v.1), Some("0002"));
        assert!(is_event_name("call:connected") && is_event_name("phone:closed"));
        assert!(!is_event_name("call:unknown"));
    }
}
