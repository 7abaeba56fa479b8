/* Part of ewebrtc.hpp: the version, the tables of error codes, and what works on this machine. */
#ifndef EWEBRTC_INFO_HPP
#define EWEBRTC_INFO_HPP

#include "event.hpp"

#include <map>

namespace ewebrtc {
inline namespace v1 {

/// Version of the library, such as "0.1.0".
inline std::string version() {
    detail::check_library();
    return ewebrtc_version();
}

/// Calls a method that needs no phone by its documented name, and gives its value: those of logManager, Logger and browser, with their
/// arguments as an object. See ewebrtc_utility.
///
/// Throws Error EWEBRTC_ERR_UNKNOWN_METHOD, EWEBRTC_ERR_ARGUMENT.
inline Json utility(const std::string &method, const Json &options = {}) {
    detail::check_library();
    detail::Owned result;
    const std::string json = options.is_null() ? std::string() : options.dump();
    detail::check(ewebrtc_utility(detail::c_text(method, "the method"), json.c_str(), result.out()));
    return Json::parse(result.text())["value"];
}

/// What the library can do on this machine, at the moment it was asked.
struct Capabilities {
    std::string version;                   ///< Version of the library.
    std::string os;                        ///< Operating system it was compiled for, such as "linux".
    std::string arch;                      ///< Processor it was compiled for, such as "x86_64".
    std::string support;                   ///< "Supported", or "Not Certified" where the library's tests are not run.
    std::vector<std::string> audio_codecs; ///< Codecs for audio, best first.
    std::vector<std::string> video_codecs; ///< Codecs for video.
    std::vector<std::string> sources;      ///< Words of local media.
    std::vector<std::string> sinks;        ///< Words of remote media.
    std::vector<std::string> ice_servers;  ///< URLs of ICE servers that are understood.
    std::vector<std::string> features;     ///< Parts that may be compiled in and are, such as "gateway".
    bool ipv4 = false;                     ///< There is an IPv4 address with which this machine reaches others.
    bool ipv6 = false;                     ///< There is an IPv6 address with which this machine reaches others.
    bool network_connected = false;        ///< There is a network besides loopback.
};

namespace detail {
inline std::vector<std::string> texts(const Json &list) {
    std::vector<std::string> texts;
    for (const Json &value : list.values())
        texts.push_back(value.text());
    return texts;
}

inline std::map<std::string, ErrorFields> error_table(ewebrtc_status (*read)(char **)) {
    check_library();
    Owned text;
    check(read(text.out()));
    std::map<std::string, ErrorFields> table;
    for (const Json &entry : Json::parse(text.text()).values())
        table.emplace(entry["ErrorCode"].text(), error_fields(entry));
    return table;
}
} // namespace detail

/// Looks at the library and at the machine.
inline Capabilities capabilities() {
    detail::check_library();
    detail::Owned text;
    detail::check(ewebrtc_capabilities(text.out()));
    const Json json = Json::parse(text.text());
    Capabilities found;
    found.version = json["version"].text();
    found.os = json["target"]["os"].text();
    found.arch = json["target"]["arch"].text();
    found.support = json["hasWebRTC"].text();
    found.audio_codecs = detail::texts(json["audioCodecs"]);
    found.video_codecs = detail::texts(json["videoCodecs"]);
    found.sources = detail::texts(json["sources"]);
    found.sinks = detail::texts(json["sinks"]);
    found.ice_servers = detail::texts(json["iceServers"]);
    found.features = detail::texts(json["features"]);
    found.ipv4 = json["ipv4"].boolean();
    found.ipv6 = json["ipv6"].boolean();
    found.network_connected = json["isNetworkConnected"].boolean();
    return found;
}

/// The errors that the phone raises by itself, by their codes.
inline std::map<std::string, ErrorFields> sdk_errors() { return detail::error_table(&ewebrtc_sdk_errors); }

/// The errors that the gateway reports, by their codes.
inline std::map<std::string, ErrorFields> api_errors() { return detail::error_table(&ewebrtc_api_errors); }

} // namespace v1
} // namespace ewebrtc
#endif
