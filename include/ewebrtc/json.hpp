/* Part of ewebrtc.hpp: JSON values, which events and options are made of; a strict reader with limits, and a writer. */
#ifndef EWEBRTC_JSON_HPP
#define EWEBRTC_JSON_HPP

#include "error.hpp"

#include <cmath>
#include <cstddef>
#include <initializer_list>
#include <limits>
#include <locale>
#include <sstream>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

namespace ewebrtc {
inline namespace v1 {

namespace detail {
class JsonReader;
}

/// A JSON value. It is a value as others in C++: copies are deep, const members may be used on several threads at once.
///
///     Json options = Json::object();
///     options.set("destination", "bob").set("mediaType", "audio");
///     event["error"]["ErrorCode"].text();
///
/// Reading never throws: what is absent, or of another kind, is null, an empty text, 0, false. Of a temporary, parts are given as
/// values, so that nothing refers to what is gone; of others as references, which live until the value is changed.
class Json {
  public:
    /// The kinds of values.
    enum class Kind { null, boolean, number, text, list, object };

    /// A member of an object: its name and its value.
    using Member = std::pair<std::string, Json>;

    /// null
    Json() noexcept = default;
    /// null
    Json(std::nullptr_t) noexcept {}
    /// A text.
    Json(std::string text) : value_(std::move(text)) {}
    /// A text.
    Json(std::string_view text) : value_(std::string(text)) {}
    /// A text.
    Json(const char *text) : value_(std::string(text)) {}
    /// true, false, or a number. Whole numbers beyond 2^53 lose their last digits, as in JavaScript.
    template <class T, class = std::enable_if_t<std::is_arithmetic_v<T>>> Json(T value) {
        if constexpr (std::is_same_v<T, bool>)
            value_ = value;
        else
            value_ = static_cast<double>(value);
    }

    /// An empty object.
    static Json object() { return Json(Members{}); }
    /// A list of these values.
    static Json list(std::vector<Json> values = {}) { return Json(std::move(values)); }

    /// Reads a JSON text (RFC 8259). Of a name that is given twice the last one counts.
    ///
    /// Throws Error EWEBRTC_ERR_ARGUMENT, with the place, for everything that is no JSON, is not UTF-8, is nested more than 64 deep or
    /// longer than 16 MiB.
    static Json parse(std::string_view text);

    /// The JSON text, without blanks.
    ///
    /// Throws Error EWEBRTC_ERR_ARGUMENT for a number that is infinite or none.
    std::string dump() const {
        std::string out;
        write(out);
        return out;
    }

    /// What it is.
    Kind kind() const noexcept { return static_cast<Kind>(value_.index()); }
    /// Whether it is null, which also stands for what is absent.
    bool is_null() const noexcept { return kind() == Kind::null; }

    /// The text; empty when it is none.
    const std::string &text() const & noexcept {
        static const std::string none;
        const std::string *text = std::get_if<std::string>(&value_);
        return text ? *text : none;
    }
    /// The same, of a temporary.
    std::string text() && { return std::string(std::as_const(*this).text()); }
    /// The number, or `otherwise` when it is none.
    double number(double otherwise = 0) const noexcept {
        const double *number = std::get_if<double>(&value_);
        return number ? *number : otherwise;
    }
    /// The whole number from 0 to 2^53, or 0 when it is none.
    std::uint64_t whole() const noexcept {
        const double value = number();
        return value >= 0 && value <= 9007199254740992.0 ? static_cast<std::uint64_t>(value) : 0;
    }
    /// The truth value, or `otherwise` when it is none.
    bool boolean(bool otherwise = false) const noexcept {
        const bool *value = std::get_if<bool>(&value_);
        return value ? *value : otherwise;
    }
    /// The values of a list; none when it is no list.
    const std::vector<Json> &values() const & noexcept {
        static const std::vector<Json> none;
        const auto *values = std::get_if<std::vector<Json>>(&value_);
        return values ? *values : none;
    }
    /// The same, of a temporary.
    std::vector<Json> values() && { return std::vector<Json>(std::as_const(*this).values()); }
    /// The members of an object, in their order; none when it is no object.
    const std::vector<Member> &members() const & noexcept {
        static const Members none;
        const Members *members = std::get_if<Members>(&value_);
        return members ? *members : none;
    }
    /// The same, of a temporary.
    std::vector<Member> members() && { return std::vector<Member>(std::as_const(*this).members()); }
    /// How many values or members a list or an object has; else 0.
    std::size_t size() const noexcept { return kind() == Kind::list ? values().size() : members().size(); }
    /// The member of this name; null when there is none.
    const Json &operator[](std::string_view name) const & noexcept;
    /// The same, for literals.
    const Json &operator[](const char *name) const & noexcept { return (*this)[std::string_view(name)]; }
    /// The value at this place of a list, from 0; null when there is none.
    template <class T, class = std::enable_if_t<std::is_integral_v<T>>> const Json &operator[](T place) const & noexcept {
        const std::size_t at = static_cast<std::size_t>(place); // A negative number is beyond the end of every list.
        return at < values().size() ? values()[at] : null();
    }
    /// The same three, of a temporary.
    template <class T> Json operator[](const T &key) && { return Json(std::as_const(*this)[key]); }

    /// Sets a member; what is no object becomes one.
    Json &set(std::string name, Json value);
    /// Sets a member if there is a value.
    template <class T> Json &set_if(const char *name, const T &value) { return value ? set(name, Json(*value)) : *this; }
    /// Removes the members of this name.
    Json &remove(std::string_view name);
    /// Appends to a list; what is no list becomes one.
    Json &add(Json value) {
        if (kind() != Kind::list)
            value_ = std::vector<Json>();
        std::get<std::vector<Json>>(value_).push_back(std::move(value));
        return *this;
    }

    friend bool operator==(const Json &a, const Json &b);
    friend bool operator!=(const Json &a, const Json &b) { return !(a == b); }

  private:
    friend class detail::JsonReader;
    using Members = std::vector<Member>;
    explicit Json(Members members) : value_(std::move(members)) {}
    explicit Json(std::vector<Json> values) : value_(std::move(values)) {}

    static const Json &null() noexcept {
        static const Json none;
        return none;
    }
    void write(std::string &out) const;
    static void write_text(std::string &out, std::string_view text);

    // In the order of Kind.
    std::variant<std::monostate, bool, double, std::string, std::vector<Json>, Members> value_;
};

/// Whether two values are the same; members in another order are another value.
inline bool operator==(const Json &a, const Json &b) { return a.value_ == b.value_; }

inline const Json &Json::operator[](std::string_view name) const & noexcept {
    const Members &all = members();
    for (auto member = all.rbegin(); member != all.rend(); ++member)
        if (member->first == name)
            return member->second;
    return null();
}

inline Json &Json::set(std::string name, Json value) {
    if (kind() != Kind::object)
        value_ = Members();
    Members &all = std::get<Members>(value_);
    for (auto member = all.rbegin(); member != all.rend(); ++member)
        if (member->first == name) {
            member->second = std::move(value);
            return *this;
        }
    all.emplace_back(std::move(name), std::move(value));
    return *this;
}

inline Json &Json::remove(std::string_view name) {
    if (Members *all = std::get_if<Members>(&value_)) {
        Members rest;
        for (Member &member : *all)
            if (member.first != name)
                rest.push_back(std::move(member));
        all->swap(rest);
    }
    return *this;
}

inline void Json::write_text(std::string &out, std::string_view text) {
    static const char digits[] = "0123456789abcdef";
    out += '"';
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (byte < 0x20 || byte == 0x7f) {
            out += "\\u00";
            out += digits[byte >> 4];
            out += digits[byte & 15];
        } else {
            out += c;
        }
    }
    out += '"';
}

inline void Json::write(std::string &out) const {
    switch (kind()) {
    case Kind::null: out += "null"; break;
    case Kind::boolean: out += boolean() ? "true" : "false"; break;
    case Kind::text: write_text(out, text()); break;
    case Kind::number: {
        const double value = number();
        if (!std::isfinite(value))
            throw Error(EWEBRTC_ERR_ARGUMENT, "JSON has no number that is infinite or none");
        if (std::floor(value) == value && std::fabs(value) <= 9007199254740992.0) {
            out += std::to_string(static_cast<long long>(value));
        } else {
            // Not by printf, which writes the decimal sign of the program's locale.
            std::ostringstream stream;
            stream.imbue(std::locale::classic());
            stream.precision(std::numeric_limits<double>::max_digits10);
            stream << value;
            out += stream.str();
        }
        break;
    }
    case Kind::list: {
        const char *before = "[";
        for (const Json &value : values()) {
            out += before;
            value.write(out);
            before = ",";
        }
        out += size() ? "]" : "[]";
        break;
    }
    case Kind::object: {
        const char *before = "{";
        for (const Member &member : members()) {
            out += before;
            write_text(out, member.first);
            out += ':';
            member.second.write(out);
            before = ",";
        }
        out += size() ? "}" : "{}";
        break;
    }
    }
}

namespace detail {

/// Reads one JSON text.
class JsonReader {
  public:
    explicit JsonReader(std::string_view text) : text_(text) {}

