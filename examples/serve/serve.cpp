// Serves a model over HTTP, with OpenAI's conventions.

#include <sys/resource.h>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "../chat/chat_model.hpp"
#include "../model_options.hpp"
#include "../signals.hpp"
#include "api.hpp"
#include "chat_prompt.hpp"
#include "http_server.hpp"
#include "service.hpp"

namespace {

/// The name of a model's directory, or of its file.
std::string name_of(const std::string& model) {
    std::filesystem::path path = std::filesystem::absolute(model).lexically_normal();
    if (!path.has_filename()) path = path.parent_path();
    return path.filename().string();
}

/// As many open files as the system lets this process have: each connection takes up to three.
void allow_descriptors() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);  // where it fails, it stays what it was
}

/// Keeps the memory of a long run what it was at its beginning. States, logits and bodies come and go among small
/// blocks that stay, so that a heap of all sizes grows holes for hours: they are mapped one by one.
void keep_heap_whole() {
#if defined(__GLIBC__)
    constexpr int large_block = 16 * 1024;
    ::mallopt(M_MMAP_THRESHOLD, large_block);
#endif
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app(
        "Serves an RWKV-4 model over HTTP, with OpenAI's conventions: /v1/chat/completions, /v1/completions,\n"
        "/v1/embeddings and more (examples/serve/README.md); a page for a chat is at /. The address goes to standard\n"
        "output, a line for each request to standard error. SIGTERM or Ctrl-C end it when the requests under way are\n"
        "answered, a second one at once.");
    ModelOptions options;
    serve::ServiceOptions service_options;
    serve::ConnectionLimits limits;
    serve::ApiOptions api_options;
    std::string host = "127.0.0.1", format_name;
    int port = 8080, cache_mb = 1024;
    float drain_seconds = 30, request_seconds = 30, idle_seconds = 60;
    rwkv::Index max_body_mb = 8, max_connections = static_cast<rwkv::Index>(limits.max_connections);
    const std::string network = "Network", limit = "Limits";
    options.add_to(app);
    app.add_option("--host", host, "address to listen on; 0.0.0.0: of every network")
        ->type_name("ADDRESS")
        ->capture_default_str()
        ->group(network);
    numbers::add_integer(app, "--port", port, 0, 65535, "port to listen on; 0: one that is free")->group(network);
    app.add_option("--api-key", api_options.api_key, "the key that clients have to send; unless given, any will do")
        ->envname("RWKV_API_KEY")
        ->type_name("KEY")
        ->group(network);
    app.add_option("--cors", api_options.cors_origin, "let pages of this origin use the server; *: of any")
        ->type_name("ORIGIN")
        ->group(network);
    app.add_flag("--quiet", api_options.quiet, "no line for each request")->group(network);
    app.add_option("--model-name", service_options.model_name,
                   "the model's name for clients; unless given, its directory's")
        ->type_name("NAME");
    app.add_option("--prompt-format", format_name,
                   "the format of conversations that the model was trained on; plain: none; guessed unless given")
        ->check(CLI::IsMember(serve::chat_format_names()).description(""))
        ->type_name("NAME");
    numbers::add_integer<rwkv::Index>(app, "--max-running", service_options.scheduler.max_running, 1, 1024,
                                      "the maximum number of texts generated at once")
        ->group(limit);
    numbers::add_integer<rwkv::Index>(app, "--max-waiting", service_options.scheduler.max_waiting, 1, 1 << 20,
                                      "the maximum number of texts in the queue; more are answered with 429")
        ->group(limit);
    numbers::add_integer<rwkv::Index>(app, "--max-new-tokens", service_options.limits.max_new_tokens, 1, 1 << 24,
                                      "the maximum number of new tokens of a text")
        ->group(limit);
    numbers::add_integer<rwkv::Index>(app, "--max-prompt-tokens", service_options.limits.max_prompt_tokens, 1, 1 << 24,
                                      "the maximum number of tokens of a prompt")
        ->group(limit);
    numbers::add_integer<std::int64_t>(app, "--max-choices", service_options.limits.max_choices, 1, 4096,
                                       "the maximum number of texts of one request")
        ->group(limit);
    numbers::add_real(app, "--max-seconds", service_options.max_seconds, "the maximum time of a request; 0: any")
        ->type_name("S")
        ->group(limit);
    numbers::add_real(app, "--request-seconds", request_seconds, "the time in which a request has to come in whole")
        ->type_name("S")
        ->group(limit);
    numbers::add_real(app, "--idle-seconds", idle_seconds,
                      "the time after which a connection without a request is closed")
        ->type_name("S")
        ->group(limit);
    numbers::add_real(app, "--drain-seconds", drain_seconds,
                      "the time that requests under way have to end in after SIGTERM")
        ->type_name("S")
        ->group(limit);
    numbers::add_integer<rwkv::Index>(app, "--max-body-mb", max_body_mb, 1, 1024, "the maximum size of a request")
        ->group(limit);
    numbers::add_integer<rwkv::Index>(app, "--max-connections", max_connections, 1, 10000,
                                      "the maximum number of open connections; more are answered with 503")
        ->group(limit);
    numbers::add_integer(app, "--cache-mb", cache_mb, 0, 1 << 24,
                         "memory for the states of prompts that were read before; 0: none")
        ->group(limit);
    return terminal::run(app, argc, argv, [&] {
        const std::pair<const char*, float> times[] = {{"--max-seconds", service_options.max_seconds},
                                                       {"--request-seconds", request_seconds},
                                                       {"--idle-seconds", idle_seconds},
                                                       {"--drain-seconds", drain_seconds}};
        for (const auto& [name, seconds] : times)
            if (!(seconds >= 0 && seconds <= 1e6f))
                throw CLI::ValidationError(name, "expected a number from 0 to 1000000");
        limits.request_time = serve::ConnectionLimits::Seconds(request_seconds);
        limits.idle_time = serve::ConnectionLimits::Seconds(idle_seconds);
        limits.max_body_bytes = static_cast<std::size_t>(max_body_mb) << 20U;
        limits.max_connections = static_cast<std::size_t>(max_connections);

        keep_heap_whole();
        allow_descriptors();
        Signals::catch_end(terminal::ending_signals);
        rwkv::Tokenizer tokenizer = options.load_tokenizer();
        if (format_name.empty()) {
            const rwkv::PromptFormat& guessed = rwkv::guess_prompt_format(tokenizer);
            format_name = is_chat_model(options.model, guessed) ? guessed.name : "plain";
            std::fprintf(stderr, "Prompt format: %s (guessed; --prompt-format)\n", format_name.c_str());
        }
        service_options.format = serve::chat_format(format_name);
        if (service_options.model_name.empty()) service_options.model_name = name_of(options.model);
        // Opened first: that a port is taken is said before a model is loaded. Clients wait meanwhile.
        serve::HttpServer server(limits);
        const int bound = server.open(host, port);
        rwkv::Model model = options.load();
        service_options.scheduler.workspace = options.workspace(static_cast<std::size_t>(options.chunk));
        if (cache_mb > 0)
            service_options.scheduler.cache = std::make_shared<rwkv::PrefixCache>(
                model.config(), rwkv::PrefixCacheOptions{.max_bytes = static_cast<std::size_t>(cache_mb) << 20U});
        serve::Service service(std::move(model), std::move(tokenizer), std::move(service_options));
        const serve::Api api(server, service, std::move(api_options));
        const struct Connections {  // end before what they use
            serve::HttpServer& server;
            ~Connections() { server.drain(std::chrono::milliseconds(0)); }
        } connections{server};
        std::printf("Listening on http://%s:%d\n",
                    host.find(':') == host.npos ? host.c_str() : ("[" + host + "]").c_str(), bound);
        std::fflush(stdout);

        server.run(Signals::descriptor());
        Signals::drain();
        std::fprintf(stderr, "Ending: the requests under way have %g s\n", static_cast<double>(drain_seconds));
        server.drain(std::chrono::milliseconds(static_cast<std::int64_t>(drain_seconds * 1000)), [] {
            pollfd again{Signals::descriptor(), POLLIN, 0};
            return ::poll(&again, 1, 0) > 0;
        });
    });
}
