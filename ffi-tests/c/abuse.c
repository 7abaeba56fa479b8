/* Everything a program may do wrong, and what must be allowed in any order. A crash, a hang beyond the deadline, a callback
   after free or a drop function that runs twice or never ends this program with a line. */
#include "support.h"
#include <dirent.h>
#include <errno.h>
#include <malloc.h>
#include <sys/wait.h>

static char *url;

static void nulls(void)
{
    ewebrtc_phone_config config;
    ewebrtc_phone phone = 7;
    ewebrtc_gateway none = 7;
    int16_t sample = 0;
    size_t count = 0, i;
    char *text = NULL;
    static const char *const methods[] = {
        "login", "logout", "associateE911Id", "dial", "addCall", "answer", "hangup", "cancel", "reject", "hold", "resume", "move",
        "switchCall", "transfer", "upgrade", "downgrade", "acceptModification", "rejectModification", "mute", "unmute",
        "sendDTMFTone",
        "startConference", "joinConference", "rejectConference", "endConference", "addParticipant", "removeParticipant",
        "getParticipants",
        "getCalls", "getMediaType", "isCallInProgress", "getVersion", "cleanPhoneNumber", "formatNumber", "getCallerInfo",
    };

    /* What is said of them is said in every language. */
    static const char *const ice[][2] = {
        {"{\"iceServers\":[{\"urls\":\"nowhere\"}]}", "ICE server 1 has no URL, or one that cannot be read"},
        {"{\"iceServers\":[{\"urls\":[]}]}", "ICE server 1 has no URL, or one that cannot be read"},
        {"{\"ports\":[0,0]}", "ports 0 to 0 are no UDP ports"},
        {"{\"ports\":[9,8]}", "ports 9 to 8 are no UDP ports"},
        {"{\"ipv4\":false,\"ipv6\":false}", "neither IPv4 nor IPv6 addresses are allowed"},
        {"{\"iceServers\":{}}", "ICE setting iceServers cannot be used"},
    };

    memset(&config, 0, sizeof config);
    CHECK(ewebrtc_phone_new(NULL, &phone) == EWEBRTC_ERR_NULL && phone == 0);
    CHECK(ewebrtc_phone_new(&config, NULL) == EWEBRTC_ERR_NULL);
    CHECK(ewebrtc_phone_new(&config, &phone) == EWEBRTC_ERR_STRUCT_SIZE);
    config.struct_size = sizeof config;
    CHECK(ewebrtc_phone_new(&config, &phone) == EWEBRTC_ERR_NULL);
    CHECK(strstr(ewebrtc_last_error(), "gateway"));
    config.gateway = "no address";
    CHECK(ewebrtc_phone_new(&config, &phone) == EWEBRTC_ERR_ARGUMENT);
    config.gateway = "\xff\xfe";
    CHECK(ewebrtc_phone_new(&config, &phone) == EWEBRTC_ERR_ARGUMENT);
    config.gateway = url;
    config.pcm_rate = 1;
    CHECK(ewebrtc_phone_new(&config, &phone) == EWEBRTC_ERR_ARGUMENT);
    config.pcm_rate = 0;
    config.audio_codecs = "opus,none";
    CHECK(ewebrtc_phone_new(&config, &phone) == EWEBRTC_ERR_ARGUMENT);
    config.audio_codecs = NULL;
    config.video_codecs = "vp8,av1";
    CHECK(ewebrtc_phone_new(&config, &phone) == EWEBRTC_ERR_ARGUMENT);
    config.video_codecs = NULL;
    for (i = 0; i < sizeof ice / sizeof *ice; i++) {
        config.ice_json = ice[i][0];
        CHECK(ewebrtc_phone_new(&config, &phone) == EWEBRTC_ERR_ARGUMENT);
        CHECK(strcmp(ewebrtc_last_error(), ice[i][1]) == 0);
    }
    config.ice_json = NULL;
    config.domain = "a\nb";
    CHECK(ewebrtc_phone_new(&config, &phone) == EWEBRTC_ERR_ARGUMENT);
    config.domain = NULL;
    config.ice_json = "[";
    CHECK(ewebrtc_phone_new(&config, &phone) == EWEBRTC_ERR_ARGUMENT);
    config.ice_json = NULL;
    config.opus_complexity = 1000;
    CHECK(ewebrtc_phone_new(&config, &phone) == EWEBRTC_ERR_ARGUMENT);
    config.opus_complexity = 0;
    config.event_channel = 2;
    CHECK(ewebrtc_phone_new(&config, &phone) == EWEBRTC_ERR_UNSUPPORTED);
    config.event_channel = 0;
    config.struct_size = 0xffffffffu;
    CHECK(ewebrtc_phone_new(&config, &phone) == EWEBRTC_ERR_STRUCT_SIZE);
    config.struct_size = (uint32_t)offsetof(ewebrtc_phone_config, event_channel);
    CHECK(ewebrtc_phone_new(&config, &phone) == EWEBRTC_ERR_STRUCT_SIZE);
    config.struct_size = sizeof config;
    {
        struct { ewebrtc_phone_config known; uint64_t later; } grown;
        memset(&grown, 0, sizeof grown);
        grown.known = config;
        grown.known.struct_size = sizeof grown;
        grown.later = 1;
        CHECK(ewebrtc_phone_new(&grown.known, &phone) == EWEBRTC_ERR_UNSUPPORTED);
        grown.later = 0;
        OK(ewebrtc_phone_new(&grown.known, &phone));
    }
    CHECK(ewebrtc_phone_call(phone, NULL, NULL, NULL, NULL, NULL) == EWEBRTC_ERR_NULL);
    CHECK(ewebrtc_phone_call(phone, "dial", "{", NULL, NULL, NULL) == EWEBRTC_ERR_ARGUMENT);
    CHECK(ewebrtc_phone_call(phone, "dial", "[]", NULL, NULL, NULL) == EWEBRTC_ERR_ARGUMENT);
    CHECK(ewebrtc_phone_call(phone, "dial", "\"\xc3\"", NULL, NULL, &text) == EWEBRTC_ERR_ARGUMENT && !text);
    CHECK(ewebrtc_phone_call(phone, "fly", NULL, NULL, NULL, NULL) == EWEBRTC_ERR_UNKNOWN_METHOD);
    CHECK(ewebrtc_phone_call_on(phone, 1, NULL, NULL, NULL, NULL) == EWEBRTC_ERR_NULL);
    CHECK(ewebrtc_phone_check_event(phone, NULL, &text) == EWEBRTC_ERR_NULL && !text);
    CHECK(ewebrtc_phone_check_event(phone, "\xff", &text) == EWEBRTC_ERR_ARGUMENT && !text);
    CHECK(ewebrtc_call_ended(phone, 1, NULL) == EWEBRTC_ERR_NULL);
    CHECK(ewebrtc_call_ended(phone, 1, &text) == EWEBRTC_ERR_NOT_FOUND && !text);
    CHECK(ewebrtc_pcm_read(phone, 1, &sample, 1, NULL) == EWEBRTC_ERR_NULL);
    CHECK(ewebrtc_phone_next_event(phone, 0, NULL) == EWEBRTC_ERR_NULL);
    CHECK(ewebrtc_phone_next_event(phone, 0, &text) == EWEBRTC_ERR_TIMEOUT);
    CHECK(ewebrtc_pcm_write(phone, 1, NULL, 1, &count) == EWEBRTC_ERR_NULL);
    CHECK(ewebrtc_pcm_write(phone, 1, &sample, 1, NULL) == EWEBRTC_ERR_NULL);
    CHECK(ewebrtc_pcm_write(phone, 1, &sample, (size_t)-1, &count) == EWEBRTC_ERR_ARGUMENT);
    CHECK(ewebrtc_pcm_read(phone, 1, NULL, 1, &count) == EWEBRTC_ERR_NULL);
    CHECK(ewebrtc_pcm_read(phone, 1, &sample, 1, &count) == EWEBRTC_ERR_NOT_FOUND);
    CHECK(ewebrtc_pcm_queued(phone, 1, NULL) == EWEBRTC_ERR_NULL);
    CHECK(ewebrtc_call_stats(phone, 1, NULL) == EWEBRTC_ERR_NULL);
    CHECK(ewebrtc_call_stats(phone, 1, &text) == EWEBRTC_ERR_NOT_FOUND);
    CHECK(ewebrtc_gateway_start(NULL, NULL) == EWEBRTC_ERR_NULL);
    CHECK(ewebrtc_gateway_start("nowhere", &none) == EWEBRTC_ERR_ARGUMENT);
    CHECK(ewebrtc_gateway_start("127.0.0.1:99999", &none) == EWEBRTC_ERR_ARGUMENT);
    CHECK(ewebrtc_gateway_start("192.0.2.77:80", &none) == EWEBRTC_ERR_SYSTEM);
    CHECK(ewebrtc_gateway_start_with("{}", NULL) == EWEBRTC_ERR_NULL);
    CHECK(ewebrtc_gateway_start_with("[]", &none) == EWEBRTC_ERR_ARGUMENT);
    CHECK(ewebrtc_gateway_start_with("{\"ringing\":true}", &none) == EWEBRTC_ERR_ARGUMENT && strstr(ewebrtc_last_error(), "ringing"));
    CHECK(ewebrtc_gateway_start_with("{\"ringback\":1}", &none) == EWEBRTC_ERR_ARGUMENT);
    CHECK(ewebrtc_gateway_start_with("{\"pollSeconds\":36}", &none) == EWEBRTC_ERR_ARGUMENT && none == 0);
    CHECK(ewebrtc_gateway_url(1, NULL) == EWEBRTC_ERR_NULL);
    CHECK(ewebrtc_dev_token(NULL, "a", &text) == EWEBRTC_ERR_NULL);
    CHECK(ewebrtc_dev_token(url, NULL, &text) == EWEBRTC_ERR_NULL);
    CHECK(ewebrtc_dev_token(url, "a", NULL) == EWEBRTC_ERR_NULL);
    CHECK(ewebrtc_dev_token("http://127.0.0.1:1", "a", &text) == EWEBRTC_ERR_SYSTEM && !text);
    CHECK(ewebrtc_sdk_errors(NULL) == EWEBRTC_ERR_NULL && ewebrtc_api_errors(NULL) == EWEBRTC_ERR_NULL);
    OK(ewebrtc_sdk_errors(&text));
    CHECK(strstr(text, "\"2211\""));
    ewebrtc_string_free(text);
    OK(ewebrtc_api_errors(&text));
    CHECK(strstr(text, "\"MessageId\""));
    ewebrtc_string_free(text);
    ewebrtc_string_free(NULL);
    OK(ewebrtc_phone_free(0));
    OK(ewebrtc_gateway_stop(0));
    for (i = 0; i < sizeof methods / sizeof *methods; i++)
        OK(ewebrtc_phone_call(phone, methods[i], "{}", NULL, NULL, NULL));
}

