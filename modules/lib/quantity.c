/* Implements quantity.h. Grammar: sign? digits (. digits)? suffix, where the suffix is decimal (n u m k M G T P E),
 * binary (Ki Mi Gi Ti Pi Ei) or an exponent (e or E and a signed number). */
#include "quantity.h"

typedef struct {
    slice rest;
    nanos value;
    bool rounded_away; /* digits finer than a nano-unit were dropped and were not all zero */
    bool fits;
} scaled;

static const nanos LARGEST = ((nanos)1 << 100);

static void times(scaled *number, int factor) {
    if (number->value > LARGEST / factor) number->fits = false;
    else number->value *= factor;
}

static void divide(scaled *number, int divisor) {
    if (number->value % divisor) number->rounded_away = true;
    number->value /= divisor;
}

static void shift_ten(scaled *number, int exponent) {
    for (; exponent > 0 && number->fits; exponent--) times(number, 10);
    for (; exponent < 0; exponent++) divide(number, 10);
}

static void shift_binary(scaled *number, int steps) {
    for (; steps > 0 && number->fits; steps--) times(number, 1024);
}

static bool next_is_digit(slice s) { return s.length && s.at[0] >= '0' && s.at[0] <= '9'; }

static char advance(slice *s) {
    s->length--;
    return *s->at++;
}

/* The digits before the suffix, as an integer; *decimals counts those behind the point. */
static bool read_digits(scaled *number, int *decimals) {
    bool any = false, point = false;
    for (;;) {
        if (next_is_digit(number->rest)) {
            any = true;
            times(number, 10);
            number->value += advance(&number->rest) - '0';
            if (point) ++*decimals;
        } else if (!point && number->rest.length && number->rest.at[0] == '.') {
            point = true;
            advance(&number->rest);
        } else {
            return any && number->fits;
        }
    }
}

static bool read_exponent(slice digits, int *exponent) {
    bool negative = false;
    if (digits.length && (digits.at[0] == '-' || digits.at[0] == '+')) negative = advance(&digits) == '-';
    if (!digits.length || digits.length > 3) return false;
    *exponent = 0;
    while (next_is_digit(digits)) *exponent = *exponent * 10 + (advance(&digits) - '0');
    if (negative) *exponent = -*exponent;
    return digits.length == 0;
}

static int place_of(char letter, const char *letters) {
    for (int i = 0; letters[i]; i++)
        if (letters[i] == letter) return i;
    return -1;
}

/* Applies the suffix. The value is in nano-units already. */
static bool apply_suffix(scaled *number) {
    slice suffix = number->rest;
    int place, exponent;
    if (suffix.length == 0) return true;
    if (suffix.length == 2 && suffix.at[1] == 'i' && (place = place_of(suffix.at[0], "KMGTPE")) >= 0) {
        shift_binary(number, place + 1);
        return true;
    }
    if (suffix.length == 1 && (place = place_of(suffix.at[0], "num kMGTPE")) >= 0 && suffix.at[0] != ' ') {
        shift_ten(number, (place - 3) * 3);
        return true;
    }
    if (suffix.at[0] != 'e' && suffix.at[0] != 'E') return false;
    advance(&suffix);
    if (!read_exponent(suffix, &exponent)) return false;
    shift_ten(number, exponent);
    return true;
}

bool quantity_parse(slice written, nanos *value) {
    scaled number = {.rest = written, .fits = true};
    bool negative = false;
    int decimals = 0;
    if (number.rest.length && (number.rest.at[0] == '-' || number.rest.at[0] == '+'))
        negative = advance(&number.rest) == '-';
    if (!read_digits(&number, &decimals)) return false;
    shift_ten(&number, 9);
    if (!apply_suffix(&number) || !number.fits) return false;
    shift_ten(&number, -decimals);
    if (number.rounded_away) number.value++;
    *value = negative ? -number.value : number.value;
    return true;
}
