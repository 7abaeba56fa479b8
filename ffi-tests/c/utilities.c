/* What needs no call: the report, the log and its function, settings of calls by name, whether the phone is online. Wrong
   arguments and wrong orders come first everywhere. */
#include "support.h"

static char *url;

/* The result of a method that needs no phone. To be freed. */
static char *utility(const char *method, const char *options)
{
    char *result = NULL;
    OK(ewebrtc_utility(method, options, &result));
    CHECK(result);
    return result;
}

static void has(char *result, const char *part)
{
    if (!strstr(result, part)) {
        fprintf(stderr, "no %s in %s\n", part, result);
        _exit(1);
    }
    ewebrtc_string_free(result);
}

static void is(char *result, const char *whole)
{
    if (strcmp(result, whole) != 0) {
        fprintf(stderr, "not %s but %s\n", whole, result);
        _exit(1);
    }
    ewebrtc_string_free(result);
}

static void report(void)
{
    char *json = NULL;
    CHECK(ewebrtc_capabilities(NULL) == EWEBRTC_ERR_NULL);
    OK(ewebrtc_capabilities(&json));
    CHECK(strstr(json, "\"hasWebRTC\":\"") && strstr(json, "\"audioCodecs\":[\"opus\"") && strstr(json, "\"isNetworkConnected\":"));
    ewebrtc_string_free(json);
    has(utility("hasWebRTC", NULL), "{\"value\":\"");
    has(utility("getBrowserSupport", ""), "\"supported\":[");
    has(utility("isNetworkConnected", "{}"), "{\"value\":");
}

static void levels(void)
{
    char *result = (char *)1;
    CHECK(ewebrtc_utility(NULL, NULL, NULL) == EWEBRTC_ERR_NULL);
    CHECK(ewebrtc_utility("fly", NULL, &result) == EWEBRTC_ERR_UNKNOWN_METHOD && !result);
    CHECK(ewebrtc_utility("dial", "{}", NULL) == EWEBRTC_ERR_UNKNOWN_METHOD);
    CHECK(ewebrtc_utility("getLogger", "[", &result) == EWEBRTC_ERR_ARGUMENT && !result);
    CHECK(ewebrtc_utility("getLogger", "[]", NULL) == EWEBRTC_ERR_ARGUMENT);
    CHECK(ewebrtc_utility("getLogger", NULL, NULL) == EWEBRTC_ERR_ARGUMENT);
    CHECK(ewebrtc_utility("getLogger", "{\"module\":5}", NULL) == EWEBRTC_ERR_ARGUMENT);
    CHECK(ewebrtc_utility("getLogger", "{\"module\":\"nobody\"}", NULL) == EWEBRTC_ERR_ARGUMENT);
    CHECK(strstr(ewebrtc_last_error(), "nobody"));
    CHECK(ewebrtc_utility("setLogLevel", "{\"module\":\"call\",\"level\":\"LOUD\"}", NULL) == EWEBRTC_ERR_ARGUMENT);
    CHECK(ewebrtc_utility("deleteCustomLogger", "{\"module\":\"call\"}", NULL) == EWEBRTC_ERR_ARGUMENT);
    is(utility("getLogLevels", NULL), "{\"value\":[\"error\",\"warn\",\"info\",\"debug\",\"trace\"]}");
    is(utility("getGlobalLogLevel", NULL), "{\"value\":\"warn\"}");
    has(utility("createCustomLogger", "{\"module\":\"mine\"}"), "\"isCustomType\":true");
    is(utility("setLogLevel", "{\"module\":\"mine\",\"level\":\"trace\"}"), "{\"value\":null}");
    has(utility("getCurrentModuleLogLevels", NULL), "\"mine\":\"trace\"");
}

/* Counts the lines of the logger "mine". */
struct lines {
    int count, dropped, refused;
    ewebrtc_phone phone;
    char last[64];
};

static void drop_lines(void *user)
{
    struct lines *lines = user;
    __atomic_fetch_add(&lines->dropped, 1, __ATOMIC_SEQ_CST);
}

static void count_line(void *user, const char *level, const char *module, const char *message, const char *file, uint32_t line)
{
    struct lines *lines = user;
    CHECK(__atomic_load_n(&lines->dropped, __ATOMIC_SEQ_CST) == 0);
    if (strcmp(module, "mine") != 0)
        return;
    CHECK(strcmp(level, "warn") == 0 && !file && line == 0);
    /* Neither comes back to here, nor waits for itself. */
    OK(ewebrtc_utility("logError", "{\"module\":\"mine\",\"message\":\"inside\"}", NULL));
    if (ewebrtc_phone_call(lines->phone, "getCalls", NULL, NULL, NULL, NULL) == EWEBRTC_ERR_WOULD_BLOCK)
        __atomic_fetch_add(&lines->refused, 1, __ATOMIC_SEQ_CST);
    __atomic_fetch_add(&lines->count, 1, __ATOMIC_SEQ_CST);
    if (strcmp(message, "many") != 0)
        snprintf(lines->last, sizeof lines->last, "%s", message);
}

