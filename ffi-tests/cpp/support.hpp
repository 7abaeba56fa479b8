// What the C++ test programs share: checks that end the program with a line, and two phones that know each other.
#ifndef SUPPORT_HPP
#define SUPPORT_HPP

#include <atomic>
#include <cstdlib>
#include <ewebrtc.hpp>
#include <iostream>
#include <thread>

#define CHECK(condition)                                                                   \
    do {                                                                                   \
        if (!(condition))                                                                  \
            failed(__FILE__, __LINE__, #condition);                                        \
    } while (0)

/// The error that the expression throws must have this status or code.
#define THROWS(expected, expression) throws(expected, [&] { static_cast<void>(expression); }, __FILE__, __LINE__, #expression)

[[noreturn]] inline void failed(const char *file, int line, const std::string &what) {
    std::cerr << file << ':' << line << ": " << what << "\n  last error: " << ewebrtc_last_error() << std::endl;
    std::_Exit(1);
}

template <class Function> void throws(ewebrtc_status status, Function function, const char *file, int line, const char *what) {
    try {
        function();
    } catch (const ewebrtc::Error &error) {
        if (error.status() == status && *error.what())
            return;
        failed(file, line, std::string(what) + " threw " + std::to_string(error.status()) + ": " + error.what());
    }
    failed(file, line, std::string(what) + " threw nothing");
}

template <class Function> void throws(const char *code, Function function, const char *file, int line, const char *what) {
    try {
        function();
    } catch (const ewebrtc::Error &error) {
        if (error.code() == code && error.status() == EWEBRTC_OK && std::string(error.what()).find(code) == 0)
            return;
        failed(file, line, std::string(what) + " threw " + std::to_string(error.status()) + ": " + error.what());
    }
    failed(file, line, std::string(what) + " threw nothing");
}

/// Far beyond what a loaded machine needs, valgrind included.
inline constexpr ewebrtc::Milliseconds patience{60000};

/// Waits for something that no event tells of.
template <class Condition> bool soon(Condition met) {
    const auto end = std::chrono::steady_clock::now() + patience;
    while (!met()) {
        if (std::chrono::steady_clock::now() > end)
            return false;
        std::this_thread::sleep_for(ewebrtc::Milliseconds(5));
    }
    return true;
}

/// Under valgrind or a sanitizer.
inline bool under_tool() { return std::getenv("UNDER_TOOL") != nullptr; }

inline ewebrtc::Phone phone_with(const ewebrtc::Gateway &gateway, const std::string &local = "pcm", const std::string &remote = "pcm") {
    ewebrtc::PhoneConfig config(gateway);
    config.local_media = local;
    config.remote_media = remote;
    config.pcm_rate = 16000;
    if (under_tool())
        config.audio_codecs = {"pcmu"}; // Opus is too much work under valgrind, and connections would break down.
    return ewebrtc::Phone(config);
}

inline void log_in(ewebrtc::Phone &phone, const ewebrtc::Gateway &gateway, const std::string &name) {
    phone.login(gateway.dev_token(name)).wait(patience);
}

/// Two calls that are one.
struct Pair {
    ewebrtc::Call from, to;
};

inline Pair connect(ewebrtc::Phone &from, ewebrtc::Phone &to, const std::string &name, const ewebrtc::DialOptions &options = {}) {
    ewebrtc::Events incoming = to.events({"call:incoming"});
    ewebrtc::Events sounds = from.events({"media:established"});
    ewebrtc::Events others = to.events({"media:established"});
    ewebrtc::Call call = from.dial(name, options).call();
    CHECK(incoming.next(patience)->call());
    ewebrtc::Call answered = to.answer().wait(patience);
    call.wait_connected(patience);
    sounds.next(patience);
    others.next(patience);
    return {call, answered};
}

#endif
