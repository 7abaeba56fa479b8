/* Video in C: two phones, one of which upgrades the call. Each program draws pictures with a number and looks at the other's. */
#include "support.h"

enum { ALICE = 'a', BOB = 'b', ROW = 20, LARGEST = 2 * 1024 * 1024 };

struct side {
    ewebrtc_phone phone;
    ewebrtc_call call;
    int by;
    uint32_t drawn, keys;
    struct watch watch;
};

/* Looks like VP8 to who does not decode it: a head, who has drawn it, a number, and more or less behind it. */
static size_t picture(uint8_t *data, int by, uint32_t number, int key)
{
    static const uint8_t head[] = {0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xf0, 0x00};
    size_t size = key ? sizeof head : 3;
    memcpy(data, head, size);
    data[0] = key ? 0x10 : 0x11;
    data[size++] = (uint8_t)by;
    memcpy(data + size, &number, sizeof number);
    size += sizeof number;
    memset(data + size, (int)(number & 0xff), number % 5 * 900);
    return size + number % 5 * 900;
}

static void draw(struct side *side)
{
    static uint8_t data[8192];
    ewebrtc_video_frame frame;
    size_t size;
    int32_t key = 0, taken = 0;
    OK(ewebrtc_video_key_frame_wanted(side->phone, side->call, &key));
    memset(&frame, 0, sizeof frame);
    frame.codec = EWEBRTC_VIDEO_VP8;
    frame.timestamp = side->drawn * 1800;
    size = picture(data, side->by, side->drawn, key);
    OK(ewebrtc_video_write(side->phone, side->call, &frame, data, size, &taken));
    side->drawn++;
    side->keys += (uint32_t)(key != 0);
}

/* Draws on both sides until this one has seen a row of the other's pictures, all whole. */
static void see(struct side *side, struct side *other)
{
    static uint8_t data[LARGEST], whole[8192];
    struct timespec end = deadline(), now;
    uint32_t last = 0;
    int row = 0;
    while (row < ROW) {
        ewebrtc_video_frame frame;
        draw(side);
        draw(other);
        while (ewebrtc_video_read(side->phone, side->call, data, sizeof data, &frame) == EWEBRTC_OK && frame.size > 0) {
            size_t head = frame.key ? 10 : 3;
            uint32_t number;
            memcpy(&number, data + head + 1, sizeof number);
            CHECK(frame.codec == EWEBRTC_VIDEO_VP8 && data[head] == other->by);
            CHECK(frame.size == picture(whole, other->by, number, frame.key) && memcmp(data, whole, frame.size) == 0);
            row = row > 0 && number == last + 1 ? row + 1 : 1;
            last = number;
        }
        clock_gettime(CLOCK_REALTIME, &now);
        if (now.tv_sec > end.tv_sec) {
            fprintf(stderr, "no row of pictures: %d\n", row);
            _exit(1);
        }
        pause_ms(20);
    }
}

/* What a program may do wrong. */
static void refuse(struct side *side)
{
    static uint8_t data[LARGEST + 1];
    ewebrtc_video_frame frame;
    int32_t number = 7;
    size_t queued = 7;
    memset(&frame, 0, sizeof frame);
    frame.codec = EWEBRTC_VIDEO_H264 + 1;
    CHECK(ewebrtc_video_write(side->phone, side->call, &frame, data, 1, &number) == EWEBRTC_ERR_ARGUMENT && number == 0);
    frame.codec = EWEBRTC_VIDEO_VP8;
    CHECK(ewebrtc_video_write(side->phone, side->call, &frame, data, 0, &number) == EWEBRTC_ERR_ARGUMENT);
    CHECK(ewebrtc_video_write(side->phone, side->call, &frame, data, sizeof data, &number) == EWEBRTC_ERR_ARGUMENT);
    CHECK(ewebrtc_video_write(side->phone, side->call, NULL, data, 1, &number) == EWEBRTC_ERR_NULL);
    CHECK(ewebrtc_video_write(side->phone, side->call, &frame, NULL, 1, &number) == EWEBRTC_ERR_NULL);
    CHECK(ewebrtc_video_write(side->phone, side->call, &frame, data, 1, NULL) == EWEBRTC_ERR_NULL);
    CHECK(ewebrtc_video_write(side->phone, 5, &frame, data, 1, &number) == EWEBRTC_ERR_NOT_FOUND);
    CHECK(ewebrtc_video_write(5, side->call, &frame, data, 1, &number) == EWEBRTC_ERR_NOT_FOUND);
    CHECK(ewebrtc_video_read(side->phone, side->call, NULL, 1, &frame) == EWEBRTC_ERR_NULL && frame.size == 0);
    CHECK(ewebrtc_video_read(side->phone, side->call, data, 1, NULL) == EWEBRTC_ERR_NULL);
    CHECK(ewebrtc_video_read(side->phone, 5, data, 1, &frame) == EWEBRTC_ERR_NOT_FOUND);
    CHECK(ewebrtc_video_key_frame_wanted(side->phone, side->call, NULL) == EWEBRTC_ERR_NULL);
    number = 7;
    CHECK(ewebrtc_video_key_frame_wanted(side->phone, 5, &number) == EWEBRTC_ERR_NOT_FOUND && number == 0);
    CHECK(ewebrtc_video_queued(side->phone, side->call, NULL) == EWEBRTC_ERR_NULL);
    CHECK(ewebrtc_video_queued(side->phone, 5, &queued) == EWEBRTC_ERR_NOT_FOUND && queued == 0);
    CHECK(ewebrtc_video_request_key_frame(side->phone, 5) == EWEBRTC_ERR_NOT_FOUND);
}

