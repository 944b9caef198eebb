#pragma once

// Definitions of what is declared in the headers an application includes, and costs a compiler seconds, are marked
// RWKV_INLINE and lie in a .inl beside the header. It is `inline`, unless a program is compiled with RWKV_COMPILED:
// then headers do not include the definitions, and one source file has them, by compiled.hpp.
#ifdef RWKV_COMPILED
#define RWKV_INLINE
#else
#define RWKV_INLINE inline
#endif
