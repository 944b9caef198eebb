#include <rwkv/compiled.hpp>
