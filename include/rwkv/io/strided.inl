#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include <rwkv/core/dtype.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/core/sort.hpp>
#include <rwkv/io/strided.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::io {

namespace detail {

/// Gathers the elements of one strided tensor. The bytes of an element are one more dimension. All sizes were checked
/// when its description was read: every byte lies in the file, so no product below overflows except for strides of
/// dimensions of size 1, which are not used.
class StridedReader {
  public:
    StridedReader(const ByteSource& source, const TensorInfo& tensor) : source_(source) {
        const std::uint64_t element = core::bits(tensor.dtype) / 8;
        std::uint64_t to = tensor.bytes;
        for (std::size_t i = 0; i < tensor.shape.size(); ++i) {
            to /= tensor.shape[i];
            dimensions_.push_back({tensor.shape[i], tensor.strides[i] * element, to});
        }
        dimensions_.push_back({element, 1, 1});
    }

    /// Reads the part of the tensor that dimension `outer` and those inside it span, which begins at `from` in the
    /// file: its bytes in C order from `first` on. Whole rows of the dimension are read together, parts of rows one by
    /// one.
    void read(std::uint64_t from, std::uint64_t first, std::span<std::byte> out, std::size_t outer = 0) {
        if (out.empty()) return;
        const Dimension& dimension = dimensions_[outer];
        std::uint64_t row = first / dimension.to;
        if (const std::uint64_t begin = first % dimension.to; begin > 0) {
            const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(dimension.to - begin, out.size()));
            read(from + row * dimension.from, begin, out.first(part), outer + 1);
            out = out.subspan(part);
            ++row;
        }
        const std::uint64_t rows = out.size() / dimension.to;
        const auto whole = std::size_t{rows * dimension.to};
        if (rows > 0) {
            std::vector<Dimension> box(dimensions_.begin() + static_cast<std::ptrdiff_t>(outer), dimensions_.end());
            box[0].size = rows;
            read_box(from + row * dimension.from, std::move(box), out.data());
        }
        if (whole < out.size()) read(from + (row + rows) * dimension.from, 0, out.subspan(whole), outer + 1);
    }

  private:
    struct Dimension {
        std::uint64_t size;
        std::uint64_t from, to;  // bytes between neighbours, in the file and in C order
    };

    /// The number of bytes read at a time, and the largest gap that is read instead of skipped, since a call costs
    /// more.
    static constexpr std::uint64_t window_size = std::uint64_t{1} << 18U, small_gap = 4096;

    /// Visits the box in the order in which it lies in the file, so that a window which moves forward is enough.
    void read_box(std::uint64_t from, std::vector<Dimension> box, std::byte* to) {
        std::erase_if(box, [](const Dimension& dimension) { return dimension.size == 1; });
        core::sort_stably(box, [](const Dimension& a, const Dimension& b) { return a.from > b.from; });
        std::uint64_t run = 1;  // bytes that are contiguous in both orders
        while (!box.empty() && box.back().from == run && box.back().to == run) {
            run *= box.back().size;
            box.pop_back();
        }
        // Dimensions from `dense` on have gaps so small that all they span is read together.
        std::size_t dense = box.size();
        std::uint64_t span = run;
        while (dense > 0 && box[dense - 1].from <= span + small_gap) {
            --dense;
            span += (box[dense].size - 1) * box[dense].from;
        }
        walk(box, dense, run, span, from, to, 0);
    }

    void walk(const std::vector<Dimension>& box, std::size_t dense, std::uint64_t run, std::uint64_t span,
              std::uint64_t from, std::byte* to, std::size_t outer) {
        if (outer == dense) span_end_ = from + span;
        if (outer == box.size()) return copy(from, to, run);
        for (std::uint64_t i = 0; i < box[outer].size; ++i)
            walk(box, dense, run, span, from + i * box[outer].from, to + i * box[outer].to, outer + 1);
    }

    void copy(std::uint64_t from, std::byte* to, std::uint64_t count) {
        if (from < begin_ || from + count > end_) {
            if (count >= window_size) return source_.read(from, {to, count});
            if (!window_) window_ = std::make_unique_for_overwrite<std::byte[]>(window_size);
            begin_ = end_ = from;
            const std::uint64_t length = (std::min)(window_size, (std::max)(count, span_end_ - from));
            source_.read(from, {window_.get(), length});
            end_ = from + length;
        }
        std::memcpy(to, window_.get() + (from - begin_), count);
    }

    const ByteSource& source_;
    std::vector<Dimension> dimensions_;
    std::unique_ptr<std::byte[]> window_;
    std::uint64_t begin_ = 0, end_ = 0;  ///< the part of the file in the window
    std::uint64_t span_end_ = 0;         ///< the end of what to read into the window
};

}  // namespace detail

RWKV_INLINE void read_strided(const ByteSource& source, const TensorInfo& tensor, std::uint64_t offset,
                              std::span<std::byte> out) {
    detail::StridedReader(source, tensor).read(tensor.offset, offset, out);
}

}  // namespace rwkv::inline RWKV_ABI::io
