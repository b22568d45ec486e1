/* JSON for policies in C: a document becomes a tree of nodes that point into its text.
 * Scalars keep the text they came with (numbers are never converted, strings keep their escapes), so what a policy
 * does not touch is written back exactly as it was read. Nodes live in the arena of guest.h. */
#ifndef JSON_H
#define JSON_H

#include "guest.h"

typedef enum { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT } json_kind;

typedef struct json {
    json_kind kind;
    slice raw;          /* scalars: as in the document; strings with their quotes. Containers: empty */
    slice key;          /* members of objects: the key with its quotes */
    struct json *first; /* containers: the children */
    struct json *last;
    struct json *next;
} json;

/* NULL when `document` is not exactly one JSON value, or is nested deeper than 256 levels. */
json *json_parse(slice document);

/* All of these accept NULL and answer NULL, false or an empty slice for it, so that lookups chain. */
json *json_get(const json *object, slice key); /* absent and null are the same: NULL */
slice json_text(const json *string);           /* content of a string, escapes not decoded; empty when none */
bool json_is(const json *string, slice expected);
bool json_true(const json *value);

json *json_object(void);
json *json_string(slice content);              /* content is plain text; quotes are added and escapes made */
void json_set(json *object, slice key, json *value); /* appends a member; key is plain, without escapes */
void json_remove(json *object, slice key);
void json_write(text *target, const json *value);
void json_write_string(text *target, slice content);

#endif
