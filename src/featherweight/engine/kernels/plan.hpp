// A network bound to memory: grids for every tensor, and the sweeps of a step in order.
#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <vector>

#include "conv.hpp"
#include "deskew.hpp"
#include "winograd_weights.hpp"
#include "loss.hpp"
#include "norm_act_pool_back.hpp"
#include "thread_pool.hpp"
#include "warp.hpp"
#include "weights.hpp"

enum Kind : int32_t { CONVOLUTION = 0, NORM_ACT_POOL = 1, AVERAGE = 2, ADD = 3, COPY = 4, SCALE = 5, PREPARE = 6, GROUP_NORM = 7 };

// One operation, from tensor `in` to tensor `out`; program.py names its fields, networks/layers fills them in. Parameters are places in the caller's
// array of addresses, -1 where there is none. PREPARE comes first, if at all: as images are packed, it takes out their slant where `shared` is 1, and cuts
// `pad` pixels off each side.
struct Node {
    int32_t kind, in, out;
    int32_t kernel, stride, pad, dilation, groups;
    int32_t kernel_w, stride_w;  // of an average, whose `kernel` and `stride` go down
    int32_t norm, act, shared, drop, layer;  // `shared`: PReLU has one weight for all channels; a layer norm, one for each value
    int32_t other, weight, bias, gamma, beta, mean, variance, count, act_weight;
    float eps, momentum, rate;  // a momentum below zero: the plain average over all steps
};

struct Size {
    int32_t c, h, w;
};

namespace {

struct Call {  // what one step or evaluation is about
    const float* images = nullptr;
    const int64_t* labels = nullptr;
    const float* taught = nullptr;  // [image][class], or null
    int count = 0;
    uint64_t seed = 0;
    void* const* values = nullptr;
    float* const* gradients = nullptr;
    float* output = nullptr;

    int valid(int group) const { return std::min(LANES, count - group * LANES); }
    int groups() const { return (count + LANES - 1) / LANES; }
    float* value(int place) const { return place < 0 ? nullptr : static_cast<float*>(values[place]); }
    float* gradient(int place) const { return place < 0 ? nullptr : gradients[place]; }
};

// What a node keeps between the sweeps of a step.
struct State {
    std::unique_ptr<Convolution> forward, back;
    Block<float> weights, biases;  // partial gradients, [group][...]
    size_t weight_count = 0, weight_pitch = 0;
    bool linear = false;
    std::unique_ptr<WinogradGradient> winograd;
    std::vector<Affine> affine;
    std::vector<Line> lines;
    std::vector<Moments> moments;           // [group][c]
    std::vector<std::pair<float, float>> sums;  // [group][c]
    std::vector<float> act_sums;            // [group][c], of PReLU's weights
    Block<I> where;                         // [slot][c][h][w] of a max pool
    size_t where_size = 0;
    Grid dilated;                           // [thread], of a strided convolution's gradient
    Grid plane;                             // [thread], one channel of what a depthwise convolution reads
};

using Task = std::function<void(int slot, int group, int thread)>;
struct Sweep {
    Task run;
    bool convolves;  // counted by `convolutions`
};
using Serial = std::function<void()>;

class Plan {
public:
    Plan(const Node* first, int count, const Size* sizes, int tensors, int batch, int threads, Loss loss, bool log_output, bool bf16);
    Score step(const Call& call);
    void scores(const Call& call);
    void sample(const Warp& warp) { sampler.run(warp, workers); }
    void mask(int node, int count, uint64_t seed, float* to) const;
    size_t bytes() const;
    double convolutions();
    double products() const { return multiplied; }
    bool takes(const int64_t* labels, int count) const {
        return std::all_of(labels, labels + count, [this](int64_t l) { return l >= 0 && l < sizes[nodes.back().out].c; });
    }

private:
    struct Stage {
        std::vector<Sweep> sweeps;
        Serial after;
    };

    // planning: plan.hpp's second half, group_norm.hpp, residual.hpp, separable.hpp and sweeps.hpp
    void lay_out(const Size* sizes, int tensors);
    void share_gradients();
    void add_forward(int node, bool training);
    void add_backward(int node);
    void convolve(int node, int slot, int thread);
    void convolution_back(int node, bool add);
    int plan_back(int node);
    void depthwise_back(int node);
    void norm_act_pool_back(int node, bool add);
    bool is_depthwise(const Node& n) const;
    bool feeds_depthwise(int node) const;
    bool reads_plane(int node) const { return node > 0 && feeds_depthwise(node - 1) && nodes[node - 1].out == nodes[node].in; }
    bool feeds_sum(int node) const;
    bool passes_on(int sum) const;
    void share_sums();
    void add_sum(int node, bool training);
    void add_group_norm(int node, bool training);
    void group_norm_backward(int node, bool add);
    void reduce_group_norm(int node);
    View activated(int node, int channel, int slot, int thread);
    void close(Serial after) {
        stages.back().after = std::move(after);
        stages.emplace_back();
    }
    void sweep(bool training, Task t, bool convolves = false) {
        (training ? stages.back().sweeps : evaluation).push_back({std::move(t), convolves});
    }

