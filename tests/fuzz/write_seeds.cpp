// Writes every case of a corpus to a file of its own, as libFuzzer takes them: write_seeds CORPUS.json DIRECTORY
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <ios>

#include "../corpora/corpus.hpp"

int main(int count, char** arguments) {
    if (count != 3) return std::fprintf(stderr, "usage: write_seeds CORPUS.json DIRECTORY\n"), 2;
    const std::filesystem::path directory = arguments[2];
    std::filesystem::create_directories(directory);
    int number = 0;
    for (const auto& item : rwkv::test::read_corpus(arguments[1]))
        std::ofstream(directory / ("seed-" + std::to_string(number++)), std::ios::binary) << item.bytes;
}
