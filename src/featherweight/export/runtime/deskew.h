/* Takes the slant out of a picture, in whole numbers, and cuts off its edges. */

/* The picture without its slant, and without what is cut off its sides. */
static uint8_t prepared[(MODEL_HEIGHT - 2 * CROP) * (MODEL_WIDTH - 2 * CROP)];

/* How the ink of a picture leans. */
typedef struct {
    int32_t slant;  /* in units of 2^-12 pixels for each row */
    int32_t centre; /* of the ink along the height, in units of 2^-8 */
    uint8_t lowest;
} lean;

/* A whole quotient, rounded. */
static uint64_t rounded(uint64_t number, uint64_t by) { return (number + by / 2) / by; }

/* The covariance of the ink over its variance along the height, both times its mass twice, at most 1 pixel a row. */
static lean lean_of(const uint8_t *picture)
{
    lean found = { 0, 0, 255 };
    uint64_t total = 0, down = 0, spread = 0, aside = 0, both = 0, least, steep;
    for (int x = 0; x < MODEL_PIXELS; x++) {
        found.lowest = picture[x] < found.lowest ? picture[x] : found.lowest;
    }
    for (int y = 0; y < MODEL_HEIGHT; y++) {
        uint32_t mass = 0, moment = 0;
        for (int x = 0; x < MODEL_WIDTH; x++) {
            const uint32_t ink = (uint32_t)(picture[MODEL_WIDTH * y + x] - found.lowest);
            mass += ink;
            moment += ink * (uint32_t)x;
        }
        total += mass;
        down += (uint64_t)mass * (uint32_t)y;
        spread += (uint64_t)mass * (uint32_t)(y * y);
        aside += moment;
        both += (uint64_t)moment * (uint32_t)y;
    }
    if (total == 0) {
        return found;
    }
    spread = total * spread - down * down;
    least = total * total >> FLATTEST_BITS;
    spread = spread > least ? spread : least;
    spread = spread > 0 ? spread : 1;
    both *= total;
    aside *= down;
    steep = both > aside ? both - aside : aside - both;
    steep = steep < spread ? steep : spread;
    found.slant = (int32_t)rounded(steep << 12, spread);
    if (both < aside) {
        found.slant = -found.slant;
    }
    found.centre = (int32_t)rounded(down << 8, total);
    return found;
}

/* Shears the picture row by row, and interpolates between two pixels; beyond its edges is the lowest. */
static const uint8_t *deskewed(const uint8_t *picture)
{
    const lean it = lean_of(picture);
    uint8_t *to = prepared;
    for (int y = CROP; y < MODEL_HEIGHT - CROP; y++) {
        const int32_t turned = it.slant * (256 * y - it.centre) + 2048 + ((int32_t)MODEL_HEIGHT << 20);
        /* in units of 2^-8 pixels, as many pixels too many as there are rows, so that it is not negative */
        const uint32_t shift = (uint32_t)turned >> 12;
        const uint32_t part = shift & 255;
        int at = CROP + (int)(shift >> 8) - MODEL_HEIGHT;
        uint32_t one = at >= 0 && at < MODEL_WIDTH ? picture[MODEL_WIDTH * y + at] : it.lowest;
        for (int x = 0; x < MODEL_WIDTH - 2 * CROP; x++) {
            uint32_t other;
            at++;
            other = at >= 0 && at < MODEL_WIDTH ? picture[MODEL_WIDTH * y + at] : it.lowest;
            *to++ = (uint8_t)((one * (256 - part) + other * part + 128) >> 8);
            one = other;
        }
    }
    return prepared;
}
