// A safetensors file: what is taken covers the file exactly, counted here in integers that cannot overflow.
#include <set>
#include <string>

#include <rwkv/io/safetensors.hpp>

#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace rwkv;
    __extension__ using Wide = unsigned __int128;
    const std::string_view file = fuzz::text_of(data, size);
    fuzz::accepts([&] {
        const auto length = io::safetensors_header_length(file.substr(0, 64), file.size(), "file");
        const auto header =
            io::parse_safetensors_header(file.substr(8, static_cast<std::size_t>(length)), file.size(), "file");
        fuzz::require(header.data_begin == 8 + length, "the data begins after the header");
        std::set<std::string> names;
        std::uint64_t position = header.data_begin;
        for (const TensorInfo& info : header.tensors) {
            fuzz::require(info.offset == position, "tensors end to end");
            fuzz::require(info.shape.size() <= core::max_tensor_rank, "few dimensions");
            fuzz::require(names.insert(info.name).second, "names once");
            Wide needed = core::bits(info.dtype);
            for (const std::uint64_t extent : info.shape) {
                needed *= extent;
                fuzz::require(needed <= Wide{~std::uint64_t{0}}, "no size overflows");
            }
            fuzz::require(needed == Wide{info.bytes} * 8, "bytes by shape and dtype");
            position += info.bytes;
            fuzz::require(position <= file.size(), "tensors within the file");
        }
        fuzz::require(position == file.size(), "nothing left over");
    });
    return 0;
}
