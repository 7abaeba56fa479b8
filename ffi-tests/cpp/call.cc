// Whole calls: what is said is heard, commands end, events carry what they should, conferences, video.

#include "support.hpp"

#include <array>
#include <cmath>

using namespace ewebrtc;

namespace {

constexpr int rate = 16000;

std::vector<std::int16_t> tone(double hz, int ms) {
    std::vector<std::int16_t> samples(static_cast<std::size_t>(rate / 1000 * ms));
    for (std::size_t n = 0; n < samples.size(); ++n)
        samples[n] = static_cast<std::int16_t>(8000 * std::sin(2 * std::acos(-1.0) * hz * static_cast<double>(n) / rate));
    return samples;
}

/// Share of the energy at `hz`, 0 to 1 (Goertzel's filter).
double share(const std::vector<std::int16_t> &heard, double hz) {
    double a = 0, b = 0, total = 0;
    const double w = 2 * std::cos(2 * std::acos(-1.0) * hz / rate);
    for (const std::int16_t sample : heard) {
        const double c = sample + w * a - b;
        b = a;
        a = c;
        total += static_cast<double>(sample) * sample;
    }
    return total > 1e9 ? 2 * (a * a + b * b - w * a * b) / (total * static_cast<double>(heard.size())) : 0;
}

void hear(const Call &from, const Call &to, double hz) {
    CHECK(soon([&] {
        while (from.queued_ms() < 1000)
            from.send(tone(hz, 500));
        return share(to.receive(rate / 4), hz) > 0.9;
    }));
    from.clear();
    CHECK(from.queued_ms() == 0);
}

void sounds(Phone &alice, Phone &bob) {
    const Pair pair = connect(alice, bob, "bob");
    CHECK(pair.from.alive() && pair.to.alive() && pair.from != pair.to && alice.call(pair.from.handle()) == pair.from);
    hear(pair.from, pair.to, 440);
    hear(pair.to, pair.from, 1000);
    const std::array<std::int16_t, 160> piece{};
    CHECK(pair.from.write(piece) == 160 && pair.from.write(std::vector<std::int16_t>()) == 0 && pair.from.write(nullptr, 0) == 0);
    pair.from.drain();
    CHECK(soon([&] { return pair.from.stats().packets_received > 10; }));
    CHECK(pair.from.stats().packets_sent > 10 && pair.from.stats().level_out_dbfs < 1);
    CHECK(alice.is_call_in_progress() && alice.get_media_type() == "audio");
    CHECK(alice.get_calls().size() == 1 && alice.get_calls()[0].state == "connected" && alice.get_calls()[0].foreground);

    Events keys = bob.events({"dtmf:received"});
    pair.from.send_dtmf_tone("1#", 100).wait(patience);
    CHECK(keys.next(patience)->text("tone") == "1" && keys.wait_for("dtmf:received", patience).text("tone") == "#");
    alice.send_dtmf_tone("5").wait(patience);
    CHECK(keys.next(patience)->text("tone") == "5");
    alice.hold().wait(patience);
    alice.resume().wait(patience);
    pair.from.mute().wait(patience);
    pair.from.unmute().wait(patience);

    Events ends = bob.events();
    pair.from.hangup().wait(patience);
    CHECK(pair.from.wait_ended().name() == "call:disconnected" && pair.to.wait_ended(patience).name() == "call:disconnected");
    CHECK(ends.wait_for("call:disconnected", patience).call() == pair.to);
    CHECK(!pair.from.alive());
    THROWS(EWEBRTC_ERR_NOT_FOUND, pair.from.hangup());
    try {
        pair.from.send(tone(440, 20));
        CHECK(false);
    } catch (const CallEnded &end) {
        CHECK(end.event().name() == "call:disconnected" && end.status() == EWEBRTC_ERR_NOT_FOUND);
    }
    pair.to.receive(60 * rate); // What was left, and no more.
    CHECK(pair.to.receive(rate).empty());
}

void two_calls(Phone &alice) {
    Call first = alice.dial("echo").wait(patience);
    first.wait_connected(patience);
    Call second = alice.add_call("echo").wait(patience);
    second.wait_connected(patience);
    CHECK(alice.get_calls().size() == 2);
    Events events = alice.events({"session:call-switched"});
    alice.switch_call("back").wait(patience);
    Event switched = events.wait_for("session:call-switched", patience);
    if (switched.tag().empty()) // That of the added call, which came late.
        switched = events.wait_for("session:call-switched", patience);
    CHECK(switched.tag() == "back" && switched["tag"].text() == "back" && switched.seq() > 1 && switched.timestamp().size() == 24);
    second.hangup().wait(patience);
    first.hangup().wait(patience);
    CHECK(alice.get_calls().empty() && !alice.is_call_in_progress() && alice.get_media_type().empty());
}

void conference(Phone &alice, Phone &bob) {
    Call own = alice.start_conference().wait(patience);
    Events invited = bob.events({"conference:invitation-received"}), accepted = alice.events({"conference:invitation-accepted"});
    alice.add_participant("bob").wait(patience);
    const Event invitation = *invited.next(patience);
    Call theirs = bob.join_conference().wait(patience);
    CHECK(invitation.call() == theirs && invitation.handle() == theirs.handle());
    accepted.next(patience);
    CHECK(alice.get_participants().size() == 1 && alice.get_participants()[0].participant.find("bob") == 0);
    CHECK(alice.get_calls()[0].breed == "conference" && alice.get_calls()[0].participants.size() == 1);
    own.mute().wait(patience);
    alice.remove_participant("bob").wait(patience);
    CHECK(theirs.wait_ended(patience).name() == "conference:ended");
    alice.end_conference().wait(patience);
    CHECK(own.wait_ended().name() == "conference:ended");
}

void pictures(const Gateway &gateway) {
    Phone alice = phone_with(gateway, "silence;video=frames", "discard;video=frames");
    Phone bob = phone_with(gateway, "silence;video=frames", "discard;video=frames");
    log_in(alice, gateway, "alice");
    log_in(bob, gateway, "bob");
    DialOptions audio;
    audio.media_type = "audio";
    const Pair pair = connect(alice, bob, "bob", audio);
    Events asked = bob.events({"call:media-modification"});
    const Command upgrading = alice.upgrade();
    CHECK(asked.next(patience)->text("newMediaType") == "video" && !upgrading.done());
    bob.accept_modification().wait(patience);
    upgrading.wait(patience);
    CHECK(upgrading.done() && !upgrading.error() && alice.get_media_type() == "video");

    VideoFrame frame;
    frame.data.assign(40000, 7); // More than a reader's first room.
    const std::uint8_t head[] = {0x10, 0, 0, 0x9d, 1, 0x2a, 0x40, 1, 0xf0, 0};
    std::copy(std::begin(head), std::end(head), frame.data.begin());
    CHECK(pair.from.key_frame_wanted());
    std::optional<VideoFrame> seen;
    CHECK(soon([&] {
        frame.timestamp += 3600;
        CHECK(pair.from.write_frame(frame));
        std::this_thread::sleep_for(Milliseconds(40));
        seen = pair.to.read_frame();
        return seen.has_value();
    }));
    CHECK(seen->codec == VideoCodec::vp8 && seen->key && seen->data == frame.data);
    CHECK(pair.from.frames_queued() < 100);
    pair.to.request_key_frame();
    CHECK(soon([&] { return pair.from.key_frame_wanted(); }));
    CHECK(pair.from.stats().frames_sent > 0 && pair.to.stats().frames_received > 0);
    THROWS(EWEBRTC_ERR_ARGUMENT, pair.from.write_frame(VideoFrame()));
    pair.from.hangup().wait(patience);
}

} // namespace

int main() {
    GatewayOptions options;
    options.domain = "example.com";
    const Gateway gateway(options);
    Phone alice = phone_with(gateway), bob = phone_with(gateway);
    log_in(alice, gateway, "alice");
    log_in(bob, gateway, "bob");
    sounds(alice, bob);
    two_calls(alice);
    conference(alice, bob);
    alice.logout().wait(patience);
    Events rest = alice.events();
    alice.close(patience);
    std::string last;
    while (const std::optional<Event> event = rest.next(patience))
        last = event->name();
    CHECK(last == "phone:closed");
    bob.close(patience);
    pictures(gateway);
    std::cout << "call: passed" << std::endl;
}
