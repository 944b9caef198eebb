// What JSON texts a schema allows, keyword by keyword.
#include <string>
#include <string_view>
#include <vector>

#include <rwkv/constraint.hpp>
#include <rwkv/core/error.hpp>

#include "catch.hpp"

using rwkv::json_schema;
using rwkv::JsonSchemaOptions;

namespace {

struct Texts {
    std::vector<std::string> valid, invalid;
};

void check(std::string_view schema, const Texts& texts, const JsonSchemaOptions& options = {}) {
    const rwkv::Constraint constraint = json_schema(schema, options);
    INFO(schema);
    for (const std::string& text : texts.valid) {
        INFO(text);
        CHECK(constraint.matches(text));
    }
    for (const std::string& text : texts.invalid) {
        INFO(text);
        CHECK_FALSE(constraint.matches(text));
    }
}

/// The subject of the error that a schema is refused with.
std::string refused(const std::string& schema) {
    try {
        (void)json_schema(schema);
    } catch (const rwkv::ArgumentError& error) {
        CHECK(error.where() == "json_schema");
        return error.subject();
    }
    return "nothing";
}

std::string nested(std::string_view before, std::string_view inner, std::string_view after, int times) {
    std::string text;
    for (int i = 0; i < times; ++i) text += before;
    text += inner;
    for (int i = 0; i < times; ++i) text += after;
    return text;
}

}  // namespace

TEST_CASE("a schema of one type allows the JSON of that type", "[json_schema]") {
    check("true", {{"null", "true", "false", "0", "-1.5e-3", "\"a\"", "[]", "{}", R"({"a":[1,{"b":null}]})"},
                   {"", "nul", "01", "+1", "1.", ".5", "[1,]", R"({"a"})", "{a:1}", "[1 ,2]", "NaN"}});
    check("{}", {{"null", R"(["",{}])"}, {"[", "\"\n\""}});
    check(R"({"type":"null"})", {{"null"}, {"0", "\"null\""}});
    check(R"({"type":"boolean"})", {{"true", "false"}, {"True", "1"}});
    check(R"({"type":"integer"})",
          {{"0", "-12", "123456789012345678901234567890"}, {"1.5", "1.0", "1e3", "00", "\"1\""}});
    check(R"({"type":"number"})", {{"0", "-12.25", "1e9", "1E-7"}, {"1e", "--1", "1e999"}});
    check(R"({"type":"string"})", {{"\"\"", "\"\xC3\xA9\"", R"("\"\\\n\u0000")", "\"\x7F\""},
                                   {R"("\/")", R"("\u0041")", "\"\t\"", "\"\xFF\"", "\"", "a"}});
    check(R"({"type":["integer","null"]})", {{"1", "null"}, {"\"\"", "1.5"}});
    check(R"({"type":["integer","number"]})", {{"1", "1.5"}, {}});
    CHECK(refused(R"({"type":"text"})") == "type at #");
    CHECK(refused(R"({"properties":{"a":{"type":3}}})") == "type at #/properties/a");
}

