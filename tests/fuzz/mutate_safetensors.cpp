// How libFuzzer changes a safetensors file: plain changes of bytes hardly ever leave the header's length true and the
// data as long as the header says, so most inputs would get no further than that.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <string_view>

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned seed);

namespace {

constexpr std::string_view digits = "0123456789";

std::uint64_t little_endian(const std::uint8_t* bytes) {
    std::uint64_t value = 0;
    for (std::size_t i = 8; i-- > 0;) value = value << 8U | bytes[i];
    return value;
}

/// The last number of the header that a file of `most` bytes can hold: with luck, where the data ends.
std::size_t largest_number(std::string_view header, std::size_t most) {
    std::size_t largest = 0;
    for (std::size_t at = 0; (at = header.find_first_of(digits, at)) != header.npos;) {
        const std::size_t end = std::min(header.find_first_not_of(digits, at), header.size());
        if (end - at < 9) {
            const std::size_t number = std::stoul(std::string(header.substr(at, end - at)));
            if (number <= most) largest = std::max(largest, number);
        }
        at = end;
    }
    return largest;
}

/// Another number in place of one of the header's.
void change_number(std::string& header, std::minstd_rand& random) {
    constexpr std::array<const char*, 14> numbers{"0",
                                                  "1",
                                                  "2",
                                                  "4",
                                                  "8",
                                                  "16",
                                                  "4294967296",
                                                  "2305843009213693951",
                                                  "-1",
                                                  "2147483648",
                                                  "4294967295",
                                                  "4611686018427387908",
                                                  "9223372036854775807",
                                                  "18446744073709551615"};
    std::size_t at = header.find_first_of(digits, header.empty() ? 0 : random() % header.size());
    if (at == header.npos) return;
    const std::size_t end = std::min(header.find_first_not_of(digits, at), header.size());
    std::string number = numbers[random() % numbers.size()];
    if (end - at < 9 && random() % 2 == 0)  // its neighbour
        number = std::to_string(std::stol(header.substr(at, end - at)) + static_cast<long>(random() % 9) - 4);
    header.replace(at, end - at, number);
}

/// An entry once more, or a part of one.
void repeat_entry(std::string& header, std::minstd_rand& random) {
    const std::size_t begin = header.find('"', header.empty() ? 0 : random() % header.size());
    const std::size_t end = begin == header.npos ? begin : header.find('}', begin);
    if (end == header.npos) return;
    const std::string entry = header.substr(begin, end + 1 - begin);
    header.insert(begin, entry + ",");
}

}  // namespace

std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size, unsigned seed) {
    std::minstd_rand random(seed);
    if (size < 8 || max_size < 16 || random() % 8 == 0) return LLVMFuzzerMutate(data, size, max_size);
    const auto length = static_cast<std::size_t>(std::min<std::uint64_t>(little_endian(data), size - 8));
    std::string header(reinterpret_cast<const char*>(data) + 8, length);
    std::string rest(reinterpret_cast<const char*>(data) + 8 + length, size - 8 - length);
    switch (random() % 8) {
        case 0:
        case 1:
            change_number(header, random);
            break;
        case 2:
            repeat_entry(header, random);
            break;
        case 3:
            if (!rest.empty()) {
                rest.resize(LLVMFuzzerMutate(reinterpret_cast<std::uint8_t*>(rest.data()), rest.size(), rest.size()));
                break;
            }
            [[fallthrough]];
        default: {
            const std::size_t old = header.size();
            header.resize(old + 64);
            header.resize(LLVMFuzzerMutate(reinterpret_cast<std::uint8_t*>(header.data()), old, header.size()));
        }
    }
    header.resize(std::min(header.size(), max_size - 8));
    const std::size_t room = max_size - 8 - header.size();
    if (random() % 4 != 0) rest.resize(largest_number(header, room));
    rest.resize(std::min(rest.size(), room));
    std::uint64_t told = header.size();
    for (std::size_t i = 0; i < 8; ++i, told >>= 8U) data[i] = static_cast<std::uint8_t>(told);
    std::memcpy(data + 8, header.data(), header.size());
    std::memcpy(data + 8 + header.size(), rest.data(), rest.size());
    return 8 + header.size() + rest.size();
}
