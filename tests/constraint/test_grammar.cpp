// Grammars in GBNF, and the grammars they become.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <rwkv/constraint.hpp>
#include <rwkv/constraint/grammar_builder.hpp>
#include <rwkv/core/error.hpp>

#include "../catch.hpp"
#include "../support.hpp"
#include "support.hpp"

using namespace rwkv;
using namespace rwkv::constraint;
using namespace rwkv::test;

namespace {

/// A grammar such as programs ship, and texts that it has and has not.
struct Example {
    std::string name, grammar;
    std::vector<std::string> matching, others;
};

/// Grammars in the manner of those that public programs ship.
std::vector<Example> examples() {
    return {
        {"JSON",
         json_grammar,
         {"{}", "{\"a\": [1, 2.5e+3, \"x\\u00e9\"],\n \"b\":{}}", "{\"\":[null,true ,false]} "},
         {"[1]", "{\"a\": [1,, 2]}", "{\"a\": \"\\x\"}", "{\"a\": 01}", "{\"a\":1"}},
        {"arithmetic",
         R"gbnf(# Equations, one a line.
root    ::= (sum " = " sum "\n")+
sum     ::= product (" "? [-+] " "? product)*
product ::= factor (" "? [*/] " "? factor)*
factor  ::= "-"? (number | "(" sum ")")
number  ::= "0" | [1-9] [0-9]*
)gbnf",
         {"1+(2*3) = 7\n4 = 4\n", "-(1 - -2)/10 = 0\n", "((((5)))) = 5\n"},
         {"", "1 = 2", "1+ = 2\n", "01 = 1\n", "(1 = 1)\n", "1 = 1\n\n"}},
        {"chess",
         R"gbnf(# The moves of a game, and perhaps its result.
root   ::= turn (" " turn)* (" " result)? "\n"
turn   ::= [1-9] [0-9]{0,2} ". " ply (" " ply)?
ply    ::= (piece | pawn | castling) [+#]?
# Which piece; its file and rank where that is unclear; a capture; the square.
piece  ::= [KQRBN] [a-h]? [1-8]? "x"? square
pawn   ::= ([a-h] "x")? square ("=" [QRBN])?
castling ::= "O-O" "-O"?
square ::= [a-h] [1-8]
result ::= "1-0" | "0-1" | "1/2-1/2"
)gbnf",
         {"1. e4 e5 2. Nf3 Nc6 3. Bb5 a6 4. O-O Nxe4+\n", "1. f3 e5 2. g4 Qh4# 0-1\n", "40. dxe8=Q\n",
          "7. Rad1 O-O-O 8. R1d3 Qd8xd3\n"},
         {"1. e4 e5", "1. e4 e5 e6\n", "1. Ni3\n", "1. e9\n", "0. e4\n", "1000. e4\n", "1. Pe4\n", "1. e8=K\n"}},
        {"C",
         R"gbnf(root      ::= function+
function  ::= type " " name "(" (parameter (", " parameter)*)? ") " block "\n"
parameter ::= type " " name
block     ::= "{\n" (indent statement "\n")* indent? "}"
indent    ::= [ \t]+
statement ::=
    type " " assignment ";" |
    assignment ";" | call ";" |
    "return" (" " value)? ";" |
    "while (" condition ") " block |
    "for (" assignment "; " condition "; " assignment ") " block |
    "if (" condition ") " block (" else " block)? |
    "//" [^\n]* |
    "/*" ([^*] | "*"+ [^*/])* "*"+ "/"
assignment ::= name " = " value
condition  ::= value " " ("==" | "!=" | [<>] "="?) " " value
value      ::= term (" " [-+] " " term)*
term       ::= operand (" " [*/%] " " operand)*
operand    ::= "-" operand | name | call | number | "(" value ")"
call       ::= name "(" (value (", " value)*)? ")"
type       ::= "int" | "char" | "float" | "void"
name       ::= [A-Za-z_] [A-Za-z_0-9]*
number     ::= "0x" [0-9a-fA-F]{1,8} | [0-9]+ ("." [0-9]+)?
)gbnf",
         {"int main() {\n int x = f(1, -y) * (2 + z);\n while (x <= 0xFF) {\n  x = x - 1;\n }\n return x;\n}\n",
          "void a(int b) {\n if (b == 1) {\n  c();\n } else {\n }\n // no more\n}\nvoid d() {\n}\n",
          "void a() {\n /* 2 ** 3 */\n /**/\n for (i = 0; i < 3; i = i + 1) {\n }\n}\n"},
         {"", "int main() {\n return x\n}\n", "int 2x() {\n}\n", "void a() {\n /* */ */\n}\n",
          "void a() {\n x = 1 +;\n}\n", "void a() {\n {\n}\n"}},
        {"a list",
         R"gbnf(root  ::= title? item{1,5}
title ::= "# " line "\n"
item  ::= ("- " | [1-9] ". ") line ("  - " line)*
line  ::= [^\r\n\x0b\x0c\x85\u2028\u2029]+ "\n"
)gbnf",
         {"- one\n- zw\xC3\xB6lf\n", "# Title\n\n1. a\n  - b\n  - c\n2. d\n"},
         {"", "- one", "- one\r\n", "- \n",
          "- a\xE2\x80\xA8"
          "b\n",
          "  - a\n", "- 1\n- 2\n- 3\n- 4\n- 5\n- 6\n"}},
        {"CSV",
         R"gbnf(root   ::= row+
row    ::= field ("," field)* "\r\n"
field  ::= [^",\r\n]* | quoted
quoted ::= "\"" ([^"] | "\"\"")* "\""
)gbnf",
         {"a,b,,c\r\n", "\r\n", "\"a \"\"b\"\",\r\nc\",d\r\n"},
         {"", "a,b\n", "\"a\"b\r\n", "\"a\r\n", "a\"b\r\n"}},
        {"Japanese",
         "root ::= sentence+\n"
         "sentence ::= (kana | [\\U00004E00-\\U00009FFF\\u3005])+ [\\u3002\\uFF01\\uFF1F]\n"
         "kana ::= [\xE3\x81\x81-\xE3\x82\x96] | [\xE3\x82\xA1-\xE3\x83\xBA\xE3\x83\xBC]  # hiragana, katakana\n",
         {"\xE7\x8C\xAB\xE3\x81\xA7\xE3\x81\x99\xE3\x80\x82",
          "\xE3\x82\xB3\xE3\x83\xBC\xE3\x83\x92\xE3\x83\xBC\xEF\xBC\x9F"},
         {"\xE7\x8C\xAB", "\xE7\x8C\xAB.", "neko\xE3\x80\x82", "\xE3\x80\x82", "\xE7\x8C\xAB\xE3\x80"}},
        {"S-expressions",
         R"gbnf(root ::= gap list gap
list ::= "(" gap (expression (gap1 expression)* gap)? ")"
expression ::= list | "'" expression | [^()'"; \n]+ | "\"" ([^"\\] | "\\" .)* "\""
gap  ::= gap1?
gap1 ::= ([ \n] | ";" [^\n]* "\n")+
)gbnf",
         {"(define (f x) ; doubles\n  (* x 2))", "(())", "( quote '(a \"b\\\"\" 'c) )\n"},
         {"", "a", "(a", "(a))", "(\"a)", "(a ; b)"}},
        {"a call of a function",
         R"gbnf(root  ::= thought? call
thought ::= "Thought: " [^\n]{1,80} "\n"
call  ::= "search(" text ("," " "? "limit=" [1-9] [0-9]{0,2})? ")" | "clock()" | "move(" point{2} ")"
point ::= "<" number "," number ">"
number ::= "-"? [0-9]+ ("." [0-9]+)?
text  ::= ["] [^"\n]* ["]
)gbnf",
         {"search(\"a river\", limit=10)", "Thought: What time is it?\nclock()", "move(<0,1><-2.5,30>)"},
         {"search(a)", "clock(1)", "Thought: \nclock()", "move(<0,1>)", "search(\"\",limit=1000)", "Thought: yes"}},
        {"tags, which nest",
         R"gbnf(root ::= element
element ::= "<b>" inner "</b>" | "<i>" inner "</i>" | "<a href=" ["] [^"<>]* ["] ">" inner "</a>" | "<br/>"
inner ::= (text | element)*
text ::= ([^<>&] | "&" ("lt" | "gt" | "amp" | "#" [0-9]{1,4}) ";")+
)gbnf",
         {"<b>a <i>b</i> &amp; c<br/></b>", "<a href=\"x\"></a>", "<i><i><i>&#169;</i></i></i>"},
         {"<b>a</i>", "<b>", "a", "<b><i></b></i>", "<b>&copy;</b>", "<br>"}},
        {"times in a log",
         R"gbnf(root ::= (time " " level " " source? message "\n")*
time ::= [0-9]{4} "-" ("0" [1-9] | "1" [0-2]) "-" ("0" [1-9] | [12] [0-9] | "3" [01]) "T" hour (":" minute){2} "Z"
hour ::= [01] [0-9] | "2" [0-3]
minute ::= [0-5] [0-9]
level ::= "INFO" | "WARN" | "ERROR"
source ::= "[" [a-z.]{1,12} "] "
message ::= [\x20-\x7E]{1,60}
)gbnf",
         {"", "2026-11-29T01:05:59Z INFO [io.file] opened [a]\n2026-12-01T23:00:00Z ERROR no\n"},
         {"2026-13-01T00:00:00Z INFO a\n", "2026-11-29T24:00:00Z INFO a\n", "2026-11-29T01:05Z INFO a\n",
          "2026-11-29T01:05:59Z INFO " + std::string(61, 'a') + "\n", "2026-11-29T01:05:59Z INFO \n"}},
    };
}

}  // namespace

