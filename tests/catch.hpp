#pragma once

// Catch2, whichever version there is: 3 under its own names, 2 given those that changed in between.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <string>

#include <catch2/catch.hpp>

namespace Catch {

using Detail::Approx;

}  // namespace Catch

namespace Catch::Matchers {

inline auto ContainsSubstring(const std::string& text, CaseSensitive::Choice sensitivity = CaseSensitive::Yes) {
    return Contains(text, sensitivity);
}

}  // namespace Catch::Matchers
#endif
