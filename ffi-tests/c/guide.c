/* Runs every function of the guide for C (docs/guide-c.md). run.sh makes guide-blocks.c of its blocks, as printed. The other party is
   a phone with a callback here, which says what it has seen. Runs in a folder that has examples/speech; writes recordings there. */
#include "guide-blocks.c"
#include "support.h"

static char *url;

/* Somebody who answers, joins, agrees. */
struct party {
    ewebrtc_phone phone;
    struct watch watch;
};

static void party_event(void *user, const char *name, const char *json)
{
    struct party *party = user;
    const char *method = NULL;
    if (strcmp(name, "call:incoming") == 0)
        method = "answer";
    else if (strcmp(name, "conference:invitation-received") == 0)
        method = "joinConference";
    if (method)
        OK(ewebrtc_phone_call(party->phone, method, "{}", NULL, NULL, NULL));
    watch_event(&party->watch, name, json);
}

static void party_drop(void *user)
{
    watch_drop(&((struct party *)user)->watch);
}

static void arrive(struct party *party, const char *name)
{
    watch_init(&party->watch);
    party->phone = phone_made(EWEBRTC_EVENTS_LONG_POLL, url, "tone:300", "discard", party_event, party, party_drop);
    log_in(party->phone, url, name, "in");
    watch_wait(&party->watch, "command:finished", "\"in\"");
}

static void go(struct party *party)
{
    OK(ewebrtc_phone_free(party->phone));
    watch_done(&party->watch);
}

/* The n-th event of a name. */
static void seen(struct party *party, const char *name, int n)
{
    struct timespec end = deadline(), now;
    while (watch_count(&party->watch, name) < n) {
        clock_gettime(CLOCK_REALTIME, &now);
        if (now.tv_sec > end.tv_sec) {
            fprintf(stderr, "%d times %s in place of %d\n", watch_count(&party->watch, name), name, n);
            _exit(1);
        }
        pause_ms(5);
    }
    CHECK(watch_count(&party->watch, name) == n);
}

static ewebrtc_phone alice_with(const char *local, const char *remote)
{
    ewebrtc_phone alice = phone_of(url, "alice", local, remote);
    CHECK(alice != 0);
    return alice;
}

/* Alice calls bob: the beginning of several scenarios. */
static ewebrtc_phone alice_talks(struct party *bob)
{
    ewebrtc_phone alice = alice_with("tone:440", "discard");
    CHECK(perform(alice, "dial", "{\"destination\":\"bob\"}", NULL) && comes(alice, "call:connected") && comes(alice, "media:established"));
    watch_wait(&bob->watch, "media:established", NULL);
    return alice;
}

/* How loud a recording is: how many of its bytes are neither 0 nor 255. */
static long sound(const char *path)
{
    FILE *file = fopen(path, "rb");
    long loud = 0;
    int byte;
    CHECK(file && fseek(file, 44, SEEK_SET) == 0);
    while ((byte = getc(file)) != EOF)
        loud += byte != 0 && byte != 255;
    fclose(file);
    return loud;
}

static void calling(void)
{
    struct party bob;
    ewebrtc_phone alice = alice_with("tone:440", "discard");
    arrive(&bob, "bob");
    CHECK(call_somebody(alice));
    seen(&bob, "call:connected", 1);
    seen(&bob, "call:disconnected", 1);
    CHECK(goodbye(alice));
    CHECK(ewebrtc_phone_close(alice) == EWEBRTC_ERR_NOT_FOUND);
    go(&bob);
    CHECK(phone_of("http://127.0.0.1:1", "nobody", NULL, NULL) == 0);
}

static void being_called(void)
{
    char *token = NULL;
    ewebrtc_phone bob, alice = alice_with("silence", "wav:machine.wav");
    int32_t online = 0;
    int answered = 0, ended;
    OK(ewebrtc_dev_token(url, "bob", &token));
    bob = answering_machine(url, token);
    ewebrtc_string_free(token);
    CHECK(bob != 0 && ewebrtc_phone_is_online(bob, &online) == EWEBRTC_OK);
    /* It may not be logged in yet: then bob is not there, and is called again. */
    while (!answered) {
        CHECK(perform(alice, "dial", "{\"destination\":\"bob\"}", NULL));
        for (ended = 0; !answered && !ended;) {
            char *json = NULL;
            OK(ewebrtc_phone_next_event(alice, DEADLINE_S * 1000, &json));
            answered = strstr(json, "\"call:connected\"") != NULL;
            ended = strstr(json, "\"call:disconnected\"") != NULL;
            ewebrtc_string_free(json);
        }
        pause_ms(20);
    }
    CHECK(comes(alice, "media:established"));
    pause_ms(500);
    CHECK(perform(alice, "hangup", NULL, NULL) && goodbye(alice));
    CHECK(sound("machine.wav") > 10000);
    OK(ewebrtc_phone_free(bob)); /* machine_ends frees what it was: looked at with the sanitizers */
}

