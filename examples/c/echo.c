/* A call to the echo: plays examples/speech/hello.wav, and writes what comes back to echo.wav. The gateway runs in the same
   process. With an installed library (scripts/install-c.sh --prefix DIR), from the project's folder:

     export PKG_CONFIG_PATH=DIR/lib/pkgconfig
     gcc -std=c99 examples/c/echo.c $(pkg-config --cflags --libs ewebrtc) -Wl,-rpath,DIR/lib -o target/echo
     target/echo
*/
#include <ewebrtc.h>
#include <stdio.h>
#include <string.h>

/* Prints events up to the first one of this name. 1 when it came, 0 when nothing came for so long. */
static int wait_for(ewebrtc_phone phone, const char *name, unsigned milliseconds)
{
    char *json = NULL, wanted[64];
    int found = 0;
    snprintf(wanted, sizeof wanted, "\"event\":\"%s\"", name);
    while (!found && ewebrtc_phone_next_event(phone, milliseconds, &json) == EWEBRTC_OK) {
        puts(json);
        found = strstr(json, wanted) != NULL;
        ewebrtc_string_free(json);
    }
    return found;
}

int main(void)
{
    ewebrtc_gateway gateway = 0;
    ewebrtc_phone phone = 0;
    ewebrtc_phone_config config;
    char *url = NULL, *token = NULL, login[4096];
    int heard = 0;

    memset(&config, 0, sizeof config);
    if (!ewebrtc_abi_fits() || ewebrtc_gateway_start(NULL, &gateway) || ewebrtc_gateway_url(gateway, &url))
        return 1;
    config.struct_size = sizeof config;
    config.gateway = url;
    config.local_media = "wav:examples/speech/hello.wav";
    config.remote_media = "wav:echo.wav";
    if (ewebrtc_phone_new(&config, &phone) || ewebrtc_dev_token(url, "alice", &token)) {
        fprintf(stderr, "%s\n", ewebrtc_last_error());
        return 1;
    }
    snprintf(login, sizeof login, "{\"token\":\"%s\"}", token);
    ewebrtc_phone_call(phone, "login", login, NULL, NULL, NULL);
    if (wait_for(phone, "session:ready", 10000)) {
        ewebrtc_phone_call(phone, "dial", "{\"destination\":\"echo\"}", NULL, NULL, NULL);
        heard = wait_for(phone, "media:established", 10000);
        wait_for(phone, "call:disconnected", 7000); /* the sentence takes six seconds */
        ewebrtc_phone_call(phone, "hangup", NULL, NULL, NULL, NULL);
        wait_for(phone, "call:disconnected", 10000);
    }
    ewebrtc_phone_close(phone);
    wait_for(phone, "phone:closed", 10000);
    ewebrtc_phone_free(phone);
    ewebrtc_string_free(token);
    ewebrtc_string_free(url);
    ewebrtc_gateway_stop(gateway);
    return heard ? 0 : 1;
}
