/* What the C test programs share: checks that end the program with a line, and waiting for events with a deadline. */
#ifndef SUPPORT_H
#define SUPPORT_H
#include <ewebrtc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CHECK(condition)                                                                                   \
    do {                                                                                                   \
        if (!(condition)) {                                                                                \
            fprintf(stderr, "%s:%d: %s\n  last error: %s\n", __FILE__, __LINE__, #condition, ewebrtc_last_error()); \
            _exit(1);                                                                                      \
        }                                                                                                  \
    } while (0)
#define OK(call) CHECK((call) == EWEBRTC_OK)

enum { DEADLINE_S = 60, EVENTS = 512 };

/* The events of one phone, collected by its callback. */
struct watch {
    pthread_mutex_t lock;
    pthread_cond_t news;
    int count, dropped;
    char *json[EVENTS];
    char name[EVENTS][40];
};

static inline void watch_init(struct watch *w)
{
    memset(w, 0, sizeof *w);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->news, NULL);
}

static inline void watch_event(void *user, const char *name, const char *json)
{
    struct watch *w = user;
    size_t size = strlen(json) + 1;
    if (getenv("EWEBRTC_TEST_TRACE"))
        fprintf(stderr, "%p %s\n", user, json);
    pthread_mutex_lock(&w->lock);
    CHECK(!w->dropped && w->count < EVENTS);
    w->json[w->count] = malloc(size);
    memcpy(w->json[w->count], json, size);
    snprintf(w->name[w->count++], sizeof w->name[0], "%s", name);
    pthread_cond_broadcast(&w->news);
    pthread_mutex_unlock(&w->lock);
}

static inline void watch_drop(void *user)
{
    struct watch *w = user;
    pthread_mutex_lock(&w->lock);
    w->dropped++;
    pthread_cond_broadcast(&w->news);
    pthread_mutex_unlock(&w->lock);
}

static inline struct timespec deadline(void)
{
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    at.tv_sec += DEADLINE_S;
    return at;
}

/* Waits for an event whose JSON contains `part` (null: any). Its JSON lives as long as the watch. */
static inline const char *watch_wait(struct watch *w, const char *name, const char *part)
{
    struct timespec at = deadline();
    int i = 0;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        for (; i < w->count; i++)
            if (strcmp(w->name[i], name) == 0 && (!part || strstr(w->json[i], part))) {
                const char *json = w->json[i];
                pthread_mutex_unlock(&w->lock);
                return json;
            }
        if (pthread_cond_timedwait(&w->news, &w->lock, &at) != 0) {
            fprintf(stderr, "no %s with %s within %d s; there were:\n", name, part ? part : "anything", DEADLINE_S);
            for (i = 0; i < w->count; i++)
                fprintf(stderr, "  %s\n", w->json[i]);
            _exit(1);
        }
    }
}

static inline int watch_count(struct watch *w, const char *name)
{
    int i, n = 0;
    pthread_mutex_lock(&w->lock);
    for (i = 0; i < w->count; i++)
        n += strcmp(w->name[i], name) == 0;
    pthread_mutex_unlock(&w->lock);
    return n;
}

static inline void watch_done(struct watch *w)
{
    int i;
    CHECK(w->dropped == 1);
    for (i = 0; i < w->count; i++)
        free(w->json[i]);
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->news);
}

static inline ewebrtc_phone phone_made(uint32_t event_channel, const char *gateway, const char *local, const char *remote,
                                       ewebrtc_event_fn on_event, void *user, ewebrtc_drop_fn drop)
{
    ewebrtc_phone_config config;
    ewebrtc_phone phone = 0;
    memset(&config, 0, sizeof config);
    config.struct_size = sizeof config;
    config.gateway = gateway;
    config.on_event = on_event;
    config.user = user;
    config.drop_user = drop;
    config.local_media = local;
    config.remote_media = remote;
    config.pcm_rate = 16000;
    config.event_channel = event_channel;
    OK(ewebrtc_phone_new(&config, &phone));
    CHECK(phone != 0);
    return phone;
}

static inline ewebrtc_phone phone_with(const char *gateway, ewebrtc_event_fn on_event, void *user, ewebrtc_drop_fn drop)
{
    return phone_made(EWEBRTC_EVENTS_LONG_POLL, gateway, "pcm", "pcm", on_event, user, drop);
}

static inline ewebrtc_phone phone_with_media(const char *gateway, const char *local, const char *remote,
                                             ewebrtc_event_fn on_event, void *user, ewebrtc_drop_fn drop)
{
    return phone_made(EWEBRTC_EVENTS_LONG_POLL, gateway, local, remote, on_event, user, drop);
}

static inline ewebrtc_phone phone_over(uint32_t event_channel, const char *gateway, ewebrtc_event_fn on_event, void *user,
                                       ewebrtc_drop_fn drop)
{
    return phone_made(event_channel, gateway, "pcm", "pcm", on_event, user, drop);
}

static inline void log_in(ewebrtc_phone phone, const char *gateway, const char *name, const char *tag)
{
    char options[4096], *token = NULL;
    OK(ewebrtc_dev_token(gateway, name, &token));
    CHECK(snprintf(options, sizeof options, "{\"token\":\"%s\"}", token) < (int)sizeof options);
    ewebrtc_string_free(token);
    OK(ewebrtc_phone_call(phone, "login", options, tag, NULL, NULL));
}

static inline void pause_ms(long ms)
{
    struct timespec time = {ms / 1000, ms % 1000 * 1000000L};
    nanosleep(&time, NULL);
}
#endif
