/* Classifies pictures whose scores are known, and prints PASS with the milliseconds they took, or FAIL with the picture. */
#include <stdint.h>

#include <zephyr/kernel.h>
#include <zephyr/sys/printk.h>

#include "model_check.h"

int main(void)
{
    const int64_t begun = k_uptime_ticks();
    const int wrong = model_check();
    const uint32_t taken = (uint32_t)k_ticks_to_us_floor64(k_uptime_ticks() - begun);
    if (wrong) {
        printk("FAIL: picture %d\n", wrong);
    } else {
        printk("PASS: %d pictures in %u.%03u ms\n", MODEL_CHECKS, (unsigned)(taken / 1000), (unsigned)(taken % 1000));
    }
    return 0;
}
