/* Implements guest.h on Wasm's linear memory: the arena begins where the linker put the end of the data. */
#include "guest.h"

extern unsigned char __heap_base;

static uintptr_t next;

enum { PAGE = 65536, ALIGN = 8 };

/* clang may turn loops and assignments into calls of these. */
void *memcpy(void *restrict target, const void *restrict source, size_t bytes) {
    unsigned char *to = target;
    const unsigned char *from = source;
    for (size_t i = 0; i < bytes; i++) to[i] = from[i];
    return target;
}

void *memset(void *target, int value, size_t bytes) {
    unsigned char *to = target;
    for (size_t i = 0; i < bytes; i++) to[i] = (unsigned char)value;
    return target;
}

void arena_reset(void) { next = (uintptr_t)&__heap_base; }

void *arena_take(size_t bytes) {
    uintptr_t start = (next + ALIGN - 1) & ~(uintptr_t)(ALIGN - 1);
    uintptr_t end = start + bytes;
    if (end < start) __builtin_trap();
    uintptr_t have = __builtin_wasm_memory_size(0) * (uintptr_t)PAGE;
    if (end > have) {
        uintptr_t pages = (end - have + PAGE - 1) / PAGE;
        if (__builtin_wasm_memory_grow(0, pages) == (size_t)-1) __builtin_trap();
    }
    next = end;
    memset((void *)start, 0, bytes);
    return (void *)start;
}

bool slice_equal(slice a, slice b) {
    if (a.length != b.length) return false;
    for (size_t i = 0; i < a.length; i++)
        if (a.at[i] != b.at[i]) return false;
    return true;
}

void text_add(text *target, slice piece) {
    if (target->length + piece.length > target->room) {
        size_t room = (target->length + piece.length) * 2 + 64;
        char *larger = arena_take(room);
        if (target->length) memcpy(larger, target->at, target->length);
        target->at = larger;
        target->room = room;
    }
    memcpy(target->at + target->length, piece.at, piece.length);
    target->length += piece.length;
}

void text_add_number(text *target, uint64_t number) {
    char digits[20];
    size_t first = sizeof digits;
    do {
        digits[--first] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    text_add(target, (slice){digits + first, sizeof digits - first});
}

slice text_slice(const text *source) { return (slice){source->at, source->length}; }
