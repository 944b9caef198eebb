#pragma once

// Definitions of what is declared in the headers an application includes, and costs a compiler seconds, are marked
// RWKV_INLINE and lie in a .inl beside the header. It is `inline`, unless a program is compiled with RWKV_COMPILED:
// then headers do not include the definitions, and the files of compiled/ have them, with the attributes of RWKV_API.
#include <rwkv/version.hpp>

#ifdef RWKV_COMPILED
#define RWKV_INLINE RWKV_API
#else
#define RWKV_INLINE inline
#endif