TEST_CASE("objects have their members in the schema's order", "[json_schema]") {
    check(R"({"type":"object","properties":{"b":{"type":"integer"},"a":{"type":"string"},"c":true},"required":["a"],
             "additionalProperties":false})",
          {{R"({"a":""})", R"({"b":1,"a":"","c":[]})", R"({"a":"","c":0})"},
           {"{}", R"({"a":"","b":1})", R"({"b":1})", R"({"a":""},)", R"({,"a":""})", R"({"a":"","d":1})",
            R"({"a":"","a":""})"}});
    check(R"({"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer"}}})",
          {{"{}", R"({"a":1})", R"({"b":1})", R"({"a":1,"b":2})", R"({"a":1,"c":null})", R"({"c":{},"d":[]})"},
           {R"({"c":1,"a":"x"})", R"({"a":"x"})", R"({"b":1,"a":1})", R"({"a":1,})"}});
    // A name that is declared does not pass as another one, however it is written.
    check(R"({"properties":{"a":false,"\u00e9":{"type":"null"},"\"":{"type":"null"}}})",
          {{"{}", "{\"\xC3\xA9\":null}", R"({"\"":null})", R"({"aa":1})"},
           {R"({"a":1})", "{\"\xC3\xA9\":1}", R"({"\"":1})"}});
    check(R"({"type":"object","required":["x"],"additionalProperties":{"type":"boolean"}})",
          {{R"({"x":true})", R"({"x":false,"y":true})"}, {"{}", R"({"x":1})", R"({"y":true})"}});
    check(
        R"({"type":"object","patternProperties":{"^n_":{"type":"integer"},"_b$":{"maximum":9}},"additionalProperties":false})",
        {{"{}", R"({"n_a":10})", R"({"n_b":9})", R"({"x_b":"s"})"}, {R"({"n_b":10})", R"({"n_a":"s"})", R"({"x":1})"}});
    check(R"({"type":"object","propertyNames":{"enum":["p","q"]},"additionalProperties":{"type":"integer"}})",
          {{"{}", R"({"p":1,"q":2})"}, {R"({"r":1})", R"({"p":""})"}});
    check(R"({"type":"object","properties":{"aa":true,"b":true},"propertyNames":{"maxLength":1}})",
          {{R"({"b":1})"}, {R"({"aa":1})", R"({"cc":1})"}});
    check(
        R"({"properties":{"a":true,"b":true,"c":true},"minProperties":2,"maxProperties":2,"additionalProperties":false,
             "type":"object"})",
        {{R"({"a":1,"b":1})", R"({"a":1,"c":1})", R"({"b":1,"c":1})"}, {"{}", R"({"a":1})", R"({"a":1,"b":1,"c":1})"}});
    check(R"({"minProperties":1,"type":"object"})", {{R"({"a":1})", R"({"a":1,"b":2})"}, {"{}"}});
    check(R"({"maxProperties":1,"type":"object"})", {{"{}", R"({"a":1})"}, {R"({"a":1,"b":2})"}});
    CHECK(refused(R"({"type":"object","minProperties":2})") == "minProperties at #");
    CHECK(refused(R"({"properties":{"a":{"required":true,"type":"object"}}})") == "required at #/properties/a");
    CHECK(refused(R"({"dependentRequired":{"a":["b"]}})") == "dependentRequired at #");
}

