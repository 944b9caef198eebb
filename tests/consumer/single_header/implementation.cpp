#include <rwkv/rwkv.hpp>  // its declarations, as any header of the program's might include it before

#define RWKV_IMPLEMENTATION
#include <rwkv/rwkv.hpp>
