/* A picture is shrunk in two steps, as Pillow does it: each row by itself to bytes, then these from row to row; the other
 * way round where TALL_FIRST says so. The weight of an old pixel falls linearly from the new one's centre to nothing at the centre of the next new one, or of the next
 * old one where the picture grows. Weights have 22 bits. Only the pixels that one new pixel covers are held at a time.
 */
#include "model_frame.h"

#define LONGEST 5120 /* of the sides of a frame */
#define KEPT 1280 /* Beyond it, a frame shrinks by a whole factor first, each pixel being the mean of those it stands for. */
#define STRETCH 0
#define CENTRE 1
#define FIT 2
#define FITTING @FITTING@ /* how a frame of other proportions is brought to the picture's */
#define GREY_FIRST @GREY@ /* The longest side of frames that lose their colours before they are resized. */
/* Pillow from version 13 on begins with the columns where the height shrinks by much more than the width. */
#define TALL_FIRST(high, wide, low, narrow) (@TALL@ && (high) > (low) && (high) - (low) > 2 * ((wide) - (narrow)))
#define BITS 22
#define HALF (1UL << (BITS - 1))

typedef struct {
    const uint8_t *pixels;
    int32_t stride;
    int format;
    int32_t width, height; /* in pixels as they are in memory */
    int32_t factor; /* by how much it shrinks first */
    int32_t x, y; /* where the part of it that is used begins, after that */
    int grey; /* whether a pixel is a grey one from the beginning */
    int tall; /* whether columns become bytes before rows */
} frame;

/* The old pixels of one new one, and the weight of the next of them. An old one's share is a whole number n; its weight
 * is n 2^22 / (the sum of all n), rounded. As n changes by the same amount from pixel to pixel, additions suffice. */
typedef struct {
    int32_t first, count;
    int32_t rising; /* how many of those to come are not beyond the centre */
    uint32_t weight, rest;
    uint32_t falling, falling_rest; /* of the first one beyond the centre */
    uint32_t step, step_rest;
    uint32_t twice; /* the sum of all n, twice: what rests are fractions of */
} taps;

static int32_t share(int32_t x, int32_t to, int32_t centre, int32_t reach)
{
    const int32_t apart = (2 * x + 1) * to - centre;
    return reach - (apart < 0 ? -apart : apart);
}

static uint32_t divided(uint64_t value, uint32_t by, uint32_t *rest)
{
    *rest = (uint32_t)(value % by);
    return (uint32_t)(value / by);
}

/* The taps of the new pixel `at` where `from` pixels become `to`. Places are in units of 1 / (2 * to) of an old pixel. */
static taps taps_of(int32_t at, int32_t from, int32_t to)
{
    const int32_t reach = 2 * (from > to ? from : to), centre = (2 * at + 1) * from;
    const int32_t begin = centre - reach - to, last = (centre + reach - to - 1) / (2 * to);
    uint32_t sum = 0;
    taps it;
    it.first = begin < 0 ? 0 : begin / (2 * to) + 1;
    it.count = (last < from ? last + 1 : from) - it.first;
    it.rising = centre < to ? 0 : (centre - to) / (2 * to) + 1 - it.first;
    for (int32_t i = 0; i < it.count; i++) {
        sum += (uint32_t)share(it.first + i, to, centre, reach);
    }
    it.twice = 2 * sum; /* not 0: a new one's centre is within reach of an old one */
    it.step = divided((uint64_t)(2 * to) << (BITS + 1), it.twice, &it.step_rest);
    it.falling = 0;
    it.falling_rest = 0;
    if (it.rising < it.count) {
        const uint64_t n = (uint64_t)share(it.first + it.rising, to, centre, reach);
        it.falling = divided((n << (BITS + 1)) + sum, it.twice, &it.falling_rest);
    }
    it.weight = it.falling;
    it.rest = it.falling_rest;
    if (it.rising > 0) {
        const uint64_t n = (uint64_t)share(it.first, to, centre, reach);
        it.weight = divided((n << (BITS + 1)) + sum, it.twice, &it.rest);
    }
    return it;
}

