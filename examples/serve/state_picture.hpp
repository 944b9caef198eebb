#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include <rwkv/model/state.hpp>

namespace serve {

/// The most columns that a picture of a state has.
inline constexpr int max_picture_columns = 256;

/// A picture of what the model remembers, for the page: a row for each layer, from the first to the last, and in it a
/// byte for each of `columns` groups of neighbouring channels. A byte is 128 + 127 x / (1 + |x|), x being the mean over
/// the group of the average of values that the layer holds (State::wkv_average): 128 is nothing, greater is positive.
/// A state with fewer channels than `columns` repeats some.
inline std::string state_picture(const rwkv::State& state, int columns) {
    std::string picture;
    picture.reserve(static_cast<std::size_t>(state.num_hidden_layers() * columns));
    for (rwkv::Index layer = 0; layer < state.num_hidden_layers(); ++layer) {
        const std::vector<float> average = state.wkv_average(layer);
        const auto channels = static_cast<rwkv::Index>(average.size());
        for (rwkv::Index column = 0; column < columns; ++column) {
            const rwkv::Index begin = column * channels / columns;
            const rwkv::Index end = (std::max)(begin + 1, (column + 1) * channels / columns);
            float sum = 0;
            for (rwkv::Index i = begin; i < end; ++i) sum += average[static_cast<std::size_t>(i)];
            const float mean = sum / static_cast<float>(end - begin);
            const float value = std::isfinite(mean) ? mean / (1.0f + std::abs(mean)) : 0.0f;
            picture += static_cast<char>(static_cast<unsigned char>(128.0f + 127.0f * value));
        }
    }
    return picture;
}

}  // namespace serve
