// What HTTP costs: clients that stream from the program serve's parts, against the same requests to its scheduler.

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include <rwkv/text/world_tokenizer.hpp>

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
    std::string shape = "169m", format = "q8";
    int threads = 2;
    std::vector<int> clients{1, 8, 32};
    Index tokens = 64;
    int repeats = 5;
};

/// A World vocabulary whose every token has a text, so that every token is an event.
rwkv::Tokenizer word_tokenizer(Index vocab_size) {
    constexpr int bytes = 256;
    std::string lines;
    for (int id = 1; id < vocab_size; ++id) {
        char line[64];
        if (id <= bytes) {
            std::snprintf(line, sizeof line, "%d b'\\x%02x' 1\n", id, static_cast<unsigned>(id - 1));
        } else {
            const std::string word = " w" + std::to_string(id);
            std::snprintf(line, sizeof line, "%d '%s' %zu\n", id, word.c_str(), word.size());
        }
        lines += line;
    }
    return rwkv::text::read_world_vocabulary(lines, "words");
}

/// Tokens as they come, in all and while every client has its first and none its last.
class Progress {
  public:
    explicit Progress(int clients) : counts_(static_cast<std::size_t>(clients)) {}

    void tokens(int client, Index count) {
        Index& own = counts_[static_cast<std::size_t>(client)];
        all_ += count;
        if (own == 0 && count > 0 && ++begun_ == std::ssize(counts_)) {
            first_ = Clock::now();
            before_ = all_;
        }
        own += count;
        if (!is_over_) {
            last_ = Clock::now();
            until_last_ = all_;
        }
    }
    void ended() noexcept { is_over_ = true; }

    [[nodiscard]] double speed() const {
        return static_cast<double>(all_) / std::chrono::duration<double>(Clock::now() - start_).count();
    }
    [[nodiscard]] double steady_speed() const {
        return static_cast<double>(until_last_ - before_) / std::chrono::duration<double>(last_ - first_).count();
    }

  private:
    std::vector<Index> counts_;
    Index all_ = 0, begun_ = 0, before_ = 0, until_last_ = 0;
    bool is_over_ = false;
    Clock::time_point start_ = Clock::now(), first_{}, last_{};
};

/// A client, as little of one as there can be: it shares its thread with all others, since those of a server are on
/// other machines.
class Client {
  public:
    Client(int port, const std::string& request) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(static_cast<std::uint16_t>(port));
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        is_open_ = ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
                   ::send(socket_, request.data(), request.size(), MSG_NOSIGNAL) == std::ssize(request);
    }
    Client(Client&& other) noexcept
        : socket_(std::exchange(other.socket_, -1)), is_open_(other.is_open_), text_(std::move(other.text_)) {}
    Client& operator=(Client&&) = delete;
    ~Client() {
        if (socket_ >= 0) ::close(socket_);
    }

    [[nodiscard]] int socket() const noexcept { return is_open_ ? socket_ : -1; }
    [[nodiscard]] bool is_open() const noexcept { return is_open_; }
    /// Whether its stream came to its end.
    [[nodiscard]] bool is_done() const { return text_.find("[DONE]") != text_.npos; }
    [[nodiscard]] const std::string& text() const noexcept { return text_; }

    /// Reads what is there, and returns how many tokens that were.
    Index read() {
        char bytes[16384];
        const ssize_t count = ::recv(socket_, bytes, sizeof bytes, 0);
        if (count <= 0) is_open_ = false;
        if (count > 0) text_.append(bytes, static_cast<std::size_t>(count));
        Index tokens = 0;
        constexpr std::string_view mark = "\"finish_reason\":null";
        for (std::size_t at; (at = text_.find(mark, searched_)) != text_.npos; ++tokens) searched_ = at + mark.size();
        return tokens;
    }

  private:
    int socket_;
    bool is_open_ = false;
    std::string text_;
    std::size_t searched_ = 0;
};

