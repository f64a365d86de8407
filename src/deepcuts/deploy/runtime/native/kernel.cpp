// The kernel of one instruction set: compiled once for each, with flags of its own (see build.py).
#include "kernel.h"

#include "attention.h"
#include "linear.h"
#include "norm.h"

#define DEEPCUTS_JOIN_(a, b) a##b
#define DEEPCUTS_JOIN(a, b) DEEPCUTS_JOIN_(a, b)
#define DEEPCUTS_TEXT_(a) #a
#define DEEPCUTS_TEXT(a) DEEPCUTS_TEXT_(a)

namespace deepcuts {

extern const Kernel DEEPCUTS_JOIN(kernel_, DEEPCUTS_SET);
const Kernel DEEPCUTS_JOIN(kernel_, DEEPCUTS_SET) = {
    DEEPCUTS_TEXT(DEEPCUTS_SET), tile_tokens, scratch_bytes, tile, head_scratch_bytes, head, add_norm};

}  // namespace deepcuts
