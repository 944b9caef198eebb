#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <rwkv/error.hpp>
#include <rwkv/kernels/weight_memory.hpp>
#include <rwkv/loading/plan.hpp>
#include <rwkv/progress.hpp>

namespace rwkv::loading {

/// The first of the elements that is an infinity or NaN, or `count`: by the bits, which needs no conversion.
template <class T>
Index first_not_finite(const T* elements, Index count) noexcept {
    using Bits = std::conditional_t<sizeof(T) == 8, std::uint64_t,
                                    std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint16_t>>;
    static_assert(sizeof(Bits) == sizeof(T));
    constexpr Bits exponent = std::is_same_v<T, double>        ? static_cast<Bits>(0x7ff0000000000000)
                              : std::is_same_v<T, float>       ? static_cast<Bits>(0x7f800000)
                              : std::is_same_v<T, Eigen::half> ? static_cast<Bits>(0x7c00)
                                                               : static_cast<Bits>(0x7f80);
    const auto not_finite = [&](Index i) {
        Bits bits;
        std::memcpy(&bits, elements + i, sizeof bits);
        return (bits & exponent) == exponent;
    };
    constexpr Index block = 256;
    for (Index begin = 0; begin < count; begin += block) {
        const Index end = std::min(begin + block, count);
        bool found = false;
        for (Index i = begin; i < end; ++i) found |= not_finite(i);
        for (Index i = begin; found && i < end; ++i)
            if (not_finite(i)) return i;
    }
    return count;
}

/// Throws for the first of `count` elements, numbered from `first` on, that is no finite number in the file (`from`) or
/// has none in memory (`held`): one such weight turns the whole text into noise.
template <class From, class Held>
void check_finite(const TensorSource& source, const io::CheckpointTensor& tensor, Index first, const From* from,
                  const Held* held, Index count) {
    const Index bad = first_not_finite(held, count);
    if (bad == count) return;
    const auto value = static_cast<double>(from[bad]);
    throw ModelError(source.path(tensor), tensor.info.name,
                     std::isfinite(value) ? "values within the range of the weight format" : "finite weights",
                     std::to_string(value) + " (element " + std::to_string(first + bad) + ")");
}

/// Bytes read and converted at a time.
inline constexpr std::size_t piece_bytes = std::size_t(1) << 20;

/// Calls use with a null pointer to the type of the tensor's elements in the file.
template <class Use>
void with_element_type(const io::CheckpointTensor& tensor, Use&& use) {
    switch (tensor.info.dtype) {
        case DType::f16:
            return use(static_cast<Eigen::half*>(nullptr));
        case DType::bf16:
            return use(static_cast<Eigen::bfloat16*>(nullptr));
        case DType::f64:
            return use(static_cast<double*>(nullptr));
        default:
            return use(static_cast<float*>(nullptr));
    }
}

/// Looks at every weight of the model without keeping any, and throws as loading would.
inline void check_weights(const TensorSource& source, const Plan& plan, const Progress& progress) {
    std::vector<std::byte> piece(piece_bytes);
    std::uint64_t done = 0;
    for (const auto& [name, at] : source.all()) {
        const io::CheckpointTensor& tensor = *at;
        for (std::uint64_t offset = 0; offset < tensor.info.bytes; offset += piece_bytes) {
            const auto bytes =
                static_cast<std::size_t>(std::min<std::uint64_t>(piece_bytes, tensor.info.bytes - offset));
            source.checkpoint().read(tensor, offset, std::span(piece).first(bytes));
            with_element_type(tensor, [&]<class From>(From*) {
                const auto* from = reinterpret_cast<const From*>(piece.data());
                check_finite(source, tensor, static_cast<Index>(offset / sizeof(From)), from, from,
                             static_cast<Index>(bytes / sizeof(From)));
            });
            done += bytes;
            if (progress) progress("checking", done, plan.bytes_read());
        }
    }
}

/// The visitor that reads the elements, into memory allocated once for all matrices of the model.
class Read {
  public:
    Read(const TensorSource& source, WeightFormat format, bool tied, const Plan& plan, const Progress& progress)
        : source_(source),
          format_(format),
          tied_(tied),
          progress_(progress),
          piece_(piece_bytes),
          memory_(kernels::allocate_weights(plan.bytes_held())),
          total_(plan.bytes_read()) {}

