#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
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

/// The visitor that reads the elements, into memory allocated once for all matrices of the model.
class Read {
  public:
    Read(const TensorSource& source, WeightFormat format, const Plan& plan, const Progress& progress)
        : source_(source),
          format_(format),
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
        any_matrix(name, member, rows, cols, held_as(source_.at(name).info.dtype, WeightFormat::stored));
    }

    template <class Format>
    void tied_head(const WeightMatrix<Mixed>& embeddings, WeightMatrix<Format>& head) {
        const bool shared = embeddings.visit([&]<class Own>(const WeightMatrix<Own>& own) {
            constexpr bool fits = std::is_same_v<Format, Own> || std::is_same_v<Format, Mixed>;
            if constexpr (fits) head = own;
            return fits && (!std::is_same_v<Format, Mixed> || own.dtype() == held_as(own.dtype(), format_));
        });
        if (!shared) matrix("embeddings.weight", head, embeddings.rows(), embeddings.cols());
    }

  private:
    static constexpr std::size_t piece_bytes = std::size_t(1) << 20;

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
        switch (tensor.info.dtype) {
            case DType::f16:
                return read_as<Eigen::half>(tensor, to, count);
            case DType::bf16:
                return read_as<Eigen::bfloat16>(tensor, to, count);
            case DType::f64:
                return read_as<double>(tensor, to, count);
            default:
                return read_as<float>(tensor, to, count);
        }
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
            } else {
                source_.checkpoint().read(tensor, offset, std::span(piece_).first(bytes));
                const Eigen::Map<const Vector<From>> from(reinterpret_cast<const From*>(piece_.data()), n);
                Eigen::Map<Vector<To>> out(to + first, n);
                out = from.template cast<To>();
                check_range(tensor, from, out);
            }
            done_ += bytes;
            if (progress_) progress_("loading", done_, total_);
        }
    }

    // A finite weight that the type in memory has no number for would become an infinity, and the text noise.
    template <class From, class To>
    void check_range(const io::CheckpointTensor& tensor, const From& from, const To& to) const {
        for (Index i = 0; i < from.size(); ++i)
            if (!std::isfinite(static_cast<float>(to[i])) && std::isfinite(static_cast<double>(from[i])))
                throw ModelError(source_.path(tensor), tensor.info.name, "values within the range of the weight format",
                                 std::to_string(static_cast<double>(from[i])));
    }

    const TensorSource& source_;
    WeightFormat format_;
    const Progress& progress_;
    std::vector<std::byte> piece_;
    std::shared_ptr<std::byte[]> memory_;
    std::size_t used_ = 0;
    std::uint64_t done_ = 0, total_;
};

}  // namespace rwkv::loading
