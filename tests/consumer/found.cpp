#include <exception>
#include <iostream>
#include <type_traits>

#include <rwkv/core/error.hpp>
#include <rwkv/version.hpp>

#if !__has_include(<rwkv/rwkv.hpp>) || !__has_include(<Eigen/Core>) || !__has_include(<nlohmann/json.hpp>)
#error "the headers that rwkv.hpp includes are not all to be found"
#endif

static_assert(std::is_base_of_v<std::exception, rwkv::Error>);

// A host program that shows that the library is found. It includes little of it, and compiles in a second.
int main() {
    std::cout << "rwkv.hpp " << rwkv::version.major << '.' << rwkv::version.minor << '.' << rwkv::version.patch << '\n';
}
