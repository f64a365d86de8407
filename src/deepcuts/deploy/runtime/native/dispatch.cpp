// The library's C interface, which kernel to run, and the threads that share the work.
#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <vector>

#include "kernel.h"
#include "packing.h"

namespace deepcuts {

// build.py defines DEEPCUTS_HAS_… for each instruction set that the compiler knew.
#ifdef DEEPCUTS_HAS_avx512bf16
extern const Kernel kernel_avx512bf16;
#endif
#ifdef DEEPCUTS_HAS_avx512
extern const Kernel kernel_avx512;
#endif
#ifdef DEEPCUTS_HAS_avx2
extern const Kernel kernel_avx2;
#endif
extern const Kernel kernel_portable;

namespace {

struct Choice {
    const Kernel* kernel;
    bool (*supported)();
};

// The best first.
const Choice kChoices[] = {
#ifdef DEEPCUTS_HAS_avx512bf16
    {&kernel_avx512bf16,
     [] {
         return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                __builtin_cpu_supports("avx512bf16");
     }},
#endif
#ifdef DEEPCUTS_HAS_avx512
    {&kernel_avx512,
     [] {
         return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
     }},
#endif
#ifdef DEEPCUTS_HAS_avx2
    {&kernel_avx2, [] { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }},
#endif
    {&kernel_portable, [] { return true; }},
};
constexpr int32_t kChoiceCount = sizeof kChoices / sizeof *kChoices;

// What a call of the C interface returns. No exception may pass it: a caller in C or Python can't catch one.
enum Status : int32_t { kDone = 0, kNoMemory = 1, kSystem = 2, kOther = 3 };

#ifdef DEEPCUTS_FAILURES
// For tests: the next piece of work throws. 1: std::bad_alloc, 2: std::system_error, 3: something else.
std::atomic<int32_t> failure{0};
void fail_if_asked() {
    switch (failure.exchange(0)) {
        case 1: throw std::bad_alloc();
        case 2: throw std::system_error(std::make_error_code(std::errc::resource_unavailable_try_again));
        case 3: throw 3;
    }
}
#else
void fail_if_asked() {}
#endif

// What work returns, or what became of its exception.
template <class Work>
int32_t guarded(const Work& work) {
    try {
        return work();
    } catch (const std::bad_alloc&) {
        return kNoMemory;
    } catch (const std::length_error&) {  // a vector of more than there can be
        return kNoMemory;
    } catch (const std::system_error&) {
        return kSystem;
    } catch (...) {
        return kOther;
    }
}

// Waits a little for what is likely to come within microseconds; going to sleep and being woken takes tens of them.
template <class Condition>
void spin(const Condition& is_met) {
    for (int i = 0; i < 2000 && !is_met(); ++i) {
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        asm volatile("yield");
#endif
    }
}

// Workers that help whoever calls. One call at a time has them; another that comes meanwhile does its work alone,
// so callers never wait for each other. After a fork the child starts with none, for threads are not inherited.
class Pool {
  public:
    // Does all pieces; returns the status of one that failed, or kDone. Nothing is thrown by a piece: others may be
    // at work on what the caller would then take away.
    template <class Task>
    static int32_t run(int64_t threads, int64_t count, const Task& task) {
        std::atomic<int32_t> failed{kDone};
        const auto piece = [&](int64_t i) {
            const int32_t status = guarded([&] {
                fail_if_asked();
                return task(i);
            });
            if (status != kDone) failed.store(status);
        };
        using Piece = decltype(piece);
        Pool* pool = threads > 1 && count > 1 ? current() : nullptr;
        std::unique_lock<std::mutex> taken;
        if (pool != nullptr) taken = std::unique_lock<std::mutex>(pool->taken_, std::try_to_lock);
        if (!taken.owns_lock()) {
            for (int64_t i = 0; i < count; ++i) piece(i);
        } else {
            pool->share((threads < count ? threads : count) - 1, count,
                        [](const void* what, int64_t i) { (*static_cast<Piece*>(what))(i); }, &piece);
        }
        return failed.load();
    }

