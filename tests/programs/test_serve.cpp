// `serve` from the outside: what it answers, against the library, and what it refuses.

#include <cmath>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>

#include <rwkv/rwkv.hpp>

#include "../catch.hpp"
#include "../model/support.hpp"
#include "http_client.hpp"

using namespace rwkv;
using namespace rwkv::test;
using Catch::Matchers::ContainsSubstring;
using nlohmann::json;

namespace {

/// A model whose tokens are bytes.
const std::string bytes_model = "--threads 1 --model " + fixture("text").string();

Generation by_library(const std::string& prompt, GenerationOptions options) {
    static const Model model = load_model(fixture("text"));
    static const Tokenizer tokenizer = load_tokenizer(fixture("text"));
    return Generator(model, tokenizer, {.threads = 1}).generate(prompt, std::move(options));
}

/// A request for a text that does not end by itself.
json endless(bool stream) {
    return {{"prompt", "abc"}, {"max_tokens", 1000000}, {"logit_bias", {{"0", -100}}}, {"stream", stream}};
}
const std::string endless_server = bytes_model + " --max-new-tokens 1000000";

}  // namespace

TEST_CASE("serve completes prompts as a generator does, however they are written") {
    const Server server(bytes_model);
    const Generation expected = by_library("The cat", {.max_new_tokens = 12, .top_logprobs = 2});
    const std::vector<TokenId> ids = {'T', 'h', 'e', ' ', 'c', 'a', 't'};
    const json prompts[] = {"The cat", ids, json::array({"The cat"}), json::array({ids})};
    for (const json& prompt : prompts) {
        const json found = server.answer(
            "/v1/completions",
            {{"prompt", prompt}, {"max_tokens", 12}, {"temperature", 0}, {"model", "any"}, {"unknown", {{"a", 1}}}});
        CHECK(found["object"] == "text_completion");
        CHECK(found["model"] == "text");
        REQUIRE(found["choices"].size() == 1);
        CHECK(found["choices"][0]["text"] == expected.text);
        CHECK(found["choices"][0]["finish_reason"] == "length");
        CHECK(found["choices"][0]["logprobs"].is_null());
        CHECK(found["usage"]["prompt_tokens"] == 7);
        CHECK(found["usage"]["completion_tokens"] == 12);
        CHECK(found["usage"]["total_tokens"] == 19);
    }
    const json two = server.answer("/v1/completions",
                                   {{"prompt", {"The cat", "A dog"}}, {"max_tokens", 12.0}, {"temperature", 0.0}});
    REQUIRE(two["choices"].size() == 2);
    CHECK(two["choices"][0]["text"] == expected.text);
    CHECK(two["choices"][1]["text"] == by_library("A dog", {.max_new_tokens = 12}).text);
    CHECK(two["choices"][1]["index"] == 1);
    CHECK(server.answer("/v1/completions", {{"prompt", "The cat"}, {"temperature", 0}})["usage"]["completion_tokens"] ==
          16);
}

TEST_CASE("serve takes the sampling options of OpenAI and its own") {
    const Server server(bytes_model);
    GenerationOptions options{.max_new_tokens = 40};
    options.sampling = {.temperature = 0.9f,
                        .top_k = 50,
                        .top_p = 0.9f,
                        .min_p = 0.001f,
                        .presence_penalty = 0.3f,
                        .frequency_penalty = 0.2f,
                        .penalty_decay = 1.0f,
                        .repetition_penalty = 1.1f,
                        .logit_bias = {{97, 2.0f}, {98, -100.0f}},
                        .seed = 5};
    options.stop_strings = {"z", "aa"};
    const json request = {{"prompt", "The cat"},
                          {"max_tokens", 40},
                          {"n", 3},
                          {"temperature", 0.9},
                          {"top_k", 50},
                          {"top_p", 0.9},
                          {"min_p", 0.001},
                          {"presence_penalty", 0.3},
                          {"frequency_penalty", 0.2},
                          {"repetition_penalty", 1.1},
                          {"logit_bias", {{"97", 2}, {"98", -100}}},
                          {"stop", {"z", "aa"}},
                          {"seed", 5}};
    const json found = server.answer("/v1/completions", request);
    REQUIRE(found["choices"].size() == 3);
    for (std::size_t i = 0; i < 3; ++i) {
        options.sampling.seed = 5 + i;
        const Generation expected = by_library("The cat", options);
        CHECK(found["choices"][i]["text"] == expected.text);
        CHECK(found["choices"][i]["finish_reason"] ==
              (expected.finish_reason == FinishReason::length ? "length" : "stop"));
    }
    CHECK(found["usage"]["prompt_tokens"] == 7);
    json again = request;
    again["seed"] = nullptr;
    CHECK(server.answer("/v1/completions", again)["choices"] != server.answer("/v1/completions", again)["choices"]);
}

