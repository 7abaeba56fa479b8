/* Part of ewebrtc.hpp: the log of the process. */
#ifndef EWEBRTC_LOG_HPP
#define EWEBRTC_LOG_HPP

#include "info.hpp"

namespace ewebrtc {
inline namespace v1 {

/// A line of the log. Its texts live until the function that gets it returns.
struct LogLine {
    std::string_view level;   ///< "error", "warn", "info", "debug" or "trace".
    std::string_view module;  ///< The logger that wrote it.
    std::string_view message; ///< The text.
    std::string_view file;    ///< The source file; empty where it is not known.
    std::uint32_t line = 0;   ///< The line in it.
};

/// Gets the lines of the log.
using LogHandler = std::function<void(const LogLine &)>;

/// A logger: a module of the library or one of the program.
class Logger {
  public:
    /// Its name.
    const std::string &module() const noexcept { return module_; }
    /// Its level: "error", "warn", "info", "debug" or "trace".
    std::string level() const { return call("getLogLevel").text(); }
    /// Sets its level. Throws Error EWEBRTC_ERR_ARGUMENT for a word that is none.
    void set_level(const std::string &level) const { utility("setLogLevel", options().set("level", level)); }
    /// Whether the program made it.
    bool is_custom() const { return call("isCustomType").boolean(); }
    /// Writes a line at "error".
    void error(const std::string &message) const { log("logError", message); }
    /// Writes a line at "warn".
    void warning(const std::string &message) const { log("logWarning", message); }
    /// Writes a line at "info".
    void info(const std::string &message) const { log("logInfo", message); }
    /// Writes a line at "debug".
    void debug(const std::string &message) const { log("logDebug", message); }
    /// Writes a line at "trace".
    void trace(const std::string &message) const { log("logTrace", message); }

  private:
    friend class Log;
    explicit Logger(std::string module) : module_(std::move(module)) {}
    Json options() const { return Json::object().set("module", module_); }
    Json call(const char *method) const { return utility(method, options()); }
    void log(const char *method, const std::string &message) const { utility(method, options().set("message", message)); }

    std::string module_;
};

/// The log of the whole process. Any thread may use it.
class Log {
  public:
    /// Sets the function that gets the lines, in place of the one before; an empty one removes it, and lines go nowhere, as at first.
    /// No token is ever written, and no address, number or IP address at "info" and above; "webrtc", off at first, is the exception.
    ///
    /// It runs on the thread that writes the line, possibly on several at a time, also on those that carry audio: it should be quick.
    /// It counts as a handler; commands to phones are refused inside it with EWEBRTC_ERR_WOULD_BLOCK. What it throws: see
    /// set_exception_handler. It is destroyed when another takes its place.
    ///
    /// Throws Error EWEBRTC_ERR_SYSTEM when a part of the program in Rust has a logger of its own.
    static void set_handler(LogHandler handler) {
        detail::check_library();
        if (!handler) {
            detail::check(ewebrtc_log_set_callback(nullptr, nullptr, nullptr));
            return;
        }
        auto user = std::make_unique<LogHandler>(std::move(handler));
        detail::check(ewebrtc_log_set_callback(&Log::on_line, user.get(), &Log::on_drop));
        static_cast<void>(user.release()); // on_drop deletes it.
    }

    /// The names of the levels.
    static std::vector<std::string> levels() { return detail::texts(utility("getLogLevels")); }
    /// The level that was set for all, at first "warn".
    static std::string global_level() { return utility("getGlobalLogLevel").text(); }
    /// Sets the level of all. Throws Error EWEBRTC_ERR_ARGUMENT for a word that is none.
    static void set_global_level(const std::string &level) { utility("setGlobalLogLevel", Json::object().set("level", level)); }
    /// The level of a module of which nothing was said.
    static std::string default_level() { return utility("getDefaultLogLevel").text(); }
    /// The names of the loggers.
    static std::vector<std::string> loggers() { return detail::texts(utility("getLoggers")); }
    /// The levels by logger: an object.
    static Json module_levels() { return utility("getCurrentModuleLogLevels"); }
    /// The levels with which modules begin, where they are not the default: an object.
    static Json module_defaults() { return utility("getModuleDefaults"); }
    /// Goes back to the levels of the beginning.
    static void reset_levels() { utility("resetLogLevels"); }
    /// The logger of this name. Throws Error EWEBRTC_ERR_ARGUMENT when there is none.
    static Logger logger(const std::string &module) { return named("getLogger", module); }
    /// Makes a logger of the program. Throws Error EWEBRTC_ERR_ARGUMENT for a name that cannot be used.
    static Logger create_logger(const std::string &module) { return named("createCustomLogger", module); }
    /// Removes a logger of the program. Throws Error EWEBRTC_ERR_ARGUMENT when there is none.
    static void delete_logger(const std::string &module) { utility("deleteCustomLogger", Json::object().set("module", module)); }

  private:
    static Logger named(const char *method, const std::string &module) {
        utility(method, Json::object().set("module", module));
        return Logger(module);
    }

    static void on_line(void *user, const char *level, const char *module, const char *message, const char *file,
                        std::uint32_t line) noexcept {
        try {
            (*static_cast<LogHandler *>(user))(LogLine{level, module, message, file ? file : "", line});
        } catch (...) {
            detail::report_exception("log");
        }
    }

    static void on_drop(void *user) noexcept { delete static_cast<LogHandler *>(user); }
};

} // namespace v1
} // namespace ewebrtc
#endif
