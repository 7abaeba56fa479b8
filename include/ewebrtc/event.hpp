/* Part of ewebrtc.hpp: what a phone reports. */
#ifndef EWEBRTC_EVENT_HPP
#define EWEBRTC_EVENT_HPP

#include "json.hpp"

#include <optional>

namespace ewebrtc {
inline namespace v1 {

class Call;

namespace detail {
class Hub;

/// The fields of an error object of the Phone API; without a code when it is none.
inline ErrorFields error_fields(const Json &json) {
    ErrorFields fields;
    const std::pair<const char *, std::string ErrorFields::*> names[] = {
        {"ErrorCode", &ErrorFields::code},
        {"JSObject", &ErrorFields::object},
        {"JSMethod", &ErrorFields::method},
        {"ErrorMessage", &ErrorFields::message},
        {"Cause", &ErrorFields::cause},
        {"Resolution", &ErrorFields::resolution},
        {"APIError", &ErrorFields::api_error},
        {"ResourceMethod", &ErrorFields::resource_method},
        {"HttpStatusCode", &ErrorFields::http_status_code},
        {"MessageId", &ErrorFields::message_id},
        {"AdditionalInformation", &ErrorFields::additional_information},
    };
    for (const auto &[name, field] : names)
        fields.*field = json[name].text();
    return fields;
}
} // namespace detail

/// A fact that has happened; docs/events.md has all names and properties. Copies are cheap and share what they hold, which never
/// changes, so an event may be kept and used on any thread.
class Event {
  public:
    /// Name, such as "call:connected".
    std::string name() const { return (*json_)["event"].text(); }
    /// Number within the phone: 1, 2, 3 ...
    std::uint64_t seq() const noexcept { return (*json_)["seq"].whole(); }
    /// When it happened: RFC 3339 with milliseconds, UTC.
    std::string timestamp() const { return (*json_)["timestamp"].text(); }
    /// The tag given with the command that caused it; empty when there was none.
    std::string tag() const { return (*json_)["tag"].text(); }
    /// Handle of the call or conference it is about; 0 when there is none.
    ewebrtc_call handle() const noexcept {
        const ewebrtc_call call = (*json_)["call"].whole();
        return call ? call : (*json_)["conference"].whole();
    }
    /// The call or conference it is about. Empty when there is none, and when the phone is gone.
    std::optional<Call> call() const;

    /// A property by its documented name; null when there is none.
    const Json &operator[](std::string_view name) const & noexcept { return (*json_)[name]; }
    /// The same, of a temporary.
    Json operator[](std::string_view name) && { return (*json_)[name]; }
    /// A property that is a text; empty when it is none.
    std::string text(std::string_view name) const { return (*json_)[name].text(); }
    /// A property that is a number, or `otherwise`.
    double number(std::string_view name, double otherwise = 0) const noexcept { return (*json_)[name].number(otherwise); }
    /// All of it: "event", "seq", "timestamp", where it applies "call" or "conference" and "tag", and its own properties.
    const Json &properties() const & noexcept { return *json_; }
    /// The same, of a temporary.
    Json properties() && { return *json_; }
    /// The same as a JSON text.
    std::string json() const { return json_->dump(); }

    /// The error of an event "error" and its like, or the one with which a command finished.
    std::optional<Error> error() const {
        const Json &inner = (*json_)["error"];
        ErrorFields fields = detail::error_fields(inner.kind() == Json::Kind::object ? inner : *json_);
        return fields.code.empty() ? std::nullopt : std::optional<Error>(Error(std::move(fields)));
    }

  private:
    friend class detail::Hub;
    Event(std::weak_ptr<detail::Hub> hub, Json json)
        : hub_(std::move(hub)), json_(std::make_shared<const Json>(std::move(json))) {}

    std::weak_ptr<detail::Hub> hub_;
    std::shared_ptr<const Json> json_;
};

/// The call has ended; of a call that was waited for, before that came. So says every method of a call that is over, from the moment of
/// its end on, whether its events have been delivered or not. Its status is EWEBRTC_ERR_NOT_FOUND; code() and fields()
/// are those of the call's last "error" event, where there was one.
class CallEnded : public Error {
  public:
    /// The event that ended it: "call:disconnected", "call:rejected", "call:canceled" or that of a conference.
    const Event &event() const noexcept { return event_; }

  private:
    friend class Call;
    CallEnded(const Event &event, const std::optional<Error> &error)
        : Error(EWEBRTC_ERR_NOT_FOUND, sentence(event, error), error ? &error->fields() : nullptr), event_(event) {}

    static std::string sentence(const Event &event, const std::optional<Error> &error) {
        std::string text = event.name();
        if (!event.text("message").empty())
            text += ": " + event.text("message");
        return error ? text + "; the last error was " + error->what() : text;
    }

    Event event_;
};

} // namespace v1
} // namespace ewebrtc
#endif