TEST_CASE("serve echoes a prompt with its log-probabilities, as evaluations want them") {
    const Server server(bytes_model);
    const std::string prompt = "The cat sat";
    const Model model = load_model(fixture("text"));
    std::vector<double> expected, best;
    {
        State state(model.config());
        Workspace workspace(model.config(), {.threads = 1});
        const std::vector<TokenId> ids(prompt.begin(), prompt.end());
        model.forward_all(ids, state, workspace, [&](Index position, std::span<const float> logits) {
            const LogProbabilities probabilities(logits);
            const auto next = static_cast<std::size_t>(position) + 1;
            best.push_back(probabilities.top(1)[0].log_probability);
            if (next < ids.size()) expected.push_back(probabilities(ids[next]));
            return true;
        });
    }
    const auto new_tokens = GENERATE(0U, 1U);
    const auto texts = GENERATE(1U, 2U);
    const bool stream = GENERATE(false, true);
    const HttpResponse response =
        server.post("/v1/completions", {{"prompt", std::vector<int>(prompt.begin(), prompt.end())},
                                        {"echo", true},
                                        {"logprobs", 1},
                                        {"max_tokens", new_tokens},
                                        {"n", texts},
                                        {"stream", stream},
                                        {"temperature", 0}});
    REQUIRE(response.status == 200);
    std::vector<json> parts;
    if (stream)
        for (const std::string& event : response.events()) {
            if (event == "[DONE]") break;
            const json parsed = json::parse(event);
            for (const json& choice : parsed["choices"])
                if (choice["index"] == 0) parts.push_back(choice);
        }
    else
        parts.push_back(response.json()["choices"][0]);
    std::string text;
    json tokens = json::array(), probabilities = json::array(), top = json::array(), offsets = json::array();
    for (const json& part : parts) {
        text += part["text"];
        for (const auto& [name, list] : {std::pair<const char*, json*>{"tokens", &tokens},
                                         {"token_logprobs", &probabilities},
                                         {"top_logprobs", &top},
                                         {"text_offset", &offsets}})
            for (const json& value : part["logprobs"][name]) list->push_back(value);
    }
    CHECK(text.starts_with(prompt));
    REQUIRE(probabilities.size() == prompt.size() + new_tokens);
    REQUIRE(tokens.size() == probabilities.size());
    REQUIRE(top.size() == probabilities.size());
    CHECK(probabilities[0].is_null());
    CHECK(top[0].is_null());
    for (std::size_t i = 0; i < prompt.size(); ++i) {
        CHECK(tokens[i] == prompt.substr(i, 1));
        CHECK(offsets[i] == i);
        if (i == 0) continue;
        CHECK(std::abs(probabilities[i].get<double>() - expected[i - 1]) < 1e-5);
        double most = -1e9;
        for (const json& value : top[i]) most = std::max(most, value.get<double>());
        CHECK(std::abs(most - best[i - 1]) < 1e-5);
    }
}

TEST_CASE("serve streams what it would answer at once") {
    const Server server(bytes_model);
    const bool chat = GENERATE(false, true);
    const std::string path = chat ? "/v1/chat/completions" : "/v1/completions";
    json request = {{"max_tokens", 30}, {"seed", 3}, {"n", 2}, {"stop", "q"}};
    if (chat) {
        request["messages"] = {{{"role", "user"}, {"content", "The cat"}}};
        request["logprobs"] = true;
        request["top_logprobs"] = 2;
    } else {
        request["prompt"] = "The cat";
        request["logprobs"] = 2;
    }
    const json whole = server.answer(path, request);
    request["stream"] = true;
    request["stream_options"] = {{"include_usage", true}};
    const HttpResponse response = server.post(path, request);
    CHECK(response.status == 200);
    CHECK_THAT(response.head, ContainsSubstring("Content-Type: text/event-stream"));
    const std::vector<std::string> events = response.events();
    REQUIRE(events.size() >= 4);
    CHECK(events.back() == "[DONE]");
    const json last = json::parse(events[events.size() - 2]);
    CHECK(last["choices"].empty());
    CHECK(last["usage"]["completion_tokens"] == whole["usage"]["completion_tokens"]);
    for (std::size_t i = 0; i < 2; ++i) {
        std::string text;
        json finish;
        std::size_t reports = 0;
        for (std::size_t k = 0; k + 2 < events.size(); ++k) {
            const json event = json::parse(events[k]), &choice = event["choices"][0];
            CHECK(event["usage"].is_null());
            if (choice["index"] != i) continue;
            CHECK(finish.is_null());
            finish = choice["finish_reason"];
            if (!chat)
                text += choice["text"];
            else if (choice["delta"].contains("content"))
                text += choice["delta"]["content"];
            if (!choice["logprobs"].is_null()) reports += choice["logprobs"][chat ? "content" : "tokens"].size();
        }
        const json& expected = whole["choices"][i];
        CHECK(text == (chat ? expected["message"]["content"] : expected["text"]));
        CHECK(finish == expected["finish_reason"]);
        CHECK(reports == expected["logprobs"][chat ? "content" : "tokens"].size());
    }
}

