#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <rwkv/checkpoint/parallel_read.hpp>
#include <rwkv/checkpoint/plan.hpp>
#include <rwkv/core/aligned_buffer.hpp>
#include <rwkv/core/progress.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::checkpoint {

/// How the elements are read: see LoadOptions.
struct ReadOptions {
    WeightFormat format;
    int threads;
    bool mapped;
    const Progress& progress;
};

/// The visitor that lays out all matrices in memory allocated once, and reads the vectors; `finish` then reads the
/// elements of the matrices, in pieces of some rows that several threads share out among them.
class Read {
  public:
    Read(const TensorSource& source, const Plan& plan, const ReadOptions& options, bool tied)
        : source_(source),
          options_(options),
          tied_(tied),
          memory_(kernels::allocate_weights(options.mapped ? 0 : plan.bytes_held())),
          meter_{"loading", options.progress, plan.bytes_read()} {}

    void vector(const std::string& name, Vector<float>& member, const Shape& shape) {
        const auto size = static_cast<Index>(shape.back());
        const CheckpointTensor& tensor = source_.at(name);
        member.resize(size);
        std::vector<std::byte> bytes(tensor.info.bytes);
        with_element_type(tensor, [&]<class From>(From*) {
            convert_rows<From, F32>(source_, tensor, {0, 1, size, Layout::by_row}, bytes.data(), nullptr,
                                    reinterpret_cast<std::byte*>(member.data()));
        });
        if (name.ends_with(".time_decay")) member = -member.exp();
        meter_.done += tensor.info.bytes;
    }

    template <class Format>
    void matrix(const std::string& name, WeightMatrix<Format>& member, Index rows, Index cols) {
        matrix_as(name, member, rows, cols, options_.format, Layout::by_group);
    }

    void embeddings(const std::string& name, WeightMatrix<Mixed>& member, Index rows, Index cols) {
        matrix_as(name, member, rows, cols, embeddings_format(options_.format, tied_),
                  embeddings_layout(options_.format, tied_));
    }

    /// Reads what was laid out.
    void finish() {
        run(source_, jobs_, options_.threads, meter_);
        meter_.finish();
    }

  private:
    template <class Format>
    void matrix_as(const std::string& name, WeightMatrix<Format>& member, Index rows, Index cols, WeightFormat format,
                   Layout layout) {
        if constexpr (std::is_same_v<Format, Mixed>) {
            with_format(held_as(source_, source_.at(name), format), [&]<class Own>(Own) {
                WeightMatrix<Own> own;
                matrix_as(name, own, rows, cols, format, layout);
                member = std::move(own);
            });
        } else {
            const CheckpointTensor& tensor = source_.at(name);
            if (options_.mapped)
                if (auto mapped = map<Format>(tensor, rows, cols)) {
                    member = std::move(*mapped);
                    meter_.done += tensor.info.bytes;
                    return;
                }
            const std::size_t room = Plan::room(Format::format, rows, cols, layout);
            const auto own = options_.mapped ? kernels::allocate_weights(room) : memory_;
            std::byte* const at = own.get() + (options_.mapped ? 0 : used_);
            used_ += room;
            member = matrix_of<Format>(rows, cols, {own, reinterpret_cast<Element<Format>*>(at)}, layout);
            jobs_.push_back({&tensor, conversion_to<Format>(tensor, rows, cols, layout), 0, rows, cols, at});
        }
    }

    template <class Format>
    using Element = std::conditional_t<QuantizedFormat<Format>, const std::byte, const Held<Format>>;

    /// A matrix of elements that lie like that; quantized ones have but one layout.
    template <class Format>
    static WeightMatrix<Format> matrix_of(Index rows, Index cols, std::shared_ptr<Element<Format>[]> elements,
                                          [[maybe_unused]] Layout layout) {
        if constexpr (QuantizedFormat<Format>)
            return {rows, cols, std::move(elements)};
        else
            return {rows, cols, std::move(elements), layout};
    }

    /// A matrix in the file's own bytes, where they are of that format and lie as its elements must.
    template <class Format>
    std::optional<WeightMatrix<Format>> map(const CheckpointTensor& tensor, Index rows, Index cols) const {
        DType dtype = DType::u8;
        std::size_t alignment = quantized_alignment;
        if constexpr (DenseFormat<Format>) dtype = Format::dtype, alignment = alignof(Element<Format>);
        if (tensor.info.dtype != dtype || tensor.info.bytes == 0 || !tensor.info.strides.empty()) return std::nullopt;
        auto bytes = source_.checkpoint().map(tensor);
        if (reinterpret_cast<std::uintptr_t>(bytes.get()) % alignment != 0) return std::nullopt;
        return matrix_of<Format>(rows, cols, {bytes, reinterpret_cast<Element<Format>*>(bytes.get())}, Layout::by_row);
    }

    const TensorSource& source_;
    const ReadOptions& options_;
    bool tied_;
    std::shared_ptr<std::byte[]> memory_;
    std::size_t used_ = 0;
    std::vector<Job> jobs_;
    Meter meter_;
};

}  // namespace rwkv::inline RWKV_ABI::checkpoint