static void files_and_keys(void)
{
    struct party bob;
    ewebrtc_phone alice = alice_with(NULL, NULL), caller;
    CHECK(play_and_record(alice) && goodbye(alice));
    CHECK(sound("reply.wav") > 10000);
    arrive(&bob, "bob");
    caller = alice_talks(&bob);
    CHECK(press_keys(caller));
    watch_wait(&bob.watch, "dtmf:received", "\"tone\":\"1\"");
    watch_wait(&bob.watch, "dtmf:received", "\"tone\":\"#\"");
    OK(ewebrtc_phone_call(bob.phone, "sendDTMFTone", "{\"input\":\"7\"}", NULL, NULL, NULL));
    CHECK(key_pressed(caller) == '7');
    CHECK(goodbye(caller));
    go(&bob);
}

static void two_calls(void)
{
    struct party bob, carol;
    ewebrtc_phone alice;
    arrive(&bob, "bob");
    arrive(&carol, "carol");
    alice = alice_talks(&bob);
    CHECK(ask_carol(alice));
    seen(&bob, "call:held", 3);
    seen(&bob, "call:resumed", 3);
    seen(&carol, "call:held", 1); /* and resumed, which the end of her call may overtake */
    seen(&carol, "call:disconnected", 1);
    CHECK(watch_count(&bob.watch, "call:disconnected") == 0);

    CHECK(put_through(alice));
    seen(&bob, "call:resumed", 4);
    CHECK(goodbye(alice));
    /* Alice has gone, and the two have each other. */
    CHECK(watch_count(&bob.watch, "call:disconnected") == 0 && watch_count(&carol.watch, "call:disconnected") == 1);
    OK(ewebrtc_phone_call(carol.phone, "hangup", NULL, NULL, NULL, NULL));
    seen(&bob, "call:disconnected", 1);
    go(&bob);
    go(&carol);
}

static void conferring(void)
{
    struct party bob, carol;
    ewebrtc_phone alice = alice_with("tone:440", "discard");
    arrive(&bob, "bob");
    arrive(&carol, "carol");
    CHECK(confer(alice));
    seen(&bob, "conference:connected", 1);
    seen(&bob, "conference:ended", 1);
    seen(&carol, "conference:ended", 1);
    CHECK(goodbye(alice));
    go(&bob);
    go(&carol);
}

static void *parrot_thread(void *user)
{
    return parrot(*(ewebrtc_phone *)user) ? user : NULL;
}

static void bot(void)
{
    ewebrtc_phone bird = phone_of(url, "bob", NULL, NULL), alice = alice_with("tone:440", "wav:parrot.wav");
    pthread_t thread;
    void *good = NULL;
    CHECK(bird != 0 && pthread_create(&thread, NULL, parrot_thread, &bird) == 0);
    CHECK(perform(alice, "dial", "{\"destination\":\"bob\"}", NULL) && comes(alice, "media:established"));
    pause_ms(1500);
    CHECK(perform(alice, "hangup", NULL, NULL) && pthread_join(thread, &good) == 0 && good);
    CHECK(goodbye(alice) && goodbye(bird));
    CHECK(sound("parrot.wav") > 10000);
}

/* A picture that nobody decodes: VP8's head for a key frame or another, and a number. */
static uint8_t drawn;
static int looked;

static const uint8_t *encode(int key, size_t *size)
{
    static uint8_t data[16] = {0, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xf0, 0x00};
    data[0] = key ? 0x10 : 0x11;
    data[10] = drawn++;
    *size = key ? 11 : 4;
    return data;
}

static void decode(const uint8_t *data, size_t size, int key)
{
    CHECK(size == (key ? 11 : 4) && data[0] == (key ? 0x10 : 0x11));
    looked++;
}

static void *agree_thread(void *user)
{
    return agree_to_video(*(ewebrtc_phone *)user) ? user : NULL;
}

