// Phones and calls that are dropped without a word, at every moment and on every thread, with events in flight: no crash, no
// deadlock, nothing left behind.
//
//   lifetimes              many rounds; threads, descriptors, memory and what handlers hold go back to what they were
//   lifetimes exit         the process ends in the middle of a call: main returns
//   lifetimes exit-inside  the same by std::exit inside a handler, with a phone that is a static object
//   lifetimes quick        the same by std::_Exit

#include "support.hpp"

#include <dirent.h>
#include <fstream>

using namespace ewebrtc;

namespace {

/// Without valgrind or a sanitizer, whose own memory grows.
bool plainly() { return !under_tool(); }

std::size_t entries(const char *folder) {
    std::size_t count = 0;
    DIR *const open = opendir(folder);
    while (readdir(open))
        ++count;
    closedir(open);
    return count;
}

std::size_t resident_kib() {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);)
        if (line.compare(0, 6, "VmRSS:") == 0)
            return std::stoul(line.substr(6));
    return 0;
}

/// Two phones in a call, with handlers that hold something, a stream that is read and commands that are awaited on other threads.
class Busy {
  public:
    Busy(const Gateway &gateway, const std::shared_ptr<int> &token)
        : alice_(std::make_unique<Phone>(phone_with(gateway, "tone:440"))), bob_(std::make_unique<Phone>(phone_with(gateway))) {
        for (Phone *phone : {alice_.get(), bob_.get()}) {
            phone->on_any([token](const Event &event) { static_cast<void>(event.json()); });
            readers_.emplace_back([events = phone->events()]() mutable {
                while (events.next(patience)) {
                }
            });
        }
        log_in(*alice_, gateway, "alice");
        log_in(*bob_, gateway, "bob");
        pair_.emplace(connect(*alice_, *bob_, "bob"));
    }

    /// Commands and samples from several threads, until the phones are gone.
    void press_on() {
        for (const Call &call : {pair_->from, pair_->to}) {
            workers_.emplace_back([call] { until_gone([&] { call.mute().wait(patience); call.unmute(); }); });
            workers_.emplace_back([call] { until_gone([&] { call.stats(); call.send_dtmf_tone("1").done(); }); });
        }
        workers_.emplace_back([call = pair_->to] {
            until_gone([&] { call.write(std::vector<std::int16_t>(160)); call.read(); std::this_thread::yield(); });
        });
        workers_.emplace_back([call = pair_->from] { until_gone([&] { call.wait_ended(patience); throw Error(EWEBRTC_ERR_CLOSED, ""); }); });
    }

    std::unique_ptr<Phone> &alice() { return alice_; }
    std::unique_ptr<Phone> &bob() { return bob_; }
    const Pair &pair() const { return *pair_; }

    /// Everything ends by itself.
    void join() {
        for (std::thread &thread : workers_)
            thread.join();
        for (std::thread &thread : readers_)
            thread.join();
    }

  private:
    template <class Step> static void until_gone(Step step) {
        try {
            for (;;)
                step();
        } catch (const Error &error) {
            // 2702, 2802, 4741: the call is ending; 4700: it ended before the key was pressed.
            CHECK(error.status() == EWEBRTC_ERR_NOT_FOUND || error.status() == EWEBRTC_ERR_CLOSED || error.status() == EWEBRTC_ERR_BUSY ||
                  error.status() == EWEBRTC_ERR_STATE || error.status() == EWEBRTC_OK);
        }
    }

    std::unique_ptr<Phone> alice_, bob_;
    std::optional<Pair> pair_;
    std::vector<std::thread> readers_, workers_;
};

