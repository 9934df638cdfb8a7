// Depthwise convolutions of a step. Their time is memory access, so as little as possible is stored: the norm and
// activation that one of them alone reads are computed channel by channel when it is that channel's turn, forward and
// again on the way back, in a plane that stays in the first cache; and its own output, where a convolution alone reads
// it, is computed again when that convolution's weights get their gradient.
#pragma once
#include "plan.hpp"

namespace {

inline bool Plan::is_depthwise(const Node& n) const {  // as depthwise.hpp has them
    return n.kind == CONVOLUTION && n.groups > 1 && n.groups == sizes[n.in].c && n.groups == sizes[n.out].c && n.kernel == 3 &&
           n.stride == 1 && n.dilation == 1;
}

// Whether only a depthwise convolution reads this norm and activation.
inline bool Plan::feeds_depthwise(int index) const {
    const Node& n = nodes[index];
    if (n.kind != NORM_ACT_POOL || !n.norm || n.kernel != 1 || n.drop != KEEP || n.act_weight >= 0) return false;
    if (size_t(index) + 1 == nodes.size() || consumers[n.out] != 1) return false;
    const Node& next = nodes[index + 1];
    return next.in == n.out && is_depthwise(next);
}

// One channel of node `index`'s output, in this thread's plane.
inline View Plan::activated(int index, int channel, int slot, int thread) {
    const Node& n = nodes[index];
    const View plane = states[index]->plane.at(thread);
    norm_act_pool(value(n.in, slot).channel(channel), plane, states[index]->affine.data() + channel, n.act, {}, {}, nullptr, nullptr);
    return plane;
}

// Forward, of any convolution.
inline void Plan::convolve(int index, int slot, int thread) {
    const Node& n = nodes[index];
    const Convolution& forward = *states[index]->forward;
    const View to = value(n.out, slot, thread);
    if (!reads_plane(index)) return forward.run(value(n.in, slot, thread), to, call.value(n.bias), false, vectors(thread));
    for (int c = 0; c < to.c; c++)
        forward.run_channel(c, activated(index - 1, c, slot, thread), to.channel(c), call.value(n.bias));
}

// A depthwise convolution and the norm and activation before it, channel by channel: the gradients of its weights and of
// its input, and what the norm needs of the latter.
inline void Plan::depthwise_back(int index) {
    const Node &n = nodes[index], &norm = nodes[index - 1];
    State &s = *states[index], &before = *states[index - 1];
    if (needs[n.in]) {
        plan_back(index);
        multiplied += s.back->products(sizes[n.in].h);
    }
    multiplied += double(s.weight_count) * sizes[n.out].h * sizes[n.out].w;
    sweep(true, [this, &n, &norm, &s, &before, index](int slot, int group, int thread) {
        const View x = value(norm.in, slot), given = gradient(n.out, slot, thread);
        float* to = s.weights.data + group * s.weight_pitch * given.c;
        Sums* sums = reinterpret_cast<Sums*>(vectors(thread));
        for (int c = 0; c < given.c; c++) {
            const View y = activated(index - 1, c, slot, thread), g = given.channel(c);
            depthwise_gradient(y, g, n.pad, to + 9 * c);
            if (n.bias >= 0) channel_sums(g, s.biases.data + size_t(group) * given.c + c);
            if (!needs[n.in]) continue;
            const View back = gradient(n.in, slot, thread).channel(c);
            s.back->run_channel(c, g, back, nullptr);
            norm_act_back(back, y, x.channel(c), back, before.affine.data() + c, norm.act, {}, false, sums + c);
        }
        if (needs[n.in]) keep_sums(index - 1, group, sums);
    }, true);
}

}  // namespace