TEST_CASE("serve answers chats in the format that the model was trained on") {
    const json messages = {
        {{"role", "system"}, {"content", "Be kind."}},
        {{"role", "user"}, {"content", {{{"type", "text"}, {"text", "Hi,"}}, {{"type", "text"}, {"text", " you"}}}}},
        {{"role", "assistant"}, {"content", "Hello."}},
        {{"role", "user"}, {"content", "More\n\nplease"}}};
    const std::pair<const char*, const char*> formats[] = {
        {"raven", "Be kind.\n\nBob: Hi, you\n\nAlice: Hello.\n\nBob: More\nplease\n\nAlice:"},
        {"world", "Be kind.\n\nUser: Hi, you\n\nAssistant: Hello.\n\nUser: More\nplease\n\nAssistant:"},
        {"plain", "Be kind.\n\nHi, you\n\nHello.\n\nMore\n\nplease"}};
    for (const auto& [name, expected] : formats) {
        const Server server(bytes_model + " --prompt-format " + name);
        const std::vector<int> tokens = server.answer("/tokenize", {{"messages", messages}})["tokens"];
        CHECK(std::string(tokens.begin(), tokens.end()) == expected);
        const json found = server.answer("/v1/chat/completions",
                                         {{"messages", messages}, {"max_completion_tokens", 5}, {"temperature", 0}});
        CHECK(found["usage"]["prompt_tokens"] == std::string(expected).size());
        CHECK(found["choices"][0]["message"]["role"] == "assistant");
    }
    const Server server(bytes_model + " --prompt-format raven");
    const auto prompt = [&](const json& some) {
        const std::vector<int> tokens = server.answer("/tokenize", {{"messages", some}})["tokens"];
        return std::string(tokens.begin(), tokens.end());
    };
    CHECK(prompt({{{"role", "user"}, {"content", "Hi"}}, {{"role", "assistant"}, {"content", "Hello, I"}}}) ==
          "Bob: Hi\n\nAlice: Hello, I");  // is gone on with
    CHECK(prompt({{{"role", "system"}, {"content", "Be kind."}}}) == "Be kind.\n\nAlice:");
    CHECK(prompt({{{"role", "assistant"}, {"content", "Hello."}}, {{"role", "user"}, {"content", "Hi"}}}) ==
          "Alice: Hello.\n\nBob: Hi\n\nAlice:");
}

TEST_CASE("serve holds texts to JSON, schemas, grammars, expressions and functions") {
    const Server server(bytes_model);
    const json messages = {{{"role", "user"}, {"content", "Hi"}}};
    const json schema = {{"type", "object"},
                         {"properties", {{"yes", {{"type", "boolean"}}}, {"color", {{"enum", {"red", "green"}}}}}},
                         {"required", {"yes", "color"}},
                         {"additionalProperties", false}};
    const auto content = [&](const char* name, const json& value) {
        return server.answer("/v1/chat/completions",
                             {{"messages", messages}, {"max_tokens", 100}, {name, value}})["choices"][0];
    };
    const json by_schema =
        content("response_format", {{"type", "json_schema"}, {"json_schema", {{"name", "x"}, {"schema", schema}}}});
    const json value = json::parse(by_schema["message"]["content"].get<std::string>());
    CHECK(value["yes"].is_boolean());
    CHECK((value["color"] == "red" || value["color"] == "green"));
    CHECK(by_schema["finish_reason"] == "stop");
    CHECK(content("response_format", {{"type", "json_object"}})["message"]["content"].get<std::string>()[0] == '{');
    CHECK(content("regex", "a[bc]{3}d")["message"]["content"].get<std::string>().size() == 5);
    CHECK(content("grammar", "root ::= \"xyz\"")["message"]["content"] == "xyz");

    json call = {{"messages", messages},
                 {"max_tokens", 100},
                 {"tools", {{{"type", "function"}, {"function", {{"name", "paint"}, {"parameters", schema}}}}}},
                 {"tool_choice", {{"type", "function"}, {"function", {{"name", "paint"}}}}},
                 {"seed", 1}};
    const json called = server.answer("/v1/chat/completions", call)["choices"][0];
    CHECK(called["finish_reason"] == "tool_calls");
    CHECK(called["message"]["content"].is_null());
    const json function = called["message"]["tool_calls"][0]["function"];
    CHECK(function["name"] == "paint");
    CHECK(json::parse(function["arguments"].get<std::string>())["yes"].is_boolean());
    call["stream"] = true;
    std::string arguments;
    for (const std::string& event : server.post("/v1/chat/completions", call).events())
        if (event != "[DONE]") {
            const json parts = json::parse(event)["choices"][0]["delta"].value("tool_calls", json::array());
            for (const json& part : parts) arguments += part["function"]["arguments"];
        }
    CHECK(arguments == function["arguments"]);
}