TEST_CASE("objects have their members in any order where asked for", "[json_schema]") {
    const JsonSchemaOptions any_order{.members_in_any_order = true};
    check(R"({"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"string"},"c":{"type":"null"}},
             "required":["c","a"],"additionalProperties":{"type":"boolean"}})",
          {{R"({"a":1,"b":"","c":null})", R"({"c":null,"a":1})", R"({"x":true,"c":null,"y":false,"a":1,"b":"x"})",
            R"({"x":true,"a":2,"x":true,"c":null})"},
           {"{}", R"({"a":1})", R"({"c":null})", R"({"a":1,"c":null,"a":1})", R"({"b":"","c":null,"b":"","a":1})",
            R"({"a":1,"c":null,})", R"({,"a":1,"c":null})", R"({"a":1"c":null})", R"({"a":1,,"c":null})",
            R"({"x":1,"a":1,"c":null})", R"({"a":true,"c":null})"}},
          any_order);
    // Nothing may follow where all members are there.
    check(R"({"properties":{"a":{"type":"null"},"b":{"type":"null"}},"type":"object","additionalProperties":false})",
          {{"{}", R"({"a":null})", R"({"b":null})", R"({"b":null,"a":null})"},
           {R"({"b":null,"a":null,)", R"({"b":null,})", R"({"a":null,"a":null})", R"({"c":null})"}},
          any_order);
    check(R"({"properties":{"a":{"type":"null"}},"type":"object","required":["a"]})",
          {{R"({"x":[{"a":2}],"a":null})", R"({"a":null,"x":1})"}, {R"({"x":1})", "{}"}}, any_order);
    // A member that contains the object, and one that can not be.
    check(R"({"$ref":"#/$defs/n","$defs":{"n":{"type":"object","properties":{"v":{"type":"integer"},"w":false,
             "next":{"$ref":"#/$defs/n"}},"required":["v"],"additionalProperties":false}}})",
          {{R"({"next":{"next":{"v":1},"v":2},"v":3})", R"({"v":3,"next":{"v":1}})"},
           {R"({"next":{"next":{"v":1}},"v":3})", R"({"w":1,"v":2})"}},
          any_order);
    check(R"({"properties":{"a":{"type":"null"},"b":{"type":"null"}},"type":"object"})",
          {{"{ \"b\" : null ,\n\"a\":null } "}, {"{ \"b\" : null \n\"a\":null } "}},
          {.white_space = true, .members_in_any_order = true});
    // What is counted keeps to the schema's order.
    check(R"({"properties":{"a":{"type":"null"},"b":{"type":"null"}},"type":"object","maxProperties":2})",
          {{R"({"a":null,"b":null})"}, {R"({"b":null,"a":null})"}}, any_order);
    // More than can be told apart.
    std::string properties, required;
    for (int i = 0; i < 40; ++i) {
        properties += (i ? R"(,"p)" : R"("p)") + std::to_string(i) + R"(":{"type":"integer"})";
        if (i % 2 == 1) required += (i > 1 ? R"(,"p)" : R"("p)") + std::to_string(i) + '"';
    }
    std::string backwards = "{";
    for (int i = 39; i >= 0; --i) backwards += R"("p)" + std::to_string(i) + R"(":1)" + (i ? "," : "}");
    std::string without = backwards;
    without.erase(without.find(R"("p7":1,)"), 7);
    check(R"({"type":"object","additionalProperties":false,"properties":{)" + properties + R"(},"required":[)" +
              required + "]}",
          {{backwards}, {without}}, any_order);
    CHECK_FALSE(
        json_schema(R"({"type":"object","properties":{"a":{},"b":{}},"required":["a"]})").matches(R"({"b":1,"a":1})"));
}

TEST_CASE("arrays have the items and the length that a schema asks for", "[json_schema]") {
    check(R"({"type":"array","items":{"type":"integer"},"minItems":1,"maxItems":3})",
          {{"[1]", "[1,2,3]"}, {"[]", "[1,2,3,4]", "[1,\"\"]", "[,1]", "[1,]"}});
    check(R"({"type":"array","prefixItems":[{"type":"string"},{"type":"integer"}],"items":false})",
          {{"[]", "[\"\"]", "[\"\",1]"}, {"[1]", "[\"\",1,2]"}});
    check(R"({"type":"array","items":[{"type":"string"}],"additionalItems":{"type":"null"},"minItems":2})",
          {{"[\"\",null]", "[\"\",null,null]"}, {"[\"\"]", "[\"\",1]", "[null,null]"}});
    check(R"({"type":"array","items":{"type":"object"},"maxItems":1000000})", {{"[{},{}]"}, {"[1]"}});
    check(R"({"type":"array","minItems":3000,"maxItems":3000,"items":{"const":1}})",
          {{"[" + nested("1,", "1", "", 2999) + "]"}, {"[" + nested("1,", "1", "", 2998) + "]"}});
    check(R"({"type":"array","contains":true,"maxItems":1,"uniqueItems":true})", {{"[1]"}, {"[]", "[1,1]"}});
    CHECK(refused(R"({"items":{"uniqueItems":true}})") == "uniqueItems at #/items");
    CHECK(refused(R"({"contains":{"type":"null"}})") == "contains at #");
    CHECK(refused(R"({"minItems":-1})") == "minItems at #");
    CHECK(refused(R"({"minItems":1.5})") == "minItems at #");
}

