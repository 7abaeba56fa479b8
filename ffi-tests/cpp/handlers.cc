// What handlers may do: throw, try to wait, remove themselves and others, destroy their own phone and others, give commands.

#include "support.hpp"

#include <future>

using namespace ewebrtc;

namespace {

/// Completed by a handler, awaited by the test.
class Signal {
  public:
    void set() { promise_.set_value(); }
    void wait(const char *what) {
        if (promise_.get_future().wait_for(patience) != std::future_status::ready)
            failed(__FILE__, __LINE__, what);
    }

  private:
    std::promise<void> promise_;
};

void exceptions(const Gateway &gateway) {
    std::vector<std::string> seen;
    set_exception_handler([&](std::exception_ptr exception, const std::string &where) {
        try {
            std::rethrow_exception(exception);
        } catch (const std::exception &error) {
            seen.push_back(where + ": " + error.what());
        } catch (int number) {
            seen.push_back(where + ": " + std::to_string(number));
        }
        throw 0;
    });
    int others = 0;
    {
        Phone phone = phone_with(gateway);
        phone.on("session:ready", [](const Event &) { throw std::runtime_error("first"); });
        phone.on("session:ready", [](const Event &) { throw 42; });
        phone.on_any([&](const Event &) { ++others; });
        Signal called;
        phone.login(gateway.dev_token("alice")).then([&](const Error *) {
            called.set();
            throw std::logic_error("third");
        });
        called.wait("the end of login");
        phone.close(patience);
    }
    Log::set_handler([](const LogLine &) { throw std::runtime_error("of a line"); });
    Log::create_logger("mine").error("x");
    Log::set_handler(nullptr);
    Log::delete_logger("mine");
    set_exception_handler(nullptr);
    CHECK(seen == (std::vector<std::string>{"session:ready: first", "session:ready: 42", "command: third", "log: of a line"}));
    CHECK(others == 4); // session:ready, command:finished, session:disconnected, phone:closed
}

void waiting_is_refused(const Gateway &gateway) {
    Phone phone = phone_with(gateway);
    Signal done;
    phone.on("call:connected", [&](const Event &event) {
        const Call call = *event.call();
        const Command muting = call.mute(), unmuting = phone.unmute();
        THROWS(EWEBRTC_ERR_WOULD_BLOCK, muting.wait());
        THROWS(EWEBRTC_ERR_WOULD_BLOCK, phone.wait_for("error", Milliseconds(1)));
        THROWS(EWEBRTC_ERR_WOULD_BLOCK, phone.events().next());
        THROWS(EWEBRTC_ERR_WOULD_BLOCK, call.wait_ended());
        THROWS(EWEBRTC_ERR_WOULD_BLOCK, call.drain());
        THROWS(EWEBRTC_ERR_WOULD_BLOCK, call.send(std::vector<std::int16_t>(1)));
        THROWS(EWEBRTC_ERR_WOULD_BLOCK, call.receive(1));
        THROWS(EWEBRTC_ERR_WOULD_BLOCK, phone.close());
        call.wait_connected(); // It is so already.
        Phone other = phone_with(gateway); // Any phone may be made, used and dropped.
        THROWS(EWEBRTC_ERR_WOULD_BLOCK, other.close());
        other.login(gateway.dev_token("x"));
        done.set();
    });
    log_in(phone, gateway, "alice");
    Call call = phone.dial("echo").call();
    done.wait("what the handler tries");
    CHECK(phone.get_calls().size() == 1); // close has not begun
    call.hangup().wait(patience);
    // In the log's handler commands are refused, too.
    Signal line;
    Log::set_handler([&](const LogLine &) {
        THROWS(EWEBRTC_ERR_WOULD_BLOCK, phone.hold());
        line.set();
    });
    Log::create_logger("mine").error("x");
    Log::set_handler(nullptr);
    Log::delete_logger("mine");
    line.wait("a line of the log");
}

void removal(const Gateway &gateway) {
    Phone phone = phone_with(gateway);
    int once = 0, removed = 0;
    std::optional<Subscription> own, other;
    other = phone.on("error", [&](const Event &) { ++removed; });
    own = phone.on("error", [&](const Event &) {
        ++once;
        CHECK(own->off() && !own->off() && other->off());
    });
    Events errors = phone.events({"error"});
    for (int n = 0; n < 3; ++n)
        THROWS("2241", phone.dial("bob"));
    for (int n = 0; n < 3; ++n)
        errors.next(patience);
    CHECK(once == 1 && removed == 1); // The other one came first, once.

    // From elsewhere: when off returns the handler does not run, and what it held is gone.
    for (int n = 0; n < 20; ++n) {
        const auto held = std::make_shared<std::atomic<bool>>(false);
        Signal running;
        bool told = false;
        Subscription slow = phone.on("error", [&, held](const Event &) {
            if (!std::exchange(told, true))
                running.set();
            *held = true;
            std::this_thread::sleep_for(Milliseconds(20));
            *held = false;
        });
        THROWS("2241", phone.dial("bob"));
        running.wait("a handler that runs");
        Subscription copy = slow;
        CHECK(slow.off() && !*held && held.use_count() == 1 && !copy.off());
    }
    Subscription late = phone.on_any([](const Event &) {});
    phone.close(patience);
    CHECK(!late.off());
}

void destruction(const Gateway &gateway) {
    // Its own phone, in the middle of a call, with commands under way.
    const auto held = std::make_shared<int>(0);
    auto phone = std::make_unique<Phone>(phone_with(gateway, "tone:440", "discard"));
    Signal destroyed, closed;
    std::optional<Command> hanging;
    phone->on("call:connected", [&, held](const Event &event) {
        hanging = event.call()->hangup();
        hanging->then([&](const Error *error) {
            CHECK(error && error->status() == EWEBRTC_ERR_CLOSED);
            closed.set();
        });
        phone.reset();
        CHECK(!event.call() || !event.call()->alive());
        CHECK(held.use_count() == 2);
        CHECK(!hanging->done()); // Only when this handler has returned.
        destroyed.set();
    });
    phone->on("call:disconnected", [](const Event &) { failed(__FILE__, __LINE__, "an event after the destruction"); });
    Events events = phone->events();
    log_in(*phone, gateway, "alice");
    Call call = phone->dial("echo").call();
    destroyed.wait("a phone that destroys itself");
    closed.wait("the end of the command");
    while (events.next(patience)) {
    }
    CHECK(soon([&] { return held.use_count() == 1; }));
    THROWS(EWEBRTC_ERR_CLOSED, hanging->wait());
    THROWS(EWEBRTC_ERR_NOT_FOUND, call.hangup());
    THROWS(EWEBRTC_ERR_CLOSED, call.wait_ended());

    // Two phones that destroy each other at the same moment.
    for (int n = 0; n < 20; ++n) {
        auto a = std::make_unique<Phone>(phone_with(gateway)), b = std::make_unique<Phone>(phone_with(gateway));
        Signal first, second;
        std::atomic<int> there{0};
        const auto meet = [&there] {
            ++there;
            while (there < 2)
                std::this_thread::yield();
        };
        a->on("error", [&](const Event &) {
            meet();
            b.reset();
            first.set();
        });
        b->on("error", [&](const Event &) {
            meet();
            a.reset();
            second.set();
        });
        Phone &one = *a, &two = *b;
        std::thread other([&] { THROWS("2241", one.dial("x")); });
        THROWS("2241", two.dial("x"));
        other.join();
        first.wait("the destruction of one");
        second.wait("the destruction of the other");
    }

    // A handler that owns its phone: the end of the phone is the end of both.
    auto owned = std::make_shared<Phone>(phone_with(gateway));
    const std::weak_ptr<Phone> watch = owned;
    owned->on_any([owned](const Event &) {});
    owned->begin_close();
    owned.reset();
    CHECK(soon([&] { return watch.expired(); }));
}

void chain(const Gateway &gateway) {
    // A whole call without waiting, each step at the end of the one before.
    Phone phone = phone_with(gateway, "tone:440", "discard");
    Signal done;
    std::vector<std::string> steps;
    const auto step = [&steps](const char *name, const Error *error) {
        CHECK(!error);
        steps.push_back(name);
    };
    phone.on("media:established", [&](const Event &) {
        phone.hold().then([&](const Error *error) {
            step("hold", error);
            phone.resume().then([&](const Error *resumed) {
                step("resume", resumed);
                phone.hangup().then([&](const Error *ended) {
                    step("hangup", ended);
                    phone.logout().then([&](const Error *out) {
                        step("logout", out);
                        done.set();
                    });
                });
            });
        });
    });
    phone.login(gateway.dev_token("alice")).then([&](const Error *error) {
        step("login", error);
        phone.dial("echo");
    });
    done.wait("the end of the chain");
    CHECK(steps == (std::vector<std::string>{"login", "hold", "resume", "hangup", "logout"}));
    // Of what has finished one hears at once.
    Command again = phone.login(gateway.dev_token("alice"));
    again.wait(patience);
    const std::thread::id here = std::this_thread::get_id();
    bool called = false;
    again.then([&](const Error *error) { called = !error && std::this_thread::get_id() == here; });
    CHECK(called);
}

} // namespace

int main() {
    const Gateway gateway;
    exceptions(gateway);
    waiting_is_refused(gateway);
    removal(gateway);
    destruction(gateway);
    chain(gateway);
    std::cout << "handlers: passed" << std::endl;
}
