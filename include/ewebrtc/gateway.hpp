/* Part of ewebrtc.hpp: the gateway in the same process, and tokens from gateways in development mode. */
#ifndef EWEBRTC_GATEWAY_HPP
#define EWEBRTC_GATEWAY_HPP

#include "json.hpp"

#include <optional>

namespace ewebrtc {
inline namespace v1 {

/// Asks a gateway in development mode for a token of a user, who exists from then on: a name is an account id, 10 or 11 digits are a
/// number. Waits for the answer, ten seconds at most, also inside a handler.
///
/// Throws Error EWEBRTC_ERR_ARGUMENT for what is no address, EWEBRTC_ERR_SYSTEM without an answer, when the gateway is not in
/// development mode and when it refuses the name.
inline std::string dev_token(const std::string &gateway, const std::string &user) {
    detail::check_library();
    detail::Owned token;
    detail::check(ewebrtc_dev_token(detail::c_text(gateway, "the gateway"), detail::c_text(user, "the user"), token.out()));
    return token.text();
}

/// How a gateway is started; what is empty is as the gateway has it by default.
struct GatewayOptions {
    std::optional<std::string> listen;            ///< "address:port"; default: a free port on 127.0.0.1.
    std::optional<std::string> domain;            ///< Domain of the accounts.
    std::optional<bool> ringback;                 ///< Callers hear it ring (early media).
    std::optional<std::uint32_t> session_seconds; ///< Lifetime of a session without a refresh.
    std::optional<std::uint32_t> ring_seconds;    ///< How long it rings.
    std::optional<std::uint32_t> poll_seconds;    ///< How long a request waits for events, 1 to 35.
    std::optional<std::uint32_t> ping_seconds;    ///< Between the pings of a WebSocket.
    std::optional<std::uint32_t> lost_seconds;    ///< A phone that has not asked for events so long is gone.
};

/// A gateway in this process, in development mode: every name may log in. It listens when the constructor returns. Owns it; can be
/// moved only.
class Gateway {
  public:
    /// Starts it. Throws Error EWEBRTC_ERR_ARGUMENT for an option that cannot be used, EWEBRTC_ERR_SYSTEM when the address cannot be
    /// listened on, EWEBRTC_ERR_UNSUPPORTED when the library was built without a gateway.
    explicit Gateway(const GatewayOptions &options = {}) {
        detail::check_library();
        Json json = Json::object();
        json.set_if("listen", options.listen).set_if("domain", options.domain).set_if("ringback", options.ringback);
        json.set_if("sessionSeconds", options.session_seconds).set_if("ringSeconds", options.ring_seconds);
        json.set_if("pollSeconds", options.poll_seconds).set_if("pingSeconds", options.ping_seconds);
        json.set_if("lostSeconds", options.lost_seconds);
        ewebrtc_gateway handle = 0;
        detail::check(ewebrtc_gateway_start_with(json.dump().c_str(), &handle));
        handle_ = handle;
    }

    Gateway(Gateway &&other) noexcept : handle_(std::exchange(other.handle_, 0)) {}
    Gateway &operator=(Gateway &&other) noexcept {
        Gateway(std::move(other)).swap(*this);
        return *this;
    }
    Gateway(const Gateway &) = delete;
    Gateway &operator=(const Gateway &) = delete;

    /// Ends it as stop does.
    ~Gateway() { stop(); }

    /// Its address, for phones. Throws Error EWEBRTC_ERR_NOT_FOUND after stop and after a move.
    std::string url() const {
        detail::Owned url;
        detail::check(ewebrtc_gateway_url(handle_, url.out()));
        return url.text();
    }

    /// A token of this gateway: see ewebrtc::dev_token.
    std::string dev_token(const std::string &user) const { return ewebrtc::dev_token(url(), user); }

    /// Ends every session and waits until the port is free again, five seconds at most; inside a handler it does not wait. Stopping
    /// twice does nothing more.
    void stop() noexcept { ewebrtc_gateway_stop(std::exchange(handle_, 0)); }

    /// Its handle, for the functions of ewebrtc.h; 0 after stop and after a move.
    ewebrtc_gateway handle() const noexcept { return handle_; }

  private:
    void swap(Gateway &other) noexcept { std::swap(handle_, other.handle_); }

    ewebrtc_gateway handle_ = 0;
};

} // namespace v1
} // namespace ewebrtc
#endif
