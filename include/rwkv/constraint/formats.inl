#pragma once

#include <string>

#include <rwkv/constraint/formats.hpp>
#include <rwkv/constraint/regex_syntax.hpp>
#include <rwkv/constraint/spelling.hpp>
#include <rwkv/core/inline.hpp>

namespace rwkv::inline RWKV_ABI::constraint {

/// The regular expressions of formats, as the RFCs that JSON Schema cites have them, but for what validators disagree
/// on: there, only what all of them take.
class FormatExpressions {
  public:
    std::string date() const {  // RFC 3339
        return "(?:\\d{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)|"
               "02-(?:0[1-9]|1\\d|2[0-8]))|"
               "(?:\\d\\d(?:0[48]|[2468][048]|[13579][26])|(?:0[048]|[13579][26]|[2468][048])00)-02-29)";
    }
    std::string time() const {  // RFC 3339; a leap second where it is certain to be one
        return "(?:(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d+)?(?:[Zz]|[+-](?:[01]\\d|2[0-3]):[0-5]\\d)|"
               "23:59:60(?:\\.\\d+)?[Zz])";
    }
    std::string duration() const {  // RFC 3339, appendix A
        const std::string time = "T(?:\\d+H(?:\\d+M(?:\\d+S)?)?|\\d+M(?:\\d+S)?|\\d+S)";
        return "P(?:\\d+W|" + time + "|(?:\\d+Y(?:\\d+M(?:\\d+D)?)?|\\d+M(?:\\d+D)?|\\d+D)(?:" + time + ")?)";
    }
    std::string uuid() const { return "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"; }
    std::string hostname() const {  // RFC 1123; no label looks as if it were Punycode
        const std::string letter = "[0-9A-Za-z]", any = "[-0-9A-Za-z]";
        const std::string label = letter + "(?:" + any + "{0,2}" + letter + "|" + any + "(?:" + letter + any + "|-" +
                                  letter + ")" + any + "{0,58}" + letter + ")?";
        return label + "(?:\\." + label + ")*";
    }
    std::string email() const {  // RFC 5321, without quoted local parts and address literals
        const std::string atom = "[0-9A-Za-z!#$%&'*+/=?^_`{|}~-]+";
        return atom + "(?:\\." + atom + ")*@" + hostname();
    }
    std::string ipv4() const {
        const std::string byte = "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
        return byte + "(?:\\." + byte + "){3}";
    }
    std::string ipv6() const {  // RFC 3986
        const std::string group = "[0-9A-Fa-f]{1,4}", g = group + ":";
        const std::string last = "(?:" + g + group + "|" + ipv4() + ")";
        return "(?:(?:" + g + "){6}" + last + "|::(?:" + g + "){5}" + last + "|(?:" + group + ")?::(?:" + g + "){4}" +
               last + "|(?:(?:" + g + "){0,1}" + group + ")?::(?:" + g + "){3}" + last + "|(?:(?:" + g + "){0,2}" +
               group + ")?::(?:" + g + "){2}" + last + "|(?:(?:" + g + "){0,3}" + group + ")?::" + g + last +
               "|(?:(?:" + g + "){0,4}" + group + ")?::" + last + "|(?:(?:" + g + "){0,5}" + group + ")?::" + group +
               "|(?:(?:" + g + "){0,6}" + group + ")?::)";
    }
    std::string uri() const {  // RFC 3986
        const std::string escape = "%[0-9A-Fa-f]{2}", plain = "-0-9A-Za-z._~!$&'()*+,;=";
        const std::string character = "(?:[" + plain + ":@]|" + escape + ")";
        const std::string authority = "(?:(?:[" + plain + ":]|" + escape + ")*@)?(?:\\[(?:" + ipv6() +
                                      "|[vV][0-9A-Fa-f]+\\.[" + plain + ":]+)\\]|(?:[" + plain + "]|" + escape +
                                      ")*)(?::\\d*)?";
        const std::string segments = "(?:/" + character + "*)*";
        return "[A-Za-z][-0-9A-Za-z+.]*:(?://" + authority + segments + "|/(?:" + character + "+" + segments + ")?|" +
               character + "+" + segments + "|)(?:\\?(?:" + character + "|[/?])*)?(?:#(?:" + character + "|[/?])*)?";
    }
};

RWKV_INLINE FormatSupport format_regex(RegexSet& set, std::string_view name, Regex& regex) {
    for (const std::string_view refused : {"idn-email", "idn-hostname", "iri", "iri-reference", "json-pointer", "regex",
                                           "relative-json-pointer", "uri-reference", "uri-template"})
        if (name == refused) return FormatSupport::refused;
    const FormatExpressions formats;
    std::string expression;
    std::uint32_t longest = unbounded;
    if (name == "date") {
        expression = formats.date();
    } else if (name == "time") {
        expression = formats.time();
    } else if (name == "date-time") {
        expression = formats.date() + "[Tt]" + formats.time();
    } else if (name == "duration") {
        expression = formats.duration();
    } else if (name == "uuid") {
        expression = formats.uuid();
    } else if (name == "hostname") {
        expression = formats.hostname();
        longest = 253;
    } else if (name == "email") {
        expression = formats.email();
        longest = 254;
    } else if (name == "ipv4") {
        expression = formats.ipv4();
    } else if (name == "ipv6") {
        expression = formats.ipv6();
    } else if (name == "uri") {
        expression = formats.uri();
    } else {
        return FormatSupport::a_note;
    }
    regex = parse_regex(set, expression, Spelling::json_string, MatchMode::whole, "json_schema", name);
    if (longest != unbounded) {
        const Regex character = set.bytes(ByteSet::range(0x21, 0x7E));
        regex = set.all_of({regex, set.repeat(character, 0, longest)});
    }
    const bool is_exact = longest == unbounded && name != "time" && name != "date-time";
    return is_exact ? FormatSupport::exact : FormatSupport::narrower;
}

}  // namespace rwkv::inline RWKV_ABI::constraint
