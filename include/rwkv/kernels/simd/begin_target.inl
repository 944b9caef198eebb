// From here to end_target.inl functions are compiled for the instruction set of RWKV_TARGET_FLAGS, or, where that is
// not defined, for that of the source file.

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"  // gcc warns where a template parameter is the size of an array
#endif

#ifdef RWKV_TARGET_FLAGS
#define RWKV_PRAGMA(text) _Pragma(#text)
#define RWKV_EXPANDED_PRAGMA(text) RWKV_PRAGMA(text)
#if defined(__clang__)
RWKV_EXPANDED_PRAGMA(clang attribute push(__attribute__((target(RWKV_TARGET_FLAGS))), apply_to = function))
#else
RWKV_PRAGMA(GCC push_options)
RWKV_EXPANDED_PRAGMA(GCC target(RWKV_TARGET_FLAGS))
#endif
#undef RWKV_EXPANDED_PRAGMA
#undef RWKV_PRAGMA
#endif
