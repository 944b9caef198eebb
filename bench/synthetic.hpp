#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <rwkv/checkpoint/load_weights.hpp>
#include <rwkv/checkpoint/tensor_specs.hpp>
#include <rwkv/kernels/quantize.hpp>
#include <rwkv/model/model.hpp>

// Models of a published shape with weights of normal size, for timing: no file is needed.

namespace synthetic {

using rwkv::Index;

/// The visitor that fills a model, all matrices of one format and in one piece of memory, as the loader has them.
/// Before it has that memory it only counts.
template <class Format>
class Fill {
  public:
    void vector(const std::string& name, rwkv::Vector<float>& member, const rwkv::Shape& shape) {
        member.resize(static_cast<Index>(shape.back()));
        const bool decay = name.ends_with("time_decay"), mix = name.find("time_mix") != std::string::npos;
        for (float& value : member) value = decay ? -std::exp(-6 * uniform()) : mix ? uniform() : 0.5f + uniform();
    }
    void matrix(const std::string&, rwkv::WeightMatrix<rwkv::Mixed>& member, Index rows, Index cols) {
        fill_as<Format>(member, rows, cols, rwkv::Layout::by_group);
    }
    void embeddings(const std::string&, rwkv::WeightMatrix<rwkv::Mixed>& member, Index rows, Index cols) {
        fill_as<rwkv::F16>(member, rows, cols, rwkv::Layout::by_row);
    }

    void allocate() {
        memory_ = rwkv::kernels::allocate_weights(used_);
        used_ = 0;
    }

  private:
    template <class Own>
    void fill_as(rwkv::WeightMatrix<rwkv::Mixed>& member, Index rows, Index cols, rwkv::Layout layout) {
        using Matrix = rwkv::WeightMatrix<Own>;
        const std::size_t at = used_;
        used_ += rwkv::checkpoint::Plan::room(Own::format, rows, cols, layout);
        if (!memory_) return;
        std::byte* const begin = memory_.get() + at;
        const float size = 2 / std::sqrt(static_cast<float>(cols));
        if constexpr (rwkv::DenseFormat<Own>) {
            using T = typename Own::Storage;
            const std::span elements(reinterpret_cast<T*>(begin), Matrix::bytes(rows, cols, layout) / sizeof(T));
            for (T& element : elements) element = T((uniform() - 0.5f) * size);
            member = Matrix(rows, cols, std::shared_ptr<T[]>(memory_, elements.data()), layout);
        } else {
            // Quantizing takes long, and time does not depend on the numbers: all groups are copies of one.
            std::vector<float> group(static_cast<std::size_t>(rwkv::group_rows * cols));
            for (float& weight : group) weight = (uniform() - 0.5f) * size;
            rwkv::kernels::quantize_group<Own>(group.data(), rwkv::group_rows, cols, begin);
            for (Index g = 1; g < Matrix::groups(rows); ++g)
                std::copy_n(begin, Matrix::group_bytes(cols), begin + g * Matrix::group_bytes(cols));
            member = Matrix(rows, cols, std::shared_ptr<std::byte[]>(memory_, begin));
        }
    }
    float uniform() {
        state_ = state_ * 6364136223846793005u + 1442695040888963407u;
        return static_cast<float>(state_ >> 40) * 0x1p-24f;
    }

    std::shared_ptr<std::byte[]> memory_;
    std::size_t used_ = 0;
    std::uint64_t state_ = 1;
};

/// Fills what `visit` shows to a Fill.
template <class Format, class Visit>
void fill(Visit&& visit) {
    Fill<Format> visitor;
    visit(visitor);
    visitor.allocate();
    visit(visitor);
}

inline rwkv::Config shape_of(const std::string& shape) {
    rwkv::Config config;
    const auto sizes =
        std::map<std::string, std::pair<Index, Index>>{{"169m", {12, 768}}, {"430m", {24, 1024}}, {"1b5", {24, 2048}}}
            .at(shape);
    config.num_hidden_layers = sizes.first;
    config.hidden_size = config.attention_hidden_size = sizes.second;
    config.intermediate_size = 4 * sizes.second;
    return config;
}

inline rwkv::Model model(const std::string& shape, rwkv::WeightFormat format) {
    rwkv::Weights<rwkv::Mixed> weights;
    weights.config = shape_of(shape);
    weights.blocks.resize(static_cast<std::size_t>(weights.config.num_hidden_layers));
    rwkv::with_format(format, [&]<class Format>(Format) {
        fill<Format>([&](Fill<Format>& visitor) {
            const rwkv::Config& config = weights.config;
            rwkv::for_each_tensor(weights, visitor);
            visitor.matrix("head.weight", weights.head.emplace(), config.vocab_size, config.hidden_size);
        });
    });
    rwkv::checkpoint::set_epsilons(weights, true);
    return rwkv::Model(std::move(weights));
}

}  // namespace synthetic