TEST_CASE("numbers are bounded exactly", "[json_schema]") {
    check(R"({"type":"integer","minimum":-5,"maximum":120})",
          {{"-5", "-1", "0", "9", "99", "119", "120"}, {"-6", "121", "1000", "-50", "-0"}});
    check(
        R"({"minimum":0.5,"exclusiveMaximum":10.25,"type":"number"})",
        {{"0.5", "0.50", "0.51", "1", "10", "10.2", "10.24999"}, {"0", "0.49", "0.4999", "10.25", "10.3", "11", "-1"}});
    check(R"({"type":"number","exclusiveMinimum":0})", {{"0.001", "1", "1e-9", "10"}, {"0", "0.0", "-1", "0e5"}});
    check(R"({"type":"number","maximum":-1.5})", {{"-1.5", "-2", "-1.51", "-100"}, {"-1.4", "0", "1.5", "-1"}});
    check(R"({"type":"number","minimum":3,"exclusiveMinimum":true})", {{"3.1", "4"}, {"3", "2"}});
    check(R"({"type":"integer","multipleOf":7,"minimum":1})", {{"7", "14", "700"}, {"0", "8", "-7"}});
    check(R"({"type":"number","multipleOf":0.25})", {{"0.25", "1", "-2.75", "1.50", "1.500"}, {"0.3", "1.251", "0.1"}});
    check(R"({"type":"number","multipleOf":0.01})", {{"1.25", "3", "0.10"}, {"0.001", "1.255"}});
    check(R"({"type":"integer","multipleOf":2.5})", {{"5", "10", "-5"}, {"7", "2.5"}});
    check(R"({"type":"integer","minimum":9007199254740993,"maximum":9007199254740993})",
          {{"9007199254740993"}, {"9007199254740992", "9007199254740994"}});
    CHECK(refused(R"({"multipleOf":0})") == "multipleOf at #");
    CHECK(refused(R"({"minimum":"1"})") == "minimum at #");
    CHECK(refused(R"({"minimum":1e5000})") == "minimum at #");
}

TEST_CASE("ranges of numbers hold for every number of up to four digits", "[json_schema]") {
    for (const int low : {-1000, -215, -10, -1, 0, 1, 7, 10, 99, 100, 305})
        for (const int high : {-999, -10, 0, 1, 9, 10, 11, 100, 250, 1999}) {
            if (low > high) continue;
            const rwkv::Constraint constraint = json_schema(R"({"type":"integer","minimum":)" + std::to_string(low) +
                                                            R"(,"maximum":)" + std::to_string(high) + "}");
            for (int value = -2100; value <= 2100; value += 1 + (value % 7 == 0 ? 16 : 0)) {
                INFO(low << " to " << high << ": " << value);
                REQUIRE(constraint.matches(std::to_string(value)) == (low <= value && value <= high));
            }
        }
}

