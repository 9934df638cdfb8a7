// Residual sums. Their time is memory access: so a norm and activation whose output is only added to something else is
// added as it is computed, and has no memory of its own; and the gradient of a sum becomes that of what was added, in place.
#pragma once
#include "plan.hpp"

namespace {

// Whether node `index` is a norm and activation that only the next node reads, a sum.
inline bool Plan::feeds_sum(int index) const {
    if (index < 0 || size_t(index) + 1 >= nodes.size()) return false;
    const Node &n = nodes[index], &sum = nodes[index + 1];
    return n.kind == NORM_ACT_POOL && n.norm && n.kernel == 1 && consumers[n.out] == 1 && sum.kind == ADD && sum.in == n.out;
}

// Whether the gradient of sum `index` is the first that reaches what it adds, so that both can be one memory: this needs
// that nobody reads the sum's own gradient afterwards.
inline bool Plan::passes_on(int index) const {
    const Node& sum = nodes[index];
    if (!feeds_sum(index - 1) || !needs[sum.other]) return false;
    return std::none_of(nodes.begin() + index + 1, nodes.end(),
                        [&sum](const Node& later) { return later.in == sum.other || later.other == sum.other; });
}

inline void Plan::share_sums() {
    for (size_t i = 0; i < nodes.size(); i++) {
        if (!passes_on(int(i))) continue;
        const auto kept = gradients[nodes[i].other], given = gradients[nodes[i].out];
        for (auto& gradient : gradients)
            if (gradient == given) gradient = kept;
    }
}

// The norm and activation of node `index`, with what its sum adds.
inline void Plan::add_sum(int index, bool training) {
    const Node &n = nodes[index], &sum = nodes[index + 1];
    const State& s = *states[index];
    sweep(training, [this, &n, &sum, &s, training](int slot, int group, int) {
        const Dropout drop = training ? dropout(n, group, call.seed) : Dropout{};
        norm_act_sum(value(n.in, slot), value(sum.other, slot), value(sum.out, slot), s.affine.data(), n.act, drop);
    });
}

}  // namespace
