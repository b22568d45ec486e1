/* Kubernetes quantities ("100m", "1.5Gi", "2e3") as nano-units, enough to compare two of them. */
#ifndef QUANTITY_H
#define QUANTITY_H

#include "guest.h"

typedef __int128 nanos;

/* False when `written` is no quantity or does not fit. What is finer than a nano-unit is rounded up, as upstream. */
bool quantity_parse(slice written, nanos *value);

#endif