    void vector(const std::string& name, Vector<float>& member, const Shape& shape) {
        const auto size = static_cast<Index>(shape.back());
        member.resize(size);
        read(source_.at(name), member.data(), size);
        if (name.ends_with(".time_decay")) member = -member.exp();
    }

    template <class Format>
    void matrix(const std::string& name, WeightMatrix<Format>& member, Index rows, Index cols) {
        if constexpr (std::is_same_v<Format, Mixed>) {
            any_matrix(name, member, rows, cols, held_as(source_.at(name).info.dtype, format_));
        } else {
            using T = typename Format::Storage;
            std::shared_ptr<T[]> elements(memory_, reinterpret_cast<T*>(memory_.get() + used_));
            used_ += Plan::room(rows, cols, sizeof(T));
            read(source_.at(name), elements.get(), rows * cols);
            member = WeightMatrix<Format>(rows, cols, std::move(elements));
        }
    }

    void embeddings(const std::string& name, WeightMatrix<Mixed>& member, Index rows, Index cols) {
        any_matrix(name, member, rows, cols,
                   held_as(source_.at(name).info.dtype, tied_ ? format_ : WeightFormat::stored));
    }

  private:
    void any_matrix(const std::string& name, WeightMatrix<Mixed>& member, Index rows, Index cols, DType held) {
        const auto as = [&]<class Format>(WeightMatrix<Format> own) {
            matrix(name, own, rows, cols);
            member = std::move(own);
        };
        if (held == DType::f16) return as(WeightMatrix<F16>());
        if (held == DType::bf16) return as(WeightMatrix<BF16>());
        as(WeightMatrix<F32>());
    }

    template <class T>
    void read(const io::CheckpointTensor& tensor, T* to, Index count) {
        with_element_type(tensor, [&]<class From>(From*) { read_as<From>(tensor, to, count); });
    }

    // In pieces: straight to where the elements stay where the types agree, through a small buffer where they
    // do not.
    template <class From, class To>
    void read_as(const io::CheckpointTensor& tensor, To* to, Index count) {
        const auto at_once = static_cast<Index>(piece_bytes / sizeof(From));
        for (Index first = 0; first < count; first += at_once) {
            const Index n = std::min(at_once, count - first);
            const std::size_t bytes = static_cast<std::size_t>(n) * sizeof(From);
            const std::uint64_t offset = static_cast<std::uint64_t>(first) * sizeof(From);
            if constexpr (std::is_same_v<From, To>) {
                source_.checkpoint().read(tensor, offset, {reinterpret_cast<std::byte*>(to + first), bytes});
                check_finite(source_, tensor, first, to + first, to + first, n);
            } else {
                source_.checkpoint().read(tensor, offset, std::span(piece_).first(bytes));
                const auto* from = reinterpret_cast<const From*>(piece_.data());
                Eigen::Map<Vector<To>>(to + first, n) = Eigen::Map<const Vector<From>>(from, n).template cast<To>();
                check_finite(source_, tensor, first, from, to + first, n);
            }
            done_ += bytes;
            if (progress_) progress_("loading", done_, total_);
        }
    }

    const TensorSource& source_;
    WeightFormat format_;
    bool tied_;
    const Progress& progress_;
    std::vector<std::byte> piece_;
    std::shared_ptr<std::byte[]> memory_;
    std::size_t used_ = 0;
    std::uint64_t done_ = 0, total_;
};

}  // namespace rwkv::loading
