// What the files of the kernel share: the packed form of a weight, and one tile's work.
//
// A weight (rows, columns) is packed in groups of four rows. A column in which a group has weights belongs to
// one pattern, the set of those rows as a bit mask from 1 to 15. Columns are listed by pattern, so that
// what several rows need is loaded once for all of them and no branch depends on a single weight.
//
//   uint64 start[groups + 1]        where each group begins, in bytes from the beginning
//   per group:
//     uint32 steps[16]              by pattern; [0] is unused
//     uint16 column[]               of all patterns one after the other, padded to a multiple of 4 bytes
//     float or uint32 value[]       per step, one for each row of the pattern
//
// In single precision a step is one column. In half precision (bfloat16) it is a pair of columns and a value is
// the pair of their weights; a lone last column is paired with column `columns`, which the tile has as zeros.
#pragma once

#include <cstddef>
#include <cstdint>

namespace deepcuts {

constexpr int64_t kGroupRows = 4;
constexpr int64_t kGathered = 8;  // groups whose outputs are written together
constexpr int kPatterns = 1 << kGroupRows;
constexpr int64_t kMaximumColumns = 65535;  // a column is a uint16, and one more is needed for zeros

enum Activation : int32_t { kNone = 0, kGelu = 1 };

struct Linear {
    const uint8_t* packed;
    int64_t rows, columns;
    int32_t half;        // 1: weights and inputs in bfloat16, sums in float
    int32_t activation;  // what is applied to the output
    const float* bias;   // (rows,) or null
    const float* input;  // (tokens, columns), the last dimension contiguous
    int64_t tokens, input_stride;
    float* output;  // (tokens, rows), the last dimension contiguous
    int64_t output_stride;
};

// One instruction set's kernel. `tile` computes the groups [first_group, last_group) for up to `tile_tokens`
// tokens; `scratch` has `scratch_bytes` and is aligned to 64 bytes.
struct Kernel {
    const char* name;
    int64_t (*tile_tokens)(int32_t half);
    size_t (*scratch_bytes)(const Linear&);
    void (*tile)(const Linear&, int64_t first_token, int64_t tokens, int64_t first_group, int64_t last_group,
                 char* scratch);
};

inline int64_t group_count(int64_t rows) { return (rows + kGroupRows - 1) / kGroupRows; }

}  // namespace deepcuts
