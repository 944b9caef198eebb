#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rwkv/core/error.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/text/utf8.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// Finds the first stop string in a text that comes in chunks, and holds back what may become one. The result does not
/// depend on how the text is cut: it ends where a stop string is first complete, before the longest that is complete
/// there. Takes time in proportion to the length of the text times the number of stop strings, whatever their length.
/// Use one per text.
///
/// Thread safety: one thread at a time.
class StopStrings {
  public:
    /// Throws ArgumentError where a stop string is empty or not UTF-8.
    explicit StopStrings(const std::vector<std::string>& strings) {
        for (const std::string& string : strings) {
            if (string.empty())
                core::fail<ArgumentError>("StopStrings", {"stop string"}, {"at least one character"}, {"none"});
            if (const std::size_t at = text::find_invalid_utf8(string); at != string.npos)
                core::fail<ArgumentError>("StopStrings", {"stop string"}, {"UTF-8"}, {"another byte at ", at});
            patterns_.emplace_back(string);
        }
    }

    /// Takes the next chunk, of whole characters, and returns the text that is now certain to stay, perhaps empty; it
    /// lives until the next call. After a stop string all text is empty.
    std::string_view push(std::string_view chunk) {
        held_.erase(0, returned_);
        returned_ = 0;
        if (found_) return {};
        for (const char byte : chunk) {
            held_ += byte;
            std::size_t begun = 0, complete = 0;  // the longest beginning of a stop string, and the longest whole one
            for (Pattern& pattern : patterns_) {
                begun = (std::max)(begun, pattern.push(byte));
                if (pattern.complete()) complete = (std::max)(complete, pattern.string.size());
            }
            if (complete > 0) {
                found_ = true;
                held_.resize(held_.size() - complete);
                returned_ = held_.size();
                return held_;
            }
            returned_ = held_.size() - begun;
        }
        return std::string_view(held_).substr(0, returned_);
    }

    /// Ends the text: returns what was held back.
    std::string_view finish() {
        held_.erase(0, returned_);
        returned_ = held_.size();
        return held_;
    }

    /// Whether a stop string was found.
    [[nodiscard]] bool found() const noexcept { return found_; }

  private:
    /// Knuth-Morris-Pratt search: the length of the longest beginning of the string that the text ends in.
    struct Pattern {
        explicit Pattern(std::string text) : string(std::move(text)), fallback(string.size() + 1, 0) {
            for (std::size_t i = 1; i < string.size(); ++i) {
                std::size_t length = fallback[i];
                while (length > 0 && string[length] != string[i]) length = fallback[length];
                fallback[i + 1] = string[length] == string[i] ? length + 1 : 0;
            }
        }
        std::size_t push(char byte) {
            while (matched > 0 && string[matched] != byte) matched = fallback[matched];
            if (string[matched] == byte) ++matched;
            return matched;
        }
        bool complete() const noexcept { return matched == string.size(); }

        std::string string;
        std::vector<std::size_t> fallback;  // of each length matched, the next shorter one that the text also ends in
        std::size_t matched = 0;
    };

    std::vector<Pattern> patterns_;
    std::string held_;          // the text that the last call returned, and what is held back
    std::size_t returned_ = 0;  // the length of the former
    bool found_ = false;
};

}  // namespace rwkv::inline RWKV_ABI