TEST_CASE("grammars such as programs ship", "[gbnf]") {
    const Tokenizer tokenizer = json_tokenizer();
    const TokenVocabulary vocabulary(tokenizer);
    for (const Example& example : examples()) {
        INFO(example.name);
        const Constraint constraint = grammar(example.grammar);
        for (const std::string& text : example.matching) {
            INFO(text);
            CHECK(constraint.matches(text));
            Matcher matcher(constraint, vocabulary);
            std::vector<std::uint64_t> mask(matcher.mask_words());
            for (const TokenId token : tokenizer.encode(text)) {
                matcher.mask(mask);
                const auto id = static_cast<std::size_t>(token);
                CHECK((mask[id / 64] >> id % 64 & 1U) == 1);
                CHECK(matcher.accept(token));
            }
            CHECK(matcher.may_end());
        }
        for (const std::string& text : example.others) {
            INFO(text);
            CHECK_FALSE(constraint.matches(text));
        }
    }
}

TEST_CASE("the parts of the notation", "[gbnf]") {
    const auto matches = [](const std::string& body, const std::string& text) {
        return grammar("root ::= " + body).matches(text);
    };
    CHECK(matches(R"("\x41\u00e9\U0001F600\t\r\n\\\"\[\]")", "A\xC3\xA9\xF0\x9F\x98\x80\t\r\n\\\"[]"));
    CHECK(matches("[^a-z]{3} .",
                  "A\xE2\x82\xAC"
                  "9\n"));
    CHECK_FALSE(matches("[^a-z]{3} .", "AAaA"));
    CHECK(matches("[a-]", "-"));
    CHECK(matches("[\\]^]", "^"));
    CHECK(matches("\"ab\"{2}", "abab"));  // of the literal, not of its last character
    CHECK_FALSE(matches("\"ab\"{2}", "abb"));
    CHECK(matches("\"a\"{ 2 , 3 }", "aaa"));
    CHECK_FALSE(matches("\"a\"{2,3}", "aaaa"));
    CHECK(matches("\"a\"{2,}", "aaaaa"));
    CHECK(matches("\"a\" *", ""));
    CHECK(matches("(\"a\" # one\n | \"b\"\n)+ # end", "abba"));
    CHECK(matches("\"a\" |\n \"b\"\n | \"c\"", "c"));
    CHECK(matches("\"a\" | ", ""));
    CHECK(matches("x-1 \"b\"\nx-1 ::=\n \"a\"", "ab"));
    // Longer than what is unrolled anywhere else.
    CHECK(matches("(\"a\" root? \"c\"){0,2}", "aaccac"));
    CHECK(matches("[a-z]{0,2000}", std::string(2000, 'q')));
    CHECK_FALSE(matches("[a-z]{0,2000}", std::string(2001, 'q')));
}