    Json whole() {
        if (text_.size() > longest)
            fail("longer than 16 MiB");
        Json value = any(0);
        blanks();
        if (at_ != text_.size())
            fail("something behind the value");
        return value;
    }

  private:
    static constexpr std::size_t longest = 16 * 1024 * 1024;
    static constexpr int deepest = 64;

    [[noreturn]] void fail(const char *what) const {
        throw Error(EWEBRTC_ERR_ARGUMENT, std::string("not JSON: ") + what + " at byte " + std::to_string(at_));
    }

    bool more() const { return at_ < text_.size(); }
    char peek() const { return more() ? text_[at_] : '\0'; }
    bool take(char c) {
        if (!more() || text_[at_] != c)
            return false;
        ++at_;
        return true;
    }
    void blanks() {
        while (more() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r'))
            ++at_;
    }
    Json word(std::string_view name, Json value) {
        if (text_.substr(at_, name.size()) != name)
            fail("an unknown word");
        at_ += name.size();
        return value;
    }

    Json any(int depth) {
        if (depth > deepest)
            fail("nested too deep");
        blanks();
        switch (peek()) {
        case '{': return object(depth);
        case '[': return list(depth);
        case '"': return Json(text());
        case 't': return word("true", true);
        case 'f': return word("false", false);
        case 'n': return word("null", nullptr);
        default: return number();
        }
    }

    Json list(int depth) {
        Json list = Json::list();
        ++at_;
        blanks();
        if (take(']'))
            return list;
        do {
            list.add(any(depth + 1));
            blanks();
        } while (take(','));
        if (!take(']'))
            fail("a list without an end");
        return list;
    }

    Json object(int depth) {
        std::vector<Json::Member> members;
        ++at_;
        blanks();
        if (take('}'))
            return Json(std::move(members));
        do {
            blanks();
            if (peek() != '"')
                fail("a member without a name");
            std::string name = text();
            blanks();
            if (!take(':'))
                fail("a member without a value");
            members.emplace_back(std::move(name), any(depth + 1));
            blanks();
        } while (take(','));
        if (!take('}'))
            fail("an object without an end");
        return Json(std::move(members));
    }

    std::size_t digits() {
        const std::size_t begin = at_;
        while (peek() >= '0' && peek() <= '9')
            ++at_;
        return at_ - begin;
    }

    Json number() {
        const std::size_t begin = at_;
        take('-');
        if (!take('0') && digits() == 0)
            fail("no value");
        bool fraction = false;
        if (take('.')) {
            fraction = true;
            if (digits() == 0)
                fail("a number without digits");
        }
        if (take('e') || take('E')) {
            fraction = true;
            if (!take('+'))
                take('-');
            if (digits() == 0)
                fail("a number without digits");
        }
        const std::string_view all = text_.substr(begin, at_ - begin);
        if (all.size() > 400)
            fail("a number of too many digits");
        if (!fraction && all.size() <= 16) {
            long long value = 0;
            for (const char c : all)
                if (c != '-')
                    value = value * 10 + (c - '0');
            return Json(all[0] == '-' ? -static_cast<double>(value) : static_cast<double>(value));
        }
        // Not by strtod, which wants the decimal sign of the program's locale.
        std::istringstream stream{std::string(all)};
        stream.imbue(std::locale::classic());
        double value = 0;
        stream >> value;
        if (!std::isfinite(value) || (stream.fail() && std::fabs(value) >= 1))
            fail("a number that is too large");
        return Json(value);
    }

    unsigned hex() {
        unsigned value = 0;
        for (int n = 0; n < 4; ++n, ++at_) {
            const char c = peek();
            unsigned digit = 0;
            if (c >= '0' && c <= '9')
                digit = static_cast<unsigned>(c - '0');
            else if (c >= 'a' && c <= 'f')
                digit = static_cast<unsigned>(c - 'a') + 10;
            else if (c >= 'A' && c <= 'F')
                digit = static_cast<unsigned>(c - 'A') + 10;
            else
                fail("an escape that is none");
            value = value << 4 | digit;
        }
        return value;
    }

    static void append(std::string &out, unsigned point) {
        const auto byte = [&out](unsigned value) { out += static_cast<char>(static_cast<unsigned char>(value)); };
        if (point < 0x80) {
            byte(point);
        } else if (point < 0x800) {
            byte(0xc0 | point >> 6);
            byte(0x80 | (point & 0x3f));
        } else if (point < 0x10000) {
            byte(0xe0 | point >> 12);
            byte(0x80 | (point >> 6 & 0x3f));
            byte(0x80 | (point & 0x3f));
        } else {
            byte(0xf0 | point >> 18);
            byte(0x80 | (point >> 12 & 0x3f));
            byte(0x80 | (point >> 6 & 0x3f));
            byte(0x80 | (point & 0x3f));
        }
    }

    void escape(std::string &out) {
        const char c = peek();
        ++at_;
        switch (c) {
        case '"':
        case '\\':
        case '/': out += c; break;
        case 'b': out += '\b'; break;
        case 'f': out += '\f'; break;
        case 'n': out += '\n'; break;
        case 'r': out += '\r'; break;
        case 't': out += '\t'; break;
        case 'u': {
            unsigned point = hex();
            if (point >= 0xd800 && point < 0xdc00) {
                if (!take('\\') || !take('u'))
                    fail("half a surrogate pair");
                const unsigned low = hex();
                if (low < 0xdc00 || low > 0xdfff)
                    fail("half a surrogate pair");
                point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
            } else if (point >= 0xdc00 && point < 0xe000) {
                fail("half a surrogate pair");
            }
            append(out, point);
            break;
        }
        default: fail("an escape that is none");
        }
    }

    /// One character of several bytes (RFC 3629): no overlong forms, no surrogates, nothing beyond U+10FFFF.
    void character(std::string &out) {
        const auto first = static_cast<unsigned char>(peek());
        const unsigned length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
        static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
        if (first < 0xc2 || first > 0xf4 || text_.size() - at_ < length)
            fail("not UTF-8");
        unsigned point = first & (0xffu >> (length + 1));
        for (unsigned n = 1; n < length; ++n) {
            const auto next = static_cast<unsigned char>(text_[at_ + n]);
            if ((next & 0xc0) != 0x80)
                fail("not UTF-8");
            point = point << 6 | (next & 0x3fu);
        }
        if (point < least[length] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
            fail("not UTF-8");
        out += text_.substr(at_, length);
        at_ += length;
    }

    std::string text() {
        std::string out;
        ++at_;
        while (!take('"')) {
            if (!more())
                fail("a text without an end");
            const auto byte = static_cast<unsigned char>(text_[at_]);
            if (byte < 0x20)
                fail("a control character in a text");
            if (take('\\')) {
                escape(out);
            } else if (byte < 0x80) {
                out += text_[at_++];
            } else {
                character(out);
            }
        }
        return out;
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

} // namespace detail

inline Json Json::parse(std::string_view text) { return detail::JsonReader(text).whole(); }

} // namespace v1
} // namespace ewebrtc
#endif
