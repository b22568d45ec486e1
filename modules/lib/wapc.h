/* The guest's side of waPC for policies in C: takes a call apart, sends the answer, calls the host.
 * A policy defines policy_validate and policy_validate_settings; wapc.c exports `__guest_call`. */
#ifndef WAPC_H
#define WAPC_H

#include "json.h"

/* To be defined by the policy. Each sends exactly one answer with the functions below. */
void policy_validate(json *request, json *settings);
void policy_validate_settings(json *settings);

void answer_accept(void);
void answer_accept_with_warning(slice warning);
void answer_mutated(const json *object);
void answer_reject(slice message, unsigned code); /* code 0: none */
void answer_settings(const char *problem); /* NULL: the settings are fine */
void answer_error(slice message);          /* the call itself fails; hosts deny the request */

/* Calls the host (binding "kubewarden"). True: *reply is the response. False: *reply is the error text. */
bool host_call(slice capability, slice operation, slice payload, slice *reply);
void host_log(slice level, slice message, const json *data); /* data may be NULL */

#endif
