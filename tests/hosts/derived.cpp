// An application that derives from what the library declares, and catches what it throws.
#include <rwkv/rwkv.hpp>

#include <cstring>
#include <iostream>
#include <string>

namespace {

class Text final : public rwkv::ByteSource {
  public:
    explicit Text(std::string text) : ByteSource("text", text.size()), text_(std::move(text)) {}

  private:
    std::size_t do_read(std::uint64_t offset, std::span<std::byte> out) const override {
        std::memcpy(out.data(), text_.data() + offset, out.size());
        return out.size();
    }
    std::string text_;
};

}  // namespace

int main() {
    std::byte bytes[2];
    Text("abc").read(1, bytes);
    if (bytes[1] != std::byte('c')) return 1;
    rwkv::ThreadPool pool(2);
    try {
        static_cast<void>(rwkv::load_model("no-such-model"));
    } catch (const rwkv::FileError& error) {
        std::cout << "caught " << error.what() << '\n';
        return 0;
    }
    return 1;
}