static void handles(ewebrtc_gateway gateway)
{
    static const char *const ends[] = {"f", "ff", "cf", "cwf", "ccwwf", "fcf"};
    ewebrtc_phone wrong[] = {0, 99999999, UINT64_MAX, 0};
    char *const untouched = (char *)&wrong;
    char *text = untouched;
    uint32_t queued = 7;
    size_t i, count = 7;
    ewebrtc_call call = 7;
    int16_t sample = 0;
    wrong[3] = gateway;
    for (i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        CHECK(ewebrtc_phone_call(wrong[i], "getCalls", NULL, NULL, NULL, NULL) == EWEBRTC_ERR_NOT_FOUND);
        CHECK(ewebrtc_phone_call_on(wrong[i], 1, "hangup", NULL, NULL, NULL) == EWEBRTC_ERR_NOT_FOUND);
        CHECK(ewebrtc_phone_close(wrong[i]) == EWEBRTC_ERR_NOT_FOUND);
        CHECK(ewebrtc_phone_wait_closed(wrong[i], 1) == EWEBRTC_ERR_NOT_FOUND);
        CHECK(ewebrtc_phone_next_event(wrong[i], 1, &text) == EWEBRTC_ERR_NOT_FOUND && !text);
        text = untouched;
        CHECK(ewebrtc_phone_call(wrong[i], "getCalls", NULL, NULL, &call, &text) == EWEBRTC_ERR_NOT_FOUND && !text && !call);
        text = untouched;
        CHECK(ewebrtc_call_stats(wrong[i], 1, &text) == EWEBRTC_ERR_NOT_FOUND && !text);
        text = untouched;
        CHECK(ewebrtc_call_ended(wrong[i], 1, &text) == EWEBRTC_ERR_NOT_FOUND && !text);
        text = untouched;
        CHECK(ewebrtc_phone_check_event(wrong[i], "error", &text) == EWEBRTC_ERR_NOT_FOUND && !text);
        count = queued = 7;
        CHECK(ewebrtc_pcm_write(wrong[i], 1, &sample, 1, &count) == EWEBRTC_ERR_NOT_FOUND && count == 0);
        count = 7;
        CHECK(ewebrtc_pcm_read(wrong[i], 1, &sample, 1, &count) == EWEBRTC_ERR_NOT_FOUND && count == 0);
        CHECK(ewebrtc_pcm_queued(wrong[i], 1, &queued) == EWEBRTC_ERR_NOT_FOUND && queued == 0);
        text = untouched;
        CHECK(ewebrtc_phone_set_connectivity(wrong[i], 1) == EWEBRTC_ERR_NOT_FOUND);
        CHECK(ewebrtc_pcm_clear(wrong[i], 1) == EWEBRTC_ERR_NOT_FOUND);
        if (wrong[i])
            CHECK(ewebrtc_phone_free(wrong[i]) == EWEBRTC_ERR_NOT_FOUND);
    }
    /* Every order of close (c), wait (w) and free (f): before login, after it, and with a call running. */
    for (i = 0; i < 3 * (sizeof ends / sizeof *ends); i++) {
        struct watch watch;
        const char *step;
        int freed = 0;
        ewebrtc_phone phone;
        watch_init(&watch);
        phone = phone_with(url, watch_event, &watch, watch_drop);
        CHECK(ewebrtc_gateway_stop(phone) == EWEBRTC_ERR_NOT_FOUND);
        if (i % 3) {
            log_in(phone, url, "order", "o");
            watch_wait(&watch, "command:finished", "\"o\"");
            CHECK(ewebrtc_phone_call_on(phone, 12345, "hangup", NULL, NULL, NULL) == EWEBRTC_ERR_NOT_FOUND);
            CHECK(ewebrtc_phone_next_event(phone, 0, &text) == EWEBRTC_ERR_STATE);
        }
        if (i % 3 == 2) {
            OK(ewebrtc_phone_call(phone, "dial", "{\"destination\":\"echo\"}", NULL, NULL, NULL));
            watch_wait(&watch, "call:connected", NULL);
        }
        for (step = ends[i / 3]; *step; step++) {
            ewebrtc_status wanted = freed ? EWEBRTC_ERR_NOT_FOUND : EWEBRTC_OK;
            if (*step == 'c')
                CHECK(ewebrtc_phone_close(phone) == wanted);
            if (*step == 'w') {
                CHECK(ewebrtc_phone_wait_closed(phone, DEADLINE_S * 1000) == wanted);
                CHECK(ewebrtc_phone_call(phone, "getCalls", NULL, NULL, NULL, NULL) == EWEBRTC_ERR_CLOSED);
            }
            if (*step == 'f') {
                CHECK(ewebrtc_phone_free(phone) == wanted);
                freed = 1;
            }
        }
        watch_done(&watch);
    }
}

