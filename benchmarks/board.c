/* A processor with nothing but the network: reads pictures through semihosting, writes scores, instructions and stack.
 *
 * Input file: pictures of NET(PIXELS) bytes. Output file: for each, int16 scores, uint32 ticks, the ticks of 100,000 turns
 * of three instructions, uint32 bytes of stack used. Compile with -DHEADER="f3.h" -DREAD=f3_read -DPIXELS=F3_PIXELS -DCLASSES=F3_CLASSES.
 * Ticks are SysTick's on a Cortex-M, and the instructions that were retired on RISC-V.
 */
#include HEADER

#ifndef RAM_END
#define RAM_END 0x20004000u
#endif
#define PAINTED 1024u
#define PAINT 0xA5u

int main(void);
void start(void);

#ifdef __riscv

/* Sets the stack pointer, which a Cortex-M takes from its vectors. */
__attribute__((section(".vectors"), used, naked)) static void first(void)
{
    __asm__ volatile("li sp, %0\n j start" : : "i"(RAM_END));
}

static uint32_t begun;

static uint32_t retired(void)
{
    uint32_t count; /* of `csrr`, which compilers take only where its extension is asked for: 0xB02 is minstret */
    __asm__ volatile(".insn i 0x73, 2, %0, x0, 0xB02 - 0x1000" : "=r"(count));
    return count;
}

static void begin(void)
{
    begun = retired();
}

static uint32_t ticks(void)
{
    return retired() - begun;
}

static void turns(uint32_t count)
{
    __asm__ volatile("1: addi %0, %0, -1\n nop\n bnez %0, 1b" : "+r"(count));
}

/* The three instructions that an emulator takes for a call, uncompressed and in one page. */
__attribute__((noinline, aligned(16))) static int call(int operation, const void *arguments)
{
    register int a0 __asm__("a0") = operation;
    register const void *a1 __asm__("a1") = arguments;
    __asm__ volatile(".option push\n .option norvc\n slli x0, x0, 0x1f\n ebreak\n srai x0, x0, 7\n .option pop"
                     : "+r"(a0) : "r"(a1) : "memory");
    return a0;
}

#else

__attribute__((section(".vectors"), used)) static const uint32_t vectors[16] = { RAM_END, (uint32_t)start + 0 };

static volatile uint32_t *const systick = (volatile uint32_t *)0xE000E010u;

static void begin(void)
{
    systick[1] = 0x00FFFFFFu;
    systick[2] = 0;
    systick[0] = 5;
}

static uint32_t ticks(void)
{
    return 0x00FFFFFFu - systick[2];
}

static void turns(uint32_t count)
{
    __asm__ volatile("1: sub %0, #1\n cmp %0, #0\n bne 1b" : "+l"(count) : : "cc");
}

static int call(int operation, const void *arguments)
{
    register int r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = arguments;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

#endif

static int open_file(const char *name, int mode, uint32_t length)
{
    uint32_t arguments[3] = { (uint32_t)name, (uint32_t)mode, length };
    return call(1, arguments);
}

static uint32_t transfer(int operation, int handle, const void *memory, uint32_t length)
{
    uint32_t arguments[3] = { (uint32_t)handle, (uint32_t)memory, length };
    return (uint32_t)call(operation, arguments);
}

static uint8_t picture[PIXELS];
static int16_t scores[CLASSES];
static uint32_t figures[3];

/* The stack below this frame is painted, the network run, and what it has left unpainted counted. */
__attribute__((noinline)) static void measure(void)
{
    volatile uint8_t *here = (volatile uint8_t *)__builtin_frame_address(0) - 64;
    uint32_t used = PAINTED, i;
    for (i = 0; i < PAINTED; i++) {
        *(here - PAINTED + i) = PAINT;
    }
    begin();
    READ(picture, scores);
    figures[0] = ticks();
    begin();
    turns(100000);
    figures[1] = ticks();
    for (i = 0; i < PAINTED && *(here - PAINTED + i) == PAINT; i++) {
        used--;
    }
    figures[2] = used + 64;
}

void start(void)
{
    int in = open_file("pictures.raw", 1, 12), out = open_file("answers.raw", 5, 11);
    while (transfer(6, in, picture, PIXELS) == 0) {
        measure();
        transfer(5, out, scores, sizeof scores);
        transfer(5, out, figures, sizeof figures);
    }
    call(0x18, (const void *)0x20026);
    for (;;) {
    }
}