/// That this thread has run.
double thread_seconds() {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/// Processor time of the threads that serve connections, each of which serves one request.
class ConnectionTime {
  public:
    explicit ConnectionTime(httplib::Server& server) {
        server.set_logger([this](const httplib::Request&, const httplib::Response&) {
            nanoseconds_ += static_cast<std::int64_t>(1e9 * thread_seconds());
        });
    }
    [[nodiscard]] double seconds() const { return 1e-9 * static_cast<double>(nanoseconds_); }

  private:
    std::atomic<std::int64_t> nanoseconds_{0};
};

class HttpLoad {
  public:
    HttpLoad(const Options& options, serve::Service& service, const ConnectionTime& connections, int port)
        : options_(options), service_(service), connections_(connections), port_(port) {}

    void run() const {
        for (const int clients : options_.clients) {
            std::vector<double> direct, http, steady_direct, steady_http;
            const double server_before = connections_.seconds(), clients_before = thread_seconds();
            for (int i = 0; i <= options_.repeats; ++i) {
                const auto [one, steady_one] = by_scheduler(clients);
                const auto [other, steady_other] = by_http(clients);
                if (i == 0) continue;  // warms up
                direct.push_back(one);
                steady_direct.push_back(steady_one);
                http.push_back(other);
                steady_http.push_back(steady_other);
            }
            const auto print = [&](const char* when, double a, double b) {
                std::printf("%3d clients, %s: scheduler %8.1f tokens/s, over HTTP %8.1f: %+.2f %% of the time\n",
                            clients, when, a, b, 100 * (a / b - 1));
            };
            print("with beginning and end", measure::median(direct), measure::median(http));
            print("while all are running", measure::median(steady_direct), measure::median(steady_http));
            const double tokens = static_cast<double>(options_.tokens * clients * (options_.repeats + 1));
            std::printf("%3d clients: processor time for a token: threads of connections %.1f us, clients %.1f us\n",
                        clients, 1e6 * (connections_.seconds() - server_before) / tokens,
                        1e6 * (thread_seconds() - clients_before) / tokens);
            std::fflush(stdout);
        }
    }

  private:
    std::vector<rwkv::TokenId> prompt(int client) const {
        std::vector<rwkv::TokenId> tokens;
        for (int i = 0; i < 8; ++i) tokens.push_back(1 + (client * 31 + i * 7919) % 2000);
        return tokens;
    }

    std::pair<double, double> by_scheduler(int clients) const {
        Progress progress(clients);
        std::vector<rwkv::RequestHandle> handles;
        for (int i = 0; i < clients; ++i) {
            rwkv::Request request{.tokens = prompt(i), .options = {.max_new_tokens = options_.tokens}};
            request.options.sampling.logit_bias = {{0, -100.0f}};
            request.on_step = [&progress, i](const rwkv::Step&) {
                progress.tokens(i, 1);
                return true;
            };
            request.on_finished = [&progress](const rwkv::RequestResult&) { progress.ended(); };
            handles.push_back(service_.submit(std::move(request)));
        }
        for (const rwkv::RequestHandle& handle : handles) handle.wait();
        return {progress.speed(), progress.steady_speed()};
    }

    std::pair<double, double> by_http(int clients) const {
        Progress progress(clients);
        std::vector<Client> all;
        for (int i = 0; i < clients; ++i) {
            const serve::Json body = {{"prompt", prompt(i)},
                                      {"max_tokens", options_.tokens},
                                      {"temperature", 0},
                                      {"logit_bias", {{"0", -100}}},
                                      {"stream", true}};
            const std::string text = body.dump();
            all.emplace_back(port_, "POST /v1/completions HTTP/1.1\r\nConnection: close\r\nContent-Length: " +
                                        std::to_string(text.size()) + "\r\n\r\n" + text);
        }
        const auto is_open = [](const Client& client) { return client.is_open(); };
        while (std::any_of(all.begin(), all.end(), is_open)) {
            std::vector<pollfd> descriptors;
            for (const Client& client : all) descriptors.push_back({client.socket(), POLLIN, 0});
            ::poll(descriptors.data(), descriptors.size(), -1);
            for (int i = 0; i < clients; ++i) {
                Client& client = all[static_cast<std::size_t>(i)];
                if (!client.is_open() || descriptors[static_cast<std::size_t>(i)].revents == 0) continue;
                progress.tokens(i, client.read());
                if (client.is_done()) progress.ended();
            }
        }
        for (const Client& client : all)
            if (!client.is_done()) std::fprintf(stderr, "%s\n", client.text().c_str());
        return {progress.speed(), progress.steady_speed()};
    }

    const Options& options_;
    serve::Service& service_;
    const ConnectionTime& connections_;
    int port_;
};

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("Measures what HTTP costs beside the scheduler, on random weights of a published shape.");
    Options options;
    synthetic::add_model_options(app, options.shape, options.format, options.threads);
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
        rwkv::Model model = synthetic::model(options.shape, *rwkv::weight_format_of(options.format));
        rwkv::Tokenizer tokenizer = word_tokenizer(model.config().vocab_size);
        serve::Service service(std::move(model), std::move(tokenizer), std::move(service_options));
        const serve::Api api(server, service, {.quiet = true});
        const ConnectionTime connections(server);
        Signals::open();
        std::thread accepting([&server] { server.run(Signals::descriptor()); });
        HttpLoad(options, service, connections, port).run();
        Signals::wake();
        accepting.join();
        server.drain(std::chrono::seconds(1));
    });
}