static void *write_lines(void *user)
{
    int i;
    (void)user;
    for (i = 0; i < 200; i++)
        OK(ewebrtc_utility("logWarning", "{\"module\":\"mine\",\"message\":\"many\"}", NULL));
    return NULL;
}

static struct lines second;

/* Replaces itself by another one while it runs. */
static void replace_line(void *user, const char *level, const char *module, const char *message, const char *file, uint32_t line)
{
    struct lines *lines = user;
    (void)level, (void)module, (void)message, (void)file, (void)line;
    CHECK(lines->dropped == 0);
    OK(ewebrtc_log_set_callback(count_line, &second, drop_lines));
    CHECK(lines->dropped == 0);
    lines->count++;
}

static void lines_of_the_log(void)
{
    static struct lines first, replaced;
    pthread_t threads[4];
    int i;
    first.phone = second.phone = phone_with(url, NULL, NULL, NULL);
    OK(ewebrtc_log_set_callback(NULL, NULL, NULL));
    OK(ewebrtc_log_set_callback(NULL, NULL, drop_lines));
    OK(ewebrtc_log_set_callback(count_line, &first, drop_lines));
    OK(ewebrtc_utility("logWarning", "{\"module\":\"mine\",\"message\":\"of mine\"}", NULL));
    CHECK(first.count == 1 && first.refused == 1 && strcmp(first.last, "of mine") == 0);
    for (i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, write_lines, NULL) == 0);
    for (i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    CHECK(first.count == 801);
    OK(ewebrtc_utility("setLogLevel", "{\"module\":\"mine\",\"level\":\"error\"}", NULL));
    OK(ewebrtc_utility("logWarning", "{\"module\":\"mine\",\"message\":\"left out\"}", NULL));
    CHECK(first.count == 801 && first.dropped == 0);
    OK(ewebrtc_utility("setLogLevel", "{\"module\":\"mine\",\"level\":\"warn\"}", NULL));
    OK(ewebrtc_log_set_callback(replace_line, &replaced, drop_lines));
    CHECK(first.dropped == 1);
    OK(ewebrtc_utility("logWarning", "{\"module\":\"mine\",\"message\":\"replaces\"}", NULL));
    CHECK(replaced.count == 1 && replaced.dropped == 1);
    OK(ewebrtc_utility("logWarning", "{\"module\":\"mine\",\"message\":\"second\"}", NULL));
    CHECK(second.count == 1 && strcmp(second.last, "second") == 0);
    OK(ewebrtc_log_set_callback(NULL, NULL, NULL));
    CHECK(second.dropped == 1);
    OK(ewebrtc_utility("logWarning", "{\"module\":\"mine\",\"message\":\"nobody\"}", NULL));
    OK(ewebrtc_utility("deleteCustomLogger", "{\"module\":\"mine\"}", NULL));
    OK(ewebrtc_utility("resetLogLevels", NULL, NULL));
    CHECK(first.count == 801 && second.count == 1);
    OK(ewebrtc_phone_free(first.phone));
}

/* What a phone answers. To be freed. */
static char *answered(ewebrtc_phone phone, const char *method, const char *options, const char *tag)
{
    char *result = NULL;
    OK(ewebrtc_phone_call(phone, method, options, tag, NULL, &result));
    CHECK(result);
    return result;
}

static void settings(void)
{
    static struct watch watch;
    ewebrtc_phone phone;
    watch_init(&watch);
    phone = phone_with(url, watch_event, &watch, watch_drop);
    has(answered(phone, "setIceServers", "{\"iceServers\":[]}", "ice"), "\"ErrorCode\":\"4811\"");
    has(answered(phone, "setIceTransport", "{\"iceTransport\":\"some\"}", "path"), "\"ErrorCode\":\"4821\"");
    has(answered(phone, "setIpv6", "{\"ipv6\":1}", "six"), "\"ErrorCode\":\"4831\"");
    watch_wait(&watch, "error", "\"tag\":\"ice\"");
    watch_wait(&watch, "error", "\"tag\":\"path\"");
    watch_wait(&watch, "error", "\"tag\":\"six\"");
    CHECK(ewebrtc_phone_call(phone, "setAudioCodec", "{\"codec\":\"G729\"}", NULL, NULL, NULL) == EWEBRTC_ERR_ARGUMENT);
    CHECK(strstr(ewebrtc_last_error(), "PCMU"));
    is(answered(phone, "getIceServers", NULL, NULL), "{\"value\":[]}");
    is(answered(phone, "setIceServers", "{\"iceServers\":[{\"url\":\"stun:192.0.2.1\"}]}", "set"), "{\"value\":null}");
    watch_wait(&watch, "command:finished", "\"tag\":\"set\"");
    is(answered(phone, "getIceServers", NULL, NULL), "{\"value\":[{\"urls\":[\"stun:192.0.2.1\"]}]}");
    is(answered(phone, "resetIceServers", NULL, NULL), "{\"value\":null}");
    is(answered(phone, "getIceServers", NULL, NULL), "{\"value\":[]}");
    is(answered(phone, "getIceTransport", NULL, NULL), "{\"value\":\"all\"}");
    is(answered(phone, "getIpv6", NULL, NULL), "{\"value\":true}");
    is(answered(phone, "getAudioCodec", NULL, NULL), "{\"value\":null}");
    is(answered(phone, "setAudioCodec", "{\"codec\":\"pcmu\"}", NULL), "{\"value\":null}");
    is(answered(phone, "getAudioCodec", NULL, NULL), "{\"value\":\"pcmu\"}");
    is(answered(phone, "getSupportedAudioCodecs", NULL, NULL), "{\"value\":[\"opus\",\"PCMU\",\"PCMA\"]}");
    /* The choice is heard in the next call. */
    log_in(phone, url, "carol", "in");
    watch_wait(&watch, "command:finished", "\"tag\":\"in\"");
    OK(ewebrtc_phone_call(phone, "dial", "{\"destination\":\"echo\"}", NULL, NULL, NULL));
    CHECK(!strstr(watch_wait(&watch, "call:connected", "PCMU"), "opus"));
    OK(ewebrtc_phone_free(phone));
    watch_done(&watch);
}