  private:
    using Call = void (*)(const void*, int64_t);

    static Pool* current() {
        static const int registered = pthread_atfork(nullptr, nullptr, [] { instance_.store(nullptr); });
        if (registered != 0) return nullptr;
        Pool* pool = instance_.load();
        if (pool == nullptr) {
            Pool* made = new (std::nothrow) Pool;
            if (made == nullptr) return nullptr;
            if (instance_.compare_exchange_strong(pool, made)) return made;
            delete made;  // another thread was faster
        }
        return pool;
    }

    void share(int64_t helpers, int64_t count, Call call, const void* what) {
        std::unique_lock<std::mutex> lock(mutex_);
        for (; workers_ < helpers; ++workers_) {
            try {
                std::thread([this] { work(); }).detach();
            } catch (const std::exception&) {
                break;  // no thread, or no memory for one: fewer helpers, or none, do as well
            }
        }
        call_ = call;
        what_ = what;
        count_ = count;
        next_.store(0);
        places_ = helpers < workers_ ? helpers : workers_;
        lock.unlock();
        wake_.notify_all();
        drain();
        lock.lock();
        places_ = 0;  // who has not begun by now is not needed any more
        lock.unlock();
        spin([this] { return busy_ == 0; });
        lock.lock();
        done_.wait(lock, [this] { return busy_ == 0; });
    }

    void drain() {
        for (int64_t i = next_.fetch_add(1); i < count_; i = next_.fetch_add(1)) call_(what_, i);
    }

    void work() {
        for (;;) {
            spin([this] { return places_ > 0; });
            std::unique_lock<std::mutex> lock(mutex_);
            wake_.wait(lock, [this] { return places_ > 0; });
            --places_;
            ++busy_;
            lock.unlock();
            drain();
            lock.lock();
            if (--busy_ == 0) done_.notify_one();
        }
    }

    static std::atomic<Pool*> instance_;  // never destroyed: workers may outlive everything else at exit

    std::mutex taken_;  // held while a call has the workers
    std::mutex mutex_;  // guards what follows
    std::condition_variable wake_, done_;
    int64_t workers_ = 0, count_ = 0;
    std::atomic<int64_t> places_{0}, busy_{0};  // changed under the mutex, but also looked at without
    std::atomic<int64_t> next_{0};
    Call call_ = nullptr;
    const void* what_ = nullptr;
};

std::atomic<Pool*> Pool::instance_{nullptr};

// Memory of a thread for its tile, kept from call to call.
class Scratch {
  public:
    ~Scratch() { std::free(memory_); }
    char* reserve(size_t bytes) {
        if (bytes > bytes_) {
            std::free(memory_);
            bytes_ = 0;
            if (posix_memalign(&memory_, 64, bytes) != 0) memory_ = nullptr;
            if (memory_ != nullptr) bytes_ = bytes;
        }
        return static_cast<char*>(memory_);
    }

  private:
    void* memory_ = nullptr;
    size_t bytes_ = 0;
};

}  // namespace
}  // namespace deepcuts

using namespace deepcuts;

