// The reader and the writer of JSON: what is right, what is garbage, and what is too much.

#include "support.hpp"

using ewebrtc::Json;

namespace {

void values() {
    const Json json = Json::parse(" { \"a\" : [ 1 , -2.5e2, true,false , null, \"x\" ] , \"b\":{\"c\":{}} ,\"a b\":[]}\r\n\t");
    CHECK(json.kind() == Json::Kind::object && json.size() == 3 && json.members()[2].first == "a b");
    CHECK(json["a"].size() == 6 && json["a"][0].number() == 1 && json["a"][1].number() == -250);
    CHECK(json["a"][2].boolean() && !json["a"][3].boolean(true) && json["a"][4].is_null() && json["a"][5].text() == "x");
    CHECK(json["b"]["c"].kind() == Json::Kind::object && json["b"]["c"].size() == 0);
    CHECK(json.dump() == "{\"a\":[1,-250,true,false,null,\"x\"],\"b\":{\"c\":{}},\"a b\":[]}");
    // What is not there, or is something else, is null all the way down.
    CHECK(json["none"]["of"][7]["these"].is_null() && json["a"]["x"].is_null() && json["a"][6].is_null() && json["a"][-1].is_null());
    CHECK(json["b"].text().empty() && json["b"].number(7) == 7 && json["a"][5].number(3) == 3 && json["a"][0].text().empty());
    CHECK(json["a"][1].whole() == 0 && Json::parse("9007199254740991").whole() == 9007199254740991U);
}

void numbers() {
    const std::pair<const char *, double> right[] = {
        {"0", 0}, {"-0", 0}, {"10", 10}, {"-7", -7}, {"0.5", 0.5}, {"1e3", 1000}, {"1E+3", 1000}, {"25e-1", 2.5},
        {"4294967297", 4294967297.0}, {"9007199254740993", 9007199254740992.0}, {"123456789012345678901234567890", 123456789012345678901234567890.0},
        {"0.1", 0.1}, {"1.7976931348623157e308", 1.7976931348623157e308}, {"1e-400", 0}};
    for (const auto &[text, value] : right)
        CHECK(Json::parse(text).number(-1) == value);
    for (const double value : {0.1, 1.0 / 3, 5e-324, 1.7976931348623157e308, -123456.789, 9007199254740993.0, 1e21})
        CHECK(Json::parse(Json(value).dump()).number() == value);
    THROWS(EWEBRTC_ERR_ARGUMENT, Json(std::numeric_limits<double>::infinity()).dump());
    THROWS(EWEBRTC_ERR_ARGUMENT, Json::list({1, std::nan("")}).dump());
}

void texts() {
    CHECK(Json::parse(R"("\"\\\/\b\f\n\r\t")").text() == "\"\\/\b\f\n\r\t");
    CHECK(Json::parse(R"("\u0041\u00e4\u20AC\ud83d\ude00")").text() == "A\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
    CHECK(Json::parse(R"("\u0000")").text() == std::string(1, '\0'));
    CHECK(Json::parse("\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf\"").text().size() == 13);
    std::string all;
    for (int c = 0; c < 128; ++c)
        all += static_cast<char>(c);
    all += "\xc3\xa4\xf0\x9f\x98\x80";
    CHECK(Json::parse(Json(all).dump()).text() == all);
    CHECK(Json::object().set(all, 1).dump().find('\n') == std::string::npos);
    CHECK(Json::parse(Json::object().set(all, 1).dump())[all].number() == 1);
}

void garbage() {
    const std::string wrong[] = {
        "", " ", "nul", "nullx", "True", "+1", "01", "-", "1.", ".5", "1e", "1e+", "--1", "0x10", "NaN", "Infinity", "1 2", "[1,]", "[,1]",
        "[1 2]", "[", "]", "[[]", "{", "}", "{]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{,}", "{a:1}", "{'a':1}", "{\"a\" 1}", "{\"a\":1 \"b\":2}",
        "\"", "\"a", "'a'", "\"\\\"", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"\\ud800\"", "\"\\ud800\\u0041\"", "\"\\udc00\"", "\"\\ud800x\"",
        "\"\t\"", "\"\n\"", std::string("\"\0\"", 3), std::string("1\0", 2), "/*a*/1", "\xef\xbb\xbf" "1", "\"\x80\"", "\"\xc0\x80\"",
        "\"\xc1\xbf\"", "\"\xe0\x80\x80\"", "\"\xed\xa0\x80\"", "\"\xf0\x80\x80\x80\"", "\"\xf4\x90\x80\x80\"", "\"\xf5\x80\x80\x80\"", "\"\xe2\x82",
        "\"\xe2\x82\"", "\"\xff\"", "1e999", "-1e999", std::string(401, '1')};
    for (const std::string &text : wrong)
        THROWS(EWEBRTC_ERR_ARGUMENT, Json::parse(text));
    for (std::size_t size = 0; size < 12; ++size) // Every beginning of a right text is wrong.
        THROWS(EWEBRTC_ERR_ARGUMENT, Json::parse(std::string_view("{\"a\":[1,2]}").substr(0, size < 11 ? size : 5)));
}

void limits() {
    const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
    CHECK(Json::parse(nested(65)).size() == 1);
    THROWS(EWEBRTC_ERR_ARGUMENT, Json::parse(nested(66)));
    THROWS(EWEBRTC_ERR_ARGUMENT, Json::parse(std::string(1000000, '[')));
    std::string objects;
    for (int n = 0; n < 100000; ++n)
        objects += "{\"a\":";
    THROWS(EWEBRTC_ERR_ARGUMENT, Json::parse(objects));
    const std::string large = "\"" + std::string(16 * 1024 * 1024 - 2, 'x') + "\"";
    CHECK(Json::parse(large).text().size() == large.size() - 2);
    THROWS(EWEBRTC_ERR_ARGUMENT, Json::parse(large + " "));
    // Many names are no more work than they are long.
    std::string many = "{\"x\":0";
    for (int n = 0; n < 100000; ++n)
        many += ",\"" + std::to_string(n % 1000) + "\":" + std::to_string(n);
    CHECK(Json::parse(many + "}")["999"].number() == 99999);
}

/// Texts that are nearly right, by chance: each is read or refused, and what was read can be written and read again.
void chance() {
    std::uint32_t state = 1;
    const auto next = [&state](std::size_t below) {
        state = state * 1664525U + 1013904223U;
        return static_cast<std::size_t>(state >> 8) % below;
    };
    const std::string seed = R"({"event":"call:connected","seq":12,"codec":[{"rtp":[{"codec":"opus","rate":4.8e4}]}],"x":"\u00e4\ud83d\ude00","n":null,"t":true})";
    const std::string alphabet = "{}[]\",:\\u0dtfn-+.eE19 \x80\xc3\xf0";
    int read = 0;
    for (int round = 0; round < 20000; ++round) {
        std::string text = seed;
        for (std::size_t changes = 1 + next(3); changes > 0; --changes) {
            const std::size_t at = next(text.size());
            switch (next(3)) {
            case 0: text[at] = alphabet[next(alphabet.size())]; break;
            case 1: text.erase(at, 1 + next(4)); break;
            default: text.insert(at, 1, alphabet[next(alphabet.size())]);
            }
        }
        try {
            const Json json = Json::parse(text);
            CHECK(Json::parse(json.dump()) == json);
            ++read;
        } catch (const ewebrtc::Error &error) {
            CHECK(error.status() == EWEBRTC_ERR_ARGUMENT);
        }
    }
    CHECK(read > 1000 && read < 19000);
}

void building() {
    Json json = Json::object();
    json.set("a", "x").set("b", 2).set("a", true).set("c", Json::list({"y", nullptr})).set_if("d", std::optional<int>(4));
    json.set_if("e", std::optional<std::string>());
    CHECK(json.dump() == R"({"a":true,"b":2,"c":["y",null],"d":4})");
    Json copy = json;
    copy.remove("b").remove("none");
    CHECK(copy.dump() == R"({"a":true,"c":["y",null],"d":4})" && copy != json);
    copy = Json::list().add(copy).add(copy);
    CHECK(copy.size() == 2 && copy[1]["d"].number() == 4 && Json().dump() == "null" && Json::list().dump() == "[]");
    const Json moved = std::move(copy);
    CHECK(moved.size() == 2);
    CHECK(Json::parse(R"({"a":1,"a":2})")["a"].number() == 2);
}

} // namespace

int main() {
    values();
    numbers();
    texts();
    garbage();
    limits();
    chance();
    building();
    std::cout << "json: passed" << std::endl;
}