static void video(void)
{
    const char *shown = "silence;video=frames", *seen_by = "discard;video=frames";
    ewebrtc_phone alice = alice_with(shown, seen_by), bob = phone_of(url, "bob", shown, seen_by);
    ewebrtc_call call = 0, bobs;
    char *incoming;
    pthread_t thread;
    void *good = NULL;
    uint32_t timestamp = 0;
    struct timespec end = deadline(), now;
    CHECK(bob != 0 && perform(alice, "dial", "{\"destination\":\"bob\",\"mediaType\":\"audio\"}", &call));
    incoming = wait_for(bob, "call:incoming", NULL);
    CHECK(incoming);
    bobs = strtoull(strstr(incoming, "\"call\":") + 7, NULL, 10);
    ewebrtc_string_free(incoming);
    CHECK(perform(bob, "answer", "{}", NULL) && comes(alice, "media:established"));
    CHECK(pthread_create(&thread, NULL, agree_thread, &bob) == 0);
    CHECK(ask_for_video(alice) && pthread_join(thread, &good) == 0 && good);
    while (looked < 10) {
        CHECK(show(alice, call, encode, timestamp += 3600));
        watch_pictures(bob, bobs, decode);
        clock_gettime(CLOCK_REALTIME, &now);
        CHECK(now.tv_sec <= end.tv_sec);
        pause_ms(40);
    }
    CHECK(perform(alice, "hangup", NULL, NULL) && !show(alice, call, encode, timestamp));
    CHECK(goodbye(alice) && goodbye(bob));
}

static void is_result(ewebrtc_phone phone, const char *getter, const char *part)
{
    char *result = NULL;
    OK(ewebrtc_phone_call(phone, getter, NULL, NULL, NULL, &result));
    CHECK(strstr(result, part));
    ewebrtc_string_free(result);
}

static void settings_and_network(void)
{
    ewebrtc_phone_config config;
    ewebrtc_phone alice, other = 0;
    int32_t online = 0;
    look_closely();
    alice = alice_with(NULL, NULL);
    OK(behind_a_firewall(alice));
    is_result(alice, "getIceServers", "turn:turn.example.org");
    is_result(alice, "getIceTransport", "relay");
    is_result(alice, "getAudioCodec", "PCMU");
    CHECK(fly(alice));
    CHECK(ewebrtc_phone_is_online(alice, &online) == EWEBRTC_OK && online == 1);
    CHECK(goodbye(alice));
    memset(&config, 0, sizeof config);
    config.struct_size = sizeof config;
    config.gateway = url;
    over_a_websocket(&config);
    OK(ewebrtc_phone_new(&config, &other));
    log_in(other, url, "alice", NULL);
    CHECK(comes(other, "session:ready") && goodbye(other));
}

static void becomes(ewebrtc_phone phone, const char *options, const char *wanted)
{
    char *answer = try_to_dial(phone, options);
    CHECK(answer && strncmp(answer, wanted, strlen(wanted)) == 0);
    free(answer);
}

static void errors(void)
{
    ewebrtc_phone alice = alice_with(NULL, NULL);
    char *event;
    becomes(alice, "{\"destination\":\"\"}", "refused: 2211");
    event = wait_for(alice, "error", NULL);
    CHECK(event && strstr(event, "\"2211\"") && strstr(event, "\"tag\":\"first\""));
    ewebrtc_string_free(event);
    becomes(alice, "{\"destination\"", "not given: ");
    becomes(alice, "{\"destination\":\"echo\"}", "accepted");
    CHECK(comes(alice, "call:connected"));
    OK(ewebrtc_phone_free(alice)); /* in the middle of the call */
    becomes(alice, "{\"destination\":\"echo\"}", "not given: ");
}

int main(void)
{
    static void (*const scenarios[])(void) = {settings_and_network, calling,    being_called, files_and_keys, two_calls,
                                              conferring,           bot,        video,        errors};
    ewebrtc_gateway gateway = 0;
    size_t i;
    OK(ewebrtc_gateway_start(NULL, &gateway));
    OK(ewebrtc_gateway_url(gateway, &url));
    for (i = 0; i < sizeof scenarios / sizeof *scenarios; i++) {
        scenarios[i]();
        printf("guide: scenario %d of %d\n", (int)i + 1, (int)(sizeof scenarios / sizeof *scenarios));
    }
    ewebrtc_string_free(url);
    OK(ewebrtc_gateway_stop(gateway));
    puts("guide: passed");
    return 0;
}
