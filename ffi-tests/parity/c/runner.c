/* The parity runner in C (see ffi-tests/parity/README.md): does what it is told line by line, by ewebrtc.h alone.

   Owns: the phones by name. Threads: commands are given on the main thread; events, and with them the ends of commands, come on
   each phone's own thread. A command's number is its tag. */

#include <ewebrtc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_PHONES 16

struct phone {
    char name[32];
    char *gateway;
    ewebrtc_phone handle;
};

static struct phone phones[MOST_PHONES];
static size_t phone_count;

/* One line, whole, whichever thread it comes from. */
static void say(const char *first, const char *second, const char *third)
{
    flockfile(stdout);
    printf("%s %s%s%s\n", first, second, *third ? " " : "", third);
    fflush(stdout);
    funlockfile(stdout);
}

static void say_fault(const char *id, ewebrtc_status status)
{
    const char *kind = "other";
    switch (status) {
    case EWEBRTC_ERR_NOT_FOUND: kind = "not-found"; break;
    case EWEBRTC_ERR_CLOSED: kind = "closed"; break;
    case EWEBRTC_ERR_BUSY: kind = "busy"; break;
    case EWEBRTC_ERR_UNKNOWN_METHOD: kind = "unknown-method"; break;
    case EWEBRTC_ERR_ARGUMENT: kind = "argument"; break;
    case EWEBRTC_ERR_STATE: kind = "no-audio"; break;
    default: fprintf(stderr, "runner: %s: status %d: %s\n", id, (int)status, ewebrtc_last_error());
    }
    say(id, "fault", kind);
}

/* The text behind "KEY":" in a JSON text that the library has made; without escapes, as codes and tags are. */
static int member(const char *json, const char *key, char *value, size_t room)
{
    char pattern[64];
    const char *begin, *end;
    snprintf(pattern, sizeof pattern, "\"%s\":\"", key);
    begin = strstr(json, pattern);
    if (!begin)
        return 0;
    begin += strlen(pattern);
    end = strchr(begin, '"');
    if (!end || (size_t)(end - begin) >= room)
        return 0;
    memcpy(value, begin, (size_t)(end - begin));
    value[end - begin] = 0;
    return 1;
}

static void on_event(void *user, const char *name, const char *json)
{
    struct phone *phone = user;
    char tag[32], code[16];
    char head[64];
    snprintf(head, sizeof head, "event %s", phone->name);
    say(head, json, "");
    if (strcmp(name, "command:finished") == 0 && member(json, "tag", tag, sizeof tag)) {
        if (member(json, "ErrorCode", code, sizeof code))
            say(tag, "error", code);
        else
            say(tag, "ok", "");
    }
}

static struct phone *find(const char *name)
{
    size_t n;
    for (n = 0; n < phone_count; n++)
        if (strcmp(phones[n].name, name) == 0)
            return &phones[n];
    return NULL;
}

/* Cuts the next word off. */
static char *word(char **rest)
{
    char *begin = *rest;
    char *end = strchr(begin, ' ');
    if (end)
        *end++ = 0;
    else
        end = begin + strlen(begin);
    *rest = end;
    return begin;
}

static void make(const char *id, char *rest)
{
    ewebrtc_phone_config config = {.struct_size = sizeof config, .on_event = on_event};
    struct phone *phone = &phones[phone_count];
    ewebrtc_status status;
    snprintf(phone->name, sizeof phone->name, "%s", word(&rest));
    phone->gateway = strdup(word(&rest));
    config.gateway = phone->gateway;
    config.user = phone;
    while (*rest) {
        char *value = word(&rest);
        char *key = value;
        value = strchr(value, '=');
        *value++ = 0;
        if (strcmp(key, "local") == 0)
            config.local_media = value;
        else if (strcmp(key, "remote") == 0)
            config.remote_media = value;
        else if (strcmp(key, "rate") == 0)
            config.pcm_rate = (uint32_t)strtoul(value, NULL, 10);
        else if (strcmp(key, "channel") == 0)
            config.event_channel = strcmp(value, "websocket") == 0 ? EWEBRTC_EVENTS_WEBSOCKET : EWEBRTC_EVENTS_LONG_POLL;
    }
    status = ewebrtc_phone_new(&config, &phone->handle);
    if (status != EWEBRTC_OK) {
        say_fault(id, status);
        return;
    }
    phone_count++;
    say(id, "ok", "");
}