    View value(int tensor, int slot) const { return values[tensor]->at(slot); }
    View value(int tensor, int slot, int thread) const { return values[tensor]->at(fleeting[tensor] ? thread : slot); }
    View gradient(int tensor, int slot, int thread) const {
        if (brief[tensor]) return gradients[tensor]->over(passed_on.data + slot * brief_size);
        return gradients[tensor]->at(local[tensor] ? thread : slot);
    }
    Dropout dropout(const Node& n, int group, uint64_t seed) const;
    bool first_gradient(int tensor);
    V* vectors(int thread) { return reinterpret_cast<V*>(scratch[thread].data); }
    void need(size_t vectors) { room = std::max(room, vectors * LANES); }

    // between sweeps
    void pack_weights(bool back);
    void measured_norm(int node);
    void running_norm(int node);
    void plain_affine(int node);
    float act_weight(const Node& n, int c) const { return n.act_weight < 0 ? 0 : call.value(n.act_weight)[n.shared ? 0 : c]; }
    void norm_gradients(int node);
    void keep_sums(int node, int group, const Sums* sums);
    void keep_act_sums(int node, int group, const Sums* sums);
    void reduce_weights(int part, int parts);

    std::vector<Node> nodes;
    std::vector<std::unique_ptr<State>> states;
    std::vector<Size> sizes;
    std::vector<std::unique_ptr<Grid>> values;
    std::vector<std::shared_ptr<Grid>> gradients;
    std::vector<int> consumers;
    std::vector<bool> needs, written;
    std::vector<bool> local;  // gradients that one sweep writes and the next reads: one for each thread stays in its cache
    std::vector<bool> fleeting;  // values that are computed again on the way back: one for each thread
    std::vector<bool> brief;  // gradients that only the sweep after the next barrier reads: all of them share one memory
    Block<V> passed_on;  // [slot][brief_size]
    size_t brief_size = 0;
    std::vector<Stage> stages;
    std::vector<Sweep> evaluation;
    double multiplied = 0;
    std::vector<Score> partial;
    std::vector<Block<float>> scratch;  // [thread]
    size_t room = 0;
    int slots;
    Loss loss;
    bool log_output, bf16;
    ThreadPool workers;
    Sampler sampler;
    Call call;
};

inline Plan::Plan(const Node* first, int count, const Size* shapes, int tensors, int batch, int threads, Loss loss,
                  bool log_output, bool bf16)
    : nodes(first, first + count), slots(std::max((batch + LANES - 1) / LANES, threads)), loss(loss),
      log_output(log_output), bf16(bf16), workers(threads), sampler(shapes[0].c, shapes[0].h, shapes[0].w, threads) {
    for (int i = 0; i < count; i++) states.push_back(std::make_unique<State>());
    lay_out(shapes, tensors);
    partial.resize(slots);
    stages.emplace_back();
    const int output = nodes.empty() ? 0 : nodes.back().out;
    for (bool training : {true, false}) {
        sweep(training, [this](int slot, int group, int) {
            const Size& s = sizes[0];
            const float* images = call.images + size_t(group) * LANES * s.c * s.h * s.w;
            const bool prepares = !nodes.empty() && nodes[0].kind == PREPARE;
            const int valid = call.valid(group);
            std::vector<float> upright;
            if (prepares && nodes[0].shared) {
                upright.resize(size_t(valid) * s.h * s.w);
                for (int i = 0; i < valid; i++) deskew(images + size_t(i) * s.h * s.w, s.h, s.w, upright.data() + size_t(i) * s.h * s.w);
                images = upright.data();
            }
            pack_images(images, s.h, s.w, prepares ? nodes[0].pad : 0, valid, value(prepares ? nodes[0].out : 0, slot));
        });
        for (int i = 0; i < count; i++) add_forward(i, training);
    }
    sweep(false, [this, output](int slot, int group, int) {
        unpack_output(value(output, slot), this->log_output, call.valid(group), call.output + size_t(group) * LANES * sizes[output].c);
    });
    sweep(true, [this, output](int slot, int group, int thread) {
        View g = gradient(output, slot, thread);
        const size_t first = size_t(group) * LANES;
        const float* taught = call.taught ? call.taught + first * sizes[output].c : nullptr;
        partial[group] = loss_and_gradient(value(output, slot), g, this->loss, {call.labels + first, taught},
                                           call.valid(group), call.count);
    });
    written.assign(tensors, false);
    for (int i = count - 1; i >= 0; i--) add_backward(i);
    scratch = std::vector<Block<float>>(workers.size());
    for (auto& block : scratch) block.take(room);
}

inline void Plan::lay_out(const Size* shapes, int tensors) {
    sizes.assign(shapes, shapes + tensors);
    consumers.assign(tensors, 0);
    needs.assign(tensors, false);
    std::vector<int> value_border(tensors, 0), gradient_border(tensors, 0);
    for (const Node& n : nodes) {
        consumers[n.in]++;
        if (n.other >= 0) consumers[n.other]++;
        if (n.act_weight >= 0) needs[n.in] = true;
        needs[n.out] = needs[n.in] || n.weight >= 0 || n.gamma >= 0 || (n.other >= 0 && needs[n.other]);
        if (n.kind != CONVOLUTION) continue;
        value_border[n.in] = std::max(value_border[n.in], int(n.pad));
        if (n.stride == 1) gradient_border[n.out] = std::max(gradient_border[n.out], n.dilation * (n.kernel - 1) - n.pad);
    }
    if (!nodes.empty()) needs[nodes.back().out] = true;  // the loss writes there
    for (int t = 0; t < tensors; t++) {
        values.push_back(std::make_unique<Grid>());
        gradients.push_back(std::make_shared<Grid>());
        for (Grid* grid : {values[t].get(), gradients[t].get()}) grid->c = sizes[t].c, grid->h = sizes[t].h, grid->w = sizes[t].w;
        values[t]->border = value_border[t];
        gradients[t]->border = gradient_border[t];
    }
    share_gradients();
    for (const Node& n : nodes) {
        const Size &in = sizes[n.in], &out = sizes[n.out];
        room = std::max({room, size_t(in.c + LANES) * LANES, size_t(std::max(1, int(n.kernel))) * in.w * LANES, size_t(out.c) * 3 * LANES,
                         size_t(in.c) * 3 * LANES});
    }
    fleeting.assign(tensors, false);
    for (size_t i = 0; i + 1 < nodes.size(); i++) {
        const Node& n = nodes[i];
        fleeting[n.out] = is_depthwise(n) && !fleeting[n.in] && consumers[n.out] == 1 && nodes[i + 1].kind == CONVOLUTION &&
                          nodes[i + 1].in == n.out;
        if (feeds_sum(int(i))) values[n.out]->c = 0;  // added as it is computed
        if (!feeds_depthwise(int(i))) continue;
        Grid& plane = states[i]->plane;
        plane.c = 1, plane.h = sizes[n.out].h, plane.w = sizes[n.out].w, plane.border = nodes[i + 1].pad;
        plane.block.take(plane.size() * workers.size());
        values[n.out]->c = 0;  // has no memory of its own
    }
    for (int t = 0; t < tensors; t++) values[t]->block.take(values[t]->size() * (fleeting[t] ? workers.size() : slots));
    passed_on.take(brief_size * slots);
    for (int t = 0; t < tensors; t++)
        if (needs[t] && !brief[t] && !gradients[t]->block.data)
            gradients[t]->block.take(gradients[t]->size() * (local[t] ? workers.size() : slots));
}

// A norm or a convolution after a convolution gives its gradient straight to it. Elsewhere norm-act-pool rewrites its gradient in place, where
// nobody else needs either side of it.
inline void Plan::share_gradients() {
    local.assign(gradients.size(), false);
    for (size_t i = 0; i < nodes.size(); i++) {
        const Node& n = nodes[i];
        const bool after_convolution = i > 0 && nodes[i - 1].kind == CONVOLUTION && nodes[i - 1].out == n.in;
        if ((n.kind == CONVOLUTION || n.kind == GROUP_NORM) && consumers[n.in] == 1) local[n.in] = after_convolution;
        if (n.kind != NORM_ACT_POOL || consumers[n.in] != 1 || !needs[n.in]) continue;
        local[n.in] = n.norm && after_convolution;
        if (n.kernel != 1 || local[n.in]) continue;
        gradients[n.in]->border = std::max(gradients[n.in]->border, gradients[n.out]->border);
        for (size_t t = 0; t < gradients.size(); t++)
            if (gradients[t] == gradients[n.out] && int(t) != n.in) gradients[t] = gradients[n.in];
    }
    share_sums();
    brief.assign(gradients.size(), false);
    for (size_t i = 0; i + 1 < nodes.size(); i++) {
        const Node& n = nodes[i];
        if (n.kind != NORM_ACT_POOL || !n.norm || !local[n.in] || consumers[n.out] != 1 || nodes[i + 1].in != n.out) continue;
        brief[n.out] = gradients[n.out].use_count() == 1;
        if (brief[n.out]) brief_size = std::max(brief_size, gradients[n.out]->size());
    }
}

// True once for each tensor: whoever comes first writes its gradient, the others add to it.
inline bool Plan::first_gradient(int tensor) {
    bool first = !written[tensor];
    written[tensor] = true;
    return first;
}

inline Dropout Plan::dropout(const Node& n, int group, uint64_t seed) const {
    Dropout d;
    if (n.drop == KEEP) return d;
    d.kind = n.drop;
    d.scale = n.rate < 1 ? 1 / (1 - n.rate) : 0;
    d.threshold = uint32_t(std::lround(n.rate * 65536));
    d.key = key_of(seed, uint32_t(n.layer));
    d.first_image = uint32_t(group) * LANES;
    d.c = sizes[n.in].c, d.h = sizes[n.in].h, d.w = sizes[n.in].w;
    return d;
}

// What a dropout multiplies with, [count][c][h][w]: by the very functions of a step, for tests.
inline void Plan::mask(int node, int count, uint64_t seed, float* to) const {
    const Node& n = nodes[node];
    const Size& s = sizes[n.in];
    for (int image = 0; image < count; image++) {
        const Dropout d = dropout(n, image / LANES, seed);
        for (int c = 0; c < s.c; c++)
            for (int y = 0; y < s.h; y++)
                for (int x = 0; x < s.w; x++) {
                    V pair[2] = {d.channel(c), d.channel(c)};
                    if (d.kind == ELEMENTS) d.pair(d.row(c, y), x / 2, pair[0], pair[1]);
                    *to++ = pair[x % 2][image % LANES];
                }
    }
}

inline Score Plan::step(const Call& what) {
    call = what;
    pack_weights(true);
    for (size_t i = 0; i < nodes.size(); i++)
        if (nodes[i].act_weight >= 0 && !nodes[i].norm) plain_affine(int(i));
    for (const Stage& stage : stages) {
        if (!stage.sweeps.empty())
            workers.run(call.groups(), [&](int group, int thread) {
                for (const Sweep& sweep : stage.sweeps) sweep.run(group, group, thread);
            });
        if (stage.after) stage.after();
    }
    workers.run(workers.size(), [this](int part, int) { reduce_weights(part, workers.size()); });
    Score total;
    for (int g = 0; g < call.groups(); g++) total.loss += partial[g].loss, total.correct += partial[g].correct;
    total.loss /= call.count;
    return total;
}

inline void Plan::scores(const Call& what) {
    call = what;
    pack_weights(false);
    for (size_t i = 0; i < nodes.size(); i++)
        if (nodes[i].norm) running_norm(int(i));
        else if (nodes[i].act_weight >= 0) plain_affine(int(i));
    workers.run(call.groups(), [this](int group, int thread) {
        for (const Sweep& sweep : evaluation) sweep.run(thread, group, thread);
    });
}

// The seconds that the convolutions of the last step take alone, forward, weights and back; what they read is still there.
inline double Plan::convolutions() {
    const auto start = std::chrono::steady_clock::now();
    for (const Stage& stage : stages)
        workers.run(call.groups(), [&](int group, int thread) {
            for (const Sweep& sweep : stage.sweeps)
                if (sweep.convolves) sweep.run(group, group, thread);
        });
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

inline size_t Plan::bytes() const {
    size_t total = passed_on.count * sizeof(V);
    for (const auto& grid : values) total += grid->block.count * sizeof(V);
    for (size_t t = 0; t < gradients.size(); t++) {
        bool seen = false;
        for (size_t u = 0; u < t; u++) seen |= gradients[u] == gradients[t];
        if (!seen) total += gradients[t]->block.count * sizeof(V);
    }
    for (const auto& s : states)
        total += (s->weights.count + s->biases.count) * sizeof(float) + s->where.count * sizeof(I) +
                 (s->dilated.block.count + s->plane.block.count) * sizeof(V);
    return total;
}

}  // namespace
