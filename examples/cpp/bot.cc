// A robot that answers the phone: it greets with a tone, stops when the caller talks over it, and repeats what it hears from then
// on. The caller plays examples/speech/hello.wav and records the conversation in parrot.wav; gateway, robot and caller run in this
// process. From the project's folder, after cargo build --release:
//
//   g++ -std=c++17 -Iinclude examples/cpp/bot.cc -o target/bot -Ltarget/release -lewebrtc -pthread -Wl,-rpath,$PWD/target/release
//   target/bot
#include <ewebrtc.hpp>

#include <cmath>
#include <cstdlib>
#include <future>
#include <iostream>

using namespace std::chrono_literals;

constexpr std::uint32_t rate = 16000;

std::vector<std::int16_t> tone(double hz, std::uint32_t ms) {
    std::vector<std::int16_t> samples(rate / 1000 * ms);
    for (std::size_t n = 0; n < samples.size(); ++n)
        samples[n] = static_cast<std::int16_t>(4000 * std::sin(2 * 3.14159265 * hz * static_cast<double>(n) / rate));
    return samples;
}

int loudness(const std::vector<std::int16_t> &samples) {
    int most = 0;
    for (const std::int16_t sample : samples)
        most = std::max(most, std::abs(static_cast<int>(sample)));
    return most;
}

// Runs on a thread of its own: it waits for samples, which a handler must not.
void talk(const ewebrtc::Call &call) {
    try {
        call.send(tone(600, 10000)); // a long greeting ...
        for (;;) {
            const std::vector<std::int16_t> heard = call.receive(rate / 50); // 20 ms
            if (heard.empty())
                break; // the call has ended
            if (call.queued_ms() > 1000 && loudness(heard) > 2000) {
                std::cout << "interrupted" << std::endl;
                call.clear(); // ... which ends when the caller talks
            }
            if (call.queued_ms() < 1000)
                call.write(heard); // from then on a parrot
        }
    } catch (const ewebrtc::Error &error) {
        if (error.status() != EWEBRTC_ERR_NOT_FOUND)
            throw;
        std::cout << "ended while the robot talked: " << error.what() << std::endl;
    }
}

int main() {
    try {
        const ewebrtc::Gateway gateway;
        ewebrtc::PhoneConfig pcm(gateway), files(gateway);
        pcm.local_media = pcm.remote_media = "pcm";
        pcm.pcm_rate = rate;
        files.local_media = "wav:examples/speech/hello.wav";
        files.remote_media = "wav:parrot.wav";
        std::future<void> talking; // Before the phones: whatever happens, the call ends first, and then the conversation.
        ewebrtc::Phone robot(pcm), caller(files);

        ewebrtc::Events incoming = robot.events({"call:incoming"});
        robot.login(gateway.dev_token("robot")).wait(10s);
        caller.login(gateway.dev_token("caller")).wait(10s);
        const ewebrtc::Call call = caller.dial("robot").wait(10s);
        std::cout << incoming.next(10s)->text("from") << " calls" << std::endl;
        talking = std::async(std::launch::async, talk, robot.answer().wait(10s));
        std::this_thread::sleep_for(9s); // the sentence takes six seconds
        call.hangup().wait(10s);
        talking.get();
        caller.close(); // parrot.wav is complete now
        robot.close();
    } catch (const ewebrtc::Error &error) {
        std::cerr << error.what() << std::endl;
        return 1;
    }
}