/* A picture for which there is no room stays where it is. */
static void read_in_two_steps(struct side *side, struct side *other)
{
    static uint8_t data[LARGEST];
    ewebrtc_video_frame small, whole;
    struct timespec end = deadline(), now;
    for (;;) {
        ewebrtc_status status;
        draw(other);
        status = ewebrtc_video_read(side->phone, side->call, data, 4, &small);
        if (status == EWEBRTC_ERR_ARGUMENT)
            break;
        CHECK(status == EWEBRTC_OK && small.size == 0);
        clock_gettime(CLOCK_REALTIME, &now);
        CHECK(now.tv_sec <= end.tv_sec);
        pause_ms(20);
    }
    OK(ewebrtc_video_read(side->phone, side->call, data, sizeof data, &whole));
    CHECK(small.size == whole.size && small.timestamp == whole.timestamp && small.key == whole.key && whole.size > 4);
}

int main(void)
{
    static struct side alice, bob;
    static const char shown[] = "silence;video=frames", seen[] = "discard;video=frames";
    ewebrtc_gateway gateway = 0;
    char *url = NULL, *result = NULL;
    const char *incoming, *json;
    struct timespec end, now;
    uint32_t keys;
    size_t queued = 0;

    alice.by = ALICE;
    bob.by = BOB;
    OK(ewebrtc_gateway_start(NULL, &gateway));
    OK(ewebrtc_gateway_url(gateway, &url));
    watch_init(&alice.watch);
    watch_init(&bob.watch);
    alice.phone = phone_with_media(url, shown, seen, watch_event, &alice.watch, watch_drop);
    bob.phone = phone_with_media(url, shown, seen, watch_event, &bob.watch, watch_drop);
    log_in(alice.phone, url, "alice", "a1");
    log_in(bob.phone, url, "bob", "b1");
    watch_wait(&alice.watch, "command:finished", "\"tag\":\"a1\"");
    watch_wait(&bob.watch, "command:finished", "\"tag\":\"b1\"");

    /* An audio call, although there are cameras. */
    OK(ewebrtc_phone_call(alice.phone, "dial", "{\"destination\":\"bob\",\"mediaType\":\"audio\"}", "d", &alice.call, NULL));
    incoming = watch_wait(&bob.watch, "call:incoming", "\"mediaType\":\"audio\"");
    bob.call = strtoull(strstr(incoming, "\"call\":") + 7, NULL, 10);
    OK(ewebrtc_phone_call(bob.phone, "answer", "{}", "r", NULL, NULL));
    watch_wait(&alice.watch, "media:established", NULL);
    watch_wait(&bob.watch, "media:established", NULL);
    refuse(&alice);

    /* Alice asks, bob agrees. */
    OK(ewebrtc_phone_call(alice.phone, "upgrade", NULL, "u", NULL, NULL));
    json = watch_wait(&bob.watch, "call:media-modification", "\"newMediaType\":\"video\"");
    CHECK(strstr(json, "\"operation\":\"upgrade\""));
    OK(ewebrtc_phone_call(bob.phone, "acceptModification", NULL, "y", NULL, NULL));
    watch_wait(&alice.watch, "command:finished", "\"tag\":\"u\"");
    watch_wait(&bob.watch, "command:finished", "\"tag\":\"y\"");
    OK(ewebrtc_phone_call(alice.phone, "getMediaType", NULL, NULL, NULL, &result));
    CHECK(strstr(result, "\"video\""));
    ewebrtc_string_free(result);
    see(&alice, &bob);
    see(&bob, &alice);
    read_in_two_steps(&alice, &bob);
    OK(ewebrtc_video_queued(alice.phone, alice.call, &queued));

    OK(ewebrtc_call_stats(alice.phone, alice.call, &result));
    CHECK(strstr(result, "\"frames_received\":") && !strstr(result, "\"frames_received\":0"));
    ewebrtc_string_free(result);

    /* Who looks wants a key frame, and who draws hears of it. */
    keys = alice.keys;
    OK(ewebrtc_video_request_key_frame(bob.phone, bob.call));
    for (end = deadline(); alice.keys == keys; pause_ms(20)) {
        draw(&alice);
        clock_gettime(CLOCK_REALTIME, &now);
        CHECK(now.tv_sec <= end.tv_sec);
    }

    OK(ewebrtc_phone_call(bob.phone, "downgrade", NULL, "dn", NULL, NULL));
    watch_wait(&alice.watch, "call:media-modification", "\"newMediaType\":\"audio\"");
    OK(ewebrtc_phone_call(alice.phone, "rejectModification", NULL, "n", NULL, NULL));
    watch_wait(&bob.watch, "command:finished", "\"tag\":\"dn\"");
    watch_wait(&alice.watch, "command:finished", "\"tag\":\"n\"");
    OK(ewebrtc_phone_call(bob.phone, "getMediaType", NULL, NULL, NULL, &result));
    CHECK(strstr(result, "\"audio\""));
    ewebrtc_string_free(result);
    see(&bob, &alice);

    OK(ewebrtc_phone_call_on(alice.phone, alice.call, "hangup", NULL, "h", NULL));
    watch_wait(&bob.watch, "call:disconnected", NULL);
    watch_wait(&alice.watch, "command:finished", "\"tag\":\"h\"");
    CHECK(ewebrtc_video_request_key_frame(alice.phone, alice.call) == EWEBRTC_ERR_NOT_FOUND);
    CHECK(ewebrtc_video_queued(alice.phone, alice.call, &queued) == EWEBRTC_ERR_NOT_FOUND && queued == 0);
    OK(ewebrtc_phone_free(alice.phone));
    OK(ewebrtc_phone_free(bob.phone));
    watch_done(&alice.watch);
    watch_done(&bob.watch);
    OK(ewebrtc_gateway_stop(gateway));
    ewebrtc_string_free(url);
    puts("video: passed");
    return 0;
}