extern "C" {
#pragma GCC visibility push(default)

// Identifies the sources that the library was built from.
const char* deepcuts_sources() { return DEEPCUTS_SOURCES; }

int32_t deepcuts_kernel_count() { return kChoiceCount; }
const char* deepcuts_kernel_name(int32_t index) { return kChoices[index].kernel->name; }
int32_t deepcuts_kernel_supported(int32_t index) { return kChoices[index].supported(); }

// Packs a weight into memory that deepcuts_free takes back; returns its bytes, or the status, negative.
int64_t deepcuts_pack(const uint8_t* bits, const float* values, int64_t rows, int64_t columns, int32_t half,
                      uint8_t** packed) {
    int64_t size = 0;
    const int32_t status = guarded([&]() -> int32_t {
        fail_if_asked();
        std::vector<uint8_t> out;
        Packer(bits, values, rows, columns, half != 0).pack(out);
        *packed = static_cast<uint8_t*>(std::malloc(out.size()));
        if (*packed == nullptr) return kNoMemory;
        std::memcpy(*packed, out.data(), out.size());
        size = static_cast<int64_t>(out.size());
        return kDone;
    });
    return status == kDone ? size : -status;
}

void deepcuts_free(uint8_t* packed) { std::free(packed); }

static int32_t linears_of(int32_t kernel_index, const Linears* linears, int64_t threads) {
    const Kernel& kernel = *kChoices[kernel_index].kernel;
    const Linear& first = linears->layers[0];
    const int64_t width = kernel.tile_tokens(first.half);
    const int64_t tiles = (first.tokens + width - 1) / width;
    if (linears->chained && tiles < threads) {  // a chain can't be cut into parts of the rows
        const Linears one{linears->layers, 1, 0}, other{linears->layers + 1, 1, 0};
        const int32_t status = linears_of(kernel_index, &one, threads);
        return status != kDone ? status : linears_of(kernel_index, &other, threads);
    }
    int64_t groups = 0;
    for (int64_t nth = 0; nth < linears->count; ++nth) groups += whole_gatherings(group_count(linears->layers[nth].rows));
    if (tiles == 0 || groups == 0) return 0;
    // Few tiles are cut into parts of the rows as well, where the outputs are cut anyway.
    const int64_t wanted = linears->chained ? 1 : (threads + tiles - 1) / tiles;
    const int64_t per_part = whole_gatherings((groups + wanted - 1) / wanted);
    const int64_t parts = (groups + per_part - 1) / per_part;
    const size_t bytes = kernel.scratch_bytes(*linears);
    return Pool::run(threads, tiles * parts, [&](int64_t index) -> int32_t {
        thread_local Scratch scratch;
        char* const memory = scratch.reserve(bytes);
        if (memory == nullptr) return kNoMemory;
        const int64_t first_token = index / parts * width, first_group = index % parts * per_part;
        const int64_t tokens = first.tokens - first_token < width ? first.tokens - first_token : width;
        const int64_t last_group = first_group + per_part < groups ? first_group + per_part : groups;
        kernel.tile(*linears, first_token, tokens, first_group, last_group, memory);
        return kDone;
    });
}

// output = activation(input · weightᵀ + bias) of each layer; returns a status. Safe from any thread.
int32_t deepcuts_linears(int32_t kernel_index, const Linears* linears, int64_t threads) {
    return guarded([&] { return linears_of(kernel_index, linears, threads); });
}

// Layer normalisation of a sum; returns a status. Safe from any thread.
int32_t deepcuts_add_norm(int32_t kernel_index, const AddNorm* norm, int64_t threads) {
    return guarded([&] {
        constexpr int64_t kPiece = 32;
        return Pool::run(threads, (norm->rows + kPiece - 1) / kPiece, [&](int64_t index) -> int32_t {
            const int64_t first = index * kPiece, last = first + kPiece < norm->rows ? first + kPiece : norm->rows;
            kChoices[kernel_index].kernel->add_norm(*norm, first, last);
            return kDone;
        });
    });
}

// Attention; returns a status. Safe from any thread.
int32_t deepcuts_attention(int32_t kernel_index, const Attention* attention, int64_t threads) {
    return guarded([&]() -> int32_t {
        const Kernel& kernel = *kChoices[kernel_index].kernel;
        if (attention->queries == 0 || attention->keys == 0) return kDone;
        const size_t bytes = kernel.head_scratch_bytes(*attention);
        return Pool::run(threads, attention->batch * attention->heads, [&](int64_t index) -> int32_t {
            thread_local Scratch scratch;
            char* const memory = scratch.reserve(bytes);
            if (memory == nullptr) return kNoMemory;
            kernel.head(*attention, index / attention->heads, index % attention->heads, memory);
            return kDone;
        });
    });
}

#ifdef DEEPCUTS_FAILURES
// For tests: which exception the next piece of work throws.
void deepcuts_fail(int32_t which) { failure.store(which); }
#endif

#pragma GCC visibility pop
}