TEST_CASE("serve hands out the state of a conversation and takes it back") {
    const Server server(bytes_model);
    const bool stream = GENERATE(false, true);
    const auto complete = [&](const json& request) {
        const HttpResponse response = server.post("/v1/completions", request);
        REQUIRE(response.status == 200);
        if (!stream) return response.json()["choices"][0];
        json choice;
        std::string text;
        for (const std::string& event : response.events())
            if (event != "[DONE]") {
                choice = json::parse(event)["choices"][0];
                text += choice["text"];
            }
        choice["text"] = text;
        return choice;
    };
    const json first = complete(
        {{"prompt", "The cat"}, {"max_tokens", 10}, {"temperature", 0}, {"return_state", true}, {"stream", stream}});
    const json second = complete(
        {{"prompt", " sat"}, {"max_tokens", 10}, {"temperature", 0}, {"state", first["state"]}, {"stream", stream}});
    const std::string expected =
        by_library("The cat" + first["text"].get<std::string>() + " sat", {.max_new_tokens = 10}).text;
    CHECK(second["text"] == expected);
    const HttpResponse wrong = server.post("/v1/completions", {{"prompt", "x"}, {"state", "AAAA"}});
    CHECK(wrong.status == 400);
    CHECK(wrong.json()["error"]["param"] == "state");
}

TEST_CASE("serve describes texts by hidden states") {
    const Server server(bytes_model);
    const Model model = load_model(fixture("text"));
    const std::string text = "The cat sat";
    std::vector<double> mean(static_cast<std::size_t>(model.config().hidden_size)), last = mean;
    {
        State state(model.config());
        Workspace workspace(model.config(), {.threads = 1});
        const std::vector<TokenId> ids(text.begin(), text.end());
        model.forward_hidden(ids, state, workspace, [&](Index, std::span<const float> hidden) {
            for (std::size_t i = 0; i < hidden.size(); ++i) {
                mean[i] += static_cast<double>(hidden[i]);
                last[i] = static_cast<double>(hidden[i]);
            }
            return true;
        });
    }
    const auto check = [&](const json& found, const std::vector<double>& expected) {
        double square = 0;
        for (const double value : expected) square += value * value;
        const std::vector<double> values = found["embedding"];
        REQUIRE(values.size() == expected.size());
        for (std::size_t i = 0; i < values.size(); ++i)
            CHECK(std::abs(values[i] - expected[i] / std::sqrt(square)) < 1e-5);
    };
    const json found = server.answer("/v1/embeddings", {{"input", {text, "A dog"}}});
    REQUIRE(found["data"].size() == 2);
    check(found["data"][0], mean);
    CHECK(found["data"][1]["index"] == 1);
    CHECK(found["usage"]["prompt_tokens"] == 16);
    check(server.answer("/v1/embeddings", {{"input", text}, {"pooling", "last"}})["data"][0], last);
    const std::string encoded =
        server.answer("/v1/embeddings", {{"input", text}, {"encoding_format", "base64"}})["data"][0]["embedding"];
    CHECK(encoded.size() == (mean.size() * 4 + 2) / 3 * 4);
}

