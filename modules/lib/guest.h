/* Memory and text for policies written in C without a C library: an arena that lives as long as one waPC call,
 * and a text that grows at its end. Nothing is freed one by one; `arena_reset` frees all. */
#ifndef GUEST_H
#define GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A piece of memory that somebody else owns; not NUL-terminated. */
typedef struct {
    const char *at;
    size_t length;
} slice;

#define SLICE(literal) ((slice){(literal), sizeof(literal) - 1})

/* A text under construction. Start with {0}. */
typedef struct {
    char *at;
    size_t length, room;
} text;

void arena_reset(void);
void *arena_take(size_t bytes); /* zeroed; traps when the host refuses memory, so callers need no check */
bool slice_equal(slice a, slice b);
void text_add(text *target, slice piece);
void text_add_number(text *target, uint64_t number);
slice text_slice(const text *source);

#endif
