#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <rwkv/rwkv.hpp>
#include <rwkv/text/prompt_format.hpp>

#include "../terminal.hpp"
#include "lines.hpp"
#include "output.hpp"

/// A conversation in a prompt format. Whatever ends an answer or goes wrong, the conversation that the model remembers
/// has the form it was trained on: whole turns, and of the last answer what was shown.
class Session {
  public:
    Session(rwkv::Model model, rwkv::Tokenizer tokenizer, const rwkv::WorkspaceOptions& workspace,
            rwkv::PromptFormat format, Lines& lines)
        : tokenizer_(tokenizer),
          generator_(std::move(model), std::move(tokenizer), workspace),
          format_(std::move(format)),
          lines_(lines) {}

    /// Reads a message and streams the answer to standard output, until it ends or Ctrl-C is pressed, and increments
    /// the seed. An exception leaves the conversation as it was.
    void ask(std::string message, rwkv::GenerationOptions& options) {
        start_ = generator_.conversation();
        message_ = std::move(message);
        answer(options);
    }

    /// Forgets the last answer and asks for another.
    void retry(rwkv::GenerationOptions& options) {
        if (!start_) throw rwkv::ArgumentError("/retry", "", "a message sent since the last /reset or /load", "none");
        generator_.resume(*start_);
        answer(options);
    }

    void reset() {
        generator_.reset();
        start_.reset();
    }

    /// Writes the conversation to a file, and makes the directory for it where there is none.
    void save(const std::filesystem::path& path) const {
        std::error_code ignored;  // what stands in the way, writing the file will say
        std::filesystem::create_directories(path.parent_path(), ignored);
        rwkv::save_conversation(generator_.conversation(), path);
    }

    void load(const std::string& path) {
        generator_.resume(rwkv::load_conversation(path, generator_.model().config()));
        start_.reset();
    }

    /// The number of tokens of the conversation.
    std::size_t tokens() const { return generator_.tokens().size(); }

  private:
    void answer(rwkv::GenerationOptions& options) {
        rwkv::GenerationOptions now = options;
        ++options.sampling.seed;
        now.stop_strings.insert(now.stop_strings.end(), format_.stop_strings.begin(), format_.stop_strings.end());
        now.progress = [this, progress = terminal::progress()](std::string_view stage, std::uint64_t done,
                                                               std::uint64_t total) {
            constexpr std::uint64_t long_prompt = 512;
            lines_.collect();
            return total > long_prompt ? progress(stage, done, total) : !Signals::pending();
        };
        const std::string prompt = format_.prompt(message_, history());
        try {
            const rwkv::Generation answer =
                generator_.generate(prompt, now, [this, begun = false](std::string_view text) mutable {
                    // After the colon of its name a model begins with a space.
                    if (!begun) text.remove_prefix(std::min(text.find_first_not_of(" \n"), text.size()));
                    begun = begun || !text.empty();
                    output::print(text);
                    lines_.collect();
                    return terminal::output_arrived() && !Signals::pending();
                });
            if (was_cancelled(answer)) {
                report_cancelled();
            } else {
                std::fputs(output::is_terminal() ? "\n\n" : "\n", stdout);
                if (answer.finish_reason == rwkv::FinishReason::length)
                    std::fprintf(stderr, "(cut off: max_new_tokens is %td)\n", now.max_new_tokens);
                forget_stop_string(answer, prompt, now.progress);
            }
        } catch (...) {
            generator_.resume(*start_);
            throw;
        }
        if (Signals::interrupted())
            lines_.forget();  // it has stopped the answer, or came at its end and was meant for it
    }

    /// Whether a prompt was not read to its end.
    static bool was_cancelled(const rwkv::Generation& generation) {
        return generation.finish_reason == rwkv::FinishReason::callback && generation.prompt_tokens == 0;
    }

    void report_cancelled() {
        generator_.resume(*start_);
        if (terminal::is_terminal(stderr)) std::fputs("\r\033[K", stderr);  // the bar
        std::fputs("(stopped before the message was read, so it is forgotten; /retry sends it again)\n", stderr);
    }

    /// Removes a stop string that does not separate turns, such as the beginning of the next instruction, from the
    /// conversation: the turn is read again without it.
    void forget_stop_string(const rwkv::Generation& answer, const std::string& prompt, const rwkv::Progress& progress) {
        if (answer.finish_reason != rwkv::FinishReason::stop || format_.missing_separator(history()).empty()) return;
        generator_.resume(*start_);
        rwkv::GenerationOptions reads_only;
        reads_only.max_new_tokens = 0;
        reads_only.progress = progress;
        if (was_cancelled(generator_.generate(prompt + answer.text, reads_only))) report_cancelled();
    }

    /// The end of the conversation so far, at least as long as the separator.
    std::string history() const {
        std::string text;
        const std::span<const rwkv::TokenId> tokens = generator_.tokens();
        for (auto token = tokens.rbegin(); token != tokens.rend() && text.size() < format_.separator.size(); ++token)
            if (tokenizer_.contains(*token)) text.insert(0, tokenizer_.token_bytes(*token));
        return text;
    }

    rwkv::Tokenizer tokenizer_;
    rwkv::Generator generator_;
    rwkv::PromptFormat format_;
    Lines& lines_;
    std::optional<rwkv::Conversation> start_;  // before the last message
    std::string message_;
};