TEST_CASE("serve tells of itself") {
    const Server server(bytes_model + " --model-name 'a model'");
    CHECK(server.get("/health").json()["status"] == "ok");
    CHECK(server.get("/v1/models").json()["data"][0]["id"] == "a model");
    CHECK_THAT(server.get("/").head, ContainsSubstring("text/html"));
    const json document = server.get("/openapi.json").json();
    CHECK(document["openapi"].get<std::string>().starts_with("3."));
    const json& schemas = document["components"]["schemas"];
    CHECK(schemas["TokenId"]["maximum"] == 255);
    CHECK(schemas["Sampling"]["properties"]["logit_bias"]["propertyNames"]["pattern"] ==
          "^(0|255|[1-9][0-9]{0,1}|[1-1][0-9]{2}|2[0-4][0-9]{1}|25[0-4][0-9]{0})$");
    CHECK(server.answer("/tokenize", {{"prompt", "ab"}})["tokens"] == json({'a', 'b'}));
    CHECK(server.answer("/tokenize", {{"content", "ab"}, {"return_token_strs", true}})["token_strs"] ==
          json({"a", "b"}));
    CHECK(server.answer("/detokenize", {{"tokens", {'a', 'b'}}})["prompt"] == "ab");
    CHECK(server.get("/tokenizer_info").json()["eos_token_id"] == 0);
    CHECK(server.metric("rwkv_passes_total") == 0);
    CHECK_THAT(server.get("/metrics").body,
               ContainsSubstring("rwkv_http_responses_total{route=\"/health\",status=\"200\"} 1"));
}