void round(const Gateway &gateway, const std::shared_ptr<int> &token, int kind) {
    Busy busy(gateway, token);
    if (kind % 2)
        busy.press_on();
    const Call kept = busy.pair().from;
    const Command muting = busy.pair().from.mute();
    switch (kind / 2) {
    case 0: // Here.
        busy.alice().reset();
        busy.bob().reset();
        break;
    case 1: // On two other threads at once.
    {
        std::thread one([&] { busy.alice().reset(); }), two([&] { busy.bob().reset(); });
        one.join();
        two.join();
        break;
    }
    case 2: // In a handler of its own: that of bob ends both.
    {
        std::atomic<bool> done{false};
        const Call call = busy.pair().to; // Calls may be used while phones are destroyed, phones must not.
        busy.bob()->on_any([&](const Event &) {
            busy.alice().reset();
            busy.bob().reset();
            done = true;
        });
        try {
            call.unmute();
        } catch (const Error &error) {
            CHECK(error.status() == EWEBRTC_ERR_CLOSED || error.status() == EWEBRTC_ERR_NOT_FOUND);
        }
        CHECK(soon([&] { return done.load(); }));
        break;
    }
    case 3: // While they close.
        busy.alice()->begin_close();
        busy.alice().reset();
        busy.bob()->begin_close();
        busy.bob().reset();
        break;
    default: // In what a handler held, when that is destroyed.
    {
        std::shared_ptr<Phone> last(std::move(busy.bob()));
        const Subscription mine = busy.alice()->on_any([last](const Event &) {});
        last.reset();
        busy.alice().reset();
    }
    }
    busy.join();
    try {
        muting.wait(patience);
    } catch (const Error &error) {
        CHECK(error.status() == EWEBRTC_ERR_CLOSED || error.status() == EWEBRTC_OK);
    }
    THROWS(EWEBRTC_ERR_NOT_FOUND, kept.hangup());
}

/// Calls and commands outlive their phone by any time, and streams and events, too.
void leftovers(const Gateway &gateway) {
    std::optional<Phone> phone(phone_with(gateway));
    Events events = phone->events();
    log_in(*phone, gateway, "alice");
    const Call call = phone->dial("echo").call();
    call.wait_connected(patience);
    const Command hanging = call.hangup();
    phone.reset();
    std::optional<Event> last;
    while (std::optional<Event> event = events.next(patience))
        last = event;
    CHECK(last && !last->json().empty());
    CHECK(!last->call() || !last->call()->alive());
    CHECK(hanging.done() && !call.alive());
}

void rounds() {
    std::optional<Gateway> gateway(std::in_place);
    const auto token = std::make_shared<int>(0);
    std::size_t threads = 0, descriptors = 0, memory = 0;
    const int kinds = 10, warm = 2, all = plainly() ? 12 : 1;
    for (int n = 0; n < all; ++n) {
        for (int kind = 0; kind < kinds; ++kind)
            round(*gateway, token, kind);
        leftovers(*gateway);
        CHECK(soon([&] { return token.use_count() == 1; }));
        if (n < warm) {
            std::this_thread::sleep_for(Milliseconds(plainly() ? 2000 : 0)); // The goodbyes of the first rounds are over.
            threads = entries("/proc/self/task");
            descriptors = entries("/proc/self/fd");
            memory = resident_kib();
        }
    }
    const bool steady = soon([&] { return entries("/proc/self/task") <= threads && entries("/proc/self/fd") <= descriptors; });
    std::cout << "threads " << threads << " -> " << entries("/proc/self/task") << ", descriptors " << descriptors << " -> "
              << entries("/proc/self/fd") << ", memory " << memory << " -> " << resident_kib() << " KiB" << std::endl;
    CHECK(!plainly() || steady);
    CHECK(!plainly() || resident_kib() < memory + 12 * 1024);
}

std::optional<Gateway> static_gateway;
std::optional<Phone> static_phone;

void end_in_a_call(const std::string &how) {
    static_gateway.emplace();
    static_phone.emplace(phone_with(*static_gateway, "tone:440"));
    log_in(*static_phone, *static_gateway, "alice");
    if (how == "exit-inside")
        static_phone->on("media:established", [](const Event &) { std::exit(0); });
    static_phone->dial("echo").call().wait_connected(patience);
    if (how == "quick")
        std::_Exit(0);
    if (how == "exit-inside")
        for (;;)
            std::this_thread::sleep_for(patience);
}

} // namespace

int main(int count, char **arguments) {
    if (count > 1) {
        end_in_a_call(arguments[1]);
        return 0;
    }
    rounds();
    std::cout << "lifetimes: passed" << std::endl;
}
