// The file of a state or conversation, which comes from anywhere: what is taken is of the model's shape, and finite.
#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <system_error>

#include <sys/mman.h>
#include <unistd.h>
#include <cerrno>

#include <rwkv/state_file.hpp>

#include "fuzz.hpp"

namespace {

using namespace rwkv;

/// A file that is on no disk.
class MemoryFile {
  public:
    explicit MemoryFile(std::string_view bytes) : descriptor_(::memfd_create("input", MFD_CLOEXEC)) {
        const auto size = static_cast<ssize_t>(bytes.size());
        if (descriptor_ < 0 || ::write(descriptor_, bytes.data(), bytes.size()) != size)
            throw std::system_error(errno, std::generic_category(), "a file in memory");
    }
    MemoryFile(const MemoryFile&) = delete;
    MemoryFile& operator=(const MemoryFile&) = delete;
    ~MemoryFile() { ::close(descriptor_); }

    std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

  private:
    int descriptor_;
};

void check(const State& state, const Config& config) {
    fuzz::require(state.fits(config), "a state of the model's shape");
    for (const State::ConstView& part :
         {state.attention_shift(), state.feed_forward_shift(), state.numerator(), state.denominator(), state.maximum()})
        fuzz::require(part.isFinite().all(), "finite numbers");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Config config;
    config.vocab_size = 4;
    config.hidden_size = 3;
    config.attention_hidden_size = 2;
    config.num_hidden_layers = 2;
    const MemoryFile file(fuzz::text_of(data, size));
    fuzz::accepts([&] { check(load_state(file.path(), config), config); });
    fuzz::accepts([&] {
        const Conversation conversation = load_conversation(file.path(), config);
        check(conversation.state, config);
        for (const TokenId token : conversation.tokens)
            fuzz::require(token >= 0 && token < config.vocab_size, "tokens of the vocabulary");
        fuzz::require(conversation.logits.empty() || std::ssize(conversation.logits) == config.vocab_size,
                      "a logit for each token, or none");
        fuzz::require(std::ranges::all_of(conversation.logits, [](float logit) { return std::isfinite(logit); }),
                      "finite logits");
    });
    return 0;
}