TEST_CASE("serve refuses in OpenAI's words") {
    const Server server(bytes_model + " --max-prompt-tokens 50 --max-choices 4");
    const std::string completions = "/v1/completions", chat = "/v1/chat/completions";
    struct Case {
        std::string path, body;
        const char* param;
    };
    const Case cases[] = {
        {completions, "", ""},
        {completions, "nonsense", ""},
        {completions, "[]", ""},
        {completions, "{\"prompt\":\"\xff\"}", ""},
        {completions, R"({"prompt":"a","x":1e999})", ""},
        {completions, std::string(100000, '['), ""},
        {completions, R"({"prompt":)" + std::string(100000, '[') + std::string(100000, ']') + "}", ""},
        {completions, R"({"prompt":7})", "prompt"},
        {completions, R"({"prompt":[]})", "prompt"},
        {completions, R"({"prompt":["a",1]})", "prompt"},
        {completions, R"({"prompt":[1,"a"]})", "prompt"},
        {completions, R"({"prompt":[1,256]})", "prompt"},
        {completions, R"({"prompt":[-1]})", "prompt"},
        {completions, R"({"prompt":[1.5]})", "prompt"},
        {completions, R"({"prompt":[99999999999999999999]})", "prompt"},
        {completions,
         R"({"prompt":[1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1]})",
         "prompt"},
        {completions, R"({"prompt":["a","a","a"],"n":2})", "n"},
        {completions, R"({"prompt":["a","a","a","a","a"]})", "prompt"},
        {completions, R"({"prompt":"a","n":0})", "n"},
        {completions, R"({"prompt":"a","temperature":-1})", "temperature"},
        {completions, R"({"prompt":"a","temperature":"hot"})", "temperature"},
        {completions, R"({"prompt":"a","top_p":1.5})", "top_p"},
        {completions, R"({"prompt":"a","max_tokens":-2})", "max_tokens"},
        {completions, R"({"prompt":"a","max_tokens":1.5})", "max_tokens"},
        {completions, R"({"prompt":"a","stop":[1]})", "stop"},
        {completions, R"({"prompt":"a","logit_bias":{"x":1}})", "logit_bias"},
        {completions, R"({"prompt":"a","logit_bias":{"256":1}})", "logit_bias"},
        {completions, R"({"prompt":"a","logit_bias":{"1":101}})", "logit_bias"},
        {completions, R"({"prompt":"a","logit_bias":[]})", "logit_bias"},
        {completions, R"({"prompt":"a","logprobs":21})", "logprobs"},
        {completions, R"({"prompt":"a","stream":"yes"})", "stream"},
        {completions, R"({"prompt":"a","seed":"x"})", "seed"},
        {completions, R"({"prompt":"a","suffix":"b"})", "suffix"},
        {completions, R"({"prompt":"a","best_of":2})", "best_of"},
        {completions, R"({"prompt":"a","state":"?"})", "state"},
        {completions, R"({"prompt":"a","regex":"("})", "regex"},
        {completions, R"({"prompt":"a","response_format":{"type":"xml"}})", "response_format.type"},
        {completions, R"({"prompt":"a","response_format":{"type":"json_schema","json_schema":{"schema":{"not":{}}}}})",
         "response_format"},
        {chat, R"({"messages":[]})", "messages"},
        {chat, R"({"prompt":"a"})", "messages"},
        {chat, R"({"messages":[{"role":"king","content":"a"}]})", "messages.0.role"},
        {chat, R"({"messages":[{"role":"user","content":[{"type":"image_url"}]}]})", "messages.0.content"},
        {chat, R"({"messages":[{"role":"user","content":"a"}],"top_logprobs":2})", "top_logprobs"},
        {chat,
         R"({"messages":[{"role":"user","content":"a"}],"tools":[],"tool_choice":{"type":"function","function":{"name":"x"}}})",
         "tool_choice"},
        {"/v1/embeddings", R"({})", "input"},
        {"/v1/embeddings", R"({"input":"a","encoding_format":"x"})", "encoding_format"},
        {"/tokenize", R"({})", "prompt"},
        {"/detokenize", R"({"tokens":["a"]})", "tokens"},
    };
    for (const Case& one : cases) {
        const HttpResponse response = server.exchange(http_request("POST", one.path, one.body));
        INFO(one.path << " " << one.body.substr(0, 200) << " → " << response.body);
        CHECK(response.status == 400);
        const json error = response.json()["error"];
        CHECK_FALSE(error["message"].get<std::string>().empty());
        CHECK(error["type"] == "invalid_request_error");
        if (*one.param == '\0')
            CHECK(error["param"].is_null());
        else
            CHECK(error["param"] == one.param);
        CHECK(error.contains("code"));
    }
    CHECK(server.get("/nothing").status == 404);
    CHECK(server.get("/v1/models/other").status == 404);
    CHECK(server.get("/v1/models/text").status == 200);
    CHECK(server.get("/v1/completions").status == 405);
    CHECK(server.post("/health", {}).status == 405);
    CHECK(server
              .answer("/v1/completions",
                      {{"prompt", "a"}, {"max_tokens", nullptr}, {"stop", nullptr}, {"n", nullptr}})["choices"]
              .size() == 1);
    CHECK(server.answer("/v1/completions", {{"prompt", ""}, {"max_tokens", 2}})["usage"]["prompt_tokens"] == 1);
}

TEST_CASE("serve says what a path takes, whatever the method, and finds it however the address is written") {
    const Server server(bytes_model + " --api-key secret");
    for (const char* method :
         {"GET", "HEAD", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "QUERY", "PROPFIND", "get"}) {
        CAPTURE(method);
        const HttpResponse refused = server.exchange(http_request(method, "/v1/completions"));
        CHECK(refused.status == 405);
        CHECK_THAT(refused.head, ContainsSubstring("Allow: POST, OPTIONS"));
        const HttpResponse missing = server.exchange(http_request(method, "/nothing"));
        CHECK(missing.status == 404);
        CHECK(refused.body.empty() == (std::string(method) == "HEAD"));
        if (refused.body.empty()) continue;
        CHECK(refused.json()["error"]["message"] == "/v1/completions takes POST, not " + std::string(method));
        CHECK(missing.json()["error"]["code"] == "not_found");
    }
    const HttpResponse head = server.exchange(http_request("HEAD", "/health"));
    CHECK(head.status == 200);
    CHECK(head.body.empty());
    CHECK_THAT(head.head, ContainsSubstring("Content-Length: " + std::to_string(server.get("/health").body.size())));
    CHECK_THAT(server.exchange(http_request("OPTIONS", "*")).head,
               ContainsSubstring("Allow: GET, HEAD, POST, OPTIONS"));
    CHECK(server.exchange(http_request("OPTIONS", "/nothing")).status == 404);
    // A body where none belongs is not read as the next request.
    for (const char* method : {"OPTIONS", "GET", "PUT"})
        CHECK_THAT(server.exchange(std::string(method) + " /health HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}").head,
                   ContainsSubstring("Connection: close"));
    CHECK_THAT(server.exchange(http_request("OPTIONS", "/health")).head,
               ContainsSubstring("Allow: GET, HEAD, OPTIONS"));
    CHECK_THAT(server.get("/chat/completions").body, ContainsSubstring("it is at /v1/chat/completions"));
    const std::string key = "Authorization: bearer secret\r\n";
    for (const char* path : {"/v1/models/", "//v1//models", "http://127.0.0.1/v1/models", "/v1/models?api-version=1"})
        CHECK(server.get(path, key).status == 200);
    CHECK(server.post("/v1//completions/", {{"prompt", "a"}}, key).status == 200);
}

TEST_CASE("serve streams to a client of HTTP 1.0, which knows no chunks") {
    const Server server(bytes_model);
    const std::string body = json{{"prompt", "a"}, {"max_tokens", 5}, {"temperature", 0}, {"stream", true}}.dump();
    std::string request = http_request("POST", "/v1/completions", body);
    request.replace(request.find("HTTP/1.1"), 8, "HTTP/1.0");
    const Socket socket(server.port());
    socket.send(request);
    const std::string text = socket.read();
    CHECK(text.find("Transfer-Encoding") == text.npos);
    CHECK_THAT(text, ContainsSubstring("\r\n\r\ndata: {"));
    CHECK(text.ends_with("data: [DONE]\n\n"));
}

TEST_CASE("serve asks for the key, and lets pages of other origins in only if told") {
    const Server server(bytes_model + " --api-key secret --cors https://example.org");
    const std::string key = "Authorization: Bearer secret\r\n";
    CHECK(server.get("/health").status == 200);
    CHECK(server.get("/").status == 200);
    for (const char* path : {"/v1/models", "/metrics", "/tokenizer_info"}) {
        CHECK(server.get(path).status == 401);
        CHECK(server.get(path, "Authorization: Bearer secre\r\n").status == 401);
        CHECK(server.get(path, "Authorization: Bearer secrets\r\n").status == 401);
        CHECK(server.get(path, key).status == 200);
    }
    const HttpResponse refused = server.post("/v1/completions", {{"prompt", "a"}});
    CHECK(refused.status == 401);
    CHECK(refused.json()["error"]["code"] == "invalid_api_key");
    const HttpResponse taken = server.post("/v1/completions", {{"prompt", "a"}}, key);
    CHECK(taken.status == 200);
    CHECK_THAT(taken.head, ContainsSubstring("Access-Control-Allow-Origin: https://example.org"));
    const HttpResponse asked = server.exchange(http_request("OPTIONS", "/v1/completions"));
    CHECK(asked.status == 204);
    CHECK_THAT(asked.head, ContainsSubstring("Access-Control-Allow-Headers:"));
    const Server closed(bytes_model);
    CHECK(closed.get("/health", key).head.find("Access-Control") == std::string::npos);
    CHECK(closed.post("/v1/completions", {{"prompt", "a"}}, "Authorization: Bearer any\r\n").status == 200);
}

TEST_CASE("serve refuses what is too large, too slow or no request") {
    const Server server(bytes_model + " --max-body-mb 1 --request-seconds 1");
    const std::string large(3000000, ' ');
    const HttpResponse too_large = server.exchange(http_request("POST", "/v1/completions", large));
    CHECK(too_large.status == 413);
    CHECK(too_large.json()["error"]["type"] == "invalid_request_error");
    const std::string head = "POST /v1/completions HTTP/1.1\r\nHost: test\r\n";
    std::string chunked = head + "Transfer-Encoding: chunked\r\n\r\n";
    for (int i = 0; i < 300; ++i) chunked += "2710\r\n" + std::string(10000, ' ') + "\r\n";
    CHECK(server.exchange(chunked + "0\r\n\r\n").status == 413);
    CHECK(server
              .exchange(head + "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n{\"prompt\": "
                               "\"abc\"\r\n1\r\n}\r\n0\r\n\r\n")
              .status == 200);
    CHECK(server.exchange(head + "Transfer-Encoding: chunked\r\n\r\n" + std::string(3000000, '1')).status >= 400);
    CHECK(server.exchange(head + "\r\n").status == 411);
    CHECK(server.exchange(head + "Content-Length: -1\r\n\r\n").status == 400);
    CHECK(server.exchange(head + "Content-Length: 99999999999999999999\r\n\r\n").status == 413);
    CHECK(server.exchange(head + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}").status == 400);
    CHECK(server.exchange(head + "Content-Length: 9\r\nContent-Encoding: gzip\r\n\r\n123456789").status == 415);
    CHECK(server.exchange(head + "Content-Length: 9\r\nContent-Type: multipart/form-data; boundary=x\r\n\r\n123456789")
              .status == 415);
    CHECK(server.exchange("GET / HTTP/1.1\r\nX: " + std::string(200000, 'x')).status == 431);
    CHECK(server
              .exchange("GET /health HTTP/1.1\r\nRange: bytes=" + std::string(8000, '1') +
                        "\r\nConnection: close\r\n\r\n")
              .status == 200);
    CHECK(server.exchange("nonsense\r\n\r\n").status == 400);
    CHECK(server.exchange("GET /" + std::string(20000, 'x') + " HTTP/1.1\r\n\r\n").status == 414);
    CHECK(server.exchange("GET /health").status == 408);
    CHECK(server.exchange(head + "Content-Length: 100\r\n\r\n{").status == 408);
    {
        // A byte now and then is too slow as well.
        const Socket slow(server.port());
        const auto start = std::chrono::steady_clock::now();
        for (char c = 'a'; slow.send(std::string(1, c));) {
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
            REQUIRE(std::chrono::steady_clock::now() - start < http_patience);
        }
    }
}

TEST_CASE("serve refuses more connections than it may have") {
    const Server server(bytes_model + " --max-connections 4");
    {
        std::vector<std::unique_ptr<Socket>> idle;
        for (int i = 0; i < 4; ++i) {
            idle.push_back(std::make_unique<Socket>(server.port()));
            idle.back()->send("GET /health HTTP/1.1\r\n\r\n");
            idle.back()->read("ok");
        }
        const HttpResponse refused = server.get("/health");
        CHECK(refused.status == 503);
        CHECK(refused.json()["error"]["message"] == "too many connections; try again later");
        // One connection serves many requests.
        idle.back()->send("GET /health HTTP/1.1\r\n\r\n");
        CHECK_THAT(idle.back()->read("ok"), ContainsSubstring("200 OK"));
    }
    const auto deadline = std::chrono::steady_clock::now() + http_patience;
    while (server.get("/health").status != 200) REQUIRE(std::chrono::steady_clock::now() < deadline);
}

TEST_CASE("serve refuses requests when the queue is full, and ends those whose client goes away") {
    const Server server(endless_server + " --max-running 1 --max-waiting 1");
    {
        const Socket running(server.port());
        running.send(http_request("POST", "/v1/completions", endless(true).dump()));
        CHECK_THAT(running.read("data: "), ContainsSubstring("200 OK"));
        const Socket waiting(server.port());
        waiting.send(http_request("POST", "/v1/completions", endless(false).dump()));
        server.wait_for("rwkv_requests_waiting", 1);
        const HttpResponse refused = server.post("/v1/completions", {{"prompt", "a"}});
        CHECK(refused.status == 429);
        CHECK(refused.json()["error"]["code"] == "queue_full");
        CHECK_THAT(refused.head, ContainsSubstring("Retry-After:"));
        CHECK(server.metric("rwkv_requests_running") == 1);
    }
    server.wait_for("rwkv_requests_running", 0);
    server.wait_for("rwkv_requests_waiting", 0);
    const double generated = server.metric("rwkv_generated_tokens_total");
    CHECK(server.answer(
              "/v1/completions",
              {{"prompt", "a"}, {"max_tokens", 3}, {"logit_bias", {{"0", -100}}}})["usage"]["completion_tokens"] == 3);
    CHECK(server.metric("rwkv_generated_tokens_total") == generated + 3);
}

TEST_CASE("serve ends requests that take too long") {
    const Server server(endless_server + " --max-seconds 0.3 --max-running 1");
    const json ended = server.answer("/v1/completions", endless(false));
    CHECK(ended["choices"][0]["finish_reason"] == "length");
    CHECK(ended["usage"]["completion_tokens"] > 0);
}

TEST_CASE("serve ends when it is asked to, and requests under way are answered first") {
    Server server(endless_server + " --drain-seconds 300");
    const Socket idle(server.port());
    const Socket running(server.port());
    json request = endless(true);
    request["max_tokens"] = 5000;
    running.send(http_request("POST", "/v1/completions", request.dump()));
    running.read("data: ");
    server.signal(SIGTERM);
    const std::string rest = running.read();
    CHECK_THAT(rest, ContainsSubstring("data: [DONE]"));
    CHECK_THAT(rest, ContainsSubstring("\"finish_reason\":\"length\""));
    CHECK(idle.read().empty());
    CHECK(server.wait() == 0);
    CHECK_FALSE(Socket(server.port()).is_open());
}

TEST_CASE("serve breaks connections off where requests take longer than it may wait, or it is asked twice") {
    const bool twice = GENERATE(false, true);
    Server server(endless_server + (twice ? "" : " --drain-seconds 0.2"));
    const Socket running(server.port());
    running.send(http_request("POST", "/v1/completions", endless(true).dump()));
    running.read("data: ");
    server.signal(SIGTERM);
    if (twice) {
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        server.signal(SIGINT);
    }
    CHECK(running.read().find("[DONE]") == std::string::npos);
    CHECK(server.wait() == 0);
}

TEST_CASE("serve says what is wrong with its options") {
    const Server server(bytes_model);
    const TempDir directory;
    const std::string err = (directory.path() / "err").string();
    const auto fails = [&](const std::string& options, int code, const std::string& message) {
        const int status =
            std::system((std::string(RWKV_PROGRAMS_DIR) + "/serve " + options + " >/dev/null 2>" + err).c_str());
        CHECK(WEXITSTATUS(status) == code);
        CHECK_THAT(read_all(err), ContainsSubstring(message));
    };
    fails(bytes_model + " --port " + std::to_string(server.port()), 1, "cannot listen on 127.0.0.1, port");
    fails(bytes_model + " --host no.such.host.invalid --port 0", 1, "--host no.such.host.invalid");
    fails(bytes_model + " --port 65536", 2, "--port");
    fails(bytes_model + " --prompt-format none", 2, "--prompt-format");
    fails(bytes_model + " --max-seconds -1", 2, "--max-seconds");
    fails("--model no-such-dir", 1, "no-such-dir");
}