/* The weight of the next old pixel. */
static uint32_t next_weight(taps *it)
{
    const uint32_t weight = it->weight;
    it->rising--;
    if (it->rising > 0) {
        it->weight += it->step;
        it->rest += it->step_rest;
        if (it->rest >= it->twice) {
            it->rest -= it->twice;
            it->weight++;
        }
    } else if (it->rising == 0) {
        it->weight = it->falling;
        it->rest = it->falling_rest;
    } else {
        it->weight -= it->step;
        if (it->rest < it->step_rest) {
            it->rest += it->twice;
            it->weight--;
        }
        it->rest -= it->step_rest;
    }
    return weight;
}

/* A colour in units of 2^-16 as a byte. */
static uint8_t rounded(int32_t value)
{
    const int32_t whole = value < 0 ? 0 : (value + 32768) >> 16;
    return (uint8_t)(whole > 255 ? 255 : whole);
}

static uint8_t grey_of(const uint8_t colour[3])
{
    return (uint8_t)((19595UL * colour[0] + 38470UL * colour[1] + 7471UL * colour[2] + 32768UL) >> 16);
}

/* The colour of a pixel in memory. */
static void read_one(const frame *it, int32_t x, int32_t y, uint8_t colour[3])
{
    const uint8_t *row = it->pixels + y * it->stride;
    if (it->format == MODEL_GREY) {
        colour[0] = colour[1] = colour[2] = row[x];
    } else if (it->format == MODEL_RGB888) {
        colour[0] = row[3 * x];
        colour[1] = row[3 * x + 1];
        colour[2] = row[3 * x + 2];
    } else if (it->format == MODEL_YUYV) {
        const uint8_t *pair = row + (x & ~1) * 2;
        const int32_t bright = row[2 * x] * 65536L, u = pair[1] - 128L, v = pair[3] - 128L;
        colour[0] = rounded(bright + 91881 * v);
        colour[1] = rounded(bright - 22553 * u - 46802 * v);
        colour[2] = rounded(bright + 116130 * u);
    } else {
        const int upper = it->format == MODEL_RGB565_BE ? 0 : 1;
        const unsigned red = row[2 * x + upper] >> 3, blue = row[2 * x + 1 - upper] & 31U;
        const unsigned green = (row[2 * x + upper] & 7U) << 3 | row[2 * x + 1 - upper] >> 5;
        colour[0] = (uint8_t)(red << 3 | red >> 2);
        colour[1] = (uint8_t)(green << 2 | green >> 4);
        colour[2] = (uint8_t)(blue << 3 | blue >> 2);
    }
}

/* The colour of a pixel of the part that is used. */
static void read_colour(const frame *it, int32_t x, int32_t y, uint8_t colour[3])
{
    const int32_t left = (it->x + x) * it->factor, top = (it->y + y) * it->factor;
    if (it->factor == 1) {
        read_one(it, left, top, colour);
    } else {
        const int32_t right = left + it->factor < it->width ? left + it->factor : it->width;
        const int32_t bottom = top + it->factor < it->height ? top + it->factor : it->height;
        const uint32_t count = (uint32_t)((right - left) * (bottom - top));
        uint32_t sums[3] = { count / 2, count / 2, count / 2 };
        for (int32_t row = top; row < bottom; row++) {
            for (int32_t column = left; column < right; column++) {
                read_one(it, column, row, colour);
                for (int c = 0; c < 3; c++) {
                    sums[c] += colour[c];
                }
            }
        }
        for (int c = 0; c < 3; c++) {
            colour[c] = (uint8_t)(sums[c] * ((1UL << 24) / count) >> 24);
        }
    }
    if (it->grey && it->format != MODEL_GREY) {
        colour[0] = grey_of(colour);
    }
}

