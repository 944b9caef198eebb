// Gives the target every input of the corpora and files named: what was found once is tried by every compiler.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "../corpora/corpus.hpp"
#include "fuzz.hpp"

namespace {

void replay(const std::string& name, const std::string& bytes) {
    // In memory of its own size, so that a sanitizer sees the end.
    const std::vector<std::uint8_t> input(bytes.begin(), bytes.end());
    std::printf("%s\n", name.c_str());
    std::fflush(stdout);
    LLVMFuzzerTestOneInput(input.data(), input.size());
}

}  // namespace

int main(int count, char** arguments) {
    int inputs = 0;
    for (int i = 1; i < count; ++i) {
        const std::filesystem::path path = arguments[i];
        if (path.extension() == ".json") {
            for (const auto& item : rwkv::test::read_corpus(path)) replay(item.name, item.bytes), ++inputs;
        } else {
            std::ifstream stream(path, std::ios::binary);
            replay(path.string(), {std::istreambuf_iterator<char>(stream), {}}), ++inputs;
        }
    }
    std::printf("%d inputs\n", inputs);
    return inputs > 0 ? 0 : 1;
}
