// A chat with a model, in a terminal or a pipe.

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rwkv/core/quote.hpp>

#include "chat/chat_model.hpp"
#if defined(RWKV_HAS_LIBEDIT)
#include "chat/line_editor.hpp"
#endif
#include "chat/plain_lines.hpp"
#include "chat/session.hpp"
#include "chat/settings.hpp"
#include "chat/threads.hpp"
#include "constraint_option.hpp"
#include "model_options.hpp"
#include "sampling_options.hpp"
#include "text_input.hpp"

namespace {

constexpr const char* commands =
    "/retry            replace the last answer with another\n"
    "/reset            start a new conversation\n"
    "/save FILE        save the conversation to a file\n"
    "/load FILE        continue a saved conversation\n"
    "/set              show the settings\n"
    "/set NAME VALUE   change a setting\n"
    "/set json_schema FILE, /set grammar FILE or /set regex REGEX: what answers must match; off: any text\n"
    "/help             show this list\n"
    "/quit             exit, like Ctrl-D\n";

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

/// The file that a person names as in a shell: in quotes, or below ~, the person's directory.
std::string file_of(std::string name) {
    if (name.size() > 2 && (name[0] == '"' || name[0] == '\'') && name.back() == name[0])
        return name.substr(1, name.size() - 2);
    const char* const home = name.starts_with("~/") ? std::getenv("HOME") : nullptr;
    return home ? home + name.substr(1) : name;
}

/// Lines of the terminal or the pipe that standard input is.
std::unique_ptr<Lines> open_lines() {
#if defined(RWKV_HAS_LIBEDIT)
    if (LineEditor::is_possible()) return std::make_unique<LineEditor>();
#endif
    return std::make_unique<PlainLines>();
}

/// Carries out the messages and commands of standard input.
class Chat {
  public:
    Chat(Session session, rwkv::Tokenizer tokenizer, rwkv::Config config, rwkv::GenerationOptions options, Lines& lines)
        : session_(std::move(session)),
          tokenizer_(std::move(tokenizer)),
          config_(std::move(config)),
          options_(std::move(options)),
          lines_(lines) {}

    /// Runs until the input ends, /quit, or the output is closed. `question` is asked before, unless it is empty: "n"
    /// leaves, and an answer that is neither yes nor no is the first message. Throws: ArgumentError at the end if
    /// something failed and no person was there to see it; std::runtime_error where a signal asks the program to end.
    void run(const char* question) {
        answer_all(question);
        if (Signals::ending() != 0) throw std::runtime_error("ended by a signal");
        if (failed_ > 0 && !attended_)
            throw rwkv::ArgumentError("standard input", "", "messages and commands that can be carried out",
                                      std::to_string(failed_) + " that cannot");
    }

  private:
    void answer_all(const char* question) {
        std::string message;
        for (bool is_first = true;; is_first = false) {
            const bool asks = is_first && *question != '\0';
            const Lines::Event event = read(asks ? question : "> ", message);
            if (event == Lines::Event::end) return show("\n");
            if (event == Lines::Event::interrupt) {
                if (std::exchange(leaving_, true)) return show("\n");
                show("\n(Ctrl-C again, Ctrl-D or /quit to leave)\n");
                continue;
            }
            if (asks && is_one_of(message, {"n", "no"})) return;
            if (asks && is_one_of(message, {"y", "yes"})) continue;
            try {
                if (!take(message) || !terminal::output_arrived() || Signals::ending() != 0) return;
            } catch (const std::exception& error) {
                std::fprintf(stderr, "chat: %s\n", error.what());
                ++failed_;
            }
        }
    }

    static bool is_one_of(std::string answer, std::initializer_list<const char*> words) {
        answer = trimmed(answer);
        for (char& c : answer) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        return std::find(words.begin(), words.end(), answer) != words.end();
    }

    /// Reads a message: a line, or several where all but the last end in a backslash. Throws: FormatError for an input
    /// in UTF-16.
    Lines::Event read(const char* prompt, std::string& message) {
        message.clear();
        std::string line;
        for (;;) {
            const Lines::Event event = lines_.next(message.empty() ? prompt : "| ", line);
            if (event == Lines::Event::end && !message.empty() && Signals::ending() == 0) return Lines::Event::line;
            if (event != Lines::Event::line) return event;
            leaving_ = false;
            if (message.empty()) first_line_ = attended_ ? 1 : lines_read_ + 1;
            if (++lines_read_ == 1) line.erase(0, line.size() - text_input::without_mark(line, source()).size());
            message += line;
            if (!line.ends_with('\\')) return event;
            message.back() = '\n';
        }
    }

