/* Part of ewebrtc.hpp: the exception, the check of the library's version, and what becomes of exceptions in handlers. */
#ifndef EWEBRTC_ERROR_HPP
#define EWEBRTC_ERROR_HPP

#include "../ewebrtc.h"

#include <cstdint>
#include <cstdio>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>

namespace ewebrtc {
inline namespace v1 {

/// The fields of an error of the catalogue, by the names of the Phone API; those that an error has not are empty.
struct ErrorFields {
    std::string code;                   ///< ErrorCode, such as "2211"; empty: no error of the catalogue.
    std::string object;                 ///< JSObject: the object that reported it.
    std::string method;                 ///< JSMethod: the method that reported it, or "*".
    std::string message;                ///< ErrorMessage: one sentence.
    std::string cause;                  ///< Cause: the probable cause.
    std::string resolution;             ///< Resolution: the suggested remedy.
    std::string api_error;              ///< APIError: the gateway's own text.
    std::string resource_method;        ///< ResourceMethod: method and address of the request that failed.
    std::string http_status_code;       ///< HttpStatusCode; "0" when no answer came.
    std::string message_id;             ///< MessageId: the gateway's message id.
    std::string additional_information; ///< AdditionalInformation: further detail.
};

/// What every function of this layer throws: a fault of the call itself, with a negative status, or what the phone refused or
/// failed at, with a code of the catalogue. Copies are cheap and never throw.
class Error : public std::runtime_error {
  public:
    /// A fault of the call itself.
    Error(ewebrtc_status status, const std::string &text)
        : std::runtime_error(text), status_(status), fields_(nothing()) {}

    /// An error of the catalogue.
    explicit Error(ErrorFields fields)
        : std::runtime_error(sentence(fields)), status_(EWEBRTC_OK),
          fields_(std::make_shared<const ErrorFields>(std::move(fields))) {}

    /// One of the EWEBRTC_ERR_ numbers of ewebrtc.h; EWEBRTC_OK for an error of the catalogue, whose code() says more.
    ewebrtc_status status() const noexcept { return status_; }

    /// ErrorCode, such as "2211"; empty when it is no error of the catalogue.
    const std::string &code() const noexcept { return fields_->code; }

    /// All fields; empty texts when it is no error of the catalogue.
    const ErrorFields &fields() const noexcept { return *fields_; }

  protected:
    /// A fault that an error of the catalogue belongs to.
    Error(ewebrtc_status status, const std::string &text, const ErrorFields *fields)
        : std::runtime_error(text), status_(status),
          fields_(fields ? std::make_shared<const ErrorFields>(*fields) : nothing()) {}

  private:
    static std::shared_ptr<const ErrorFields> nothing() {
        static const std::shared_ptr<const ErrorFields> none = std::make_shared<const ErrorFields>();
        return none;
    }

    static std::string sentence(const ErrorFields &fields) {
        std::string text = fields.code + ": " + fields.message;
        for (const std::string *detail : {&fields.api_error, &fields.additional_information})
            if (!detail->empty())
                text += " (" + *detail + ")";
        return text;
    }

    ewebrtc_status status_;
    std::shared_ptr<const ErrorFields> fields_;
};

/// Gets what a handler has thrown, and where: the name of the event, "command", "log" or "end".
using ExceptionHandler = std::function<void(std::exception_ptr exception, const std::string &where)>;

namespace detail {

struct Exceptions {
    std::mutex lock;
    ExceptionHandler handler;
};

// Never destroyed: threads of the library may come here while the process ends.
inline Exceptions &exceptions() {
    static Exceptions &one = *new Exceptions;
    return one;
}

/// Within a catch clause: hands the exception on to the program. Nothing comes out of it.
inline void report_exception(const char *where) noexcept {
    try {
        ExceptionHandler handler;
        {
            const std::lock_guard<std::mutex> guard(exceptions().lock);
            handler = exceptions().handler;
        }
        if (handler) {
            handler(std::current_exception(), where);
            return;
        }
        try {
            throw;
        } catch (const std::exception &exception) {
            std::fprintf(stderr, "ewebrtc: a handler (%s) threw: %s\n", where, exception.what());
        } catch (...) {
            std::fprintf(stderr, "ewebrtc: a handler (%s) threw\n", where);
        }
    } catch (...) {
        std::fputs("ewebrtc: the handler of exceptions threw\n", stderr);
    }
}

/// Throws unless the loaded library fits these headers. Everything that can be called without an object begins with it.
inline void check_library() {
    static const bool fits = [] {
        const std::uint32_t loaded = ewebrtc_abi_version();
        const std::uint32_t wanted = EWEBRTC_ABI_VERSION;
        return (loaded >> 16) == (wanted >> 16) && loaded >= wanted;
    }();
    if (!fits)
        throw Error(EWEBRTC_ERR_UNSUPPORTED, std::string("the loaded library, version ") + ewebrtc_version() +
                                                 ", does not fit the headers that this program was compiled with");
}

inline void check(ewebrtc_status status) {
    if (status != EWEBRTC_OK)
        throw Error(status, ewebrtc_last_error());
}

/// A text for the library, in which a zero byte would be its end.
inline const char *c_text(const std::string &text, const char *what) {
    if (text.find('\0') != std::string::npos)
        throw Error(EWEBRTC_ERR_ARGUMENT, std::string(what) + " has a zero byte");
    return text.c_str();
}

/// Takes a text that the library gave.
class Owned {
  public:
    Owned() = default;
    Owned(const Owned &) = delete;
    Owned &operator=(const Owned &) = delete;
    ~Owned() { ewebrtc_string_free(text_); }
    char **out() noexcept { return &text_; }
    std::string text() const { return text_ ? text_ : ""; }

  private:
    char *text_ = nullptr;
};

} // namespace detail

/// Sets the function that gets what handlers throw, for the whole process, in place of the one before. Without one, which is
/// how it is at first and after an empty function is given, a line goes to standard error.
///
/// Handlers are called by a library that knows no exceptions, so what they throw is caught at once and handed to this function,
/// on the thread and within the callback of that handler; everything goes on as if it had returned. What the function itself
/// throws is dropped, but for a line. Any thread may call this.
inline void set_exception_handler(ExceptionHandler handler) {
    const std::lock_guard<std::mutex> guard(detail::exceptions().lock);
    detail::exceptions().handler.swap(handler);
}

} // namespace v1
} // namespace ewebrtc
#endif
