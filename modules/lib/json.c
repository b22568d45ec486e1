/* Implements json.h: a recursive reader with a depth limit, and a writer that copies what it did not make. */
#include "json.h"

enum { MAX_DEPTH = 256 };

typedef struct {
    const char *at, *end;
    int depth;
} reader;

static json *read_value(reader *in);

static void skip_space(reader *in) {
    while (in->at < in->end && (*in->at == ' ' || *in->at == '\n' || *in->at == '\r' || *in->at == '\t')) in->at++;
}

static bool take(reader *in, char expected) {
    skip_space(in);
    if (in->at == in->end || *in->at != expected) return false;
    in->at++;
    return true;
}

static bool is_hex(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* One escape after its backslash. */
static bool skip_escape(reader *in) {
    if (in->at == in->end) return false;
    char c = *in->at++;
    if (c == 'u') {
        for (int i = 0; i < 4; i++, in->at++)
            if (in->at == in->end || !is_hex(*in->at)) return false;
        return true;
    }
    return c == '"' || c == '\\' || c == '/' || c == 'b' || c == 'f' || c == 'n' || c == 'r' || c == 't';
}

static bool read_string(reader *in, slice *raw) {
    skip_space(in);
    const char *start = in->at;
    if (!take(in, '"')) return false;
    while (in->at < in->end) {
        char c = *in->at++;
        if (c == '"') {
            *raw = (slice){start, (size_t)(in->at - start)};
            return true;
        }
        if ((unsigned char)c < 0x20) return false;
        if (c == '\\' && !skip_escape(in)) return false;
    }
    return false;
}

static bool is_digit(const reader *in) { return in->at < in->end && *in->at >= '0' && *in->at <= '9'; }

static bool skip_digits(reader *in) {
    if (!is_digit(in)) return false;
    while (is_digit(in)) in->at++;
    return true;
}

static bool skip_number(reader *in) {
    if (*in->at == '-') in->at++;
    if (in->at < in->end && *in->at == '0') in->at++;
    else if (!skip_digits(in)) return false;
    if (in->at < in->end && *in->at == '.') {
        in->at++;
        if (!skip_digits(in)) return false;
    }
    if (in->at < in->end && (*in->at == 'e' || *in->at == 'E')) {
        in->at++;
        if (in->at < in->end && (*in->at == '+' || *in->at == '-')) in->at++;
        if (!skip_digits(in)) return false;
    }
    return true;
}

static bool skip_word(reader *in, slice word) {
    if ((size_t)(in->end - in->at) < word.length || !slice_equal((slice){in->at, word.length}, word)) return false;
    in->at += word.length;
    return true;
}

static json *node(json_kind kind) {
    json *made = arena_take(sizeof *made);
    made->kind = kind;
    return made;
}

static json *scalar(json_kind kind, const char *start, const reader *in) {
    json *made = node(kind);
    made->raw = (slice){start, (size_t)(in->at - start)};
    return made;
}

static void append(json *container, json *child) {
    child->next = NULL;
    if (container->last) container->last->next = child;
    else container->first = child;
    container->last = child;
}

static json *read_array(reader *in) {
    json *array = node(JSON_ARRAY);
    if (take(in, ']')) return array;
    do {
        json *child = read_value(in);
        if (!child) return NULL;
        append(array, child);
    } while (take(in, ','));
    return take(in, ']') ? array : NULL;
}

static json *read_object(reader *in) {
    json *object = node(JSON_OBJECT);
    if (take(in, '}')) return object;
    do {
        slice key;
        if (!read_string(in, &key) || !take(in, ':')) return NULL;
        json *child = read_value(in);
        if (!child) return NULL;
        child->key = key;
        append(object, child);
    } while (take(in, ','));
    return take(in, '}') ? object : NULL;
}

static json *read_container(reader *in, char opening) {
    in->at++;
    if (++in->depth > MAX_DEPTH) return NULL;
    json *made = opening == '{' ? read_object(in) : read_array(in);
    in->depth--;
    return made;
}

static json *read_value(reader *in) {
    skip_space(in);
    if (in->at == in->end) return NULL;
    const char *start = in->at;
    slice raw;
    switch (*start) {
    case '{':
    case '[': return read_container(in, *start);
    case '"': return read_string(in, &raw) ? scalar(JSON_STRING, start, in) : NULL;
    case 't': return skip_word(in, SLICE("true")) ? scalar(JSON_BOOL, start, in) : NULL;
    case 'f': return skip_word(in, SLICE("false")) ? scalar(JSON_BOOL, start, in) : NULL;
    case 'n': return skip_word(in, SLICE("null")) ? scalar(JSON_NULL, start, in) : NULL;
    default: return skip_number(in) ? scalar(JSON_NUMBER, start, in) : NULL;
    }
}

json *json_parse(slice document) {
    reader in = {document.at, document.at + document.length, 0};
    json *value = read_value(&in);
    skip_space(&in);
    return in.at == in.end ? value : NULL;
}

static int hex_value(char c) { return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10; }

/* The character that an escape stands for, or -1 outside ASCII; moves *at behind it. */
static int escaped_char(const char **at) {
    char c = *(*at)++;
    if (c == 'u') {
        int value = 0;
        for (int i = 0; i < 4; i++) value = value * 16 + hex_value(*(*at)++);
        return value < 0x80 ? value : -1;
    }
    return c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c == 'b' ? '\b' : c == 'f' ? '\f' : c;
}

/* Whether a string as it stands in a document means `expected`, which is ASCII. */
static bool means(slice raw, slice expected) {
    const char *at = raw.at + 1, *end = raw.at + raw.length - 1;
    size_t i = 0;
    while (at < end) {
        int c = (unsigned char)*at++;
        if (c == '\\') c = escaped_char(&at);
        if (i == expected.length || c != (unsigned char)expected.at[i++]) return false;
    }
    return i == expected.length;
}

json *json_get(const json *object, slice key) {
    if (!object || object->kind != JSON_OBJECT) return NULL;
    json *found = NULL; /* of equal keys the last one counts, as for the API server */
    for (json *member = object->first; member; member = member->next)
        if (means(member->key, key)) found = member;
    return found && found->kind != JSON_NULL ? found : NULL;
}

slice json_text(const json *string) {
    if (!string || string->kind != JSON_STRING) return (slice){"", 0};
    return (slice){string->raw.at + 1, string->raw.length - 2};
}

bool json_is(const json *string, slice expected) {
    return string && string->kind == JSON_STRING && means(string->raw, expected);
}

bool json_true(const json *value) { return value && value->kind == JSON_BOOL && value->raw.at[0] == 't'; }

json *json_object(void) { return node(JSON_OBJECT); }

json *json_string(slice content) {
    text quoted = {0};
    json_write_string(&quoted, content);
    json *made = node(JSON_STRING);
    made->raw = text_slice(&quoted);
    return made;
}

void json_set(json *object, slice key, json *value) {
    text quoted = {0};
    json_write_string(&quoted, key);
    value->key = text_slice(&quoted);
    append(object, value);
}

void json_remove(json *object, slice key) {
    json *old = object->first;
    object->first = object->last = NULL;
    while (old) {
        json *following = old->next;
        if (!means(old->key, key)) append(object, old);
        old = following;
    }
}

void json_write(text *target, const json *value) {
    if (value->kind != JSON_ARRAY && value->kind != JSON_OBJECT) {
        text_add(target, value->raw);
        return;
    }
    bool object = value->kind == JSON_OBJECT;
    text_add(target, object ? SLICE("{") : SLICE("["));
    for (const json *child = value->first; child; child = child->next) {
        if (child != value->first) text_add(target, SLICE(","));
        if (object) {
            text_add(target, child->key);
            text_add(target, SLICE(":"));
        }
        json_write(target, child);
    }
    text_add(target, object ? SLICE("}") : SLICE("]"));
}

void json_write_string(text *target, slice content) {
    static const char digits[] = "0123456789abcdef";
    text_add(target, SLICE("\""));
    for (size_t i = 0; i < content.length; i++) {
        unsigned char c = (unsigned char)content.at[i];
        if (c < 0x20) {
            char escape[] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};
            text_add(target, (slice){escape, sizeof escape});
            continue;
        }
        if (c == '"' || c == '\\') text_add(target, SLICE("\\"));
        text_add(target, (slice){content.at + i, 1});
    }
    text_add(target, SLICE("\""));
}
