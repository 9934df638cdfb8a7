/* import model_network
 * model_network.read(picture)             the class, its name, and the scores of all classes; -1 is none of these
 * model_network.frame(pixels, width, height, stride, format)   the picture of a camera's frame; see src/model_frame.h
 * model_network.check(time.ticks_us)      prints PASS with milliseconds, or FAIL with the picture
 */
#include "py/dynruntime.h"

#include "model.h"
#include "model_check.h"
#include "model_frame.h"

static mp_obj_t read_picture(mp_obj_t picture)
{
    static int16_t scores[MODEL_CLASSES];
    static mp_obj_t all[MODEL_CLASSES];
    mp_buffer_info_t given;
    mp_get_buffer_raise(picture, &given, MP_BUFFER_READ);
    if (given.len != MODEL_PIXELS) {
        mp_raise_ValueError("a picture has @PIXELS@ bytes");
    }
    int found = model_read(given.buf, scores);
#ifdef MODEL_UNKNOWN
    found = model_known(scores);
#endif
    const char *const name = found < 0 ? "none of these" : model_names[found];
    size_t length = 0;
    while (name[length] != '\0') {
        length++;
    }
    for (int i = 0; i < MODEL_CLASSES; i++) {
        all[i] = mp_obj_new_int(scores[i]);
    }
    mp_obj_t answer[] = { mp_obj_new_int(found), mp_obj_new_str(name, length), mp_obj_new_tuple(MODEL_CLASSES, all) };
    return mp_obj_new_tuple(3, answer);
}

#ifdef MODEL_FRAME_H
static mp_obj_t make_picture(size_t count, const mp_obj_t *given)
{
    static uint8_t picture[MODEL_PIXELS];
    mp_buffer_info_t pixels;
    int numbers[4]; /* width, height, stride, format */
    mp_get_buffer_raise(given[0], &pixels, MP_BUFFER_READ);
    for (size_t i = 1; i < count; i++) {
        numbers[i - 1] = (int)mp_obj_get_int(given[i]);
    }
    if (numbers[1] < 1 || numbers[2] < 1 || pixels.len / (size_t)numbers[2] < (size_t)numbers[1]
        || !model_frame(pixels.buf, numbers[0], numbers[1], numbers[2], numbers[3], picture)) {
        mp_raise_ValueError("no such frame; it has height * stride bytes");
    }
    return mp_obj_new_bytes(picture, sizeof picture);
}

static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(frame_object, 5, 5, make_picture);
#endif

static mp_obj_t check(mp_obj_t ticks_us)
{
    const unsigned begun = (unsigned)mp_obj_get_int(mp_call_function_n_kw(ticks_us, 0, 0, NULL));
    const int wrong = model_check();
    unsigned taken = (unsigned)mp_obj_get_int(mp_call_function_n_kw(ticks_us, 0, 0, NULL)) - begun;
    taken &= 0x3fffffff; /* where the clock begins again */
    if (wrong) {
        mp_printf(&mp_plat_print, "FAIL: picture %d\n", wrong);
    } else {
        mp_printf(&mp_plat_print, "PASS: %d pictures in %u.%03u ms\n", MODEL_CHECKS, taken / 1000, taken % 1000);
    }
    return mp_obj_new_bool(wrong == 0);
}

static MP_DEFINE_CONST_FUN_OBJ_1(read_object, read_picture);
static MP_DEFINE_CONST_FUN_OBJ_1(check_object, check);

mp_obj_t mpy_init(mp_obj_fun_bc_t *self, size_t count, size_t keywords, mp_obj_t *given)
{
    (void)count, (void)keywords, (void)given;
    MP_DYNRUNTIME_INIT_ENTRY
    mp_store_global(MP_QSTR_read, MP_OBJ_FROM_PTR(&read_object));
    mp_store_global(MP_QSTR_check, MP_OBJ_FROM_PTR(&check_object));
#ifdef MODEL_FRAME_H
    mp_store_global(MP_QSTR_frame, MP_OBJ_FROM_PTR(&frame_object));
#endif
    MP_DYNRUNTIME_INIT_EXIT
}
