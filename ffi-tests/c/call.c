/* A complete call in C: two phones over a gateway in the same process. Each sends a tone of its own and recognises the other's
   in what it hears. */
#include "support.h"
#include <math.h>

enum { RATE = 16000, BLOCK = 320 };
#define PI 3.14159265358979323846

struct side {
    ewebrtc_phone phone;
    ewebrtc_call call;
    double hz, phase;
    struct watch watch;
};

static void play(struct side *side)
{
    int16_t block[BLOCK];
    uint32_t queued = 0;
    OK(ewebrtc_pcm_queued(side->phone, side->call, &queued));
    while (queued < 200) {
        size_t accepted = 0;
        int i;
        for (i = 0; i < BLOCK; i++) {
            block[i] = (int16_t)(8000 * sin(side->phase));
            side->phase += 2 * PI * side->hz / RATE;
        }
        OK(ewebrtc_pcm_write(side->phone, side->call, block, BLOCK, &accepted));
        CHECK(accepted == BLOCK);
        queued += 1000 * BLOCK / RATE;
    }
}

/* Share of the energy of `heard` at `hz`, 0 to 1 (Goertzel's filter). */
static double share(const int16_t *heard, size_t count, double hz)
{
    double a = 0, b = 0, total = 0, w = 2 * cos(2 * PI * hz / RATE);
    size_t i;
    for (i = 0; i < count; i++) {
        double c = heard[i] + w * a - b;
        b = a;
        a = c;
        total += (double)heard[i] * heard[i];
    }
    return total > 0 ? 2 * (a * a + b * b - w * a * b) / (total * (double)count) : 0;
}

/* Reads until a quarter of a second is the other side's tone, and loud. */
static void hear(struct side *side, struct side *other)
{
    enum { WINDOW = RATE / 4 };
    static int16_t heard[WINDOW];
    struct timespec end = deadline(), now;
    size_t have = 0;
    double best = 0;
    for (;;) {
        size_t got = 0;
        play(side);
        play(other);
        OK(ewebrtc_pcm_read(side->phone, side->call, heard + have, WINDOW - have, &got));
        have += got;
        if (have == WINDOW) {
            double power = 0, part = share(heard, have, other->hz);
            size_t i;
            for (i = 0; i < have; i++)
                power += (double)heard[i] * heard[i];
            best = part > best ? part : best;
            if (part > 0.9 && sqrt(power / (double)have) > 2000)
                return;
            have = 0;
        }
        clock_gettime(CLOCK_REALTIME, &now);
        if (now.tv_sec > end.tv_sec) {
            fprintf(stderr, "no clear tone of %g Hz: best share %g\n", other->hz, best);
            _exit(1);
        }
        pause_ms(5);
    }
}

