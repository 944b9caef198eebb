// The directory of a ZIP archive, and the PyTorch file it may be: what is taken lies within the file.
#include <string>
#include <vector>

#include <rwkv/io/pytorch.hpp>
#include <rwkv/io/zip.hpp>

#include "../io/memory_file.hpp"
#include "fuzz.hpp"
#include "pytorch_tensors.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace rwkv;
    const test::MemoryFile file{std::string(fuzz::text_of(data, size))};
    fuzz::accepts([&] {
        for (const io::ZipEntry& entry : io::read_zip_directory(file)) {
            fuzz::require(entry.size <= size && entry.offset <= size - entry.size, "entries within the file");
            fuzz::accepts([&] { return io::read_zip_entry(file, entry, size); });
        }
    });
    fuzz::accepts([&] { fuzz::check_tensors(io::read_pytorch_tensors(file), size); });
    return 0;
}
