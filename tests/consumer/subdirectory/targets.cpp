#include <rwkv/version.hpp>

#if RWKV_TARGETS != 1 + 16 || !defined(RWKV_COMPILED)
#error "the target rwkv::compiled has not passed on RWKV_TARGETS and RWKV_COMPILED"
#endif