/* Gives a command; its end is told by on_event. A getter (asks) is answered at once. */
static void give(const char *id, const struct phone *phone, ewebrtc_call call, const char *method, const char *options, int asks)
{
    char *result = NULL, code[16];
    ewebrtc_status status = call ? ewebrtc_phone_call_on(phone->handle, call, method, options, asks ? NULL : id, &result)
                                 : ewebrtc_phone_call(phone->handle, method, options, asks ? NULL : id, NULL, &result);
    if (status != EWEBRTC_OK) {
        say_fault(id, status);
    } else if (strncmp(result, "{\"error\":", 9) == 0) {
        say(id, "error", member(result, "ErrorCode", code, sizeof code) ? code : "0000");
    } else if (asks) {
        result[strlen(result) - 1] = 0;
        say(id, "value", result + strlen("{\"value\":"));
    }
    ewebrtc_string_free(result);
}

static void login(const char *id, const struct phone *phone, const char *user)
{
    char *token = NULL, options[512];
    ewebrtc_status status = ewebrtc_dev_token(phone->gateway, user, &token);
    if (status != EWEBRTC_OK) {
        say_fault(id, status);
        return;
    }
    snprintf(options, sizeof options, "{\"token\":\"%s\"}", token);
    ewebrtc_string_free(token);
    give(id, phone, 0, "login", options, 0);
}

static void write_samples(const char *id, const struct phone *phone, ewebrtc_call call, const char *hex)
{
    size_t count = strlen(hex) / 4, accepted = 0, n;
    int16_t *samples = malloc(count * sizeof *samples + 1);
    char number[32];
    ewebrtc_status status;
    for (n = 0; n < count; n++) {
        unsigned low, high;
        sscanf(hex + 4 * n, "%2x%2x", &low, &high);
        samples[n] = (int16_t)(uint16_t)(high << 8 | low);
    }
    status = ewebrtc_pcm_write(phone->handle, call, samples, count, &accepted);
    free(samples);
    snprintf(number, sizeof number, "%zu", accepted);
    if (status == EWEBRTC_OK)
        say(id, "value", number);
    else
        say_fault(id, status);
}

static void read_samples(const char *id, const struct phone *phone, ewebrtc_call call)
{
    enum { ROOM = 4096 };
    int16_t samples[ROOM];
    char *hex = malloc(1), *place;
    size_t length = 0, count, n;
    ewebrtc_status status;
    while ((status = ewebrtc_pcm_read(phone->handle, call, samples, ROOM, &count)) == EWEBRTC_OK && count > 0) {
        hex = realloc(hex, length + 4 * count + 1);
        place = hex + length;
        for (n = 0; n < count; n++, place += 4)
            sprintf(place, "%02x%02x", (unsigned)(uint16_t)samples[n] & 255, (unsigned)(uint16_t)samples[n] >> 8);
        length += 4 * count;
    }
    hex[length] = 0;
    if (status == EWEBRTC_OK)
        say(id, "value", length ? hex : "-");
    else
        say_fault(id, status);
    free(hex);
}

static void close_phone(const char *id, const struct phone *phone)
{
    ewebrtc_status status = ewebrtc_phone_close(phone->handle);
    if (status == EWEBRTC_OK)
        status = ewebrtc_phone_wait_closed(phone->handle, 15000);
    if (status == EWEBRTC_OK)
        say(id, "ok", "");
    else
        say_fault(id, status);
}

static void obey(char *line)
{
    char *id = word(&line), *verb = word(&line);
    struct phone *phone;
    if (strcmp(verb, "phone") == 0) {
        make(id, line);
        return;
    }
    phone = find(word(&line));
    if (!phone) {
        say(id, "fault", "not-found");
    } else if (strcmp(verb, "login") == 0) {
        login(id, phone, line);
    } else if (strcmp(verb, "do") == 0 || strcmp(verb, "get") == 0) {
        char *method = word(&line);
        give(id, phone, 0, method, line, strcmp(verb, "get") == 0);
    } else if (strcmp(verb, "close") == 0) {
        close_phone(id, phone);
    } else {
        ewebrtc_call call = strtoull(word(&line), NULL, 10);
        if (strcmp(verb, "on") == 0) {
            char *method = word(&line);
            give(id, phone, call, method, line, 0);
        } else if (strcmp(verb, "write") == 0) {
            write_samples(id, phone, call, line);
        } else if (strcmp(verb, "read") == 0) {
            read_samples(id, phone, call);
        } else {
            say(id, "fault", "other");
        }
    }
}

int main(void)
{
    char *line = NULL;
    size_t room = 0, n;
    if (!ewebrtc_abi_fits())
        return 2;
    while (getline(&line, &room, stdin) > 0) {
        line[strcspn(line, "\n")] = 0;
        obey(line);
    }
    free(line);
    for (n = 0; n < phone_count; n++) {
        ewebrtc_phone_free(phones[n].handle);
        free(phones[n].gateway);
    }
    return 0;
}