TEST_CASE("strings have a length in characters, a pattern, a format", "[json_schema]") {
    check(R"({"type":"string","minLength":1,"maxLength":2})",
          {{"\"a\"", "\"\xF0\x9F\x98\x80\xC3\xA9\"", R"("\n\"")"}, {"\"\"", "\"abc\""}});
    check(R"({"type":"string","maxLength":100000})",
          {{"\"" + std::string(100000, 'x') + "\""}, {"\"" + std::string(100001, 'x') + "\""}});
    check(R"({"type":"string","pattern":"b+$"})", {{"\"ab\"", "\"bbb\"", R"("\nb")"}, {"\"ba\"", "\"\""}});
    check(R"({"type":"string","pattern":"^[^a]*$","minLength":2})", {{R"("\\\"")", "\"bb\""}, {"\"ab\"", "\"b\""}});
    check(R"({"type":"string","format":"date"})",
          {{"\"2024-02-29\"", "\"2000-02-29\"", "\"1999-12-31\""},
           {"\"2023-02-29\"", "\"1900-02-29\"", "\"2024-13-01\"", "\"2024-04-31\""}});
    check(R"({"type":"string","format":"date-time"})",
          {{"\"2024-01-01T00:00:00Z\"", "\"2024-01-01t23:59:59.123+05:30\"", "\"1998-12-31T23:59:60Z\""},
           {"\"2024-01-01T00:00:00\"", "\"2024-01-01 00:00:00Z\"", "\"2024-01-01T24:00:00Z\"",
            "\"1998-12-31T22:59:60Z\""}});
    check(R"({"type":"string","format":"duration"})",
          {{"\"P4DT12H30M5S\"", "\"P2W\"", "\"PT1M\""}, {"\"P\"", "\"PT\"", "\"P1W2D\"", "\"4D\""}});
    check(R"({"type":"string","format":"uuid"})", {{"\"2eb8aa08-AA98-11ea-b4aa-73b441d16380\""},
                                                   {"\"2eb8aa08\"", "\"2eb8-aa08-aa98-11ea-b4aa73b44-1d16380\""}});
    check(R"({"type":"string","format":"email"})",
          {{"\"joe.b+c@example.com\""}, {"\"joe\"", "\".a@b.c\"", "\"a..b@c.d\"", "\"a@-b.c\""}});
    check(R"({"type":"string","format":"hostname"})",
          {{"\"a\"", "\"www.example-1.com\"", "\"" + std::string(63, 'a') + "\""},
           {"\"-a\"", "\"a-\"", "\"a..b\"", "\"ab--c\"", "\"" + std::string(64, 'a') + "\""}});
    check(R"({"type":"string","format":"ipv4"})",
          {{"\"127.0.0.1\"", "\"255.255.255.255\""}, {"\"256.0.0.1\"", "\"1.2.3\"", "\"01.2.3.4\""}});
    check(R"({"type":"string","format":"ipv6"})",
          {{"\"::\"", "\"::1\"", "\"1:2:3:4:5:6:7:8\"", "\"1::8\"", "\"::ffff:1.2.3.4\"", "\"1:2:3:4:5:6:7::\""},
           {"\"1:2:3:4:5:6:7\"", "\"1::2::3\"", "\":1\"", "\"12345::\"", "\"1:2:3:4:5:6:7:8:9\""}});
    check(R"({"type":"string","format":"uri"})",
          {{"\"http://user@h.x:80/a/b?c=d#e\"", "\"mailto:a@b.c\"", "\"urn:x:y\"", "\"http://[::1]/\""},
           {"\"//a/b\"", "\"a b\"", "\"http://a b\"", "\"http://[1\"", "\"h:%zz\""}});
    check(R"({"type":"string","format":"int64"})", {{"\"anything\""}, {"1"}});
    CHECK(refused(R"({"type":"string","format":"iri"})") == "format at #");
    CHECK(refused(R"j({"items":{"type":"string","pattern":"(?=a)"}})j").starts_with("pattern at #/items"));
}

TEST_CASE("constants and enumerations are met by equal values", "[json_schema]") {
    check(R"({"const":{"b":1,"a":[true,null]}})",
          {{R"({"b":1,"a":[true,null]})"}, {R"({"b":1})", R"({"a":[true,null],"b":1})"}});
    check(R"({"enum":[1,"one",null,[1],{"a":2.50}]})",
          {{"1", "\"one\"", "null", "[1]", R"({"a":2.5})"}, {"2", "[]", "{}", "\"1\""}});
    check(R"({"enum":[1,2.0,3.5,"a"],"type":"integer"})", {{"1", "2"}, {"3.5", "\"a\"", "2.0"}});
    check(R"({"enum":["a","bb","ccc"],"maxLength":2,"pattern":"b"})", {{"\"bb\""}, {"\"a\"", "\"ccc\""}});
    check(R"({"const":{"a":1},"properties":{"a":{"minimum":1}}})", {{R"({"a":1})"}, {}});
    CHECK(refused(R"({"enum":3})") == "enum at #");
}