/* A phone without a callback, read from a foreign thread, and freed under a reader that waits. */
static void *reader(void *user)
{
    ewebrtc_phone phone = *(ewebrtc_phone *)user;
    char *json = NULL;
    int events = 0;
    ewebrtc_status status;
    while ((status = ewebrtc_phone_next_event(phone, DEADLINE_S * 1000, &json)) == EWEBRTC_OK) {
        events++;
        ewebrtc_string_free(json);
    }
    CHECK(status == EWEBRTC_ERR_CLOSED || status == EWEBRTC_ERR_NOT_FOUND);
    *(ewebrtc_phone *)user = (ewebrtc_phone)events;
    return NULL;
}

static void foreign_thread(void)
{
    int freeing;
    for (freeing = 0; freeing < 2; freeing++) {
        ewebrtc_phone phone = phone_with(url, NULL, NULL, NULL), shared = phone;
        pthread_t thread;
        log_in(phone, url, "reader", NULL);
        CHECK(pthread_create(&thread, NULL, reader, &shared) == 0);
        OK(freeing ? ewebrtc_phone_free(phone) : ewebrtc_phone_close(phone));
        CHECK(pthread_join(thread, NULL) == 0);
        if (!freeing) {
            CHECK(shared > 0);
            OK(ewebrtc_phone_free(phone));
        }
    }
}

