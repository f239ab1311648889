/* What code that is written once for floats and doubles calls numbers and vectors: those of BITS. No guard: it is
 * included once for each kind. */
#undef REAL
#undef UINT
#undef VEC
#undef INT
#undef W
#undef V
#undef NAME
#undef CONSTANT
#if BITS == 32
#define REAL float
#define UINT uint32_t
#define VEC fs_vec
#define INT fs_int
#define W FS_W
#define V(name) fs_##name
#define NAME(name) name##_f32
#define CONSTANT(name) FS_##name
#else
#define REAL double
#define UINT uint64_t
#define VEC fc_vec
#define INT fc_int
#define W FC_W
#define V(name) fc_##name
#define NAME(name) name##_f64
#define CONSTANT(name) FC_##name
#endif
