/* Part of ewebrtc.hpp: the phone. */
#ifndef EWEBRTC_PHONE_HPP
#define EWEBRTC_PHONE_HPP

#include "call.hpp"
#include "gateway.hpp"

namespace ewebrtc {
inline namespace v1 {

/// A STUN or TURN server with one account.
struct IceServer {
    std::vector<std::string> urls; ///< "stun:host[:port]", "turn:host[:port][?transport=udp|tcp]" or "turns:host[:port]".
    std::string username;          ///< User name for TURN.
    std::string credential;        ///< Password for TURN.
};

/// How a phone hears of events.
enum class EventChannel : std::uint32_t {
    long_poll = EWEBRTC_EVENTS_LONG_POLL, ///< One request after the other waits at the gateway: what every gateway offers.
    websocket = EWEBRTC_EVENTS_WEBSOCKET  ///< One WebSocket; the phone polls where the gateway offers none.
};

/// How a phone is made.
struct PhoneConfig {
    /// With everything by default. gateway: its address, "http://host:port" or "https://host".
    PhoneConfig(std::string address) : gateway(std::move(address)) {}
    /// The same.
    PhoneConfig(const char *address) : gateway(address) {}
    /// For a gateway in this process.
    PhoneConfig(const Gateway &in_process) : gateway(in_process.url()) {}

    std::string gateway;                   ///< Address of the gateway.
    std::string domain;                    ///< Appended to names and short numbers, at most 253 bytes; default: that of one's own address.
    std::string local_media = "silence";   ///< "silence", "tone:HZ", "wav:PATH", "pcm"; then ";video=ivf:PATH" or ";video=frames".
    std::string remote_media = "discard";  ///< "discard", "wav:PATH", "pcm"; then ";video=ivf:PATH" or ";video=frames".
    std::uint32_t pcm_rate = 48000;        ///< Samples per second of program audio, 8000 to 48000.
    std::vector<std::string> audio_codecs; ///< By preference; default: opus, pcmu, pcma.
    std::vector<std::string> video_codecs; ///< By preference; default: vp8, h264.
    std::uint32_t opus_complexity = 0;     ///< Effort of the Opus encoder, 1 to 10; 0: the default, 9.
    EventChannel event_channel = EventChannel::long_poll; ///< How it hears of events.
    std::string root_certificates;         ///< In PEM, trusted beside the operating system's, for the gateway and for TURN over TLS.
    std::vector<IceServer> ice_servers;    ///< STUN and TURN servers.
    bool relay_only = false;               ///< Only paths through TURN, so that one's own addresses stay hidden.
    bool ipv4 = true;                      ///< Offer IPv4 addresses.
    bool ipv6 = true;                      ///< Offer IPv6 addresses.
    std::optional<std::pair<std::uint16_t, std::uint16_t>> ports; ///< First and last UDP port for media.
};

/// Options of Phone::login; what is empty is not given.
struct LoginOptions {
    std::optional<std::string> user_id = {}; ///< Binds the token to this user before.
    std::optional<std::string> e911_id = {}; ///< Emergency address: needed by numbers, forbidden for account ids.
    std::string tag = {};                    ///< Comes back in the events that the command causes.
};

/// Options of Phone::dial, add_call and start_conference. Media that is named is also that of later calls that name none; media that
/// is not named is that of the call before, at first the phone's.
struct DialOptions {
    std::optional<std::string> media_type = {};   ///< "audio" or "video"; default: "video" where there is a source of it.
    std::optional<std::string> local_media = {};  ///< As PhoneConfig::local_media.
    std::optional<std::string> remote_media = {}; ///< As PhoneConfig::remote_media.
    std::string tag = {};                         ///< Comes back in the events that the command causes.
};

/// Options of Phone::answer and join_conference; media as of DialOptions.
struct AnswerOptions {
    std::optional<std::string> media_type = {};   ///< "audio" answers a video call with audio only. Not for join_conference.
    std::optional<std::string> local_media = {};  ///< As PhoneConfig::local_media.
    std::optional<std::string> remote_media = {}; ///< As PhoneConfig::remote_media.
    std::optional<std::string> action = {};       ///< What to do with the call in the foreground: "end" or "hold".
    std::string tag = {};                         ///< Comes back in the events that the command causes.
};

/// Somebody in a conference of this phone.
struct Participant {
    std::string participant; ///< The number, or the account id.
    std::string status;      ///< "active".
};

/// An entry of Phone::get_calls.
struct CallInfo {
    std::uint64_t index = 0;               ///< Ordinal among the live calls.
    std::string state;                     ///< Such as "connected".
    std::string breed;                     ///< "call" or "conference".
    std::string type;                      ///< "Outgoing" or "Incoming".
    std::string peer;                      ///< The other party; empty for conferences.
    bool foreground = false;               ///< The one the user talks on.
    std::vector<Participant> participants; ///< Who is in a conference of this phone.
};

/// A telephone: one user, one session. Owns it; can be moved only, and a phone that was moved from is none: its methods throw
/// EWEBRTC_ERR_NOT_FOUND. No request is sent and no event comes before the first command.
///
/// A method that gives a Command returns when the command is accepted, within milliseconds, also inside handlers; the Command is a handle
/// on its end. A refusal with a code throws Error with that code, and is published as one event "error" with the tag. Beside what the
/// comments of the methods name all of them throw Error with 0002 while there is no network, EWEBRTC_ERR_CLOSED when the phone is
/// closed, EWEBRTC_ERR_BUSY when thousands of commands are under way.
class Phone {
  public:
    /// Makes a phone that is not logged in.
    ///
    /// Throws Error EWEBRTC_ERR_ARGUMENT for a setting that cannot be used, EWEBRTC_ERR_SYSTEM when there are no threads.
    explicit Phone(const PhoneConfig &config) {
        detail::check_library();
        const std::string audio = joined(config.audio_codecs), video = joined(config.video_codecs);
        const std::string ice = ice_json(config).dump();
        ewebrtc_phone_config given{};
        given.pcm_rate = config.pcm_rate;
        given.gateway = detail::c_text(config.gateway, "gateway");
        given.domain = optional(config.domain, "domain");
        given.local_media = detail::c_text(config.local_media, "local_media");
        given.remote_media = detail::c_text(config.remote_media, "remote_media");
        given.audio_codecs = optional(audio, "audio_codecs");
        given.video_codecs = optional(video, "video_codecs");
        given.root_certificates = optional(config.root_certificates, "root_certificates");
        given.ice_json = ice.c_str();
        given.opus_complexity = config.opus_complexity;
        given.event_channel = static_cast<std::uint32_t>(config.event_channel);
        auto hub = std::make_shared<detail::Hub>();
        hub->begin(given);
        hub_ = std::move(hub);
    }

    Phone(Phone &&) noexcept = default;
    /// Frees the phone that was here.
    Phone &operator=(Phone &&other) noexcept {
        Phone(std::move(other)).hub_.swap(hub_);
        return *this;
    }
    Phone(const Phone &) = delete;
    Phone &operator=(const Phone &) = delete;

    /// Ends the phone: calls end, and the goodbye to the gateway goes on in the background. When it returns no handler runs or will
    /// run; inside a handler of any phone it does not wait for one that runs. Events that were not delivered are dropped, commands under
    /// way finish with EWEBRTC_ERR_CLOSED, streams end. For recordings that are complete, and a goodbye that is seen through: close().
    ~Phone() {
        if (hub_)
            ewebrtc_phone_free(hub_->phone());
    }

    // ---- events ----------------------------------------------------------------------------------------------------------

    /// Calls the handler with every event of this name, on the phone's thread, one at a time and in order. It may call every function
    /// that does not wait, and destroy its own phone; it should return within milliseconds, since the next event waits for it. What it
    /// throws: see set_exception_handler. It is destroyed after the phone's last event at the latest.
    ///
    /// Throws Error 4901 for an empty name, 4902 for an unknown one, and nothing is registered; EWEBRTC_ERR_ARGUMENT for an empty handler.
    Subscription on(const std::string &name, EventHandler handler) {
        hub().check_event(name);
        return subscribe(name, std::move(handler));
    }

    /// Calls the handler with every event, as `on` does with those of one name.
    Subscription on_any(EventHandler handler) { return subscribe({}, std::move(handler)); }

    /// The events from now on, or those of these names, to be read one by one. Make it before the command whose events are meant.
    ///
    /// Throws Error 4901 for an empty name, 4902 for an unknown one.
    Events events(std::vector<std::string> names = {}) const {
        for (const std::string &name : names)
            hub().check_event(name);
        return Events(hub_, hub().open(std::move(names)));
    }

    /// The next event of this name from now on. An event that comes before this is called is missed: see events.
    ///
    /// Throws Error 4901 for an empty name, 4902 for an unknown one, EWEBRTC_ERR_TIMEOUT, EWEBRTC_ERR_CLOSED; EWEBRTC_ERR_WOULD_BLOCK
    /// inside a handler.
    Event wait_for(const std::string &name, Milliseconds timeout = forever) const {
        return events({name}).wait_for(name, timeout);
    }

    // ---- session ---------------------------------------------------------------------------------------------------------

    /// Logs in. Finishes at "session:ready".
    ///
    /// Throws Error 2002 without a token, 2003 while logged in; the command fails with 1541 and other codes of the gateway, 0002 without
    /// an answer.
    Command login(const std::string &token, const LoginOptions &options = {}) {
        Json json = Json::object().set("token", token);
        json.set_if("userId", options.user_id).set_if("e911Id", options.e911_id);
        return command("login", json, options.tag);
    }

    /// Ends all calls and the session. Finishes at "session:disconnected". Throws Error 2101 while not logged in.
    Command logout(const std::string &tag = {}) { return command("logout", {}, tag); }

    /// Changes the emergency address of the session. Finishes at "address-updated". Throws Error 2052 for an empty id, 2053 while not
    /// logged in; fails with 1019 when the gateway does not know it.
    Command associate_e911_id(const std::string &e911_id, const std::string &tag = {}) {
        return command("associateE911Id", Json::object().set("e911Id", e911_id), tag);
    }

    // ---- calls -----------------------------------------------------------------------------------------------------------

    /// Dials a name, "user@domain" or number. The call is known at once; the command finishes when it exists at the gateway, before it
    /// is answered: see Call::wait_connected.
    ///
    /// Throws Error 2211 to 2213 for the destination, 2221 to 2232 for the media, 2241 while not logged in, 2251 and 2252 while there is
    /// another call.
    CallCommand dial(const std::string &destination, const DialOptions &options = {}) {
        return CallCommand(command("dial", dialling(options).set("destination", destination), options.tag));
    }

    /// Holds the call in the foreground and dials another party, as dial does; it rings when the first one is held. Throws Error with the
    /// codes of addCall (39xx).
    CallCommand add_call(const std::string &destination, const DialOptions &options = {}) {
        return CallCommand(command("addCall", dialling(options).set("destination", destination), options.tag));
    }

    /// Answers the incoming call. Finishes at "call:connected", with the call.
    ///
    /// Throws Error 2311 and 2312 for the media, 2321 while not logged in, 2331 while nothing rings, 2341 while there is another call and no
    /// action, 2300 for a media type that cannot be.
    CallCommand answer(const AnswerOptions &options = {}) {
        return CallCommand(command("answer", answering(options), options.tag));
    }

    /// Refuses the incoming call. Finishes at "call:rejected". Throws Error 3001 while not logged in, 3002 while nothing rings.
    Command reject(const std::string &tag = {}) { return command("reject", {}, tag); }

    /// Withdraws the outgoing call before it is answered. Finishes at "call:canceled". Throws Error 2901 while not logged in, 2902 while
    /// nothing is being dialled.
    Command cancel(const std::string &tag = {}) { return command("cancel", {}, tag); }

    /// Ends the call in the foreground. Finishes at "call:disconnected". Throws Error 2401 while not logged in, 2402 without a call.
    Command hangup(const std::string &tag = {}) { return command("hangup", {}, tag); }

    /// Sends silence in the call in the foreground. Throws Error 2701 while not logged in, 2702 without a call.
    Command mute(const std::string &tag = {}) { return command("mute", {}, tag); }

    /// Sends the source in the call in the foreground again. Throws Error 2801 while not logged in, 2802 without a call.
    Command unmute(const std::string &tag = {}) { return command("unmute", {}, tag); }

    /// Presses keys in the call in the foreground: 0-9, A-D, *, #, and a comma for a pause of two seconds, behind those that are still to be
    /// sent. gap_ms: the pause between two, 50 to 6000, by default 70. Finishes when the last one was sent.
    ///
    /// Throws Error 4712 for an empty text or another character, 4721 while not logged in, 4731 without a call, 4741 while it is not connected;
    /// fails with 0000 when the other side takes no keys, 4700 when the call ends first or too many wait.
    Command send_dtmf_tone(const std::string &tones, std::optional<std::uint32_t> gap_ms = {}, const std::string &tag = {}) {
        return command("sendDTMFTone", Json::object().set("input", tones).set_if("gap", gap_ms), tag);
    }

    /// Puts the call in the foreground on hold: neither side hears the other. Finishes at "call:held", which the other side gets too.
    /// Throws Error 2501 while not logged in, 2502 without a call, 2503 while it is not connected; fails with 2500.
    Command hold(const std::string &tag = {}) { return command("hold", {}, tag); }

    /// Goes on with the call in the foreground that this phone holds. Finishes at "call:resumed". Throws Error 2601 while not logged in, 2602
    /// without a call, 2603 while it is not held; fails with 2600.
    Command resume(const std::string &tag = {}) { return command("resume", {}, tag); }

    /// Holds the call in the foreground and goes on with the other one. Finishes at "session:call-switched". Throws Error with the codes of
    /// switchCall.
    Command switch_call(const std::string &tag = {}) { return command("switchCall", {}, tag); }

    /// Connects the party in the foreground with the one in the background and leaves. Finishes at "call:transferred", after which both calls
    /// end here. Throws Error with the codes of transfer; when it fails on the way both calls go on.
    Command transfer(const std::string &tag = {}) { return command("transfer", {}, tag); }

    /// Moves the call in the foreground to another session of the same user, where it rings. Finishes at "call:moved", after which it ends here;
    /// when nobody takes it, it goes on here. Throws Error with the codes of move.
    Command move(const std::string &tag = {}) { return command("move", {}, tag); }

    /// Asks the other side to make the audio call in the foreground a video call. Finishes when it has answered, also when it does not want
    /// to: then this side's video is sent all the same.
    ///
    /// Throws Error 4601 while not logged in, 4602 without a call, 4603 while it is not connected or is changing, 4604 when it is a video call
    /// already, 0020 when there is no source of video; fails with 4600.
    Command upgrade(const std::string &tag = {}) { return command("upgrade", {}, tag); }

    /// Stops sending video in the call in the foreground, and asks the other side to do the same. Finishes when it has answered. Throws Error
    /// 4501 to 4504 as upgrade; fails with 4500.
    Command downgrade(const std::string &tag = {}) { return command("downgrade", {}, tag); }

    /// Agrees to what the other side has asked for ("call:media-modification"). Finishes when the change is made. Throws Error 4301 while not
    /// logged in, 4302 without a call, 4304 when nothing was asked for, 4303 in a wrong state, 0020 for an upgrade without a source of video,
    /// and the request goes on waiting; fails with 4300.
    Command accept_modification(const std::string &tag = {}) { return command("acceptModification", {}, tag); }

    /// Keeps its own media where the other side has asked for a change, which changes its own. Finishes when that is made. Throws Error as
    /// accept_modification, with the codes of rejectModification (44xx).
    Command reject_modification(const std::string &tag = {}) { return command("rejectModification", {}, tag); }

    // ---- conferences -----------------------------------------------------------------------------------------------------

    /// Starts a conference with this phone as its host and nobody else in it; a call in the foreground is held for it. The conference is
    /// known at once; finishes at "conference:connected".
    ///
    /// Throws Error 3111 to 3122 for the media, 3131 while not logged in, 3961 with two calls, 3100 while something is being set up.
    CallCommand start_conference(const DialOptions &options = {}) {
        return CallCommand(command("startConference", dialling(options), options.tag));
    }

    /// Joins the conference that this phone is invited to ("conference:invitation-received"). Finishes at "conference:connected", with the
    /// conference.
    ///
    /// Throws Error 3211 and 3212 for the media, 3221 while not logged in, 3231 without an invitation, 3241 while there is a call and no
    /// action; fails with 3200.
    CallCommand join_conference(const AnswerOptions &options = {}) {
        return CallCommand(command("joinConference", answering(options), options.tag));
    }

    /// Declines the invitation. Finishes at "conference:invitation-rejected". Throws Error 3301 while not logged in, 3302 without one.
    Command reject_conference(const std::string &tag = {}) { return command("rejectConference", {}, tag); }

    /// Leaves the conference in the foreground; one of this phone ends for everybody. Finishes at "conference:ended". Throws Error 3501 while
    /// not logged in, 3502 without a conference in the foreground.
    Command end_conference(const std::string &tag = {}) { return command("endConference", {}, tag); }

    /// Invites a party to the conference of this phone in the foreground. Finishes at "conference:invitation-sent"; whether the party comes is
    /// told by "conference:invitation-accepted", "conference:invitation-rejected" or a "notification".
    ///
    /// Throws Error 3611 to 3613 for the text, 3621 while not logged in, 3631 without a conference of this phone, 3641 when the party is in it;
    /// fails with 3600.
    Command add_participant(const std::string &participant, const std::string &tag = {}) {
        return command("addParticipant", Json::object().set("participant", participant), tag);
    }

    /// Takes a party out of the conference of this phone in the foreground. Finishes at "conference:participant-removed", also when the party is
    /// not on its list. Throws Error 3711 for an empty text, 3721 while not logged in, 3731 without a conference of this phone; fails with 3700.
    Command remove_participant(const std::string &participant, const std::string &tag = {}) {
        return command("removeParticipant", Json::object().set("participant", participant), tag);
    }

    /// Who is in the conference of this phone in the foreground. Throws Error 3401 while not logged in, 3402 without a conference of this phone.
    std::vector<Participant> get_participants() const { return participants(ask("getParticipants")); }

    // ---- what there is ---------------------------------------------------------------------------------------------------

    /// The established calls and conferences, in order of establishment.
    std::vector<CallInfo> get_calls() const {
        std::vector<CallInfo> calls;
        for (const Json &entry : ask("getCalls").values()) {
            CallInfo info;
            info.index = entry["index"].whole();
            info.state = entry["state"].text();
            info.breed = entry["breed"].text();
            info.type = entry["type"].text();
            info.peer = entry["peer"].text();
            info.foreground = entry["foreground"].boolean();
            info.participants = participants(entry["participants"]);
            calls.push_back(std::move(info));
        }
        return calls;
    }

    /// Media type of the call in the foreground, "audio" or "video"; empty without one.
    std::string get_media_type() const { return ask("getMediaType").text(); }

    /// Whether there is an established call in the foreground.
    bool is_call_in_progress() const { return ask("isCallInProgress").boolean(); }

    /// The number in the form in which it is dialled. Throws Error 38xx for what is none.
    std::string clean_phone_number(const std::string &number) const {
        return ask("cleanPhoneNumber", Json::object().set("number", number)).text();
    }

    /// The number as it is shown; empty when nothing is left of it. Throws Error 38xx for what is none.
    std::string format_number(const std::string &number) const {
        return ask("formatNumber", Json::object().set("number", number)).text();
    }

    /// The parts of an address such as the property "from": an object with "callerId", "domain" and others. Throws Error 38xx.
    Json get_caller_info(const std::string &caller_uri) const {
        return ask("getCallerInfo", Json::object().set("callerUri", caller_uri));
    }

    /// The call with this handle. It is not checked whether it lives.
    Call call(ewebrtc_call handle) const {
        hub();
        return Call(hub_, handle);
    }

    // ---- settings of calls that are made or answered afterwards ------------------------------------------------------------

    /// STUN and TURN servers.
    std::vector<IceServer> get_ice_servers() const {
        std::vector<IceServer> servers;
        for (const Json &entry : ask("getIceServers").values()) {
            IceServer server;
            const Json &urls = entry["urls"];
            if (urls.kind() == Json::Kind::text)
                server.urls.push_back(urls.text());
            for (const Json &url : urls.values())
                server.urls.push_back(url.text());
            server.username = entry["username"].text();
            server.credential = entry["credential"].text();
            servers.push_back(std::move(server));
        }
        return servers;
    }
    /// Sets them. Throws Error 4811 for an empty list, a server without a URL and a URL that cannot be read.
    void set_ice_servers(const std::vector<IceServer> &servers) {
        ask("setIceServers", Json::object().set("iceServers", servers_json(servers)));
    }
    /// Goes back to those with which the phone was made.
    void reset_ice_servers() { ask("resetIceServers"); }

    /// Which paths media may take: "all", "relay" (only through TURN) or "none".
    std::string get_ice_transport() const { return ask("getIceTransport").text(); }
    /// Sets it. Throws Error 4821 for another word.
    void set_ice_transport(const std::string &transport) {
        ask("setIceTransport", Json::object().set("iceTransport", transport));
    }
    /// Goes back to that with which the phone was made.
    void reset_ice_transport() { ask("resetIceTransport"); }

    /// Whether IPv6 addresses are offered.
    bool get_ipv6() const { return ask("getIpv6").boolean(); }
    /// Sets it. Throws Error 4831 for false in a phone without IPv4.
    void set_ipv6(bool ipv6) { ask("setIpv6", Json::object().set("ipv6", ipv6)); }
    /// Goes back to that with which the phone was made.
    void reset_ipv6() { ask("resetIpv6"); }

    /// Audio codecs that can be chosen, best first.
    std::vector<std::string> get_supported_audio_codecs() const {
        std::vector<std::string> names;
        for (const Json &name : ask("getSupportedAudioCodecs").values())
            names.push_back(name.text());
        return names;
    }
    /// The codec that was chosen; empty: those with which the phone was made, by preference.
    std::string get_audio_codec() const { return ask("getAudioCodec").text(); }
    /// Chooses the only audio codec, by its name in any case. Throws Error EWEBRTC_ERR_ARGUMENT for one that is none.
    void set_audio_codec(const std::string &codec) { ask("setAudioCodec", Json::object().set("codec", codec)); }
    /// Goes back to the codecs with which the phone was made.
    void reset_audio_codec() { ask("resetAudioCodec"); }

    // ---- the network -----------------------------------------------------------------------------------------------------

    /// Whether the phone counts as online: what the program said last by set_connectivity, else what the operating system says about the way
    /// to the gateway. A gateway on loopback needs no network.
    bool is_online() const {
        std::int32_t online = 0;
        detail::check(ewebrtc_phone_is_online(hub().phone(), &online));
        return online != 0;
    }
    /// Tells the phone that the device went offline or came back. For programs that know better than the phone's own watching of the network;
    /// their word counts until follow_network.
    void set_connectivity(bool online) { detail::check(ewebrtc_phone_set_connectivity(hub().phone(), online ? 1 : 0)); }
    /// Gives it back to the phone to find out by itself.
    void follow_network() { detail::check(ewebrtc_phone_follow_network(hub().phone())); }

    // ---- by name ---------------------------------------------------------------------------------------------------------

    /// Any method of the Phone API by its documented name, with its options by theirs. Returns when it is accepted.
    ///
    /// Throws Error EWEBRTC_ERR_UNKNOWN_METHOD, EWEBRTC_ERR_ARGUMENT, or with a code.
    Command command(const std::string &method, const Json &options = {}, const std::string &tag = {}) {
        std::shared_ptr<detail::Hub> own = hub_;
        auto pending = detail::living(own).command(detail::c_text(method, "the method"), options, tag, 0);
        return Command(std::move(own), std::move(pending));
    }

    /// Asks a getter, or changes a setting, by its documented name, and gives its value. Throws as command.
    Json ask(const std::string &method, const Json &options = {}) const {
        return hub().ask(detail::c_text(method, "the method"), options, 0);
    }

    // ---- the end ---------------------------------------------------------------------------------------------------------

    /// Begins to close the phone and never waits: calls end, the session is given back, "phone:closed" is the last event. Twice does nothing
    /// more.
    void begin_close() { detail::check(ewebrtc_phone_close(hub().phone())); }

    /// Closes the phone and waits, for `timeout` at most, until its last event was delivered; recordings are complete then.
    ///
    /// Throws Error EWEBRTC_ERR_TIMEOUT; EWEBRTC_ERR_WOULD_BLOCK inside a handler, and nothing has begun.
    void close(Milliseconds timeout = Milliseconds(15000)) {
        detail::Hub &own = hub();
        own.refuse_to_wait();
        begin_close();
        using Count = Milliseconds::rep;
        const Count most = std::numeric_limits<std::uint32_t>::max();
        const Count time = std::max<Count>(0, std::min<Count>(most, timeout.count()));
        detail::check(ewebrtc_phone_wait_closed(own.phone(), static_cast<std::uint32_t>(time)));
    }

    /// Its handle, for the functions of ewebrtc.h; 0 after a move.
    ewebrtc_phone handle() const noexcept { return hub_ ? hub_->phone() : 0; }

  private:
    detail::Hub &hub() const { return detail::living(hub_); }

    Subscription subscribe(std::string name, EventHandler handler) {
        if (!handler)
            throw Error(EWEBRTC_ERR_ARGUMENT, "the handler is empty");
        detail::Hub &own = hub();
        return Subscription(hub_, own.add(std::move(name), std::move(handler)));
    }

    static const char *optional(const std::string &text, const char *what) {
        return text.empty() ? nullptr : detail::c_text(text, what);
    }

    static std::string joined(const std::vector<std::string> &names) {
        std::string all;
        for (const std::string &name : names)
            all += all.empty() ? name : "," + name;
        return all;
    }

    static Json servers_json(const std::vector<IceServer> &servers) {
        Json list = Json::list();
        for (const IceServer &server : servers) {
            Json urls = Json::list();
            for (const std::string &url : server.urls)
                urls.add(url);
            Json entry = Json::object().set("urls", urls);
            if (!server.username.empty())
                entry.set("username", server.username);
            if (!server.credential.empty())
                entry.set("credential", server.credential);
            list.add(std::move(entry));
        }
        return list;
    }

    static Json ice_json(const PhoneConfig &config) {
        Json json = Json::object().set("ipv4", config.ipv4).set("ipv6", config.ipv6);
        json.set("iceTransportPolicy", config.relay_only ? "relay" : "all");
        if (!config.ice_servers.empty())
            json.set("iceServers", servers_json(config.ice_servers));
        if (config.ports)
            json.set("ports", Json::list({config.ports->first, config.ports->second}));
        return json;
    }

    static Json dialling(const DialOptions &options) {
        Json json = Json::object();
        json.set_if("mediaType", options.media_type).set_if("localMedia", options.local_media);
        return json.set_if("remoteMedia", options.remote_media);
    }

    static Json answering(const AnswerOptions &options) {
        Json json = Json::object();
        json.set_if("mediaType", options.media_type).set_if("localMedia", options.local_media);
        return json.set_if("remoteMedia", options.remote_media).set_if("action", options.action);
    }

    static std::vector<Participant> participants(const Json &entries) {
        std::vector<Participant> found;
        const auto add = [&found](const Json &entry) {
            found.push_back(Participant{entry["participant"].text(), entry["status"].text()});
        };
        for (const Json &entry : entries.values())
            add(entry);
        for (const Json::Member &member : entries.members())
            add(member.second);
        return found;
    }

    std::shared_ptr<detail::Hub> hub_;
};

} // namespace v1
} // namespace ewebrtc
#endif