/* Freeing inside callbacks: its own phone, or another one that does the same at the same time. */
struct freer {
    pthread_mutex_t lock;
    pthread_cond_t news;
    ewebrtc_phone victim;
    int begun, ready, events, dropped;
};

static void free_event(void *user, const char *name, const char *json)
{
    struct freer *f = user;
    char *text = NULL;
    (void)name;
    (void)json;
    pthread_mutex_lock(&f->lock);
    f->begun = 1;
    pthread_cond_broadcast(&f->news);
    while (!f->ready)
        pthread_cond_wait(&f->news, &f->lock);
    CHECK(f->dropped == 0);
    f->events++;
    pthread_mutex_unlock(&f->lock);
    CHECK(ewebrtc_phone_wait_closed(f->victim, 1000) != EWEBRTC_OK);
    CHECK(ewebrtc_phone_next_event(f->victim, 1000, &text) != EWEBRTC_OK && !text);
    ewebrtc_phone_free(f->victim);
}

static void free_drop(void *user)
{
    struct freer *f = user;
    pthread_mutex_lock(&f->lock);
    f->dropped++;
    pthread_cond_broadcast(&f->news);
    pthread_mutex_unlock(&f->lock);
}

static void freeing_inside(int rounds)
{
    for (; rounds > 0; rounds--) {
        struct freer side[2];
        ewebrtc_phone phone[2];
        struct timespec at = deadline();
        int i, own = rounds % 2;
        memset(side, 0, sizeof side);
        for (i = 0; i < 2; i++) {
            pthread_mutex_init(&side[i].lock, NULL);
            pthread_cond_init(&side[i].news, NULL);
            phone[i] = phone_with(url, free_event, &side[i], free_drop);
        }
        for (i = 0; i < 2; i++)
            OK(ewebrtc_phone_call(phone[i], "hangup", NULL, NULL, NULL, NULL)); /* an event: error */
        for (i = 0; i < 2; i++) {
            pthread_mutex_lock(&side[i].lock);
            while (!side[i].begun)
                CHECK(pthread_cond_timedwait(&side[i].news, &side[i].lock, &at) == 0);
            pthread_mutex_unlock(&side[i].lock);
        }
        for (i = 0; i < 2; i++) {
            pthread_mutex_lock(&side[i].lock);
            side[i].victim = phone[own ? i : 1 - i];
            side[i].ready = 1;
            pthread_cond_broadcast(&side[i].news);
            pthread_mutex_unlock(&side[i].lock);
        }
        for (i = 0; i < 2; i++) {
            pthread_mutex_lock(&side[i].lock);
            while (!side[i].dropped)
                CHECK(pthread_cond_timedwait(&side[i].news, &side[i].lock, &at) == 0);
            CHECK(side[i].dropped == 1 && side[i].events <= 1);
            pthread_mutex_unlock(&side[i].lock);
            CHECK(ewebrtc_phone_close(phone[i]) == EWEBRTC_ERR_NOT_FOUND);
        }
    }
}

