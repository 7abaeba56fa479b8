// Everything a program may do wrong, in every order; and what there is to know without a phone.

#include "support.hpp"

#include <sys/wait.h>
#include <unistd.h>

using namespace ewebrtc;

namespace {

static_assert(!std::is_copy_constructible_v<Phone> && std::is_nothrow_move_constructible_v<Phone>);
static_assert(!std::is_copy_constructible_v<Gateway> && std::is_nothrow_move_assignable_v<Gateway>);
static_assert(!std::is_copy_constructible_v<Events> && std::is_nothrow_move_constructible_v<Events>);
static_assert(std::is_nothrow_copy_constructible_v<Error> && std::is_copy_constructible_v<Call> && std::is_copy_constructible_v<Command>);

void settings(const Gateway &gateway) {
    const auto refused = [&](auto change, const std::string &text = {}) {
        PhoneConfig config(gateway);
        change(config);
        THROWS(EWEBRTC_ERR_ARGUMENT, Phone(config));
        CHECK(text.empty() || text == ewebrtc_last_error());
    };
    refused([](PhoneConfig &c) { c.gateway = "no address"; });
    refused([](PhoneConfig &c) { c.gateway = std::string("http://127.0.0.1:1\0x", 20); });
    refused([](PhoneConfig &c) { c.local_media = "a song"; });
    refused([](PhoneConfig &c) { c.remote_media = "\xff"; });
    refused([](PhoneConfig &c) { c.pcm_rate = 7999; });
    refused([](PhoneConfig &c) { c.opus_complexity = 11; });
    refused([](PhoneConfig &c) { c.audio_codecs = {"opus", "mp3"}; });
    refused([](PhoneConfig &c) { c.video_codecs = {"vp8,", ""}; });
    refused([](PhoneConfig &c) { c.root_certificates = "no PEM"; });
    // As in every language.
    const std::string server = "ICE server 1 has no URL, or one that cannot be read";
    refused([](PhoneConfig &c) { c.ice_servers = {{{"stun"}, "", ""}}; }, server);
    refused([](PhoneConfig &c) { c.ice_servers = {{{}, "", ""}}; }, server);
    refused([](PhoneConfig &c) { c.ports = {9, 8}; }, "ports 9 to 8 are no UDP ports");
    refused([](PhoneConfig &c) { c.ports = {0, 0}; }, "ports 0 to 0 are no UDP ports");
    refused([](PhoneConfig &c) { c.ipv4 = c.ipv6 = false; }, "neither IPv4 nor IPv6 addresses are allowed");
    refused([](PhoneConfig &c) { c.domain = std::string(254, 'a'); },
            "domain cannot be used: it has more than 253 bytes, or control characters");
    PhoneConfig config(gateway);
    config.audio_codecs = {"pcma", "opus"};
    config.ice_servers = {{{"stun:127.0.0.1:1", "turn:127.0.0.1:2"}, "user \"quoted\"", "password"}};
    config.ports = {{40000, 50000}};
    config.event_channel = EventChannel::websocket;
    Phone phone(config);
    const IceServer first = phone.get_ice_servers().at(0);
    CHECK(first.urls.size() == 2 && first.username == "user \"quoted\"" && first.credential == "password");
    THROWS("4811", phone.set_ice_servers({}));
    phone.set_ice_servers({{{"stun:127.0.0.1:9"}, "", ""}});
    CHECK(phone.get_ice_servers()[0].urls[0] == "stun:127.0.0.1:9");
    phone.reset_ice_servers();
    CHECK(phone.get_ice_servers()[0].urls.size() == 2);
    THROWS("4821", phone.set_ice_transport("some"));
    phone.set_ice_transport("relay");
    CHECK(phone.get_ice_transport() == "relay");
    phone.reset_ice_transport();
    CHECK(phone.get_ice_transport() == "all" && phone.get_ipv6());
    phone.set_ipv6(false);
    CHECK(!phone.get_ipv6());
    phone.reset_ipv6();
    THROWS(EWEBRTC_ERR_ARGUMENT, phone.set_audio_codec("mp3"));
    CHECK(phone.get_supported_audio_codecs().size() == 3 && phone.get_audio_codec().empty());
    phone.set_audio_codec("pcmu");
    CHECK(phone.get_audio_codec() == "pcmu");
    phone.reset_audio_codec();
    CHECK(phone.is_online());
    Events news = phone.events();
    phone.set_connectivity(false);
    CHECK(news.wait_for("connectivity:off", patience).call() == std::nullopt && !phone.is_online());
    THROWS("0002", phone.login("x"));
    phone.follow_network();
    news.wait_for("connectivity:on", patience);
    CHECK(phone.clean_phone_number("1 (555) 123-0000") == "15551230000" && !phone.format_number("15551230000").empty());
    CHECK(phone.get_caller_info("sip:bob@example.com")["callerId"].text() == "bob");
}

void wrong_order(const Gateway &gateway) {
    Phone phone = phone_with(gateway);
    Events events = phone.events({"error"});
    DialOptions tagged;
    tagged.tag = "mine: \"1\"";
    THROWS("2241", phone.dial("bob", tagged));
    const Event event = *events.next(patience);
    CHECK(event.tag() == tagged.tag && event["ErrorCode"].text() == "2241" && event.error()->code() == "2241");
    CHECK(!event.error()->fields().resolution.empty() && !event.error()->fields().cause.empty());
    THROWS("2321", phone.answer());
    THROWS("2401", phone.hangup());
    THROWS("3001", phone.reject());
    THROWS("2901", phone.cancel());
    THROWS("2101", phone.logout());
    THROWS("3131", phone.start_conference());
    THROWS("3621", phone.add_participant("bob"));
    THROWS("3401", phone.get_participants());
    THROWS(EWEBRTC_ERR_UNKNOWN_METHOD, phone.command("noSuchMethod"));
    THROWS(EWEBRTC_ERR_UNKNOWN_METHOD, phone.ask("noSuchMethod"));
    THROWS(EWEBRTC_ERR_ARGUMENT, phone.command(std::string("dial\0", 5)));
    THROWS(EWEBRTC_ERR_ARGUMENT, phone.command("dial", "no object"));
    THROWS(EWEBRTC_ERR_ARGUMENT, phone.hold(std::string("a\0b", 3)));
    THROWS(EWEBRTC_ERR_ARGUMENT, phone.hold("\xff"));
    const std::pair<std::string, const char *> names[] = {{"", "4901"}, {"call:exploded", "4902"}, {"Call:connected", "4902"}};
    for (const auto &known : names) {
        const std::string &name = known.first;
        const char *const code = known.second;
        Events refusals = phone.events({"error"});
        THROWS(code, phone.on(name, [](const Event &) {}));
        // Those of the name before may still be on their way.
        const std::string quoted = '"' + name + '"';
        Event told = *refusals.next(patience);
        while (told["AdditionalInformation"].text().find(quoted) == std::string::npos)
            told = *refusals.next(patience);
        CHECK(told["ErrorCode"].text() == code);
        THROWS(code, phone.events({"error", name}));
        THROWS(code, phone.wait_for(name, Milliseconds(1)));
        THROWS(code, refusals.wait_for(name, Milliseconds(1)));
    }
    THROWS(EWEBRTC_ERR_ARGUMENT, phone.on(std::string("error\0", 6), [](const Event &) {}));
    THROWS(EWEBRTC_ERR_ARGUMENT, phone.on("error", nullptr));
    phone.on("command:finished", [](const Event &) {}).off();
    THROWS(EWEBRTC_ERR_ARGUMENT, phone.on_any(nullptr));

    const Call none = phone.call(77);
    CHECK(!none.alive());
    THROWS(EWEBRTC_ERR_NOT_FOUND, none.hangup());
    THROWS(EWEBRTC_ERR_NOT_FOUND, none.wait_connected());
    THROWS(EWEBRTC_ERR_NOT_FOUND, none.wait_ended());
    THROWS(EWEBRTC_ERR_NOT_FOUND, none.stats());
    THROWS(EWEBRTC_ERR_NOT_FOUND, none.read());
    THROWS(EWEBRTC_ERR_NOT_FOUND, none.drain());
    THROWS(EWEBRTC_ERR_NOT_FOUND, none.read_frame());
    THROWS(EWEBRTC_ERR_NOT_FOUND, none.receive(10));
    THROWS(EWEBRTC_ERR_NOT_FOUND, none.clear());
    THROWS(EWEBRTC_ERR_NOT_FOUND, none.queued_ms());
}

/// Every method of a call that is over says so alike, also where its events were not delivered yet.
void over(const Call &call) {
    const auto ended = [](auto work) {
        try {
            work();
        } catch (const CallEnded &end) {
            CHECK(end.status() == EWEBRTC_ERR_NOT_FOUND && end.event().name() == "call:disconnected");
            CHECK(end.event().tag() == "goodbye" && end.event().properties()["call"].whole() > 0);
            return;
        }
        CHECK(false);
    };
    const std::vector<std::int16_t> sound(160);
    ended([&] { call.write(sound); });
    ended([&] { call.stats(); });
    ended([&] { call.hangup(); });
    ended([&] { call.mute(); });
    ended([&] { call.unmute(); });
    ended([&] { call.send_dtmf_tone("1"); });
    ended([&] { call.command("hold"); });
    ended([&] { call.read_frame(); });
    ended([&] { call.key_frame_wanted(); });
    ended([&] { call.frames_queued(); });
    ended([&] { call.write_frame({VideoCodec::vp8, 0, false, {1}}); });
    ended([&] { call.request_key_frame(); });
    call.clear();
    CHECK(call.queued_ms() == 0 && !call.alive());
}

/// The phone's thread is kept from delivering anything while a call ends.
void over_before_its_events(const Gateway &gateway) {
    Phone phone = phone_with(gateway, "pcm", "discard");
    log_in(phone, gateway, "alice");
    const Call call = phone.dial("echo").call();
    call.wait_connected(patience);
    std::atomic<bool> goes_on{false};
    Events events = phone.events();
    phone.on_any([&](const Event &event) {
        if (event.tag() == "goodbye")
            CHECK(soon([&] { return goes_on.load(); }));
    });
    const Command hangup = call.hangup("goodbye");
    CHECK(soon([&] { return !call.alive(); }));
    over(call);
    THROWS(EWEBRTC_ERR_NOT_FOUND, call.send(std::vector<std::int16_t>(16000)));
    THROWS(EWEBRTC_ERR_NOT_FOUND, call.drain());
    CHECK(!hangup.done() && call.receive(10).empty());
    goes_on = true;
    hangup.wait(patience);
    CHECK(events.wait_for("call:disconnected", patience).tag() == "goodbye");
    over(call);
    over(phone.call(call.handle()));
}

void calls(const Gateway &gateway) {
    Phone phone = phone_with(gateway, "silence", "discard");
    THROWS(EWEBRTC_ERR_TIMEOUT, phone.wait_for("session:ready", Milliseconds(1)));
    THROWS(EWEBRTC_ERR_TIMEOUT, phone.events().next(Milliseconds(0)));
    log_in(phone, gateway, "alice");
    THROWS("2003", phone.login(gateway.dev_token("alice")));
    THROWS("2211", phone.dial(""));
    THROWS("2221", phone.dial("bob", {"smell", {}, {}, {}}));
    Call call = phone.dial("echo").call();
    call.wait_connected(patience);
    THROWS(EWEBRTC_ERR_STATE, call.write(std::vector<std::int16_t>(10)));
    THROWS(EWEBRTC_ERR_STATE, call.read_frame());
    THROWS(EWEBRTC_ERR_TIMEOUT, call.wait_ended(Milliseconds(1)));
    THROWS("2252", phone.dial("echo"));
    THROWS("4712", call.send_dtmf_tone("e"));
    Command keys = call.send_dtmf_tone("1,,,,,2");
    THROWS(EWEBRTC_ERR_TIMEOUT, keys.wait(Milliseconds(1)));
    call.hangup().wait(patience);
    THROWS("4700", keys.wait(patience));
    CHECK(keys.done() && keys.error()->code() == "4700");
    Call nobody = phone.dial("nobody").call();
    try {
        nobody.wait_connected(patience);
        CHECK(false);
    } catch (const CallEnded &end) {
        CHECK(end.event().name() == "call:disconnected" && end.status() == EWEBRTC_ERR_NOT_FOUND);
        CHECK(end.what() == std::string("call:disconnected: ") + end.event().text("message"));
    }
    DialOptions files;
    files.local_media = "wav:/no/such/file.wav";
    try {
        phone.dial("echo", files).call().wait_connected(patience);
        CHECK(false);
    } catch (const CallEnded &end) {
        CHECK(std::string(end.what()).find("/no/such/file.wav") != std::string::npos && end.code() == "0020");
    }

    phone.close(patience);
    phone.close(patience);
    phone.begin_close();
    THROWS(EWEBRTC_ERR_CLOSED, phone.hold());
    THROWS(EWEBRTC_ERR_CLOSED, phone.get_calls());
    THROWS(EWEBRTC_ERR_CLOSED, phone.wait_for("error"));
    CHECK(!phone.events().next());
    CHECK(!phone.on_any([](const Event &) {}).off()); // Nothing comes, so nothing was kept.
}

void moved(Gateway &gateway) {
    Phone phone = phone_with(gateway);
    const ewebrtc_phone handle = phone.handle();
    Phone other = std::move(phone);
    CHECK(other.handle() == handle && phone.handle() == 0);
    THROWS(EWEBRTC_ERR_NOT_FOUND, phone.hold());
    THROWS(EWEBRTC_ERR_NOT_FOUND, phone.get_calls());
    THROWS(EWEBRTC_ERR_NOT_FOUND, phone.on_any([](const Event &) {}));
    THROWS(EWEBRTC_ERR_NOT_FOUND, phone.events());
    THROWS(EWEBRTC_ERR_NOT_FOUND, phone.close());
    THROWS(EWEBRTC_ERR_NOT_FOUND, phone.is_online());
    THROWS(EWEBRTC_ERR_NOT_FOUND, phone.call(1));
    phone = phone_with(gateway); // A place may be used again.
    phone = std::move(other);
    CHECK(phone.handle() == handle);
    Phone &same = phone;
    phone = std::move(same);
    CHECK(phone.handle() == handle && phone.get_calls().empty());

    Events events = phone.events();
    Events others = std::move(events);
    THROWS(EWEBRTC_ERR_NOT_FOUND, events.next());
    THROWS(EWEBRTC_ERR_NOT_FOUND, events.missed());
    CHECK(others.missed() == 0);
    log_in(phone, gateway, "alice");
    CallCommand dialling = phone.dial("echo");
    const CallCommand kept = std::move(dialling);
    THROWS(EWEBRTC_ERR_NOT_FOUND, dialling.wait());
    THROWS(EWEBRTC_ERR_NOT_FOUND, dialling.call());
    THROWS(EWEBRTC_ERR_NOT_FOUND, dialling.then([](const Error *) {}));
    Call call = kept.call();
    const Call taken = std::move(call);
    THROWS(EWEBRTC_ERR_NOT_FOUND, call.hangup());
    THROWS(EWEBRTC_ERR_NOT_FOUND, call.wait_connected());
    THROWS(EWEBRTC_ERR_NOT_FOUND, call.read());
    THROWS(EWEBRTC_ERR_NOT_FOUND, call.alive());
    CHECK(taken.alive());

    Gateway second;
    const std::string url = second.url();
    Gateway third = std::move(second);
    CHECK(third.url() == url && second.handle() == 0);
    THROWS(EWEBRTC_ERR_NOT_FOUND, second.url());
    THROWS(EWEBRTC_ERR_NOT_FOUND, second.dev_token("a"));
    third.stop();
    third.stop();
    THROWS(EWEBRTC_ERR_NOT_FOUND, third.url());
    THROWS(EWEBRTC_ERR_SYSTEM, dev_token(url, "a"));
}

void gateways(const Gateway &gateway) {
    GatewayOptions options;
    options.listen = "nowhere";
    THROWS(EWEBRTC_ERR_ARGUMENT, Gateway(options));
    options.listen = gateway.url().substr(7);
    THROWS(EWEBRTC_ERR_SYSTEM, Gateway(options));
    options.listen.reset();
    options.poll_seconds = 36;
    THROWS(EWEBRTC_ERR_ARGUMENT, Gateway(options));
    options.poll_seconds = 2;
    options.ringback = true;
    Gateway other(options);
    CHECK(!other.dev_token("alice").empty());
    THROWS(EWEBRTC_ERR_SYSTEM, other.dev_token("no name at all"));
    THROWS(EWEBRTC_ERR_ARGUMENT, dev_token("no address", "alice"));
    THROWS(EWEBRTC_ERR_ARGUMENT, dev_token(other.url(), std::string("a\0", 2)));
}

void information() {
    const auto own = sdk_errors(), api = api_errors();
    CHECK(own.at("2211").code == "2211" && !own.at("2211").message.empty() && api.size() > 10);
    bool has_id = false;
    for (const auto &[code, fields] : api)
        has_id = has_id || !fields.message_id.empty();
    CHECK(has_id);
    const Capabilities here = capabilities();
    CHECK(here.version == version() && here.os == "linux" && here.audio_codecs.size() == 3 && here.sources.size() >= 4 && !here.features.empty());
    CHECK(utility("hasWebRTC").text() == here.support && here.network_connected == (here.ipv4 || here.ipv6));
    THROWS(EWEBRTC_ERR_UNKNOWN_METHOD, utility("noSuchMethod"));
    THROWS(EWEBRTC_ERR_ARGUMENT, utility("setGlobalLogLevel", Json::object().set("level", "loud")));
    CHECK(Log::levels().size() == 5 && Log::global_level() == "warn" && Log::default_level() == "warn");
    CHECK(Log::module_levels()["call"].kind() == Json::Kind::text && Log::module_defaults().kind() == Json::Kind::object);
    THROWS(EWEBRTC_ERR_ARGUMENT, Log::logger("none"));
    THROWS(EWEBRTC_ERR_ARGUMENT, Log::delete_logger("none"));
    THROWS(EWEBRTC_ERR_ARGUMENT, Log::logger("call").set_level("loud"));

    std::mutex lock;
    std::vector<std::string> lines;
    Log::set_handler([&](const LogLine &line) {
        const std::lock_guard<std::mutex> guard(lock);
        lines.push_back(std::string(line.level) + " " + std::string(line.module) + ": " + std::string(line.message));
    });
    const Logger own_log = Log::create_logger("billing");
    CHECK(own_log.is_custom() && !Log::logger("call").is_custom() && own_log.module() == "billing");
    own_log.set_level("debug");
    CHECK(own_log.level() == "debug" && Log::loggers().size() > 2);
    own_log.error("e");
    own_log.warning("w \"q\"");
    own_log.info("i");
    own_log.debug("d");
    own_log.trace("t");
    Log::set_handler(nullptr);
    own_log.error("to nobody");
    CHECK(lines.size() == 4 && lines[0] == "error billing: e" && lines[1] == "warn billing: w \"q\"" && lines[3] == "debug billing: d");
    Log::delete_logger("billing");
    Log::reset_levels();
}

/// A child of fork has none of the library's threads: everything is refused there at once, and destructors return.
void forked(const Gateway &gateway) {
    std::optional<Phone> phone(phone_with(gateway));
    log_in(*phone, gateway, "alice");
    const Call call = phone->dial("echo").call();
    call.wait_connected(patience);
    Events events = phone->events();
    const Command muting = call.mute();
    for (int n = 0; n < 20; ++n) {
        const pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            alarm(20);
            THROWS(EWEBRTC_ERR_FORKED, phone->hold());
            THROWS(EWEBRTC_ERR_FORKED, phone->get_calls());
            THROWS(EWEBRTC_ERR_FORKED, phone->on_any([](const Event &) {}));
            THROWS(EWEBRTC_ERR_FORKED, phone->events());
            THROWS(EWEBRTC_ERR_FORKED, phone->wait_for("error"));
            THROWS(EWEBRTC_ERR_FORKED, phone->close());
            THROWS(EWEBRTC_ERR_FORKED, events.next());
            THROWS(EWEBRTC_ERR_FORKED, muting.wait());
            THROWS(EWEBRTC_ERR_FORKED, muting.then([](const Error *) {}));
            THROWS(EWEBRTC_ERR_FORKED, call.wait_ended());
            THROWS(EWEBRTC_ERR_FORKED, call.read());
            THROWS(EWEBRTC_ERR_FORKED, Gateway());
            phone.reset();
            _exit(0);
        }
        int status = -1;
        CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    CHECK(call.alive());
}

} // namespace

int main() {
    Gateway gateway;
    settings(gateway);
    wrong_order(gateway);
    over_before_its_events(gateway);
    calls(gateway);
    moved(gateway);
    gateways(gateway);
    information();
    if (!under_tool()) // For which everything the lost threads held is lost.
        forked(gateway);
    std::cout << "errors: passed" << std::endl;
}
