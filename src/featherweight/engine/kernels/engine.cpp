// The C interface. This one file is compiled once for each instruction set; see README.md.
#include "sweeps.hpp"

#include <chrono>
#include <cstdio>
#include <exception>

#if defined(_WIN32)
#define EXPORT extern "C" __declspec(dllexport)
#else
#define EXPORT extern "C" __attribute__((visibility("default")))
#endif

EXPORT int featherweight_lanes() { return LANES; }

// Whether this build and this CPU multiply numbers of bfloat16.
EXPORT int featherweight_bf16() { return has_bf16(); }

// A plan, or null with the reason in `error` (200 bytes), which is empty where memory is short.
EXPORT void* featherweight_plan(const Node* nodes, int count, const Size* sizes, int tensors, int batch, int threads,
                                int normalised, double smoothing, double taught, double temperature, int log_output,
                                int bf16, char* error) {
    try {
        const Loss loss{normalised != 0, smoothing, taught, temperature};
        return new Plan(nodes, count, sizes, tensors, batch, threads, loss, log_output != 0, bf16 != 0);
    } catch (const std::bad_alloc&) {
        error[0] = 0;
    } catch (const std::length_error&) {  // more than a vector can ever hold
        error[0] = 0;
    } catch (const std::exception& e) {
        std::snprintf(error, 200, "%s", e.what());
    }
    return nullptr;
}

EXPORT void featherweight_free(void* plan) { delete static_cast<Plan*>(plan); }
EXPORT size_t featherweight_bytes(const void* plan) { return static_cast<const Plan*>(plan)->bytes(); }

// Forward and backward of `count` images: gradients are added to `gradients`, the mean loss and the hits written.
// `taught` are a teacher's probabilities [count][classes], or null. 1, and nothing done, where a label is no class; else 0.
EXPORT int featherweight_step(void* plan, const float* images, const int64_t* labels, const float* taught, int count,
                               uint64_t seed, void* const* values, float* const* gradients, float* loss, int64_t* correct) {
    Call call;
    call.images = images, call.labels = labels, call.taught = taught, call.count = count, call.seed = seed;
    call.values = values, call.gradients = gradients;
    if (!static_cast<Plan*>(plan)->takes(labels, count)) return 1;
    const Score score = static_cast<Plan*>(plan)->step(call);
    *loss = float(score.loss);
    *correct = score.correct;
    return 0;
}

EXPORT void featherweight_scores(void* plan, const float* images, int count, void* const* values, float* output) {
    Call call;
    call.images = images, call.count = count, call.values = values, call.output = output;
    static_cast<Plan*>(plan)->scores(call);
}

// Images of a data set of `total`, changed and normalised. 1, and nothing done, where one chosen is not there; else 0.
EXPORT int featherweight_sample(void* plan, const uint8_t* images, int64_t total, const int64_t* chosen, int count,
                                const float* affine, const float* after, const float* displacement, float horizon,
                                const float* factor, const float* offset, const float* mirror, int reflect,
                                const float* colours, float* output) {
    for (int i = 0; i < count; i++)
        if (chosen[i] < 0 || chosen[i] >= total) return 1;
    static_cast<Plan*>(plan)->sample(
        {images, chosen, affine, after, displacement, factor, offset, horizon, mirror, reflect, colours, count, output});
    return 0;
}

// Seconds of the last step's convolutions alone; and the multiply-adds they execute for an image.
EXPORT double featherweight_convolutions(void* plan) { return static_cast<Plan*>(plan)->convolutions(); }
EXPORT double featherweight_products(const void* plan) { return static_cast<const Plan*>(plan)->products(); }

EXPORT void featherweight_mask(const void* plan, int node, int count, uint64_t seed, float* output) {
    static_cast<const Plan*>(plan)->mask(node, count, seed, output);
}

// Multiply-adds a second, in billions of operations (two each), of `threads` threads doing nothing else.
static double peak_of(int threads, double seconds) {
    using clock = std::chrono::steady_clock;
    ThreadPool workers(threads);
    std::vector<double> rates(threads), sink(threads);
    workers.run(threads, [&](int task, int) {
        V sum[12];
        for (int i = 0; i < 12; i++) sum[i] = all(float(i));
        const V factor = all(0.999f), term = all(1e-4f);
        const auto start = clock::now();
        double elapsed = 0, count = 0;
        while ((elapsed = std::chrono::duration<double>(clock::now() - start).count()) < seconds) {
            for (int r = 0; r < 10000; r++) UNROLL for (int i = 0; i < 12; i++) sum[i] = sum[i] * factor + term;
            count += 10000;
        }
        for (int i = 0; i < 12; i++) sink[task] += sum_of_lanes(sum[i]);
        rates[task] = count * 12 * LANES * 2 / elapsed / 1e9 + (sink[task] == 1 ? 1 : 0);
    });
    double total = 0;
    for (double rate : rates) total += rate;
    return total;
}

// The same; negative where so many threads cannot be started.
EXPORT double featherweight_peak(int threads, double seconds) {
    try {
        return peak_of(threads, seconds);
    } catch (const std::exception&) {
        return -1;
    }
}