/* 64 threads on one phone, of which some free it; afterwards nothing may be called back. */
static ewebrtc_phone storm_phone;

static void *storm_thread(void *user)
{
    size_t number = (size_t)user;
    int i, freed = 0;
    for (i = 0; i < 50; i++) {
        char *text = NULL;
        ewebrtc_status status =
            ewebrtc_phone_call(storm_phone, number % 2 ? "dial" : "getCalls", "{\"destination\":\"echo\"}", NULL, NULL, &text);
        CHECK(status == EWEBRTC_OK || status == EWEBRTC_ERR_NOT_FOUND || status == EWEBRTC_ERR_CLOSED);
        ewebrtc_string_free(text);
    }
    if (number % 16 == 0)
        freed = ewebrtc_phone_free(storm_phone) == EWEBRTC_OK;
    return freed ? &storm_phone : NULL;
}

struct counter {
    long events, dropped, slow_ms;
};

static void count_event(void *user, const char *name, const char *json)
{
    struct counter *c = user;
    (void)name;
    (void)json;
    CHECK(__atomic_load_n(&c->dropped, __ATOMIC_SEQ_CST) == 0);
    __atomic_add_fetch(&c->events, 1, __ATOMIC_SEQ_CST);
    if (c->slow_ms)
        pause_ms(c->slow_ms);
    CHECK(__atomic_load_n(&c->dropped, __ATOMIC_SEQ_CST) == 0);
}

static void count_drop(void *user)
{
    __atomic_add_fetch(&((struct counter *)user)->dropped, 1, __ATOMIC_SEQ_CST);
}

static void storm(void)
{
    static struct counter counter;
    pthread_t threads[64];
    size_t i, freed = 0;
    storm_phone = phone_with(url, count_event, &counter, count_drop);
    for (i = 0; i < 64; i++)
        CHECK(pthread_create(&threads[i], NULL, storm_thread, (void *)i) == 0);
    for (i = 0; i < 64; i++) {
        void *result;
        CHECK(pthread_join(threads[i], &result) == 0);
        freed += result != NULL;
    }
    CHECK(freed == 1 && counter.dropped == 1);
}