TEST_CASE("what is no grammar is refused with line and column", "[gbnf]") {
    const auto message = [](const std::string& text) { return outcome([&] { static_cast<void>(grammar(text)); }); };
    const std::vector<std::pair<std::string, std::string>> cases{
        {"", "grammar: line 1, column 1: expected a rule named root, found none"},
        {"x ::= \"a\"", "line 1, column 10: expected a rule named root"},
        {"root ::= a", "line 1, column 10: expected a rule that is defined, found \"a\""},
        {"root ::= \"a", "line 1, column 12: expected the end of the literal or class, found the end"},
        {"root ::= [a", "line 1, column 12: expected the end of the literal or class"},
        {"root ::= \"a\"\n  )", "line 2, column 3: expected the name of a rule, found \")\""},
        {"root ::= \"\xC3\xA9\" }", "line 1, column 14: expected a symbol, | or the end of the line, found \"}\""},
        {"root ::= [b-a]", "column 11: expected a range whose last character is not below its first, found \"b-a\""},
        {"root ::= \"\\q\"", "column 11: expected one of the escapes"},
        {"root ::= \"\\xg0\"", "column 13: expected a hexadecimal digit, found \"g\""},
        {"root ::= \"\\uD800\"", "expected a character that is no surrogate"},
        {"root ::= *", "column 10: expected a symbol to be repeated, found \"*\""},
        {"root ::= \"a\"{3,1}", "expected a maximum that is not below the minimum, found 1"},
        {"root ::= \"a\"{,1}", "expected a number, found \",\""},
        {"root ::= \"a\"{1;2}", "expected , or }, found \";\""},
        {"root ::= \"a\"{99999999999}", "expected a number below 4294967295"},
        {"root = 3", "column 6: expected ::= after the name of a rule, found \"=\""},
        {"root ::= (\"a\"\n\n", "line 3, column 1: expected a symbol, | or ), found the end"},
        {"root ::= \"a\"\nroot ::= \"b\"", "line 2, column 1: expected each rule to be defined once, found \"root\""},
        {"root ::= <[1]>", "not supported"},
        {"root ::= \"\xFF\"", "column 11: expected UTF-8"},
        {"root ::= root", "root: expected one that some text satisfies, found one that none does"},
        {"root ::= \"a\" root", "one that none does"},
        {"root ::= " + std::string(100'000, '('), "expected at most 200 groups within each other"},
    };
    for (const auto& [text, part] : cases) {
        INFO(text.substr(0, 100));
        CHECK_THAT(message(text), Catch::Matchers::ContainsSubstring(part));
        CHECK_THAT(message(text), Catch::Matchers::StartsWith("ArgumentError grammar: "));
    }
    CHECK_THAT(message(std::string(17 << 20, ' ')), Catch::Matchers::ContainsSubstring("bytes"));
}

TEST_CASE("a choice of texts") {
    const Constraint one = choice({"yes", "no", "not sure"});
    CHECK(one.matches("no"));
    CHECK(one.matches("not sure"));
    CHECK_FALSE(one.matches("not"));
    CHECK_THAT(outcome([] { static_cast<void>(choice({})); }), Catch::Matchers::ContainsSubstring("at least one text"));
}

TEST_CASE("recursion on either side, and ambiguity", "[grammar]") {
    const Constraint left = grammar("root ::= root \"+\" root | \"a\" | \"(\" root \")\"");
    std::string sum = "a";
    for (int i = 0; i < 300; ++i) sum += "+a";
    CHECK(left.matches(sum));
    CHECK_FALSE(left.matches(sum + "+"));
    const Constraint very = grammar("root ::= s\ns ::= s s | s s s | \"a\" | ");
    CHECK(very.matches(std::string(100, 'a')));
    CHECK(very.matches(""));
    const Constraint mutual = grammar("root ::= a\nb ::= [0-9] a | \"x\"\na ::= [a-z] b | \"y\"");
    CHECK(mutual.matches("a1bx"));
    CHECK_FALSE(mutual.matches("a1b2x"));
    const Constraint right = grammar("root ::= \"a\" root | \"(\" root \")\" root | ");
    CHECK(right.matches(std::string(100'000, 'a')));
    const Constraint brackets = grammar("root ::= \"(\" root* \")\" | \"[\" root* \"]\"");
    CHECK(brackets.matches(std::string(20'000, '(') + std::string(20'000, ')')));
    CHECK_FALSE(brackets.matches("([)]"));
    // a^n b^n c^m d^m: what no expression counts.
    const Constraint pairs = grammar("root ::= x y\nx ::= | \"a\" x \"b\"\ny ::= | \"c\" y \"d\"");
    CHECK(pairs.matches("aabbcccddd"));
    CHECK_FALSE(pairs.matches("aabbcccdd"));
}

TEST_CASE("a lexeme ends wherever it may", "[grammar]") {
    // No longest match: the letters may be shared out between the two in any way.
    GrammarBuilder builder;
    RegexSet& regexes = builder.regexes();
    const Symbol letters = builder.terminal(regexes.star(regexes.bytes(ByteSet::range('a', 'z'))));
    const Symbol rule = builder.rule();
    builder.add(rule, {letters, builder.literal("ab"), letters, builder.literal("."), builder.optional(rule)});
    const Constraint constraint(std::move(builder), rule, "test");
    CHECK(constraint.matches("abab."));
    CHECK(constraint.matches("xabx.ab."));
    CHECK_FALSE(constraint.matches("xbax."));
}

TEST_CASE("large grammars", "[grammar]") {
    std::string many = "root ::= ";
    for (int i = 0; i < 10'000; ++i) many += "\"alternative " + std::to_string(i) + " \" x | ";
    many += "\"z\"\nx ::= [0-9] | \"(\" x \")\"";
    const Constraint alternatives = grammar(many);
    CHECK(alternatives.matches("alternative 9999 ((7))"));
    CHECK_FALSE(alternatives.matches("alternative 10000 7"));

    std::string rules = "root ::= r0\n";
    for (int i = 0; i < 2'000; ++i)
        rules +=
            "r" + std::to_string(i) + " ::= \"" + std::to_string(i % 10) + "\" r" + std::to_string(i + 1) + " \"x\"?\n";
    rules += "r2000 ::= \".\"";
    const Constraint chain = grammar(rules);
    std::string text;
    for (int i = 0; i < 2'000; ++i) text += std::to_string(i % 10);
    CHECK(chain.matches(text + "." + std::string(2'000, 'x')));
    CHECK_FALSE(chain.matches(text + "x"));

    std::string literal(1 << 20, 'l');
    CHECK(grammar("root ::= \"" + literal + "\" | \"b\"").matches(literal));
}

TEST_CASE("ambiguity beyond the limits is an error", "[grammar]") {
    // Every place may begin one more lexeme, none of which is over.
    std::string text = "root ::= x\nx ::= [a-z]* \"!\" | [a-z] x \"?\"\n";
    const Constraint constraint = grammar(text);
    CHECK(constraint.matches("abc!??"));
    CHECK_THAT(outcome([&] { static_cast<void>(constraint.matches(std::string(10'000, 'a'))); }),
               Catch::Matchers::ContainsSubstring("too ambiguous"));
}

namespace {

/// The texts of up to 6 letters of {a, b}, each a bit: the number of a text has a 1 before its letters.
constexpr int max_length = 6;
using Language = std::vector<bool>;  // of 2^(max_length + 1)

int length_of(std::uint32_t number) {
    int length = 0;
    while (number >> (length + 1) != 0) ++length;
    return length;
}

Language concat(const Language& a, const Language& b) {
    Language result(a.size(), false);
    for (std::uint32_t i = 1; i < a.size(); ++i) {
        if (!a[i]) continue;
        for (std::uint32_t k = 1; k < b.size(); ++k) {
            const int n = length_of(k);
            if (b[k] && length_of(i) + n <= max_length) result[i << n | (k & ((1U << n) - 1))] = true;
        }
    }
    return result;
}

std::string text_of(std::uint32_t number) {
    std::string text;
    for (int bit = length_of(number) - 1; bit >= 0; --bit) text += (number >> bit & 1U) ? 'b' : 'a';
    return text;
}

}  // namespace

TEST_CASE("random grammars match what their rules produce", "[grammar]") {
    std::mt19937 random(20);
    const auto below = [&](int n) { return std::uniform_int_distribution<int>(0, n - 1)(random); };
    const Language none(std::size_t{2} << max_length, false);
    int productive = 0;
    for (int round = 0; round < 400; ++round) {
        // Terminals: literals, or letters any number of times. Nonterminals: rules, and repetitions of anything.
        struct Definition {
            std::vector<std::vector<int>> alternatives;
            int part = -1, min = 0, max = 0;
        };
        const std::vector<std::string> terminals{"a", "b", "ab", "bba", "a*", "[ab]", "b?", "(ab|b)*"};
        const int count = 1 + below(5), first = static_cast<int>(terminals.size());
        std::vector<Definition> definitions(static_cast<std::size_t>(count));
        for (std::size_t d = 0; d < definitions.size(); ++d) {
            const auto symbol = [&] { return below(first + count); };
            if (d > 0 && below(4) == 0) {
                definitions[d].part = symbol();
                definitions[d].min = below(3);
                definitions[d].max = below(3) == 0 ? -1 : definitions[d].min + below(3);
                continue;
            }
            definitions[d].alternatives.resize(static_cast<std::size_t>(1 + below(3)));
            for (auto& sequence : definitions[d].alternatives)
                for (int n = below(4); n > 0; --n) sequence.push_back(symbol());
        }

        GrammarBuilder builder;
        if (below(2) == 0) builder.set_fold_limit(64);
        RegexSet& regexes = builder.regexes();
        const Regex a = regexes.literal("a"), b = regexes.literal("b"), ab = regexes.literal("ab");
        std::vector<Symbol> symbols;
        for (const Regex regex : {a, b, ab, regexes.literal("bba"), regexes.star(a), regexes.any_of({a, b}),
                                  regexes.optional(b), regexes.star(regexes.any_of({ab, b}))})
            symbols.push_back(builder.terminal(regex));
        for (int d = 0; d < count; ++d) symbols.push_back(builder.rule());
        std::vector<Language> languages(symbols.size(), none);
        for (std::uint32_t i = 1; i < none.size(); ++i)
            for (std::size_t t = 0; t < terminals.size(); ++t)
                languages[t][i] = regexes.matches(builder.regex(symbols[t]), text_of(i));
        for (int d = 0; d < count; ++d) {
            const Definition& definition = definitions[static_cast<std::size_t>(d)];
            const Symbol rule = symbols[static_cast<std::size_t>(first + d)];
            if (definition.part >= 0)
                builder.add(rule, {builder.repeat(
                                      symbols[static_cast<std::size_t>(definition.part)],
                                      static_cast<std::uint32_t>(definition.min),
                                      definition.max < 0 ? unbounded : static_cast<std::uint32_t>(definition.max))});
            for (const auto& sequence : definition.alternatives) {
                std::vector<Symbol> parts;
                for (const int symbol : sequence) parts.push_back(symbols[static_cast<std::size_t>(symbol)]);
                builder.add(rule, parts);
            }
        }
        Language only_empty = none;
        only_empty[1] = true;
        for (bool changed = true; changed;) {
            changed = false;
            for (std::size_t d = 0; d < definitions.size(); ++d) {
                Language next = languages[static_cast<std::size_t>(first) + d];
                const auto add = [&](const Language& more) {
                    for (std::size_t i = 0; i < next.size(); ++i) next[i] = next[i] || more[i];
                };
                for (const auto& sequence : definitions[d].alternatives) {
                    Language all = only_empty;
                    for (const int symbol : sequence) all = concat(all, languages[static_cast<std::size_t>(symbol)]);
                    add(all);
                }
                if (definitions[d].part >= 0) {
                    Language times = only_empty;
                    const int last = definitions[d].max < 0 ? definitions[d].min + max_length : definitions[d].max;
                    for (int n = 0; n <= last; ++n) {
                        if (n >= definitions[d].min) add(times);
                        times = concat(times, languages[static_cast<std::size_t>(definitions[d].part)]);
                    }
                }
                if (next != languages[static_cast<std::size_t>(first) + d]) {
                    changed = true;
                    languages[static_cast<std::size_t>(first) + d] = next;
                }
            }
        }
        const Language& expected = languages[static_cast<std::size_t>(first)];
        std::optional<Constraint> constraint;
        try {
            constraint.emplace(std::move(builder), symbols[static_cast<std::size_t>(first)], "test");
        } catch (const ArgumentError&) {
            CHECK(expected == none);
            continue;
        }
        ++productive;
        for (std::uint32_t i = 1; i < expected.size(); ++i)
            if (constraint->matches(text_of(i)) != expected[i])
                FAIL("round " << round << ": \"" << text_of(i) << "\" " << expected[i]);
    }
    CHECK(productive > 200);
}