    /// Sends a message or carries out a command. Returns false for /quit.
    bool take(const std::string& message) {
        if (rwkv::normalize_message(message).empty()) return true;
        if (message[0] != '/' || message.find('\n') != message.npos) {   // several lines are no command
            if (rwkv::core::find_invalid_utf8(message) != message.npos)  // whether they will do, and where not
                static_cast<void>(text_input::encode(tokenizer_, message, source(), first_line_));
            session_.ask(message, options_);
            return true;
        }
        const auto [command, argument] = first_word(trimmed(message));
        const auto file = [&, command = command, argument = argument] {
            if (argument.empty()) throw rwkv::ArgumentError(command, "", "the name of a file", "none");
            return file_of(argument);
        };
        if (command == "/quit") return false;
        if (command == "/retry") {
            if (options_.sampling.temperature == 0.0f) show("(the answer will be the same: the temperature is 0)\n");
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
            ConstraintOption constraint;
            if (std::string* const source_of_it = constraint.named(name)) {
                *source_of_it = name == "regex" ? value : file_of(value);
                use(constraint, value);
            } else {
                settings::set(options_, name, value);
            }
        } else if (command == "/help") {
            std::fprintf(stderr,
                         "%sA line that ends in \\ continues on the next; a space before / makes it a message.\n",
                         commands);
        } else {
            std::fprintf(stderr, "chat: there is no command %s; the commands are\n%s",
                         rwkv::core::quoted(command).c_str(), commands);
            ++failed_;
        }
        return true;
    }

    /// What the answers from now on are to match; any text where the value is `off`.
    void use(const ConstraintOption& constraint, const std::string& value) {
        if (value == "off")
            options_.sampling.constraint = nullptr;
        else if (const std::optional<rwkv::Constraint> compiled = constraint.read())
            ConstraintOption::use(*compiled, tokenizer_, config_, options_);
        else
            throw rwkv::ArgumentError("/set", "", "a file, a regular expression or off", "nothing");
    }

    std::string source() const { return attended_ ? "message" : "standard input"; }

    /// Shows something to a person, but not to a program that reads the output.
    void show(const std::string& text) const {
        if (attended_) std::fputs(text.c_str(), stderr);
    }

    Session session_;
    rwkv::Tokenizer tokenizer_;
    rwkv::Config config_;
    rwkv::GenerationOptions options_;
    Lines& lines_;
    bool attended_ = terminal::is_terminal(stdin);
    bool leaving_ = false;  // Ctrl-C was pressed, and nothing was typed since
    int failed_ = 0;
    std::size_t lines_read_ = 0, first_line_ = 1;  // and the number of the message's first
};

}  // namespace

int main(int argc, char** argv) {
    CLI::App app(
        "Chats with an RWKV-4 model. Each line of standard input is a message, or a command that begins with /\n"
        "(/help lists them). Answers are written to standard output. In a terminal, Ctrl-C stops an answer, and\n"
        "pasted text is one message.");
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
    options.threads_option
        ->description(
            "number of threads; default: measured, the fastest number up to one for each physical core that the "
            "process may use; 0: one for each processor")
        ->default_str("");
    app.add_option("--prompt-format", format_name,
                   "format of conversations that the model was trained on; default: guessed")
        ->check(CLI::IsMember(format_names))
        ->type_name("NAME");
    add_sampling_options(app, generation);
    return terminal::run(app, argc, argv, [&] {
        // Before the model is loaded: bad options need not wait for it.
        check_sampling_options(generation);
        draw_seed(app, generation);
        const bool attended = terminal::is_terminal(stdin);
        Signals::catch_end(terminal::ending_signals);
        // What is typed while the model is loaded is kept, whatever its length.
        const std::unique_ptr<Lines> lines = open_lines();

        rwkv::Tokenizer tokenizer = options.load_tokenizer();
        const rwkv::PromptFormat& format =
            format_name.empty() ? rwkv::guess_prompt_format(tokenizer) : rwkv::prompt_format(format_name);
        rwkv::Model model = options.load();
        if (attended) Signals::catch_interrupt();
        check_token_ids(generation, model.config().vocab_size);
        const rwkv::Config config = model.config();
        const bool measured = options.threads_option->count() == 0;
        if (measured) options.threads = fastest_threads(model);
        Session session(std::move(model), tokenizer, options.workspace(static_cast<std::size_t>(options.chunk)), format,
                        *lines);
        if (attended)
            std::fprintf(stderr,
                         "Prompt format: %s%s. Threads: %d%s.\n/help lists the commands. Ctrl-C stops an answer, %s "
                         "leaves.\n\n",
                         format.name.c_str(), format_name.empty() ? " (guessed; --prompt-format)" : "",
                         rwkv::thread_count(options.threads), measured ? " (measured; --threads)" : "",
                         terminal::end_of_input_key);
        const bool doubtful = format_name.empty() && !is_chat_model(options.model, format);
        if (doubtful)
            std::fprintf(
                stderr,
                "note: %s does not look like a chat model (Raven or World): it will continue a conversation like "
                "any other text%s\n",
                rwkv::core::quoted(options.model).c_str(),
                attended ? "" : "; --prompt-format says that it is a chat model");
        Chat(std::move(session), std::move(tokenizer), config, generation, *lines)
            .run(doubtful && attended ? "Chat with it anyway? [Y/n, or a message] > " : "");
    });
}