/* A forked child is told at once that it cannot use the library. */
static void forked(void)
{
    ewebrtc_phone phone = phone_with(url, NULL, NULL, NULL);
    ewebrtc_gateway gateway = 0;
    char *text = NULL;
    int status = -1;
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        int wrong = ewebrtc_phone_call(phone, "getVersion", NULL, NULL, NULL, &text) != EWEBRTC_ERR_FORKED ||
                    ewebrtc_gateway_start(NULL, &gateway) != EWEBRTC_ERR_FORKED ||
                    ewebrtc_dev_token(url, "a", &text) != EWEBRTC_ERR_FORKED ||
                    ewebrtc_phone_next_event(phone, 1000, &text) != EWEBRTC_ERR_FORKED ||
                    ewebrtc_phone_free(phone) != EWEBRTC_ERR_FORKED || !strstr(ewebrtc_last_error(), "fork");
        /* Not _exit: a checker of memory would miss the parent's threads here and call what they hold lost. */
        execl(wrong ? "/bin/false" : "/bin/true", "child", (char *)NULL);
        _exit(1);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    OK(ewebrtc_phone_free(phone));
}

/* A request that the gateway answers before it has read it all: the write meets a closed connection. The default action of
   SIGPIPE, as in a program that knows nothing of it, must not end this one. */
static void broken_pipes(void)
{
    enum { SIZE = 10 * 1000 * 1000 };
    char *options = malloc(SIZE + 32), *json = NULL;
    ewebrtc_phone phone = phone_with(url, NULL, NULL, NULL);
    int i;
    CHECK(options);
    memcpy(options, "{\"token\":\"", 10);
    memset(options + 10, 't', SIZE);
    memcpy(options + 10 + SIZE, "\"}", 3);
    for (i = 0; i < 3; i++) {
        OK(ewebrtc_phone_call(phone, "login", options, NULL, NULL, NULL));
        OK(ewebrtc_phone_next_event(phone, DEADLINE_S * 1000, &json));
        CHECK(strstr(json, "\"error\""));
        ewebrtc_string_free(json);
    }
    free(options);
    OK(ewebrtc_phone_free(phone));
}

/* A callback that takes its time: free waits for the one that runs and drops the rest. */
static void slow(void)
{
    static struct counter counter;
    ewebrtc_phone phone;
    struct timespec at = deadline(), now;
    int i;
    counter.slow_ms = 300;
    phone = phone_with(url, count_event, &counter, count_drop);
    for (i = 0; i < 100; i++)
        OK(ewebrtc_phone_call(phone, "hangup", NULL, NULL, NULL, NULL));
    while (__atomic_load_n(&counter.events, __ATOMIC_SEQ_CST) == 0) {
        clock_gettime(CLOCK_REALTIME, &now);
        CHECK(now.tv_sec < at.tv_sec);
        pause_ms(1);
    }
    OK(ewebrtc_phone_free(phone));
    CHECK(counter.dropped == 1 && counter.events < 100);
}

/* Phones are freed on foreign threads, two at the same time, while calls are up or being made, commands are under way, events are
   on their way and samples are written; never closed before. Nothing is called back afterwards, and nothing stays behind. */
struct life {
    struct counter counter;
    ewebrtc_phone phone;
    ewebrtc_call call;
    long ready, connected;
    int frees_itself;
};

static void live_event(void *user, const char *name, const char *json)
{
    struct life *life = user;
    ewebrtc_phone phone = __atomic_load_n(&life->phone, __ATOMIC_SEQ_CST);
    ewebrtc_status status = EWEBRTC_OK;
    CHECK(__atomic_load_n(&life->counter.dropped, __ATOMIC_SEQ_CST) == 0);
    if (strcmp(name, "call:incoming") == 0) {
        status = ewebrtc_phone_call(phone, "answer", "{}", NULL, NULL, NULL);
    } else if (strcmp(name, "call:connected") == 0) {
        if (life->frees_itself)
            OK(ewebrtc_phone_free(phone));
        __atomic_store_n(&life->connected, 1, __ATOMIC_SEQ_CST);
    } else if (strcmp(name, "command:finished") == 0 && strstr(json, "\"second\"")) {
        __atomic_store_n(&life->ready, 1, __ATOMIC_SEQ_CST);
    } else if (strcmp(name, "session:ready") == 0 && strstr(json, "\"first\"")) {
        status = ewebrtc_phone_call(phone, "dial", "{\"destination\":\"second\"}", NULL, &life->call, NULL);
    }
    CHECK(status == EWEBRTC_OK || status == EWEBRTC_ERR_NOT_FOUND || status == EWEBRTC_ERR_CLOSED);
}

static void live_drop(void *user)
{
    count_drop(&((struct life *)user)->counter);
}

