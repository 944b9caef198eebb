// A chat with a model, in a terminal or a pipe.

#include <unistd.h>

#include <cstdio>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <rwkv/core/quote.hpp>

#include "chat/line_reader.hpp"
#include "chat/session.hpp"
#include "chat/settings.hpp"
#include "model_options.hpp"
#include "sampling_options.hpp"

namespace {

constexpr const char* commands =
    "/retry            forget the last answer and ask for another\n"
    "/reset            begin anew\n"
    "/save FILE        write the conversation to a file\n"
    "/load FILE        go on with one from a file\n"
    "/set              show the settings\n"
    "/set NAME VALUE   change one\n"
    "/help             this\n"
    "/quit             leave, as Ctrl-D does\n";

/// The text without spaces and tabs at its ends.
std::string trimmed(const std::string& text) {
    const std::size_t begin = text.find_first_not_of(" \t"), end = text.find_last_not_of(" \t");
    return begin == text.npos ? "" : text.substr(begin, end - begin + 1);
}

/// Cuts a text after its first word.
std::pair<std::string, std::string> first_word(const std::string& text) {
    const std::size_t end = text.find_first_of(" \t");
    return {text.substr(0, end), end == text.npos ? "" : trimmed(text.substr(end))};
}

/// Carries out the messages and commands of standard input.
class Chat {
  public:
    Chat(Session session, rwkv::GenerationOptions options)
        : session_(std::move(session)), options_(std::move(options)) {}

    /// Runs until the input ends, /quit, or the output is closed. Throws: ArgumentError at the end if something failed
    /// and no person was there to see it.
    void run() {
        answer_all();
        if (failed_ > 0 && !attended_)
            throw rwkv::ArgumentError("standard input", "", "messages and commands that can be carried out",
                                      std::to_string(failed_) + " that cannot");
    }

  private:
    void answer_all() {
        std::string message;
        for (;;) {
            show("> ");
            const LineReader::Event event = read(message);
            if (event == LineReader::Event::end) return show("\n");
            if (event == LineReader::Event::interrupt) {
                show("\n(Ctrl-D or /quit to leave)\n");
                continue;
            }
            try {
                if (!take(message) || !terminal::output_arrived()) return;
            } catch (const std::exception& error) {
                std::fprintf(stderr, "chat: %s\n", error.what());
                ++failed_;
            }
        }
    }

    /// Reads a message: a line, or several where all but the last end in a backslash.
    LineReader::Event read(std::string& message) {
        message.clear();
        std::string line;
        for (;;) {
            const LineReader::Event event = lines_.next(line);
            if (event == LineReader::Event::end && !message.empty()) return LineReader::Event::line;
            if (event != LineReader::Event::line) return event;
            message += line;
            if (!line.ends_with('\\')) return event;
            message.back() = '\n';
            show("| ");
        }
    }

    /// Sends a message or carries out a command. Returns false for /quit.
    bool take(const std::string& message) {
        if (rwkv::normalize_message(message).empty()) return true;
        if (message[0] != '/') {
            session_.ask(message, options_);
            return true;
        }
        const auto [command, argument] = first_word(trimmed(message));
        const auto file = [&, command = command, argument = argument] {
            if (argument.empty()) throw rwkv::ArgumentError(command, "", "the name of a file", "none");
            return argument;
        };
        if (command == "/quit") return false;
        if (command == "/retry") {
            if (options_.sampling.temperature == 0.0f) show("(the same again: at temperature 0 there is no other)\n");
            session_.retry(options_);
        } else if (command == "/reset") {
            session_.reset();
            show("(a new conversation)\n");
        } else if (command == "/save") {
            session_.save(file());
            show("(saved: " + std::to_string(session_.tokens()) + " tokens)\n");
        } else if (command == "/load") {
            session_.load(file());
            show("(loaded: " + std::to_string(session_.tokens()) + " tokens)\n");
        } else if (command == "/set" && argument.empty()) {
            std::fputs(settings::list(options_).c_str(), stderr);
        } else if (command == "/set") {
            const auto [name, value] = first_word(argument);
            settings::set(options_, name, value);
        } else if (command == "/help") {
            std::fprintf(stderr, "%sA line that ends in \\ goes on in the next; a space before / makes it a message.\n",
                         commands);
        } else {
            std::fprintf(stderr, "chat: no command %s; there are\n%s", rwkv::core::quoted(command).c_str(), commands);
            ++failed_;
        }
        return true;
    }

    /// Shows something to a person, but not to a program that reads the output.
    void show(const std::string& text) const {
        if (attended_) std::fputs(text.c_str(), stderr);
    }

    Session session_;
    rwkv::GenerationOptions options_;
    LineReader lines_;
    bool attended_ = ::isatty(STDIN_FILENO);
    int failed_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
    CLI::App app(
        "A chat with an RWKV-4 model. Each line of standard input is a message, or a command that begins with /\n"
        "(/help lists them); the answers go to standard output. In a terminal Ctrl-C stops an answer.");
    ModelOptions options;
    // The defaults of ChatRWKV.
    rwkv::GenerationOptions generation{.max_new_tokens = 1024,
                                       .sampling = {.temperature = 1.0f,
                                                    .top_p = 0.85f,
                                                    .presence_penalty = 0.2f,
                                                    .frequency_penalty = 0.2f,
                                                    .penalty_decay = 0.996f}};
    std::string format_name;
    std::vector<std::string> format_names;
    for (const rwkv::PromptFormat& format : rwkv::prompt_formats()) format_names.push_back(format.name);
    options.add_to(app);
    app.add_option("--prompt-format", format_name,
                   "the format of conversations that the model was trained on; guessed unless given")
        ->check(CLI::IsMember(format_names))
        ->type_name("NAME");
    add_sampling_options(app, generation);
    return terminal::run(app, argc, argv, [&] {
        if (app.count("--seed") == 0) generation.sampling.seed = std::random_device()();
        // Before the model is loaded: bad options need not wait for it.
        static_cast<void>(rwkv::Sampler(generation.sampling));
        static_cast<void>(rwkv::StopStrings(generation.stop_strings));
        const rwkv::PromptFormat& format =
            format_name.empty() ? rwkv::guess_prompt_format(options.model) : rwkv::prompt_format(format_name);
        rwkv::Tokenizer tokenizer = rwkv::load_tokenizer(options.model);
        Session session(options.load(), std::move(tokenizer),
                        options.workspace(static_cast<std::size_t>(options.chunk)), format);
        if (::isatty(STDIN_FILENO)) {
            std::fprintf(stderr,
                         "Prompt format: %s%s\n/help lists the commands. Ctrl-C stops an answer, Ctrl-D leaves.\n\n",
                         format.name.c_str(), format_name.empty() ? " (guessed; --prompt-format)" : "");
            Interrupts::catch_all();
        }
        Chat(std::move(session), generation).run();
    });
}
