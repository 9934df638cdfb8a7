/* As much of MicroPython's runtime as the module uses, on a computer: objects are numbers or pointers. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

typedef const void *mp_obj_t;
typedef struct { void *buf; size_t len; } mp_buffer_info_t;
typedef struct { int none; } mp_obj_fun_bc_t;
typedef mp_obj_t (*function)(mp_obj_t);
enum { MP_BUFFER_READ, MP_QSTR_read, MP_QSTR_check, MP_QSTR_frame };
#define mp_obj_new_int(n) ((mp_obj_t)(intptr_t)(n))
#define mp_obj_get_int(o) ((intptr_t)(o))
#define mp_obj_new_bool(b) mp_obj_new_int(b)
#define mp_obj_new_str(text, length) ((length) ? (mp_obj_t)(text) : NULL)
static mp_obj_t answer[3];
static mp_obj_t mp_obj_new_tuple(size_t n, mp_obj_t *items)
{
    for (size_t i = 0; n == 3 && i < n; i++) answer[i] = items[i];
    return answer;
}
#define mp_get_buffer_raise(o, info, flags) (*(info) = *(const mp_buffer_info_t *)(o), (void)(flags))
#define mp_raise_ValueError(text) (puts(text), exit(3))
#define mp_call_function_n_kw(f, n, k, args) ((mp_obj_t)((intptr_t)(f) + (intptr_t)clock()))
#define mp_printf(where, ...) printf(__VA_ARGS__)
#define MP_OBJ_FROM_PTR(p) ((mp_obj_t)(p))
#define MP_DEFINE_CONST_FUN_OBJ_1(name, f) const function name = f
typedef mp_obj_t (*variable)(size_t, const mp_obj_t *);
#define MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(name, least, most, f) const variable name = f
static mp_buffer_info_t bytes;
#define mp_obj_new_bytes(data, length) (bytes.buf = (data), bytes.len = (length), (mp_obj_t)&bytes)
static mp_obj_t globals[4];
#define mp_store_global(name, object) (globals[name] = (object))
#define MP_DYNRUNTIME_INIT_ENTRY (void)self;
#define MP_DYNRUNTIME_INIT_EXIT return NULL;
#define CALL(name, given) ((*(const function *)globals[name])(given))
mp_obj_t mpy_init(mp_obj_fun_bc_t *self, size_t count, size_t keywords, mp_obj_t *given);
int main(void)
{
    static unsigned char picture[90];
    mp_buffer_info_t right = { picture, 90 }, wrong = { picture, 89 };
    mpy_init(NULL, 0, 0, NULL);
    CALL(MP_QSTR_check, NULL);
    CALL(MP_QSTR_read, &right);
    printf("%d %s\n", (int)(intptr_t)answer[0], (const char *)answer[1]);
    if (globals[MP_QSTR_frame] != NULL) {
        static unsigned char pixels[640];
        for (int i = 0; i < 640; i++) pixels[i] = 7;
        mp_buffer_info_t whole = { pixels, 640 };
        const mp_obj_t given[] = { &whole, mp_obj_new_int(20), mp_obj_new_int(32), mp_obj_new_int(20), mp_obj_new_int(0) };
        (*(const variable *)globals[MP_QSTR_frame])(5, given);
        printf("frame %d of %d\n", ((unsigned char *)bytes.buf)[89], (int)bytes.len);
    }
    CALL(MP_QSTR_read, &wrong);
}