int main(void)
{
    static struct side alice, bob;
    ewebrtc_gateway gateway = 0;
    char *url = NULL, *result = NULL;
    const char *incoming;
    ewebrtc_call conference = 0, lost = 0;
    ewebrtc_status left;

    CHECK(ewebrtc_abi_fits());
    alice.hz = 440;
    bob.hz = 1000;
    OK(ewebrtc_gateway_start(NULL, &gateway));
    OK(ewebrtc_gateway_url(gateway, &url));
    watch_init(&alice.watch);
    watch_init(&bob.watch);
    alice.phone = phone_with(url, watch_event, &alice.watch, watch_drop);
    bob.phone = phone_over(EWEBRTC_EVENTS_WEBSOCKET, url, watch_event, &bob.watch, watch_drop);
    CHECK(alice.watch.count == 0 && bob.watch.count == 0);

    /* A refusal with a code: 0, one event with the tag, and the same object as the result. */
    OK(ewebrtc_phone_call(alice.phone, "dial", "{\"destination\":\"bob\"}", "early", &alice.call, &result));
    CHECK(alice.call == 0 && strstr(result, "\"error\"") && strstr(result, "\"2241\""));
    CHECK(strstr(ewebrtc_last_error(), "2241"));
    ewebrtc_string_free(result);
    CHECK(strstr(watch_wait(&alice.watch, "error", "\"tag\":\"early\""), "2241"));

    log_in(alice.phone, url, "alice", "a1");
    log_in(bob.phone, url, "bob", "b1");
    watch_wait(&alice.watch, "command:finished", "\"tag\":\"a1\"");
    watch_wait(&bob.watch, "command:finished", "\"tag\":\"b1\"");

    OK(ewebrtc_phone_call(alice.phone, "dial", "{\"destination\":\"bob\",\"mediaType\":\"audio\"}", "d", &alice.call, NULL));
    CHECK(alice.call != 0);
    incoming = strstr(watch_wait(&bob.watch, "call:incoming", NULL), "\"call\":");
    CHECK(incoming);
    bob.call = strtoull(incoming + 7, NULL, 10);
    OK(ewebrtc_phone_call(bob.phone, "answer", "{\"mediaType\":\"audio\"}", "ans", NULL, NULL));
    watch_wait(&alice.watch, "call:connected", NULL);
    watch_wait(&bob.watch, "command:finished", "\"tag\":\"ans\"");
    watch_wait(&alice.watch, "media:established", NULL);
    watch_wait(&bob.watch, "media:established", NULL);
    hear(&alice, &bob);
    hear(&bob, &alice);
    OK(ewebrtc_call_stats(alice.phone, alice.call, &result));
    CHECK(strstr(result, "\"packets_received\":"));
    ewebrtc_string_free(result);
    OK(ewebrtc_phone_call(alice.phone, "getCalls", NULL, NULL, NULL, &result));
    CHECK(strstr(result, "\"connected\""));
    ewebrtc_string_free(result);

    /* Keys: each is told where it is pressed and where it is heard. */
    OK(ewebrtc_phone_call_on(alice.phone, alice.call, "sendDTMFTone", "{\"input\":\"1#\"}", "k", NULL));
    watch_wait(&alice.watch, "command:finished", "\"tag\":\"k\"");
    watch_wait(&bob.watch, "dtmf:received", "\"tone\":\"1\"");
    watch_wait(&bob.watch, "dtmf:received", "\"tone\":\"#\"");
    CHECK(watch_count(&alice.watch, "dtmf:tone-sent") == 2);
    OK(ewebrtc_phone_call_on(alice.phone, alice.call, "sendDTMFTone", "{\"input\":\"e\"}", "bad", &result));
    CHECK(strstr(result, "\"4712\""));
    ewebrtc_string_free(result);

    OK(ewebrtc_phone_call_on(alice.phone, alice.call, "mute", NULL, "m", NULL));
    watch_wait(&alice.watch, "command:finished", "\"tag\":\"m\"");
    OK(ewebrtc_pcm_clear(alice.phone, alice.call));
    CHECK(ewebrtc_call_ended(alice.phone, alice.call, &result) == EWEBRTC_ERR_STATE && !result);
    OK(ewebrtc_phone_call_on(alice.phone, alice.call, "hangup", NULL, "h", NULL));
    watch_wait(&alice.watch, "command:finished", "\"tag\":\"h\"");
    watch_wait(&bob.watch, "call:disconnected", NULL);
    CHECK(ewebrtc_phone_call_on(alice.phone, alice.call, "hangup", NULL, "x", NULL) == EWEBRTC_ERR_NOT_FOUND);
    CHECK(ewebrtc_pcm_clear(alice.phone, alice.call) == EWEBRTC_ERR_NOT_FOUND);
    OK(ewebrtc_call_ended(alice.phone, alice.call, &result));
    CHECK(strstr(result, "\"event\":\"call:disconnected\"") && strstr(result, "\"tag\":\"h\""));
    CHECK(strstr(result, "\"error\":{") && strstr(result, "\"4712\"")); /* the last one of this call */
    ewebrtc_string_free(result);

    /* A file that is not there ends a call, and is known as soon as the call is over. */
    OK(ewebrtc_phone_call(alice.phone, "dial", "{\"destination\":\"bob\",\"localMedia\":\"wav:/no/such/file.wav\"}", "f", &lost, NULL));
    while ((left = ewebrtc_call_ended(alice.phone, lost, &result)) == EWEBRTC_ERR_STATE)
        usleep(1000);
    OK(left);
    CHECK(strstr(result, "\"error\":{") && strstr(result, "\"0020\"") && strstr(result, "\"event\":\"call:disconnected\""));
    ewebrtc_string_free(result);

    /* The names of events. */
    OK(ewebrtc_phone_check_event(alice.phone, "call:connected", &result));
    CHECK(strcmp(result, "{\"value\":null}") == 0);
    ewebrtc_string_free(result);
    OK(ewebrtc_phone_check_event(alice.phone, "call:exploded", &result));
    CHECK(strstr(result, "\"error\":{") && strstr(result, "\"4902\"") && strstr(ewebrtc_last_error(), "4902"));
    ewebrtc_string_free(result);
    CHECK(strstr(watch_wait(&alice.watch, "error", "\"4902\""), "call:exploded"));
    OK(ewebrtc_phone_check_event(alice.phone, "", NULL));
    watch_wait(&alice.watch, "error", "\"4901\"");

    /* A conference has a handle and is left by it as a call is, at whatever stage. */
    OK(ewebrtc_phone_call(alice.phone, "startConference", "{}", "s", &conference, &result));
    CHECK(conference != 0 && conference != alice.call && strstr(result, "\"conference\":"));
    ewebrtc_string_free(result);
    left = ewebrtc_phone_call_on(alice.phone, conference, "hangup", NULL, NULL, NULL);
    CHECK(left == EWEBRTC_OK || left == EWEBRTC_ERR_NOT_FOUND);
    watch_wait(&alice.watch, "command:finished", "\"tag\":\"s\"");
    CHECK(watch_count(&alice.watch, "conference:canceled") + watch_count(&alice.watch, "conference:ended") == 1);
    CHECK(ewebrtc_phone_call_on(alice.phone, conference, "mute", NULL, NULL, NULL) == EWEBRTC_ERR_NOT_FOUND);
    OK(ewebrtc_phone_call(alice.phone, "addParticipant", "{\"participant\":\"bob\"}", "p", NULL, &result));
    CHECK(strstr(result, "\"3631\""));
    ewebrtc_string_free(result);

    OK(ewebrtc_phone_call(alice.phone, "logout", NULL, "l", NULL, NULL));
    watch_wait(&alice.watch, "command:finished", "\"tag\":\"l\"");
    OK(ewebrtc_phone_close(alice.phone));
    OK(ewebrtc_phone_close(bob.phone));
    OK(ewebrtc_phone_wait_closed(alice.phone, DEADLINE_S * 1000));
    OK(ewebrtc_phone_wait_closed(bob.phone, DEADLINE_S * 1000));
    CHECK(strcmp(alice.watch.name[alice.watch.count - 1], "phone:closed") == 0);
    CHECK(strcmp(bob.watch.name[bob.watch.count - 1], "phone:closed") == 0);
    CHECK(watch_count(&alice.watch, "call:disconnected") == 2);
    OK(ewebrtc_phone_free(alice.phone));
    OK(ewebrtc_phone_free(bob.phone));
    watch_done(&alice.watch);
    watch_done(&bob.watch);
    OK(ewebrtc_gateway_stop(gateway));
    ewebrtc_string_free(url);
    puts("call: passed");
    return 0;
}
