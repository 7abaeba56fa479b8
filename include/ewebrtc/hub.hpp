/* Part of ewebrtc.hpp: where the events of a phone go; handlers, streams of events, and commands that are under way.

   detail::Hub is shared by a phone, its calls, commands and streams, and by the library until the last event. Its lock is never held
   while code of the program runs or a function of the library is called, and nothing of the program is destroyed under it. */
#ifndef EWEBRTC_HUB_HPP
#define EWEBRTC_HUB_HPP

#include "event.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <unordered_map>

namespace ewebrtc {
inline namespace v1 {

/// A time to wait, in milliseconds.
using Milliseconds = std::chrono::milliseconds;

/// As long as it takes.
inline constexpr Milliseconds forever = Milliseconds::max();

/// Gets events.
using EventHandler = std::function<void(const Event &)>;

/// Gets the end of a command: null when it succeeded, else what it failed of.
using CommandHandler = std::function<void(const Error *error)>;

namespace detail {

/// A handler that is registered.
struct Handler {
    std::string name; // Empty: every event.
    EventHandler function;
    bool removed = false;
};

/// Events that wait to be read.
struct Queue {
    std::vector<std::string> names; // None: every event.
    std::deque<Event> events;
    std::uint64_t missed = 0;
};

/// A command under way, or its end.
struct Pending {
    bool done = false;
    std::optional<Error> error;
    ewebrtc_call call = 0;
    std::vector<CommandHandler> then;
};

/// What the events of a call have said.
struct CallRecord {
    bool connected = false;
    std::optional<Event> end;
    std::optional<Error> error;
};

class Hub : public std::enable_shared_from_this<Hub> {
  public:
    static constexpr std::size_t most_waiting = 4096;

    ewebrtc_phone phone() const noexcept { return phone_; }

    /// Makes the phone, whose events come here from now on.
    void begin(ewebrtc_phone_config &config) {
        auto user = std::make_unique<std::shared_ptr<Hub>>(shared_from_this());
        config.struct_size = sizeof config;
        config.on_event = &Hub::on_event;
        config.drop_user = &Hub::on_drop;
        config.user = user.get();
        check(ewebrtc_phone_new(&config, &phone_));
        static_cast<void>(user.release()); // on_drop deletes it.
    }

    /// Throws inside a callback, where waiting could be for oneself, and in a forked child, where it would be for ever.
    void refuse_to_wait() const {
        const ewebrtc_status status = ewebrtc_phone_wait_closed(phone_, 0);
        if (status == EWEBRTC_ERR_WOULD_BLOCK || status == EWEBRTC_ERR_FORKED)
            throw Error(status, ewebrtc_last_error());
    }

    /// Waits until something is so; false when the time is over first.
    template <class Condition> bool wait(std::unique_lock<std::mutex> &lock, Milliseconds timeout, Condition met) {
        const auto now = std::chrono::steady_clock::now();
        if (timeout >= std::chrono::duration_cast<Milliseconds>(std::chrono::steady_clock::time_point::max() - now)) {
            news_.wait(lock, met);
            return true;
        }
        return news_.wait_until(lock, now + timeout, met);
    }

    /// The lock, for the program. Throws in a forked child, where it might never be given back.
    std::unique_lock<std::mutex> locked() {
        check(ewebrtc_phone_free(0)); // Does nothing, and says where it is.
        return std::unique_lock<std::mutex>(lock_);
    }

    /// Nothing comes any more. Under the lock.
    bool ended() const noexcept { return ended_; }

    // ---- commands ------------------------------------------------------------------------------------------------------

    /// Gives a command, on a call if there is one; it is accepted when this returns.
    std::shared_ptr<Pending> command(const char *method, const Json &options, const std::string &tag, ewebrtc_call on) {
        const std::string json = options.is_null() ? std::string() : options.dump();
        c_text(tag, "the tag");
        auto pending = std::make_shared<Pending>();
        Giving giving(*this, pending);
        const std::string own_tag = tag_begin() + std::to_string(giving.number) + ":" + tag;
        Owned result;
        ewebrtc_call made = 0;
        check(on ? ewebrtc_phone_call_on(phone_, on, method, json.c_str(), own_tag.c_str(), result.out())
                 : ewebrtc_phone_call(phone_, method, json.c_str(), own_tag.c_str(), &made, result.out()));
        if (const Json answer = Json::parse(result.text()); !answer["error"].is_null())
            throw Error(error_fields(answer["error"]));
        giving.accepted = true;
        if (made)
            record(made);
        const std::lock_guard<std::mutex> guard(lock_);
        if (!pending->call)
            pending->call = made ? made : on;
        return pending;
    }

    /// Asks for a value.
    Json ask(const char *method, const Json &options, ewebrtc_call on) const {
        Owned result;
        const std::string json = options.is_null() ? std::string() : options.dump();
        check(on ? ewebrtc_phone_call_on(phone_, on, method, json.c_str(), nullptr, result.out())
                 : ewebrtc_phone_call(phone_, method, json.c_str(), nullptr, nullptr, result.out()));
        const Json answer = Json::parse(result.text());
        if (!answer["error"].is_null())
            throw Error(error_fields(answer["error"]));
        return answer["value"];
    }

    /// Throws for a name of no event: a handler for it would never run.
    void check_event(const std::string &name) const {
        Owned result;
        const ewebrtc_status status = ewebrtc_phone_check_event(phone_, c_text(name, "the name of an event"), result.out());
        if (status == EWEBRTC_ERR_NOT_FOUND)
            return; // The phone is gone, and what is left of it may still be read.
        check(status);
        if (const Json answer = Json::parse(result.text()); !answer["error"].is_null())
            throw Error(error_fields(answer["error"]));
    }

    void then(const std::shared_ptr<Pending> &pending, CommandHandler function) {
        {
            const std::unique_lock<std::mutex> guard = locked();
            if (!pending->done) {
                pending->then.push_back(std::move(function));
                return;
            }
        }
        finish_one(*pending, function);
    }

    // ---- calls -----------------------------------------------------------------------------------------------------------

    /// What is known of a call, made when there is nothing yet.
    std::shared_ptr<CallRecord> record(ewebrtc_call call) {
        const std::unique_lock<std::mutex> guard = locked();
        std::shared_ptr<CallRecord> &record = records_[call];
        if (!record)
            record = std::make_shared<CallRecord>();
        return record;
    }

    /// What is known of a call; null when no event has told of it.
    std::shared_ptr<CallRecord> known(ewebrtc_call call) {
        const std::unique_lock<std::mutex> guard = locked();
        const auto found = records_.find(call);
        return found == records_.end() ? nullptr : found->second;
    }

    /// How a call has ended, also before its events say it; empty while it lives, and when that is not known.
    std::optional<CallRecord> ended(ewebrtc_call call) {
        Owned text;
        if (ewebrtc_call_ended(phone_, call, text.out()) != EWEBRTC_OK)
            return std::nullopt;
        const Json json = Json::parse(text.text());
        Json event = json["event"];
        own_number(event);
        CallRecord record;
        record.end = Event(weak_from_this(), std::move(event));
        if (!json["error"].is_null())
            record.error = Error(error_fields(json["error"]));
        return record;
    }

    // ---- handlers and streams --------------------------------------------------------------------------------------------

    std::shared_ptr<Handler> add(std::string name, EventHandler function) {
        auto handler = std::make_shared<Handler>();
        handler->name = std::move(name);
        handler->function = std::move(function);
        const std::unique_lock<std::mutex> guard = locked();
        if (!ended_)
            handlers_.push_back(handler);
        return handler;
    }

    /// Afterwards it does not run, unless this is called inside a callback.
    bool remove(const std::shared_ptr<Handler> &handler) {
        std::unique_lock<std::mutex> lock = locked();
        const auto found = std::find(handlers_.begin(), handlers_.end(), handler);
        const bool was_there = found != handlers_.end();
        if (was_there)
            handlers_.erase(found);
        handler->removed = true;
        if (running_ == handler.get()) {
            lock.unlock();
            const ewebrtc_status status = ewebrtc_phone_wait_closed(phone_, 0);
            lock.lock();
            if (status != EWEBRTC_ERR_WOULD_BLOCK && status != EWEBRTC_ERR_FORKED)
                news_.wait(lock, [&] { return running_ != handler.get(); });
        }
        return was_there;
    }

    std::shared_ptr<Queue> open(std::vector<std::string> names) {
        auto queue = std::make_shared<Queue>();
        queue->names = std::move(names);
        const std::unique_lock<std::mutex> guard = locked();
        queues_.push_back(queue);
        return queue;
    }

  private:
    static const std::string &tag_begin() {
        static const std::string begin = "ewebrtc.hpp:";
        return begin;
    }

    static void on_event(void *user, const char *name, const char *json) noexcept {
        try {
            const std::shared_ptr<Hub> hub = *static_cast<std::shared_ptr<Hub> *>(user);
            hub->deliver(json);
        } catch (...) {
            report_exception(name);
        }
    }

    static void on_drop(void *user) noexcept {
        try {
            const std::unique_ptr<std::shared_ptr<Hub>> hub(static_cast<std::shared_ptr<Hub> *>(user));
            (*hub)->end();
        } catch (...) {
            report_exception("end");
        }
    }

    /// A command that is just being given: what it makes is not forgotten meanwhile, nor is its end, unless it is not accepted.
    struct Giving {
        Giving(Hub &to, const std::shared_ptr<Pending> &pending) : hub(to) {
            const std::unique_lock<std::mutex> guard = hub.locked();
            number = ++hub.last_number_;
            hub.pending_.emplace(number, pending);
            ++hub.giving_;
        }
        Giving(const Giving &) = delete;
        Giving &operator=(const Giving &) = delete;
        ~Giving() {
            const std::lock_guard<std::mutex> guard(hub.lock_);
            --hub.giving_;
            if (!accepted)
                hub.pending_.erase(number);
        }
        Hub &hub;
        std::uint64_t number = 0;
        bool accepted = false;
    };

    static void finish_one(const Pending &pending, const CommandHandler &function) noexcept {
        try {
            function(pending.error ? &*pending.error : nullptr);
        } catch (...) {
            report_exception("command");
        }
    }

    /// Ends a command. Outside the lock.
    void finish(const std::shared_ptr<Pending> &pending, std::optional<Error> error, ewebrtc_call call) {
        std::vector<CommandHandler> then;
        {
            const std::lock_guard<std::mutex> guard(lock_);
            if (call)
                pending->call = call;
            pending->error = std::move(error);
            pending->done = true;
            then.swap(pending->then);
            news_.notify_all();
        }
        for (const CommandHandler &function : then)
            finish_one(*pending, function);
    }

    static bool ends(const Event &event) {
        const std::string &name = event.name();
        // Who declines an invitation is rid of the conference; its host hears of those who do, and goes on.
        return name == "call:disconnected" || name == "call:rejected" || name == "call:canceled" ||
               name == "conference:ended" || name == "conference:canceled" ||
               (name == "conference:invitation-rejected" && event["participant"].is_null());
    }

    /// Keeps what an event says of its call. Under the lock.
    void note(const Event &event) {
        for (auto record = records_.begin(); giving_ == 0 && record != records_.end();) {
            const bool forgotten = record->second->end && record->second.use_count() == 1;
            record = forgotten ? records_.erase(record) : std::next(record);
        }
        const ewebrtc_call handle = event.handle();
        if (!handle)
            return;
        std::shared_ptr<CallRecord> &record = records_[handle];
        if (!record)
            record = std::make_shared<CallRecord>();
        if (event.name() == "call:connected" || event.name() == "conference:connected")
            record->connected = true;
        else if (event.name() == "error")
            record->error = event.error();
        else if (ends(event) && !record->end)
            record->end = event;
        news_.notify_all();
    }

    /// Takes our part of a tag away; gives the number in it, or 0.
    static std::uint64_t own_number(Json &json) {
        const std::string tag = json["tag"].text();
        const std::string &begin = tag_begin();
        if (tag.compare(0, begin.size(), begin) != 0)
            return 0;
        const std::size_t colon = tag.find(':', begin.size());
        if (colon == std::string::npos)
            return 0;
        std::uint64_t number = 0;
        for (std::size_t at = begin.size(); at < colon; ++at)
            number = number * 10 + static_cast<std::uint64_t>(tag[at] - '0');
        if (colon + 1 == tag.size())
            json.remove("tag");
        else
            json.set("tag", tag.substr(colon + 1));
        return number;
    }

    void deliver(const char *text) {
        Json json = Json::parse(text);
        const std::uint64_t number = own_number(json);
        const Event event(weak_from_this(), std::move(json));
        std::shared_ptr<Pending> pending;
        std::vector<std::weak_ptr<Handler>> handlers;
        {
            const std::lock_guard<std::mutex> guard(lock_);
            note(event);
            for (const std::shared_ptr<Handler> &handler : handlers_)
                if (handler->name.empty() || handler->name == event.name())
                    handlers.push_back(handler);
            const auto found = pending_.find(event.name() == "command:finished" ? number : 0);
            if (found != pending_.end()) {
                pending = found->second;
                pending_.erase(found);
            }
        }
        for (const std::weak_ptr<Handler> &handler : handlers)
            run(handler, event);
        {
            const std::lock_guard<std::mutex> guard(lock_);
            put(event);
        }
        if (pending)
            finish(pending, event.error(), event.handle());
    }

    void run(const std::weak_ptr<Handler> &weak, const Event &event) {
        std::shared_ptr<Handler> handler;
        {
            const std::lock_guard<std::mutex> guard(lock_);
            handler = weak.lock();
            if (!handler || handler->removed)
                return;
            running_ = handler.get();
        }
        try {
            handler->function(event);
        } catch (...) {
            report_exception(event.name().c_str());
        }
        // What it refers to ends here, if this was the last one, before `remove` returns.
        handler.reset();
        const std::lock_guard<std::mutex> guard(lock_);
        running_ = nullptr;
        news_.notify_all();
    }

    /// Under the lock.
    void put(const Event &event) {
        std::size_t kept = 0;
        for (std::size_t n = 0; n < queues_.size(); ++n)
            if (const std::shared_ptr<Queue> queue = queues_[n].lock()) {
                queues_[kept++] = queues_[n];
                const auto &names = queue->names;
                if (!names.empty() && std::find(names.begin(), names.end(), event.name()) == names.end())
                    continue;
                if (queue->events.size() < most_waiting)
                    queue->events.push_back(event);
                else
                    ++queue->missed;
            }
        queues_.resize(kept);
        news_.notify_all();
    }

    /// After the last event.
    void end() {
        std::vector<std::shared_ptr<Handler>> handlers;
        std::unordered_map<std::uint64_t, std::shared_ptr<Pending>> pending;
        {
            const std::lock_guard<std::mutex> guard(lock_);
            ended_ = true;
            handlers.swap(handlers_);
            pending.swap(pending_);
            news_.notify_all();
        }
        for (const auto &command : pending)
            finish(command.second, Error(EWEBRTC_ERR_CLOSED, "the phone is closed"), 0);
    }

    ewebrtc_phone phone_ = 0; // Written before the first event.
    std::mutex lock_;
    std::condition_variable news_;
    bool ended_ = false;
    std::uint64_t last_number_ = 0;
    int giving_ = 0;
    std::unordered_map<std::uint64_t, std::shared_ptr<Pending>> pending_;
    std::unordered_map<ewebrtc_call, std::shared_ptr<CallRecord>> records_;
    std::vector<std::shared_ptr<Handler>> handlers_;
    const Handler *running_ = nullptr;
    std::vector<std::weak_ptr<Queue>> queues_;
};

/// The Hub of an object that may have been moved from.
inline Hub &living(const std::shared_ptr<Hub> &hub) {
    if (!hub)
        throw Error(EWEBRTC_ERR_NOT_FOUND, "the object was moved from");
    return *hub;
}

} // namespace detail

/// A command that was accepted: a handle on its end. It may be dropped; that does not end the command. Copies are handles on the
/// same.
class Command {
  public:
    /// Waits until the command has finished, for `timeout` at most. Handlers have got all events up to its end then, except
    /// after a phone that was destroyed.
    ///
    /// Throws Error with the code or status it failed of (EWEBRTC_ERR_CLOSED when the phone was closed first), EWEBRTC_ERR_TIMEOUT,
    /// EWEBRTC_ERR_WOULD_BLOCK inside a handler.
    void wait(Milliseconds timeout = forever) const {
        detail::Hub &hub = detail::living(hub_);
        hub.refuse_to_wait();
        std::unique_lock<std::mutex> lock = hub.locked();
        if (!hub.wait(lock, timeout, [this] { return pending_->done; }))
            throw Error(EWEBRTC_ERR_TIMEOUT, "the command has not finished within the time");
        if (pending_->error)
            throw Error(*pending_->error);
    }

    /// Whether it has finished. Never waits.
    bool done() const {
        const std::unique_lock<std::mutex> lock = detail::living(hub_).locked();
        return pending_->done;
    }

    /// What it failed of; empty when it succeeded or is still under way.
    std::optional<Error> error() const {
        const std::unique_lock<std::mutex> lock = detail::living(hub_).locked();
        return pending_->error;
    }

    /// Calls the function once with its end: on the phone's thread, inside a callback, or at once on this thread when it has
    /// finished already. For programs that do not wait, in handlers for instance.
    void then(CommandHandler function) const { detail::living(hub_).then(pending_, std::move(function)); }

  protected:
    friend class Phone;
    friend class Call;
    Command(std::shared_ptr<detail::Hub> hub, std::shared_ptr<detail::Pending> pending)
        : hub_(std::move(hub)), pending_(std::move(pending)) {}

    std::shared_ptr<detail::Hub> hub_;         ///< Of the phone.
    std::shared_ptr<detail::Pending> pending_; ///< What is known of its end.
};

/// The events of a phone from the moment this was made, in order. At most 4096 wait; of a reader that is further behind the newest
/// are left out and counted. Made by Phone::events. Can be moved only; one reader at a time.
class Events {
  public:
    Events(Events &&) noexcept = default;
    Events &operator=(Events &&) noexcept = default;

    /// The next event, waiting for it; empty after the last one ("phone:closed", or when the phone was destroyed).
    ///
    /// Throws Error EWEBRTC_ERR_TIMEOUT; EWEBRTC_ERR_WOULD_BLOCK inside a handler, unless one waits already.
    std::optional<Event> next(Milliseconds timeout = forever) {
        detail::Hub &hub = detail::living(hub_);
        std::unique_lock<std::mutex> lock = hub.locked();
        if (queue_->events.empty() && !hub.ended()) {
            lock.unlock();
            hub.refuse_to_wait();
            lock.lock();
            if (!hub.wait(lock, timeout, [&] { return !queue_->events.empty() || hub.ended(); }))
                throw Error(EWEBRTC_ERR_TIMEOUT, "no event came within the time");
        }
        if (queue_->events.empty())
            return std::nullopt;
        std::optional<Event> event = std::move(queue_->events.front());
        queue_->events.pop_front();
        return event;
    }

    /// The next event of this name; those before it are dropped.
    ///
    /// Throws Error 4901 for an empty name, 4902 for an unknown one, EWEBRTC_ERR_TIMEOUT, EWEBRTC_ERR_CLOSED after the last event;
    /// EWEBRTC_ERR_WOULD_BLOCK inside a handler.
    Event wait_for(std::string_view name, Milliseconds timeout = forever) {
        detail::living(hub_).check_event(std::string(name));
        const auto begin = std::chrono::steady_clock::now();
        for (;;) {
            Milliseconds left = timeout;
            if (timeout != forever)
                left -= std::min(timeout, std::chrono::duration_cast<Milliseconds>(std::chrono::steady_clock::now() - begin));
            std::optional<Event> event = next(left);
            if (!event)
                throw Error(EWEBRTC_ERR_CLOSED, "the phone is closed");
            if (event->name() == name)
                return *std::move(event);
        }
    }

    /// How many events were left out because nobody read them for so long.
    std::uint64_t missed() const {
        const std::unique_lock<std::mutex> lock = detail::living(hub_).locked();
        return queue_->missed;
    }

  private:
    friend class Phone;
    Events(std::shared_ptr<detail::Hub> hub, std::shared_ptr<detail::Queue> queue)
        : hub_(std::move(hub)), queue_(std::move(queue)) {}

    std::shared_ptr<detail::Hub> hub_;
    std::shared_ptr<detail::Queue> queue_;
};

/// A handler that Phone::on registered. Dropping this does not remove it; the end of the phone does. Copies are handles on the
/// same.
class Subscription {
  public:
    /// Removes the handler. When this returns it does not run and will not, and what it holds is destroyed; inside a callback
    /// it does not wait for one that runs. False: it was removed before.
    bool off() {
        const std::shared_ptr<detail::Hub> hub = hub_.lock();
        const std::shared_ptr<detail::Handler> handler = handler_.lock();
        return hub && handler && hub->remove(handler);
    }

  private:
    friend class Phone;
    Subscription(const std::shared_ptr<detail::Hub> &hub, const std::shared_ptr<detail::Handler> &handler)
        : hub_(hub), handler_(handler) {}

    std::weak_ptr<detail::Hub> hub_;
    std::weak_ptr<detail::Handler> handler_;
};

} // namespace v1
} // namespace ewebrtc
#endif