/* One new pixel: lines along one side become bytes, and these are weighed along the other. */
static void resized(const frame *it, const taps *along, taps lines, uint8_t colour[3])
{
    const int channels = it->grey ? 1 : 3;
    uint32_t sums[3] = { HALF, HALF, HALF };
    for (int32_t i = 0; i < lines.count; i++) {
        const uint32_t weight = next_weight(&lines);
        uint32_t line[3] = { HALF, HALF, HALF };
        taps in = *along;
        for (int32_t j = 0; j < in.count; j++) {
            const uint32_t each = next_weight(&in);
            const int32_t one = in.first + j, other = lines.first + i;
            read_colour(it, it->tall ? other : one, it->tall ? one : other, colour);
            for (int c = 0; c < channels; c++) {
                line[c] += each * colour[c];
            }
        }
        for (int c = 0; c < channels; c++) {
            sums[c] += weight * (line[c] >> BITS);
        }
    }
    for (int c = 0; c < channels; c++) {
        colour[c] = (uint8_t)(sums[c] >> BITS);
    }
}

static int usable(int width, int height, int stride, int format)
{
    static const uint8_t bytes[] = { 1, 3, 2, 2, 2 };
    return format >= MODEL_GREY && format <= MODEL_YUYV && width > 0 && height > 0 && width <= LONGEST
           && height <= LONGEST && stride / bytes[format] >= width && !(format == MODEL_YUYV && width % 2);
}

/* Makes a width and a height as large as can be within themselves in the proportions of others. */
static void keep_proportions(int32_t *width, int32_t *height, int32_t wide, int32_t high)
{
    if (*width * high > *height * wide) {
        const int32_t fitting = (2 * *height * wide + high) / (2 * high);
        *width = fitting < 1 ? 1 : fitting;
    } else {
        const int32_t fitting = (2 * *width * high + wide) / (2 * wide);
        *height = fitting < 1 ? 1 : fitting;
    }
}

int model_frame(const void *pixels, int width, int height, int stride, int format, uint8_t picture[MODEL_PIXELS])
{
    const int32_t longer = width > height ? width : height, factor = (longer + KEPT - 1) / KEPT;
    if (!usable(width, height, stride, format)) {
        return 0;
    }
    const int32_t whole_width = (width + factor - 1) / factor, whole_height = (height + factor - 1) / factor;
    int32_t from_width = whole_width, from_height = whole_height, to_width = MODEL_WIDTH, to_height = MODEL_HEIGHT;
    if (FITTING == CENTRE) {
        keep_proportions(&from_width, &from_height, MODEL_WIDTH, MODEL_HEIGHT);
    } else if (FITTING == FIT) {
        keep_proportions(&to_width, &to_height, whole_width, whole_height);
    }
    const int32_t left = (MODEL_WIDTH - to_width) / 2, top = (MODEL_HEIGHT - to_height) / 2;
    const int small = (whole_width > whole_height ? whole_width : whole_height) <= GREY_FIRST;
    const frame it = { pixels, stride, format, width, height, factor, (whole_width - from_width) / 2,
                       (whole_height - from_height) / 2, MODEL_CHANNELS == 1 && (format == MODEL_GREY || small),
                       TALL_FIRST(from_height, from_width, to_height, to_width) };
    for (int32_t x = 0; x < MODEL_WIDTH; x++) {
        for (int32_t y = 0; y < MODEL_HEIGHT; y++) {
            uint8_t *to = picture + MODEL_CHANNELS * (y * MODEL_WIDTH + x);
            uint8_t colour[3] = { 0, 0, 0 };
            if (x >= left && x < left + to_width && y >= top && y < top + to_height) {
                const taps across = taps_of(x - left, from_width, to_width), down = taps_of(y - top, from_height, to_height);
                resized(&it, it.tall ? &down : &across, it.tall ? across : down, colour);
            }
            to[0] = MODEL_CHANNELS == 1 && !it.grey ? grey_of(colour) : colour[0];
            for (int i = 1; i < MODEL_CHANNELS; i++) {
                to[i] = colour[i];
            }
        }
    }
    return 1;
}
