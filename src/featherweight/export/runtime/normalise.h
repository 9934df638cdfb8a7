/* A drawing as the picture that the network takes. */

/* How much two stretches share: [length * at, length * (at + 1)) of the one and of the other kind. */
static uint32_t shared(int at, int length, int other_at, int other_length)
{
    const int first = at * length, other_first = other_at * other_length;
    const int begin = first > other_first ? first : other_first;
    const int end = first + length < other_first + other_length ? first + length : other_first + other_length;
    return end > begin ? (uint32_t)(end - begin) : 0;
}

typedef struct {
    const uint8_t *ink; /* the box's first pixel */
    int apart;          /* from row to row of the picture */
    int rows, columns;  /* of the box */
    int high, wide;     /* of what it becomes */
} box;

/* One new pixel: all old ones by how much of them it covers. */
static uint32_t covered(const box *it, int row, int column)
{
    uint32_t sum = 0;
    for (int y = it->rows * row / it->high; y * it->high < it->rows * (row + 1); y++) {
        for (int x = it->columns * column / it->wide; x * it->wide < it->columns * (column + 1); x++) {
            sum += shared(y, it->high, row, it->rows) * shared(x, it->wide, column, it->columns)
                   * it->ink[(int32_t)y * it->apart + x];
        }
    }
    return sum;
}

/* The smallest box that holds every pixel of at least an eighth of the greatest ink; no rows where there is none. */
static box bounds(const uint8_t *ink, int height, int width)
{
    int top = height, bottom = -1, left = width, right = -1, peak = 0;
    box found = { ink, width, 0, 0, 0, 0 };
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            const int value = ink[(int32_t)y * width + x];
            peak = value > peak ? value : peak;
        }
    }
    for (int y = 0; y < height && peak > 0; y++) {
        for (int x = 0; x < width; x++) {
            if (8 * ink[(int32_t)y * width + x] >= peak) {
                top = y < top ? y : top;
                bottom = y;
                left = x < left ? x : left;
                right = x > right ? x : right;
            }
        }
    }
    if (peak > 0) {
        found.ink = ink + (int32_t)top * width + left;
        found.rows = bottom - top + 1;
        found.columns = right - left + 1;
        const int longer = found.rows > found.columns ? found.rows : found.columns;
        found.high = (40 * found.rows + longer) / (2 * longer);
        found.wide = (40 * found.columns + longer) / (2 * longer);
        found.high = found.high > 0 ? found.high : 1;
        found.wide = found.wide > 0 ? found.wide : 1;
    }
    return found;
}

/* The first row or column that brings the centre of mass to 14, as far as `size` pixels stay inside 28. */
static int start(uint32_t mass, uint32_t moment, int size)
{
    const int at = 29 * mass < 2 * moment ? 0 : (int)((29 * mass - 2 * moment) / (2 * mass));
    return at > 28 - size ? 28 - size : at;
}

int model_normalise(const uint8_t *ink, int height, int width, uint8_t picture[784])
{
    const box it = bounds(ink, height, width);
    uint32_t most = 0, mass = 0, down = 0, across = 0;
    int top, left;
    for (int row = 0; row < 784; row++) {
        picture[row] = 0;
    }
    if (it.rows == 0) {
        return 0;
    }
    for (int row = 0; row < it.high; row++) {
        for (int column = 0; column < it.wide; column++) {
            const uint32_t sum = covered(&it, row, column);
            most = sum > most ? sum : most;
        }
    }
    for (int row = 0; row < it.high; row++) {
        for (int column = 0; column < it.wide; column++) {
            const uint32_t value =
                (uint32_t)((510 * (uint64_t)covered(&it, row, column) + most) / (2 * (uint64_t)most));
            picture[28 * row + column] = (uint8_t)value;
            mass += value;
            down += value * (uint32_t)row;
            across += value * (uint32_t)column;
        }
    }
    top = start(mass, down, it.high);
    left = start(mass, across, it.wide);
    /* It lies in the upper left corner and only moves down and right, so the last pixels go first. */
    for (int row = it.high - 1; row >= 0; row--) {
        for (int column = it.wide - 1; column >= 0; column--) {
            const uint8_t value = picture[28 * row + column];
            picture[28 * row + column] = 0;
            picture[28 * (row + top) + column + left] = value;
        }
    }
    return 1;
}
