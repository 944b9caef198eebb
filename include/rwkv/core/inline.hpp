#pragma once

// Definitions that take long to compile are in an .inl file beside the header that declares them, and marked
// RWKV_INLINE. That is `inline`, unless a program is compiled with RWKV_COMPILED: then the headers do not include the
// definitions; the source files in compiled/ do, with the attributes of RWKV_API.
#include <rwkv/version.hpp>

#ifdef RWKV_COMPILED
#define RWKV_INLINE RWKV_API
#else
#define RWKV_INLINE inline
#endif
