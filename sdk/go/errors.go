package controller

import (
	"encoding/json"
	"errors"
	"strconv"
)

// Code is the class of an import's failure.
type Code int32

// The codes of the guest ABI.
const (
	Internal      Code = -1  // fault of the host: retry
	Denied        Code = -2  // allow-list of the module, or 401 and 403 of the API server: permanent
	NotFound      Code = -3  // the object or the watch is absent
	AlreadyExists Code = -4  // a create met an object; Current has it where asked for
	Conflict      Code = -5  // another resourceVersion or UID, or another manager's fields: read again
	WatchClash    Code = -6  // the id is in use with another declaration: a mistake of the module
	Invalid       Code = -7  // bad request, 400 and 422, a selector that is not served: permanent
	Throttled     Code = -8  // 429 or the module's own rate: wait RetryAfterMs
	Unknown       Code = -9  // the outcome of a write is not known: retry idempotently
	Limit         Code = -10 // too many objects, watches or bytes
	Unavailable   Code = -11 // the API server is away; reads of caches still work
	NotSynced     Code = -12 // the watch is not synced yet: Result{RequeueOn: "sync"}
	Deadline      Code = -13 // the time of this call is over: return
	Unsupported   Code = -14 // the extension or feature is absent
)

var codeNames = [...]string{
	"ok", "internal", "denied", "not_found", "already_exists", "conflict", "watch_clash", "invalid", "throttled",
	"unknown", "limit", "unavailable", "not_synced", "deadline", "unsupported",
}

func (c Code) String() string {
	if c <= 0 && int(-c) < len(codeNames) {
		return codeNames[-c]
	}
	return "code " + strconv.Itoa(int(c))
}

// Error is what an import answers instead of a result.
type Error struct {
	Code         Code            `json:"code"`
	Reason       string          `json:"reason"`
	Message      string          `json:"message"`
	HTTP         int             `json:"http"`
	RetryAfterMs int64           `json:"retryAfterMs"`
	Current      json.RawMessage `json:"current"`
	Fields       []string        `json:"fields"`
}

func (e *Error) Error() string { return e.Code.String() + ": " + e.Message }

// CodeOf is the code of an error that an import answered, 0 of any other.
func CodeOf(err error) Code {
	var failed *Error
	if errors.As(err, &failed) {
		return failed.Code
	}
	return 0
}

// Answer is the usual result for an error: what is permanent is terminal, a throttled key waits as long as it is told,
// an unsynced watch is waited for, and the rest is retried with back-off. Reconcile's errors go through it.
func Answer(err error) Result {
	var failed *Error
	if !errors.As(err, &failed) {
		return Result{Error: err.Error()}
	}
	switch failed.Code {
	case NotSynced:
		return Result{RequeueOn: "sync"}
	case Throttled:
		if failed.RetryAfterMs > 0 {
			return Result{RequeueAfterMs: failed.RetryAfterMs}
		}
	case Denied, Invalid, WatchClash, Unsupported:
		return Result{Error: failed.Error(), Terminal: true}
	}
	return Result{Error: failed.Error()}
}
