#include <rwkv/rwkv.hpp>
