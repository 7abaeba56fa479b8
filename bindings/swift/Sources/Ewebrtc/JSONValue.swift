// Values of JSON: properties of events, and options and values of methods that go by their documented names.
//
// Owns: `JSONValue`. Lives on: any thread. Must not import: the phone.

import Foundation

/// A value of JSON.
public enum JSONValue: Sendable, Hashable {
    /// Nothing.
    case null
    /// Yes or no.
    case bool(Bool)
    /// A whole number.
    case integer(Int64)
    /// Another number.
    case number(Double)
    /// A text.
    case string(String)
    /// A list.
    case array([JSONValue])
    /// Values by their names.
    case object([String: JSONValue])

    /// The text, if it is one.
    public var text: String? { if case .string(let text) = self { text } else { nil } }
    /// Yes or no, if it is that.
    public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
    /// The whole number, if it is one.
    public var integer: Int64? { if case .integer(let value) = self { value } else { nil } }
    /// The handle of a call or conference, if it can be one.
    public var handle: UInt64? { integer.flatMap(UInt64.init(exactly:)) }
    /// The number, if it is one, whole or not.
    public var number: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .number(let value): value
        default: nil
        }
    }
    /// The list, if it is one.
    public var array: [JSONValue]? { if case .array(let values) = self { values } else { nil } }
    /// The values by their names, if it is an object.
    public var object: [String: JSONValue]? { if case .object(let values) = self { values } else { nil } }

    /// The value of this name; `nil` when there is none, or this is no object.
    public subscript(name: String) -> JSONValue? { object?[name] }
    /// The value at this place; `nil` when there is none, or this is no list.
    public subscript(index: Int) -> JSONValue? { array.flatMap { $0.indices.contains(index) ? $0[index] : nil } }

    /// Reads a text of JSON.
    ///
    /// - Throws: `PhoneError.argument` when it is none.
    public init(json: String) throws {
        do {
            self = try JSONDecoder().decode(JSONValue.self, from: Data(json.utf8))
        } catch {
            throw PhoneError.argument("this is no JSON: \(json.prefix(100))")
        }
    }

    /// The text of JSON, in one line, with names in their order.
    ///
    /// - Throws: `PhoneError.argument` for numbers that JSON does not have: infinite ones, and those that are none.
    public func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            return String(decoding: try encoder.encode(self), as: UTF8.self)
        } catch {
            throw PhoneError.argument("this cannot be written as JSON: \(self)")
        }
    }
}

extension JSONValue: Codable {
    /// Reads it from any decoder.
    public init(from decoder: any Decoder) throws {
        let value = try decoder.singleValueContainer()
        if value.decodeNil() {
            self = .null
        } else if let found = try? value.decode(Bool.self) {
            self = .bool(found)
        } else if let found = try? value.decode(Int64.self) {
            self = .integer(found)
        } else if let found = try? value.decode(Double.self) {
            self = .number(found)
        } else if let found = try? value.decode(String.self) {
            self = .string(found)
        } else if let found = try? value.decode([JSONValue].self) {
            self = .array(found)
        } else {
            self = .object(try value.decode([String: JSONValue].self))
        }
    }

    /// Writes it to any encoder.
    public func encode(to encoder: any Encoder) throws {
        var place = encoder.singleValueContainer()
        switch self {
        case .null: try place.encodeNil()
        case .bool(let value): try place.encode(value)
        case .integer(let value): try place.encode(value)
        case .number(let value): try place.encode(value)
        case .string(let value): try place.encode(value)
        case .array(let value): try place.encode(value)
        case .object(let value): try place.encode(value)
        }
    }
}

// Not by `nil`: that is for a value that is not there, such as a name that an object does not have.
extension JSONValue: ExpressibleByStringLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByFloatLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    /// A text.
    public init(stringLiteral value: String) { self = .string(value) }
    /// Yes or no.
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    /// A whole number.
    public init(integerLiteral value: Int64) { self = .integer(value) }
    /// A number.
    public init(floatLiteral value: Double) { self = .number(value) }
    /// A list.
    public init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
    /// Values by their names; of a name that stands twice the last one counts.
    public init(dictionaryLiteral elements: (String, JSONValue)...) {
        self = .object(Dictionary(elements, uniquingKeysWith: { _, last in last }))
    }
}

extension JSONValue: CustomStringConvertible {
    /// As text of JSON.
    public var description: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? "?"
    }
}
