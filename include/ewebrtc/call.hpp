/* Part of ewebrtc.hpp: calls and conferences, their audio and video. */
#ifndef EWEBRTC_CALL_HPP
#define EWEBRTC_CALL_HPP

#include "hub.hpp"

#include <thread>

namespace ewebrtc {
inline namespace v1 {

/// Figures of a call's audio and video. Times are in milliseconds, levels in dB of full scale (root mean square over about 200 ms;
/// -127 is silence).
struct CallStats {
    std::uint64_t packets_sent = 0;      ///< Packets of audio sent.
    std::uint64_t packets_received = 0;  ///< Packets of audio received.
    std::uint64_t packets_lost = 0;      ///< Packets of audio that did not come.
    double jitter_ms = 0;                ///< How unevenly they come.
    std::optional<double> round_trip_ms; ///< To the other side and back; empty while unknown.
    double level_in_dbfs = 0;            ///< Of what is heard.
    double level_out_dbfs = 0;           ///< Of what is sent.
    std::uint64_t frames_sent = 0;       ///< Pictures sent.
    std::uint64_t frames_received = 0;   ///< Complete pictures received.
    std::uint64_t frames_dropped = 0;    ///< Complete pictures of no use, since they need one that was lost.
    std::uint64_t video_packets_lost = 0; ///< Packets of video that did not come.
    std::uint64_t video_packets_recovered = 0; ///< Packets of video that came after they were asked for again.
};

/// A codec for video.
enum class VideoCodec : std::int32_t {
    vp8 = EWEBRTC_VIDEO_VP8,  ///< VP8 (RFC 6386): a picture is a frame.
    h264 = EWEBRTC_VIDEO_H264 ///< H.264: a picture is an access unit, each NAL unit behind a start code (Annex B).
};

/// An encoded picture.
struct VideoFrame {
    VideoCodec codec = VideoCodec::vp8; ///< What it is encoded with.
    std::uint32_t timestamp = 0;        ///< When it is shown, in ticks of 90 kHz; wraps around.
    bool key = false;                   ///< Whether it can be decoded without those before it. Of no account when it is written.
    std::vector<std::uint8_t> data;     ///< Its bytes.
};

namespace detail {
/// Containers of samples: what has data() and size(), std::vector, std::array and std::span for instance.
template <class Samples>
using IfSamples = std::enable_if_t<
    std::is_same_v<std::remove_cv_t<std::remove_pointer_t<decltype(std::declval<Samples &>().data())>>, std::int16_t>>;
} // namespace detail

/// A call or conference of a phone. A value: copies are the same call, dropping one does not end the call, and it may be kept after
/// the end of call and phone. Made by Phone::dial, answer and their like, and found in events.
///
/// Methods that need a live call throw CallEnded when it has ended, and Error EWEBRTC_ERR_NOT_FOUND when there never was such a call as
/// far as the phone knows (it remembers the latest 64 that have ended), or the phone is gone. What was heard and seen before the end may
/// be read after it.
///
/// Program audio is 16-bit, mono, of the phone's pcm_rate.
class Call {
  public:
    /// Its handle, which is never used twice: "call" or "conference" in events, and that of ewebrtc.h.
    ewebrtc_call handle() const noexcept { return handle_; }

    /// Two values are the same call.
    friend bool operator==(const Call &a, const Call &b) noexcept { return a.handle_ == b.handle_; }
    /// They are not.
    friend bool operator!=(const Call &a, const Call &b) noexcept { return !(a == b); }

    // ---- what has become of it -------------------------------------------------------------------------------------------

    /// Whether it lives, at whatever stage.
    bool alive() const {
        detail::Owned stats;
        const ewebrtc_status status = ewebrtc_call_stats(detail::living(hub_).phone(), handle_, stats.out());
        return status == EWEBRTC_OK || status == EWEBRTC_ERR_STATE;
    }

    /// Waits until it is connected, for `timeout` at most.
    ///
    /// Throws CallEnded with the event that ended it and the call's last error; Error EWEBRTC_ERR_NOT_FOUND when there is no such call,
    /// EWEBRTC_ERR_CLOSED, EWEBRTC_ERR_TIMEOUT, EWEBRTC_ERR_WOULD_BLOCK inside a handler.
    void wait_connected(Milliseconds timeout = forever) const {
        const auto record = wait(timeout, [](const detail::CallRecord &so_far) { return so_far.connected || so_far.end; });
        if (record.end)
            throw CallEnded(*record.end, record.error);
    }

    /// Waits until it has ended, for `timeout` at most, and gives the event that ended it.
    ///
    /// Throws Error as wait_connected.
    Event wait_ended(Milliseconds timeout = forever) const {
        return *wait(timeout, [](const detail::CallRecord &so_far) { return so_far.end.has_value(); }).end;
    }

    // ---- commands --------------------------------------------------------------------------------------------------------

    /// Ends it as its state demands: cancels, rejects or hangs up. Finishes with its end.
    ///
    /// Throws CallEnded when it has ended already; Error with codes of hangup, cancel, reject.
    Command hangup(const std::string &tag = {}) const { return command("hangup", {}, tag); }

    /// Sends silence from now on. Throws CallEnded; Error 2702 before it is connected.
    Command mute(const std::string &tag = {}) const { return command("mute", {}, tag); }

    /// Sends the source again. Throws CallEnded; Error 2802 before it is connected.
    Command unmute(const std::string &tag = {}) const { return command("unmute", {}, tag); }

    /// Presses keys, as Phone::send_dtmf_tone does in the call in the foreground. Throws CallEnded, and as there.
    Command send_dtmf_tone(const std::string &tones, std::optional<std::uint32_t> gap_ms = {},
                           const std::string &tag = {}) const {
        return command("sendDTMFTone", Json::object().set("input", tones).set_if("gap", gap_ms), tag);
    }

    /// Any method of the Phone API by its documented name, on this call, which must be in the foreground for other methods than
    /// those above. Returns when it is accepted.
    ///
    /// Throws CallEnded, Error EWEBRTC_ERR_UNKNOWN_METHOD, EWEBRTC_ERR_BUSY, EWEBRTC_ERR_CLOSED, or with a code.
    Command command(const std::string &method, const Json &options = {}, const std::string &tag = {}) const {
        detail::Hub &hub = detail::living(hub_);
        const char *name = detail::c_text(method, "the method");
        return Command(hub_, unless_ended([&] { return hub.command(name, options, tag, handle_); }));
    }

    // ---- figures and audio -----------------------------------------------------------------------------------------------

    /// Figures of its audio and video. Throws CallEnded when it has ended, Error EWEBRTC_ERR_STATE before it has media.
    CallStats stats() const {
        detail::Owned text;
        unless_ended([&] { detail::check(ewebrtc_call_stats(phone(), handle_, text.out())); });
        const Json json = Json::parse(text.text());
        CallStats stats;
        stats.packets_sent = json["packets_sent"].whole();
        stats.packets_received = json["packets_received"].whole();
        stats.packets_lost = json["packets_lost"].whole();
        stats.jitter_ms = json["jitter_ms"].number();
        if (!json["round_trip_ms"].is_null())
            stats.round_trip_ms = json["round_trip_ms"].number();
        stats.level_in_dbfs = json["level_in_dbfs"].number();
        stats.level_out_dbfs = json["level_out_dbfs"].number();
        stats.frames_sent = json["frames_sent"].whole();
        stats.frames_received = json["frames_received"].whole();
        stats.frames_dropped = json["frames_dropped"].whole();
        stats.video_packets_lost = json["video_packets_lost"].whole();
        stats.video_packets_recovered = json["video_packets_recovered"].whole();
        return stats;
    }

    /// Appends samples to what a call with local media "pcm" sends, and says how many fitted; about 30 seconds do. Never waits. When
    /// nothing is there silence is sent.
    ///
    /// Throws CallEnded when it has ended, Error EWEBRTC_ERR_STATE when its source is another or it was not answered yet.
    std::size_t write(const std::int16_t *samples, std::size_t count) const {
        std::size_t accepted = 0;
        static const std::int16_t none = 0; // An empty container may have no address.
        unless_ended([&] { detail::check(ewebrtc_pcm_write(phone(), handle_, count ? samples : &none, count, &accepted)); });
        return accepted;
    }
    /// The same for a container with data() and size().
    template <class Samples, class = detail::IfSamples<const Samples>> std::size_t write(const Samples &samples) const {
        return write(samples.data(), samples.size());
    }

    /// Takes samples that were heard in a call with remote media "pcm", at most `capacity`, and says how many there were. Never waits.
    /// About 30 seconds are kept, then the oldest are dropped. What came until the end of a call that was read before may be read
    /// after it.
    ///
    /// Throws Error as write.
    std::size_t read(std::int16_t *samples, std::size_t capacity) const {
        std::size_t count = 0;
        std::int16_t none = 0;
        unless_ended([&] { detail::check(ewebrtc_pcm_read(phone(), handle_, capacity ? samples : &none, capacity, &count)); });
        return count;
    }
    /// Takes all that has come. Throws Error as write.
    std::vector<std::int16_t> read() const {
        std::vector<std::int16_t> all;
        std::size_t count = 0;
        do {
            constexpr std::size_t piece = 4096;
            const std::size_t before = all.size();
            all.resize(before + piece);
            count = read(all.data() + before, piece);
            all.resize(before + count);
        } while (count > 0);
        return all;
    }

    /// Drops what was written and not sent yet, as when the other party begins to talk. Of a call that has ended nothing is left.
    ///
    /// Throws Error EWEBRTC_ERR_STATE as write, EWEBRTC_ERR_NOT_FOUND.
    void clear() const {
        try {
            unless_ended([&] { detail::check(ewebrtc_pcm_clear(phone(), handle_)); });
        } catch (const CallEnded &) {
        }
    }

    /// How much was written and not sent yet, in milliseconds, rounded up; 0 when the call has ended. Throws as clear.
    std::uint32_t queued_ms() const {
        try {
            return waiting_ms();
        } catch (const CallEnded &) {
            return 0;
        }
    }

    /// Writes all of it, waiting for room. It returns when all is in the queue: see drain.
    ///
    /// Throws as write, also when the call ends meanwhile; Error EWEBRTC_ERR_WOULD_BLOCK inside a handler.
    void send(const std::int16_t *samples, std::size_t count) const {
        detail::living(hub_).refuse_to_wait();
        for (std::size_t sent = 0;;) {
            sent += write(samples + sent, count - sent);
            if (sent == count)
                return;
            std::this_thread::sleep_for(tick);
        }
    }
    /// The same for a container with data() and size().
    template <class Samples, class = detail::IfSamples<const Samples>> void send(const Samples &samples) const {
        send(samples.data(), samples.size());
    }

    /// Waits until all that was written has been sent. Throws as send.
    void drain() const {
        detail::living(hub_).refuse_to_wait();
        while (const std::uint32_t queued = waiting_ms())
            std::this_thread::sleep_for(std::max(tick, Milliseconds(queued / 2)));
    }

    /// Reads `count` samples, waiting for them. Fewer are the last ones before the call's end, none is its end.
    ///
    /// Throws Error EWEBRTC_ERR_STATE as write, EWEBRTC_ERR_NOT_FOUND, EWEBRTC_ERR_WOULD_BLOCK inside a handler.
    std::vector<std::int16_t> receive(std::size_t count) const {
        detail::living(hub_).refuse_to_wait();
        std::vector<std::int16_t> samples(count);
        std::size_t have = 0;
        while (have < count) {
            const bool over = !alive(); // In this order: nothing comes any more once it has ended.
            std::size_t got = 0;
            try {
                got = read(samples.data() + have, count - have);
            } catch (const CallEnded &) {
                break; // Nothing of it was ever read, or another call is used since.
            }
            have += got;
            if (over && got == 0)
                break;
            if (have < count && got == 0)
                std::this_thread::sleep_for(tick);
        }
        samples.resize(have);
        return samples;
    }

    // ---- video -----------------------------------------------------------------------------------------------------------

    /// Gives the next picture, `size` bytes, to a call whose local media has the part ";video=frames". Never waits; about four seconds
    /// fit. False: it was not taken, because the queue is full or it needs one that was not taken; then only a key frame is taken next.
    ///
    /// Throws Error EWEBRTC_ERR_ARGUMENT for a picture that is empty or larger than 2 MiB, and as write.
    bool write_frame(VideoCodec codec, std::uint32_t timestamp, const std::uint8_t *data, std::size_t size) const {
        ewebrtc_video_frame frame{};
        frame.codec = static_cast<std::int32_t>(codec);
        frame.timestamp = timestamp;
        std::int32_t taken = 0;
        static const std::uint8_t none = 0;
        unless_ended([&] { detail::check(ewebrtc_video_write(phone(), handle_, &frame, size ? data : &none, size, &taken)); });
        return taken != 0;
    }
    /// The same.
    bool write_frame(const VideoFrame &frame) const {
        return write_frame(frame.codec, frame.timestamp, frame.data.data(), frame.data.size());
    }

    /// Takes the next picture of a call whose remote media has the part ";video=frames": complete ones only, beginning with a key frame,
    /// also after a loss. Empty when none is there. Never waits. About four seconds are kept, then what comes is dropped up to the next
    /// key frame. What came until the end of a call that was read before may be read after it.
    ///
    /// Throws Error as write.
    std::optional<VideoFrame> read_frame() const {
        VideoFrame frame;
        ewebrtc_video_frame known{};
        frame.data.resize(32 * 1024);
        ewebrtc_status status = ewebrtc_video_read(phone(), handle_, frame.data.data(), frame.data.size(), &known);
        if (status == EWEBRTC_ERR_ARGUMENT && known.size > frame.data.size()) {
            frame.data.resize(known.size);
            status = ewebrtc_video_read(phone(), handle_, frame.data.data(), frame.data.size(), &known);
        }
        unless_ended([&] { detail::check(status); });
        if (known.size == 0)
            return std::nullopt;
        frame.data.resize(known.size);
        frame.codec = static_cast<VideoCodec>(known.codec);
        frame.key = known.key != 0;
        frame.timestamp = known.timestamp;
        return frame;
    }

    /// Whether the next picture is to be a key frame. True once after the other party, or a picture that was not taken, has asked for
    /// one, and once at the beginning: ask before each picture. Throws Error as write.
    bool key_frame_wanted() const {
        std::int32_t wanted = 0;
        unless_ended([&] { detail::check(ewebrtc_video_key_frame_wanted(phone(), handle_, &wanted)); });
        return wanted != 0;
    }

    /// How many pictures were written and not sent yet. Throws Error as write.
    std::size_t frames_queued() const {
        std::size_t queued = 0;
        unless_ended([&] { detail::check(ewebrtc_video_queued(phone(), handle_, &queued)); });
        return queued;
    }

    /// Asks the other party for a key frame. After a loss the library asks by itself.
    ///
    /// Throws CallEnded, Error EWEBRTC_ERR_STATE before the call has media.
    void request_key_frame() const {
        unless_ended([&] { detail::check(ewebrtc_video_request_key_frame(phone(), handle_)); });
    }

  private:
    friend class Event;
    friend class Phone;
    friend class CallCommand;
    static constexpr Milliseconds tick{10};

    Call(std::shared_ptr<detail::Hub> hub, ewebrtc_call handle)
        : hub_(std::move(hub)), handle_(handle), record_(hub_->known(handle)) {}

    ewebrtc_phone phone() const { return detail::living(hub_).phone(); }

    /// How much waits to be sent. Throws CallEnded when the call has ended.
    std::uint32_t waiting_ms() const {
        std::uint32_t queued = 0;
        unless_ended([&] { detail::check(ewebrtc_pcm_queued(phone(), handle_, &queued)); });
        return queued;
    }

    /// Something that needs a live call.
    template <class Step> std::invoke_result_t<Step> unless_ended(Step step) const {
        try {
            return step();
        } catch (const Error &error) {
            if (error.status() == EWEBRTC_ERR_NOT_FOUND)
                if (const std::optional<detail::CallRecord> known = how_ended())
                    throw CallEnded(*known->end, known->error);
            throw;
        }
    }

    /// How it has ended, if that is known: from its events, else from the library, which knows it before they are delivered.
    std::optional<detail::CallRecord> how_ended() const {
        detail::Hub &hub = detail::living(hub_);
        if (record_) {
            const std::unique_lock<std::mutex> lock = hub.locked();
            if (record_->end)
                return *record_;
        }
        return hub.ended(handle_);
    }

    /// Waits for something that events tell, and gives what they have told.
    template <class Condition> detail::CallRecord wait(Milliseconds timeout, Condition met) const {
        detail::Hub &hub = detail::living(hub_);
        if (!record_ && !alive())
            throw Error(EWEBRTC_ERR_NOT_FOUND, "no live call has this handle");
        const std::shared_ptr<const detail::CallRecord> record = record_ ? record_ : hub.record(handle_);
        std::unique_lock<std::mutex> lock = hub.locked();
        if (!met(*record)) {
            lock.unlock();
            hub.refuse_to_wait();
            lock.lock();
            if (!hub.wait(lock, timeout, [&] { return met(*record) || hub.ended(); }))
                throw Error(EWEBRTC_ERR_TIMEOUT, "the call was not so far within the time");
            if (!met(*record))
                throw Error(EWEBRTC_ERR_CLOSED, "the phone is closed");
        }
        return *record;
    }

    std::shared_ptr<detail::Hub> hub_;
    ewebrtc_call handle_;
    std::shared_ptr<detail::CallRecord> record_;
};

inline std::optional<Call> Event::call() const {
    std::shared_ptr<detail::Hub> hub = hub_.lock();
    if (!hub || !handle())
        return std::nullopt;
    return Call(std::move(hub), handle());
}

/// A command that makes a call or conference, or takes one up.
class CallCommand : public Command {
  public:
    /// As Command::wait, and gives the call.
    Call wait(Milliseconds timeout = forever) const {
        Command::wait(timeout);
        return call();
    }

    /// The call: of dial, add_call and start_conference at once, of answer and join_conference when the command has finished; also
    /// when it failed. Never waits.
    ///
    /// Throws Error EWEBRTC_ERR_NOT_FOUND when it is not known (yet).
    Call call() const {
        ewebrtc_call handle = 0;
        {
            const std::unique_lock<std::mutex> lock = detail::living(hub_).locked();
            handle = pending_->call;
        }
        if (!handle)
            throw Error(EWEBRTC_ERR_NOT_FOUND, "the call is not known yet");
        return Call(hub_, handle);
    }

  private:
    friend class Phone;
    explicit CallCommand(Command command) : Command(std::move(command)) {}
};

} // namespace v1
} // namespace ewebrtc
#endif