static void *write_until_freed(void *user)
{
    struct life *life = user;
    static const int16_t samples[320];
    size_t accepted;
    ewebrtc_status status;
    do {
        status = ewebrtc_pcm_write(life->phone, life->call, samples, 320, &accepted);
        CHECK(status == EWEBRTC_OK || status == EWEBRTC_ERR_NOT_FOUND || status == EWEBRTC_ERR_CLOSED);
        pause_ms(1);
    } while (status == EWEBRTC_OK);
    return NULL;
}

static void live_until(const long *flag)
{
    struct timespec at = deadline(), now;
    while (!__atomic_load_n(flag, __ATOMIC_SEQ_CST)) {
        clock_gettime(CLOCK_REALTIME, &now);
        CHECK(now.tv_sec <= at.tv_sec);
        pause_ms(1);
    }
}

static void *free_phone(void *user)
{
    struct life *life = user;
    if (life->frees_itself)
        live_until(&life->counter.dropped);
    CHECK(ewebrtc_phone_free(life->phone) == (life->frees_itself ? EWEBRTC_ERR_NOT_FOUND : EWEBRTC_OK));
    CHECK(life->counter.dropped == 1);
    return NULL;
}

/* Entries of a folder of this process: threads or descriptors. */
static int entries(const char *folder)
{
    DIR *dir = opendir(folder);
    int count = 0;
    CHECK(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

static void live(int stage)
{
    struct life first, second;
    pthread_t writer, freer[2];
    memset(&first, 0, sizeof first);
    memset(&second, 0, sizeof second);
    second.phone = phone_with(url, live_event, &second, live_drop);
    log_in(second.phone, url, "second", "second");
    if (stage > 0)
        live_until(&second.ready);
    first.frees_itself = stage == 4;
    __atomic_store_n(&first.phone, phone_with(url, live_event, &first, live_drop), __ATOMIC_SEQ_CST);
    log_in(first.phone, url, "first", "first"); /* stage 0: the login is under way */
    if (stage == 1)
        pause_ms(20); /* somewhere on the way to the call */
    if (stage >= 2)
        live_until(&first.connected);
    if (stage == 2) {
        OK(ewebrtc_phone_call(first.phone, "hold", NULL, NULL, NULL, NULL));
        OK(ewebrtc_phone_call(second.phone, "sendDTMFTone", "{\"input\":\"12345\"}", NULL, NULL, NULL));
    }
    if (stage == 3) {
        OK(ewebrtc_phone_call(first.phone, "addCall", "{\"destination\":\"echo\"}", NULL, NULL, NULL));
        CHECK(pthread_create(&writer, NULL, write_until_freed, &first) == 0);
    }
    CHECK(pthread_create(&freer[0], NULL, free_phone, &first) == 0);
    CHECK(pthread_create(&freer[1], NULL, free_phone, &second) == 0);
    CHECK(pthread_join(freer[0], NULL) == 0 && pthread_join(freer[1], NULL) == 0);
    if (stage == 3)
        CHECK(pthread_join(writer, NULL) == 0);
    CHECK(first.counter.dropped == 1 && second.counter.dropped == 1);
}

static void lifetimes(int rounds)
{
    int round, threads = 0, descriptors = 0;
    size_t memory = 0;
    for (round = 0; round < rounds; round++) {
        live(round % 5);
        if (round == 9) { /* what is made once is there */
            pause_ms(1000);
            threads = entries("/proc/self/task");
            descriptors = entries("/proc/self/fd");
            memory = mallinfo2().uordblks;
        }
    }
    if (rounds > 10) {
        struct timespec at = deadline(), now;
        while (entries("/proc/self/task") > threads || entries("/proc/self/fd") > descriptors ||
               mallinfo2().uordblks > memory + 2000000) {
            clock_gettime(CLOCK_REALTIME, &now);
            if (now.tv_sec > at.tv_sec) {
                fprintf(stderr, "left behind: threads %d -> %d, descriptors %d -> %d, bytes %lu -> %lu\n", threads,
                        entries("/proc/self/task"), descriptors, entries("/proc/self/fd"), (unsigned long)memory,
                        (unsigned long)mallinfo2().uordblks);
                _exit(1);
            }
            pause_ms(50);
        }
        if (getenv("EWEBRTC_TEST_TRACE"))
            fprintf(stderr, "threads %d -> %d, descriptors %d -> %d, bytes %lu -> %lu\n", threads, entries("/proc/self/task"), descriptors,
                    entries("/proc/self/fd"), (unsigned long)memory, (unsigned long)mallinfo2().uordblks);
    }
}

#ifdef TEST_HOOKS
ewebrtc_status ewebrtc_test_panic(ewebrtc_phone phone);

static void panics(void)
{
    static struct watch first, second, third;
    ewebrtc_phone a, b, c;
    watch_init(&third);
    c = phone_with(url, watch_event, &third, watch_drop);
    log_in(c, url, "core", "c");
    watch_wait(&third, "command:finished", "\"c\"");
    CHECK(ewebrtc_phone_call(c, "test:panic", NULL, NULL, NULL, NULL) == EWEBRTC_ERR_CLOSED);
    watch_wait(&third, "error", "\"0000\"");
    watch_wait(&third, "phone:closed", NULL);
    watch_init(&first);
    watch_init(&second);
    a = phone_with(url, watch_event, &first, watch_drop);
    b = phone_with(url, watch_event, &second, watch_drop);
    CHECK(ewebrtc_test_panic(99999) == EWEBRTC_ERR_NOT_FOUND);
    CHECK(ewebrtc_test_panic(a) == EWEBRTC_ERR_PANIC);
    watch_wait(&first, "phone:closed", NULL);
    log_in(b, url, "unharmed", "u");
    watch_wait(&second, "command:finished", "\"u\"");
    OK(ewebrtc_phone_free(a));
    OK(ewebrtc_phone_free(b));
    OK(ewebrtc_phone_free(c));
    watch_done(&third);
    watch_done(&first);
    watch_done(&second);
    puts("abuse: a panic fails one phone");
}
#endif

/* A process that ends with calls running, by return from main or by exit on another thread. */
static void *leave(void *user)
{
    (void)user;
    exit(0);
}

static int exit_child(int elsewhere)
{
    static struct watch watch;
    ewebrtc_gateway gateway = 0;
    ewebrtc_phone phone;
    pthread_t thread;
    char *own_url = NULL;
    OK(ewebrtc_gateway_start(NULL, &gateway));
    OK(ewebrtc_gateway_url(gateway, &own_url));
    watch_init(&watch);
    phone = phone_with(own_url, watch_event, &watch, watch_drop);
    log_in(phone, own_url, "leaver", "l");
    watch_wait(&watch, "command:finished", "\"l\"");
    OK(ewebrtc_phone_call(phone, "dial", "{\"destination\":\"echo\"}", NULL, NULL, NULL));
    watch_wait(&watch, "call:connected", NULL);
    ewebrtc_string_free(own_url);
    if (elsewhere) {
        CHECK(pthread_create(&thread, NULL, leave, NULL) == 0);
        pthread_join(thread, NULL);
    }
    return 0;
}

int main(int argc, char **argv)
{
    ewebrtc_gateway gateway = 0;
    int rounds = 40;
    if (argc > 1 && strcmp(argv[1], "exit") == 0)
        return exit_child(0);
    if (argc > 1 && strcmp(argv[1], "exit-elsewhere") == 0)
        return exit_child(1);
    CHECK(ewebrtc_abi_version() == EWEBRTC_ABI_VERSION && ewebrtc_version()[0] != 0);
    CHECK(strcmp(ewebrtc_last_error(), "") == 0);
    OK(ewebrtc_gateway_start(NULL, &gateway));
    OK(ewebrtc_gateway_url(gateway, &url));
#ifdef TEST_HOOKS
    if (argc > 1 && strcmp(argv[1], "panics") == 0) {
        panics();
        return 0;
    }
#endif
    if (argc > 1 && strcmp(argv[1], "lifetimes") == 0) {
        lifetimes(argc > 2 ? atoi(argv[2]) : 40);
        puts("abuse: lifetimes");
        return 0;
    }
    nulls();
    puts("abuse: nulls");
    handles(gateway);
    puts("abuse: handles and orders");
    foreign_thread();
    puts("abuse: foreign thread");
    freeing_inside(rounds);
    puts("abuse: free inside callbacks");
    lifetimes(10);
    puts("abuse: free with calls up and commands under way");
    storm();
    puts("abuse: storm");
    slow();
    puts("abuse: slow callback");
    forked();
    puts("abuse: fork");
    broken_pipes();
    puts("abuse: broken pipes");
#ifdef TEST_HOOKS
    panics();
#endif
    ewebrtc_string_free(url);
    OK(ewebrtc_gateway_stop(gateway));
    CHECK(ewebrtc_gateway_stop(gateway) == EWEBRTC_ERR_NOT_FOUND);
    puts("abuse: passed");
    return 0;
}
