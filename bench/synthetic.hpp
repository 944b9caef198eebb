#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <rwkv/kernels/quantize.hpp>
#include <rwkv/loading/load_weights.hpp>
#include <rwkv/model/model.hpp>
#include <rwkv/model/tensors.hpp>

// Models of a published shape with weights of normal size, for timing: no file is needed.

namespace synthetic {

using rwkv::Index;

/// The visitor that fills a model, all matrices of one format.
template <class Format>
class Fill {
  public:
    void vector(const std::string& name, rwkv::Vector<float>& member, const rwkv::Shape& shape) {
        member.resize(static_cast<Index>(shape.back()));
        const bool decay = name.ends_with("time_decay"), mix = name.find("time_mix") != std::string::npos;
        for (float& value : member) value = decay ? -std::exp(-6 * uniform()) : mix ? uniform() : 0.5f + uniform();
    }
    void matrix(const std::string&, rwkv::WeightMatrix<rwkv::Mixed>& member, Index rows, Index cols,
                rwkv::Layout layout = rwkv::Layout::by_group) {
        using Matrix = rwkv::WeightMatrix<Format>;
        // On huge pages even where it is small, since a loaded model is one large piece of memory.
        constexpr std::size_t huge_page = std::size_t(2) << 20;
        const std::size_t bytes = Matrix::bytes(rows, cols, layout);
        const auto memory = rwkv::kernels::allocate_weights(std::max(bytes, huge_page));
        const float size = 2 / std::sqrt(static_cast<float>(cols));
        if constexpr (rwkv::DenseFormat<Format>) {
            using T = typename Format::Storage;
            std::shared_ptr<T[]> elements(memory, reinterpret_cast<T*>(memory.get()));
            for (T& element : std::span(elements.get(), bytes / sizeof(T))) element = T((uniform() - 0.5f) * size);
            member = Matrix(rows, cols, std::move(elements), layout);
        } else {
            // Quantizing takes long, and time does not depend on the numbers: all groups are copies of one.
            std::vector<float> group(static_cast<std::size_t>(rwkv::group_rows * cols));
            for (float& weight : group) weight = (uniform() - 0.5f) * size;
            rwkv::kernels::quantize_group<Format>(group.data(), rwkv::group_rows, cols, memory.get());
            for (Index g = 1; g < Matrix::groups(rows); ++g)
                std::copy_n(memory.get(), Matrix::group_bytes(cols), memory.get() + g * Matrix::group_bytes(cols));
            member = Matrix(rows, cols, memory);
        }
    }
    void embeddings(const std::string& name, rwkv::WeightMatrix<rwkv::Mixed>& member, Index rows, Index cols) {
        Fill<rwkv::F16>().matrix(name, member, rows, cols, rwkv::Layout::by_row);
    }

  private:
    float uniform() {
        state_ = state_ * 6364136223846793005u + 1442695040888963407u;
        return static_cast<float>(state_ >> 40) * 0x1p-24f;
    }
    std::uint64_t state_ = 1;
};

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
        Fill<Format> fill;
        rwkv::for_each_tensor(weights, fill);
        fill.matrix("head.weight", weights.head.emplace(), weights.config.vocab_size, weights.config.hidden_size);
    });
    rwkv::loading::set_epsilons(weights, true);
    return rwkv::Model(std::move(weights));
}

}  // namespace synthetic