TEST_CASE("schemas are combined as if all of them had been one", "[json_schema]") {
    check(R"({"allOf":[{"properties":{"a":{"minimum":3}}},{"properties":{"a":{"type":"integer"},"b":{"const":0}},
             "required":["a"]}],"type":"object"})",
          {{R"({"a":3})", R"({"a":4,"b":0})"}, {R"({"a":2})", "{}", R"({"a":3.5})", R"({"a":3,"b":1})"}});
    check(R"({"anyOf":[{"type":"string","maxLength":1},{"type":"integer"}]})", {{"\"a\"", "5"}, {"\"ab\"", "null"}});
    check(R"({"type":"object","properties":{"x":true},"anyOf":[{"required":["x"]},{"required":["y"]}]})",
          {{R"({"x":1})", R"({"y":1})", R"({"x":1,"y":2})"}, {"{}", R"({"z":1})"}});
    check(R"({"oneOf":[{"type":"integer"},{"minimum":2,"type":"number"}]})",
          {{"1", "2.5"}, {"2", "3", "1.5", "2.0", "3e0"}});
    check(R"({"oneOf":[{"const":7},{"type":"number"}]})", {{"8", "7.5"}, {"7", "7.0", "7e0", "70e-1"}});
    check(R"({"anyOf":[{"const":1},{"oneOf":[{"type":"string","format":"email"},{"type":"string"}]}]})",
          {{"1"}, {"\"a@b.c\"", "\"\\\"a\\\"@b.c\""}});
    check(R"({"oneOf":[{"type":"object","properties":{"k":{"const":"a"}},"required":["k"]},
             {"type":"object","properties":{"k":{"const":"b"},"n":{"type":"integer"}},"required":["k"]}]})",
          {{R"({"k":"a"})", R"({"k":"b","n":1})"}, {R"({"k":"c"})", R"({"k":"b","n":""})", "{}"}});
    const std::string overlapping =
        R"({"oneOf":[{"required":["a"],"type":"object"},{"required":["b"],"type":"object"}]})";
    CHECK(refused(overlapping) == "oneOf at #");
    check(overlapping, {{R"({"a":1})", R"({"b":1})", R"({"a":1,"b":1})"}, {"{}"}}, {.one_of_as_any_of = true});
    // What lies beside and around oneOf counts when its alternatives are told apart.
    check(
        R"({"type":"object","required":["k"],"oneOf":[{"properties":{"k":{"const":1}}},{"properties":{"k":{"const":2}}}]})",
        {{R"({"k":1})", R"({"k":2})"}, {"{}", R"({"k":3})", "[]"}});
    for (const std::string keyword : {"not", "if", "$dynamicRef", "unevaluatedProperties"})
        CHECK(refused(R"({"properties":{"a/~b":{")" + keyword + R"(":{"const":1}}}})") ==
              keyword + " at #/properties/a~1~0b");
    CHECK(refused(R"({"allOf":[{"type":"string"},{"type":"null"}]})") != "nothing");
}