static void network(void)
{
    static struct watch watch;
    ewebrtc_phone phone;
    int32_t online = 7;
    CHECK(ewebrtc_phone_is_online(1, NULL) == EWEBRTC_ERR_NOT_FOUND);
    CHECK(ewebrtc_phone_is_online(1, &online) == EWEBRTC_ERR_NOT_FOUND && online == 0);
    CHECK(ewebrtc_phone_follow_network(1) == EWEBRTC_ERR_NOT_FOUND);
    watch_init(&watch);
    phone = phone_with(url, watch_event, &watch, watch_drop);
    CHECK(ewebrtc_phone_is_online(phone, NULL) == EWEBRTC_ERR_NULL);
    OK(ewebrtc_phone_is_online(phone, &online));
    CHECK(online == 1);
    OK(ewebrtc_phone_follow_network(phone));
    OK(ewebrtc_phone_set_connectivity(phone, 0));
    OK(ewebrtc_phone_is_online(phone, &online));
    CHECK(online == 0);
    watch_wait(&watch, "connectivity:off", NULL);
    is(answered(phone, "isOnline", NULL, NULL), "{\"value\":false}");
    has(answered(phone, "logout", NULL, NULL), "\"ErrorCode\":\"0002\"");
    OK(ewebrtc_phone_follow_network(phone));
    watch_wait(&watch, "connectivity:on", NULL);
    OK(ewebrtc_phone_is_online(phone, &online));
    CHECK(online == 1 && watch_count(&watch, "connectivity:off") == 1);
    OK(ewebrtc_phone_free(phone));
    CHECK(ewebrtc_phone_is_online(phone, &online) == EWEBRTC_ERR_NOT_FOUND);
    watch_done(&watch);
}

/* A gateway with a domain of its own, at which callers hear it ring. */
static void options_of_a_gateway(void)
{
    ewebrtc_gateway gateway = 0;
    ewebrtc_phone alice, bob;
    struct watch at_alice, at_bob;
    char *there = NULL;
    OK(ewebrtc_gateway_start_with("{\"domain\":\"example.org\",\"ringback\":true,\"sessionSeconds\":600}", &gateway));
    OK(ewebrtc_gateway_url(gateway, &there));
    watch_init(&at_alice);
    watch_init(&at_bob);
    alice = phone_with_media(there, "silence", "discard", watch_event, &at_alice, watch_drop);
    bob = phone_with_media(there, "silence", "discard", watch_event, &at_bob, watch_drop);
    log_in(alice, there, "alice", NULL);
    log_in(bob, there, "bob", NULL);
    watch_wait(&at_alice, "session:ready", NULL);
    watch_wait(&at_bob, "session:ready", NULL);
    OK(ewebrtc_phone_call(alice, "dial", "{\"destination\":\"bob\"}", NULL, NULL, NULL));
    watch_wait(&at_bob, "call:incoming", "sip:alice@example.org");
    watch_wait(&at_alice, "call:ringback-provided", NULL);
    OK(ewebrtc_phone_free(alice));
    OK(ewebrtc_phone_free(bob));
    watch_done(&at_alice);
    watch_done(&at_bob);
    ewebrtc_string_free(there);
    OK(ewebrtc_gateway_stop(gateway));
}

int main(void)
{
    ewebrtc_gateway gateway = 0;
    OK(ewebrtc_gateway_start(NULL, &gateway));
    OK(ewebrtc_gateway_url(gateway, &url));
    report();
    puts("utilities: report");
    levels();
    puts("utilities: levels");
    lines_of_the_log();
    puts("utilities: lines of the log");
    settings();
    puts("utilities: settings");
    network();
    puts("utilities: network");
    options_of_a_gateway();
    puts("utilities: options of a gateway");
    ewebrtc_string_free(url);
    OK(ewebrtc_gateway_stop(gateway));
    puts("utilities: passed");
    return 0;
}
