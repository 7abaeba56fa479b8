// The parity runner in C++ (see ffi-tests/parity/README.md): does what it is told line by line, by ewebrtc.hpp alone.
//
// Owns: the phones by name. Threads: commands are given on the main thread; events, and with them the ends of commands, come on
// each phone's own thread.

#include <cstdlib>
#include <ewebrtc.hpp>
#include <iostream>

namespace {

using ewebrtc::Call;
using ewebrtc::Command;
using ewebrtc::Error;
using ewebrtc::Json;
using ewebrtc::Phone;

struct Named {
    std::string gateway;
    Phone phone;
};

std::map<std::string, Named> phones;

/// One line, whole, whichever thread it comes from.
void say(const std::string &line) {
    static std::mutex lock;
    const std::lock_guard<std::mutex> guard(lock);
    std::cout << line << std::endl;
}

void say_error(const std::string &id, const Error &error) {
    if (!error.code().empty()) {
        say(id + " error " + error.code());
        return;
    }
    const char *kind = "other";
    switch (error.status()) {
    case EWEBRTC_ERR_NOT_FOUND: kind = "not-found"; break;
    case EWEBRTC_ERR_CLOSED: kind = "closed"; break;
    case EWEBRTC_ERR_BUSY: kind = "busy"; break;
    case EWEBRTC_ERR_UNKNOWN_METHOD: kind = "unknown-method"; break;
    case EWEBRTC_ERR_ARGUMENT: kind = "argument"; break;
    case EWEBRTC_ERR_STATE: kind = "no-audio"; break;
    default: std::cerr << "runner: " << id << ": status " << error.status() << ": " << error.what() << std::endl;
    }
    say(id + " fault " + kind);
}

/// Says how the command ends, when it does.
void follow(const std::string &id, const Command &command) {
    command.then([id](const Error *error) {
        if (error)
            say_error(id, *error);
        else
            say(id + " ok");
    });
}

/// Cuts the next word off.
std::string word(std::string &rest) {
    const std::size_t end = rest.find(' ');
    std::string first = rest.substr(0, end);
    rest.erase(0, end == std::string::npos ? end : end + 1);
    return first;
}

std::optional<std::string> given(const Json &options, const char *name) {
    const Json &value = options[name];
    return value.kind() == Json::Kind::text ? std::optional<std::string>(value.text()) : std::nullopt;
}

std::optional<std::uint32_t> gap(const Json &options) {
    const Json &value = options["gap"];
    return value.is_null() ? std::nullopt : std::optional<std::uint32_t>(static_cast<std::uint32_t>(value.number()));
}

ewebrtc::DialOptions dialling(const Json &json) {
    ewebrtc::DialOptions options;
    options.media_type = given(json, "mediaType");
    options.local_media = given(json, "localMedia");
    options.remote_media = given(json, "remoteMedia");
    return options;
}

ewebrtc::AnswerOptions answering(const Json &json) {
    ewebrtc::AnswerOptions options;
    options.media_type = given(json, "mediaType");
    options.local_media = given(json, "localMedia");
    options.remote_media = given(json, "remoteMedia");
    options.action = given(json, "action");
    return options;
}

Command give(Phone &phone, const std::string &method, const Json &options) {
    using Method = std::function<Command(Phone &, const Json &)>;
    const auto plain = [](Command (Phone::*function)(const std::string &)) {
        return Method([function](Phone &on, const Json &) { return (on.*function)({}); });
    };
    static const std::map<std::string, Method> methods = {
        {"logout", plain(&Phone::logout)},
        {"reject", plain(&Phone::reject)},
        {"cancel", plain(&Phone::cancel)},
        {"hangup", plain(&Phone::hangup)},
        {"mute", plain(&Phone::mute)},
        {"unmute", plain(&Phone::unmute)},
        {"hold", plain(&Phone::hold)},
        {"resume", plain(&Phone::resume)},
        {"switchCall", plain(&Phone::switch_call)},
        {"transfer", plain(&Phone::transfer)},
        {"move", plain(&Phone::move)},
        {"upgrade", plain(&Phone::upgrade)},
        {"downgrade", plain(&Phone::downgrade)},
        {"acceptModification", plain(&Phone::accept_modification)},
        {"rejectModification", plain(&Phone::reject_modification)},
        {"rejectConference", plain(&Phone::reject_conference)},
        {"endConference", plain(&Phone::end_conference)},
        {"dial", [](Phone &on, const Json &o) -> Command { return on.dial(o["destination"].text(), dialling(o)); }},
        {"addCall", [](Phone &on, const Json &o) -> Command { return on.add_call(o["destination"].text(), dialling(o)); }},
        {"answer", [](Phone &on, const Json &o) -> Command { return on.answer(answering(o)); }},
        {"startConference", [](Phone &on, const Json &o) -> Command { return on.start_conference(dialling(o)); }},
        {"joinConference", [](Phone &on, const Json &o) -> Command { return on.join_conference(answering(o)); }},
        {"addParticipant", [](Phone &on, const Json &o) { return on.add_participant(o["participant"].text()); }},
        {"removeParticipant", [](Phone &on, const Json &o) { return on.remove_participant(o["participant"].text()); }},
        {"associateE911Id", [](Phone &on, const Json &o) { return on.associate_e911_id(o["e911Id"].text()); }},
        {"sendDTMFTone", [](Phone &on, const Json &o) { return on.send_dtmf_tone(o["input"].text(), gap(o)); }},
    };
    const auto found = methods.find(method);
    return found == methods.end() ? phone.command(method, options) : found->second(phone, options);
}

Command give_on(const Call &call, const std::string &method, const Json &options) {
    if (method == "hangup")
        return call.hangup();
    if (method == "mute")
        return call.mute();
    if (method == "unmute")
        return call.unmute();
    if (method == "sendDTMFTone")
        return call.send_dtmf_tone(options["input"].text(), gap(options));
    return call.command(method, options);
}

void make(const std::string &id, std::string rest) {
    const std::string name = word(rest), gateway = word(rest);
    ewebrtc::PhoneConfig config(gateway);
    while (!rest.empty()) {
        const std::string setting = word(rest);
        const std::size_t sign = setting.find('=');
        const std::string key = setting.substr(0, sign), value = setting.substr(sign + 1);
        if (key == "local")
            config.local_media = value;
        else if (key == "remote")
            config.remote_media = value;
        else if (key == "rate")
            config.pcm_rate = static_cast<std::uint32_t>(std::stoul(value));
        else if (key == "channel" && value == "websocket")
            config.event_channel = ewebrtc::EventChannel::websocket;
    }
    Phone phone(config);
    phone.on_any([name](const ewebrtc::Event &event) { say("event " + name + " " + event.json()); });
    phones.insert_or_assign(name, Named{gateway, std::move(phone)});
    say(id + " ok");
}

std::string written(const Call &call, const std::string &hex) {
    std::vector<std::int16_t> samples;
    for (std::size_t at = 0; at + 4 <= hex.size(); at += 4) {
        const unsigned long both = std::stoul(hex.substr(at, 4), nullptr, 16);
        samples.push_back(static_cast<std::int16_t>(static_cast<std::uint16_t>((both & 255) << 8 | both >> 8)));
    }
    return std::to_string(call.write(samples));
}

std::string taken(const Call &call) {
    static const char digits[] = "0123456789abcdef";
    std::string hex;
    for (const std::int16_t sample : call.read()) {
        const auto bits = static_cast<std::uint16_t>(sample);
        for (const int shift : {4, 0, 12, 8})
            hex += digits[bits >> shift & 15];
    }
    return hex.empty() ? "-" : hex;
}

void obey(const std::string &id, const std::string &verb, std::string rest) {
    if (verb == "phone")
        return make(id, rest);
    const auto found = phones.find(word(rest));
    if (found == phones.end())
        throw Error(EWEBRTC_ERR_NOT_FOUND, "there is no such phone");
    Phone &phone = found->second.phone;
    if (verb == "login")
        return follow(id, phone.login(ewebrtc::dev_token(found->second.gateway, rest)));
    if (verb == "close") {
        phone.close();
        return say(id + " ok");
    }
    const std::string second = word(rest);
    if (verb == "do" || verb == "get") {
        const Json options = rest.empty() ? Json() : Json::parse(rest);
        if (verb == "do")
            return follow(id, give(phone, second, options));
        return say(id + " value " + phone.ask(second, options).dump());
    }
    const Call call = phone.call(std::stoull(second));
    if (verb == "write")
        return say(id + " value " + written(call, rest));
    if (verb == "read")
        return say(id + " value " + taken(call));
    if (verb != "on")
        throw Error(EWEBRTC_ERR_ARGUMENT, "an unknown verb");
    const std::string method = word(rest);
    follow(id, give_on(call, method, rest.empty() ? Json() : Json::parse(rest)));
}

} // namespace

int main() {
    for (std::string line; std::getline(std::cin, line);) {
        const std::string id = word(line), verb = word(line);
        try {
            obey(id, verb, line);
        } catch (const Error &error) {
            say_error(id, error);
        }
    }
    phones.clear(); // While standard output lives.
}