TEST_CASE("references lead to other parts of a schema, and recursion is allowed", "[json_schema]") {
    check(R"({"$ref":"#/$defs/node","$defs":{"node":{"type":"object","properties":{"v":{"type":"integer"},
             "next":{"$ref":"#/$defs/node"}},"required":["v"],"additionalProperties":false}}})",
          {{R"({"v":1})", R"({"v":1,"next":{"v":2,"next":{"v":3}}})"},
           {"{}", R"({"v":1,"next":{}})", R"({"v":1,"next":1})"}});
    check(R"({"anyOf":[{"type":"null"},{"type":"array","items":{"$ref":"#"}}]})",
          {{"null", "[]", "[[null],[]]", nested("[", "", "]", 500)}, {"1", "[[1]]"}});
    check(
        R"({"$id":"http://x.org/root/a.json","$ref":"b.json#name","$defs":{"b":{"$id":"b.json","$defs":{"c":{"$anchor":"name","const":5}}}}})",
        {{"5"}, {"4"}});
    check(R"({"$schema":"http://json-schema.org/draft-07/schema#","definitions":{"a b":{"type":"string"}},
             "properties":{"x":{"$ref":"#/definitions/a%20b","maxLength":1}}})",
          {{R"({"x":"long"})"}, {R"({"x":1})"}});
    check(R"({"$defs":{"a":{"type":"string"}},"properties":{"x":{"$ref":"#/$defs/a","maxLength":1}}})",
          {{R"({"x":"l"})"}, {R"({"x":"long"})"}});
    CHECK(refused(R"({"$ref":"#/nowhere"})") == "$ref at #");
    CHECK(refused(R"({"$ref":"http://json-schema.org/draft-07/schema#"})") == "$ref at #");
    CHECK(refused(R"({"$ref":"#"})") == "$ref at #");
    CHECK(refused(R"({"anyOf":[{"type":"null"},{"$ref":"#"}]})") == "$ref at #/anyOf/1");
}

TEST_CASE("white space is allowed where asked for", "[json_schema]") {
    const char* schema = R"({"type":"object","properties":{"a":{"type":"array","items":{"type":"integer"}}}})";
    check(schema, {{R"({"a":[1,2],"b":{}})"}, {R"({ "a": [1, 2] })"}});
    check(schema, {{R"({"a":[1,2]})", " {\n\t\"a\" : [ 1 , 2 ] } \r\n", "{ }"}, {R"({"a":[1 2]})", R"({"a":[1,2]}x)"}},
          {.white_space = true});
}

TEST_CASE("what is not a schema is refused with the place at fault", "[json_schema]") {
    for (const std::string text :
         {"", "{", "{\"a\":1,}", "[1]x", "{\"a\":1,\"a\":2}", "\"\\ud800\"", "01", "{\"a\":\"\x01\"}", "\xFF", "tru"})
        CHECK(refused(text).starts_with("the JSON text of the schema, byte "));
    CHECK(refused("3") == "schema at #");
    CHECK(refused(R"({"properties":{"a":3}})") == "schema at #/properties/a");
    CHECK(refused(R"({"items":"x"})") == "schema at #/items");
    CHECK(refused(R"({"allOf":[]})") == "allOf at #");
    CHECK(refused(nested("[", "", "]", 200)).starts_with("the JSON text"));
    // What its $id does to a $ref depends on the draft.
    const std::string beside = R"({"$id":"http://a/b/c","$defs":{"x":{"$id":"http://a/b/y","type":"null"}},
                                   "items":{"$id":"http://a/b/","$ref":"y"})";
    CHECK(refused(beside + "}") == "$ref at #/items");
    CHECK(refused(beside + R"(,"$schema":"https://json-schema.org/draft/2020-12/schema"})") == "nothing");
    // What no value satisfies: the innermost schema at fault.
    CHECK(refused("false") == "schema at #");
    CHECK(refused(R"({"type":"object","required":["b"],"properties":{"a":{"type":"null"},
                      "b":{"type":"string","minLength":3,"maxLength":2}}})") == "schema at #/properties/b");
    CHECK(refused(R"({"type":"array","minItems":1,"items":{"type":"string","pattern":"^[]$"}})") ==
          "schema at #/items");
    CHECK(refused(R"({"type":"object","required":["a"],"properties":{"a":{"$ref":"#"}}})") == "schema at #");
}

TEST_CASE("large and deep schemas take bounded time and memory", "[json_schema]") {
    std::string alternatives, properties, names, chain;
    for (int i = 0; i < 10'000; ++i) {
        const std::string n = std::to_string(i);
        alternatives += (i ? "," : "") + (R"({"const":"value )" + n + "\"}");
        names += (i ? ",\"name " : "\"name ") + n + "\"";
        properties += (i ? ",\"p" : "\"p") + n + R"(":{"type":"integer"})";
        chain += (i ? ",\"d" : "\"d") + n + R"(":{"type":"array","items":{"$ref":"#/$defs/d)" + std::to_string(i + 1) +
                 "\"}}";
    }
    check(R"({"anyOf":[)" + alternatives + "]}", {{"\"value 0\"", "\"value 9999\""}, {"\"value 10000\"", "\"value\""}});
    check(R"({"oneOf":[)" + alternatives + "]}", {{"\"value 0\"", "\"value 9999\""}, {"\"value 10000\""}});
    check(R"({"enum":[)" + names + "]}", {{"\"name 77\""}, {"\"name x\""}});
    check(R"({"type":"object","properties":{)" + properties + R"(},"additionalProperties":false})",
          {{"{}", R"({"p0":1,"p9999":2})", R"({"p5000":1})"}, {R"({"p1":1,"p0":1})", R"({"p10000":1})"}});
    check(R"({"type":"object","properties":{)" + properties + R"(},"required":[)" + R"("p3"]})",
          {{R"({"p3":0})", R"({"p0":1,"p3":1,"p9999":2,"q":[]})"}, {R"({"p0":1})"}});
    check(R"({"$ref":"#/$defs/d0","$defs":{)" + chain + R"(,"d10000":{"type":"null"}}})",
          {{"[]", "[[[]]]"}, {"null", "[null]"}});
    // Alternatives of alternatives multiply, and are refused before they fill the memory.
    std::string any = R"({"anyOf":[)";
    for (int i = 0; i < 20; ++i)
        any += (i ? "," : "") + (R"({"properties":{"k":{"const":)" + std::to_string(i) + "}}}");
    any += "]}";
    CHECK(refused(R"({"allOf":[)" + any + "," + any + "," + any + "," + any + "]}") == "schema at #");
}

TEST_CASE("a regular expression describes whole texts", "[regex]") {
    const auto matches = [](const char* expression, const char* text) { return rwkv::regex(expression).matches(text); };
    CHECK(matches("a|bc", "bc"));
    CHECK_FALSE(matches("a|bc", "abc"));
    CHECK(matches("(ab?){2,3}", "aba"));
    CHECK(matches("[^\\d\\s]+\\.", "x_y."));
    CHECK(matches("\\p{L}\\p{N}\\P{L}",
                  "\xC3\xA9"
                  "5-"));
    CHECK_FALSE(matches("\\s", "\xC2\xA0"));
    CHECK(matches("^a$|^$", ""));
    CHECK(matches("\\x41\\u00e9\\u{1F600}\\uD83D\\uDE00", "A\xC3\xA9\xF0\x9F\x98\x80\xF0\x9F\x98\x80"));
    CHECK(matches("[a\\-z]+", "a-z"));
    CHECK(matches("a{,x}", "a{,x}"));
    CHECK(matches("(?<year>\\d{4})-(?:0[1-9])", "2024-01"));
    CHECK(matches("a{0,100000}", "aaa"));
    const auto refusal = [](const std::string& expression) {
        try {
            (void)rwkv::regex(expression);
        } catch (const rwkv::ArgumentError& error) {
            return std::string(error.what());
        }
        return std::string("nothing");
    };
    using Catch::Matchers::ContainsSubstring;
    CHECK_THAT(refusal("a(?=b)"), ContainsSubstring("byte 3") && ContainsSubstring("look-ahead"));
    CHECK_THAT(refusal("(?<!b)a"), ContainsSubstring("look-behind"));
    CHECK_THAT(refusal("(a)\\1"), ContainsSubstring("back references"));
    CHECK_THAT(refusal("\\bword"), ContainsSubstring("word boundaries"));
    CHECK_THAT(refusal("(?i)a"), ContainsSubstring("flags"));
    CHECK_THAT(refusal("\\p{Lu}"), ContainsSubstring("\\p{L} or \\p{N}"));
    CHECK_THAT(refusal("a**"), ContainsSubstring("something to repeat"));
    for (const char* bad : {"(", ")", "[a", "[z-a]", "a{3,2}", "*", "\\", "\\q", "(?P=n)", "a++", "(?>a)", "a^b",
                            "\xFF", "x{9999999999}"})
        CHECK(refusal(bad) != "nothing");
    CHECK_THAT(refusal(nested("(", "a", ")", 1000)), ContainsSubstring("nested"));
}
