/* The order of the work: the last layer is asked for its row, and whoever lacks rows asks the layer that makes them. */

#if ADDS
#define SOURCE(it, index) ((it)->source)
#else
#define SOURCE(it, index) (index)
#endif

/* The first row of a layer's input that its next row is made of; above the picture's edge where negative. */
static int first_row(const state *now, unsigned index)
{
    const layer *it = &layers[index];
    const progress *made = &now->of[index + 1];
#if BY_ROWS
    if (it->kind & BY_ROW) {
        return made->made * it->kernel_rows + made->taken;
    }
#endif
    return made->made * it->stride_y - it->pad_top;
}

/* The tensor of which a layer lacks rows to go on; 0, which is whole, where it has them all. */
static unsigned lacking(const state *now, unsigned index)
{
    const layer *it = &layers[index];
    int needed = (it->kernel_rows - 1) * DILATION_Y(it) + 1;
#if BY_ROWS
    needed = it->kind & BY_ROW ? 1 : needed;
#endif
    needed += first_row(now, index);
#if ADDS
    if (it->kind == ADD && now->of[it->other].made <= now->of[index + 1].made) {
        return it->other;
    }
#endif
    if (needed > tensors[SOURCE(it, index)].height) {
        needed = tensors[SOURCE(it, index)].height;
    }
    return needed > now->of[SOURCE(it, index)].made ? SOURCE(it, index) : 0;
}

/* The layer whose turn it is, so that the last one gets on, after this one has had its turn. Without branches, only the layer
 * behind it can have asked for what it made; with them, the search begins at the last layer, or where it is noted who asked. */
static unsigned next_layer(state *now, unsigned before)
{
#if ADDS && FAST
    unsigned index = before == LAYERS - 1 ? before : now->asked_by[before], which;
#else
    unsigned index = ADDS || before == LAYERS - 1 ? LAYERS - 1 : before + 1, which;
#endif
    while ((which = lacking(now, index)) != 0) {
#if ADDS && FAST
        now->asked_by[which - 1] = (uint16_t)index;
#endif
        index = which - 1;
    }
    return index;
}

/* A layer's next row, or, in layers that take their input row by row, what one such row adds to it. */
NOINLINE static void make_row(state *now, unsigned index, int16_t *scores)
{
    const layer *it = &layers[index];
    const tensor *out = &tensors[index + 1];
    progress *made = &now->of[index + 1];
    const int first = first_row(now, index);
    work row;
    int count = it->kernel_rows;
    row.it = it;
    row.in = &tensors[SOURCE(it, index)];
    row.to = memory + out->place + (uint32_t)made->next * out->width * out->channels;
    row.scores = index == LAYERS - 1 ? scores : 0;
    row.width = out->width;
#if BY_ROWS
    row.begin = 0;
    row.end = count;
#if ROW_SUMS
    row.sums = sums;
#endif
    if (it->kind & BY_ROW) {
        row.begin = made->taken++;
        row.end = made->taken;
#if ROW_SUMS
        row.sums += it->other;
#endif
        count = 1;
    }
#endif
    for (int y = 0; y < count; y++) {
        row.rows[y] = row_of(now, SOURCE(it, index), first + y * DILATION_Y(it));
    }
    switch (KIND(it)) {
    case CONVOLUTION:
        convolve(&row);
        break;
#if POOLS
    case MAXIMUM:
    case AVERAGE:
        pool(&row);
        break;
#endif
#if ADDS
    case ADD:
        add(&row, row_of(now, it->other, made->made));
        break;
#endif
#if NORMS
    case NORM:
        normalize(&row, made->made);
        break;
#endif
#if CURVES
    case TABLE:
        look_up(&row);
        break;
#endif
    default:
        break;
    }
#if BY_ROWS
    if (row.end < it->kernel_rows) {
        return; /* rows of its input are to come */
    }
    made->taken = 0;
#endif
    made->made++;
    made->next++;
    if (made->next == out->ring) {
        made->next = 0;
    }
}
