// What HTTP costs: clients that stream from the program serve's parts, against the same requests to its scheduler.

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "../examples/demo_model.hpp"
#include "../examples/serve/api.hpp"
#include "../examples/signals.hpp"
#include "../examples/terminal.hpp"
#include "measure.hpp"
#include "synthetic.hpp"
#include "synthetic_options.hpp"

namespace serve {

const std::string_view page_html = "none", openapi_json = "{}";

}  // namespace serve

namespace {

using rwkv::Index;
using Clock = std::chrono::steady_clock;

struct Options {
    std::string shape = "169m", format = "q8", tokenizer = demo_model();
    int threads = 2;
    std::vector<int> clients{1, 8, 32};
    Index tokens = 64;
    int repeats = 5;
};

/// Sends a request and reads the response to its end.
std::string ask(int port, const std::string& request) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
    std::string response;
    if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
        ::send(socket, request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size())) {
        char bytes[16384];
        for (ssize_t count = 0; (count = ::recv(socket, bytes, sizeof bytes, 0)) > 0;)
            response.append(bytes, static_cast<std::size_t>(count));
    }
    ::close(socket);
    return response;
}

class HttpLoad {
  public:
    HttpLoad(const Options& options, serve::Service& service, int port)
        : options_(options), service_(service), port_(port) {}

    void run() const {
        for (const int clients : options_.clients) {
            std::vector<double> direct, http;
            for (int i = 0; i <= options_.repeats; ++i) {
                const double one = by_scheduler(clients), other = by_http(clients);
                if (i == 0) continue;  // warms up
                direct.push_back(one);
                http.push_back(other);
            }
            const double a = measure::median(direct), b = measure::median(http);
            std::printf("%3d clients: scheduler %8.1f tokens/s, over HTTP %8.1f: %+.2f %% of the time\n", clients, a, b,
                        100 * (a / b - 1));
        }
    }

  private:
    std::vector<rwkv::TokenId> prompt(int client) const {
        std::vector<rwkv::TokenId> tokens;
        for (int i = 0; i < 8; ++i) tokens.push_back(1 + (client * 31 + i * 7919) % 2000);
        return tokens;
    }
    double speed(int clients, Clock::time_point start) const {
        return static_cast<double>(clients * options_.tokens) /
               std::chrono::duration<double>(Clock::now() - start).count();
    }

    double by_scheduler(int clients) const {
        const auto start = Clock::now();
        std::vector<rwkv::RequestHandle> handles;
        for (int i = 0; i < clients; ++i) {
            rwkv::Request request{.tokens = prompt(i), .options = {.max_new_tokens = options_.tokens}};
            request.options.sampling.logit_bias = {{0, -100.0f}};
            request.on_step = [](const rwkv::Step&) { return true; };
            handles.push_back(service_.submit(std::move(request)));
        }
        for (const rwkv::RequestHandle& handle : handles) handle.wait();
        return speed(clients, start);
    }

    double by_http(int clients) const {
        const auto start = Clock::now();
        std::vector<std::thread> threads;
        for (int i = 0; i < clients; ++i)
            threads.emplace_back([this, i] {
                const serve::Json body = {{"prompt", prompt(i)},
                                          {"max_tokens", options_.tokens},
                                          {"temperature", 0},
                                          {"logit_bias", {{"0", -100}}},
                                          {"stream", true}};
                const std::string text = body.dump();
                const std::string response =
                    ask(port_, "POST /v1/completions HTTP/1.1\r\nConnection: close\r\nContent-Length: " +
                                   std::to_string(text.size()) + "\r\n\r\n" + text);
                if (response.find("[DONE]") == response.npos) std::fprintf(stderr, "%s\n", response.c_str());
            });
        for (std::thread& thread : threads) thread.join();
        return speed(clients, start);
    }

    const Options& options_;
    serve::Service& service_;
    int port_;
};

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("Measures what HTTP costs beside the scheduler, on random weights of a published shape.");
    Options options;
    synthetic::add_model_options(app, options.shape, options.format, options.threads);
    app.add_option("--tokenizer", options.tokenizer, "its tokens are the texts: one for all of the vocabulary")
        ->type_name("FILE")
        ->capture_default_str();
    app.add_option("--clients", options.clients, "numbers of clients at once")
        ->delimiter(',')
        ->type_name("N,…")
        ->capture_default_str();
    app.add_option("--tokens", options.tokens, "tokens generated for each")->type_name("N")->capture_default_str();
    app.add_option("--repeats", options.repeats, "of each measurement")->type_name("N")->capture_default_str();
    return terminal::run(app, argc, argv, [&] {
        serve::HttpServer server({});
        const int port = server.open("127.0.0.1", 0);
        serve::ServiceOptions service_options{.model_name = "random", .format = serve::chat_format("plain")};
        service_options.scheduler = {.workspace = {.threads = options.threads}, .max_running = 64};
        serve::Service service(synthetic::model(options.shape, *rwkv::weight_format_of(options.format)),
                               rwkv::load_tokenizer(options.tokenizer), std::move(service_options));
        const serve::Api api(server, service, {.quiet = true});
        Signals::open();
        std::thread accepting([&server] { server.run(Signals::descriptor()); });
        HttpLoad(options, service, port).run();
        Signals::wake();
        accepting.join();
        server.drain(std::chrono::seconds(1));
    });
}
