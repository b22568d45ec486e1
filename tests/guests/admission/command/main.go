// A WASI command policy for tests. What it does depends on the name of the object it is asked about.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"unsafe"
)

//go:wasmimport host call
func hostCall(binding unsafe.Pointer, bindingLen uint32, namespace unsafe.Pointer, namespaceLen uint32,
	operation unsafe.Pointer, operationLen uint32, payload unsafe.Pointer, payloadLen uint32) uint32

func ask(namespace, operation, payload string) (string, bool) {
	binding := []byte("kubewarden")
	n, o, p := []byte(namespace), []byte(operation), []byte(payload)
	failed := hostCall(unsafe.Pointer(&binding[0]), uint32(len(binding)), unsafe.Pointer(&n[0]), uint32(len(n)),
		unsafe.Pointer(&o[0]), uint32(len(o)), unsafe.Pointer(&p[0]), uint32(len(p)))
	reply, _ := io.ReadAll(os.Stdin)
	return string(reply), failed == 0
}

type question struct {
	Request struct {
		Object map[string]any `json:"object"`
	} `json:"request"`
	Settings map[string]any `json:"settings"`
}

func answer(value any) {
	if err := json.NewEncoder(os.Stdout).Encode(value); err != nil {
		panic(err)
	}
}

func validate(document []byte) {
	var asked question
	if err := json.Unmarshal(document, &asked); err != nil {
		panic(err)
	}
	metadata := asked.Request.Object["metadata"].(map[string]any)
	switch name := metadata["name"].(string); name {
	case "denied":
		answer(map[string]any{"accepted": false, "message": "denied by " + os.Args[0], "code": 418})
	case "mutated":
		metadata["labels"] = map[string]any{"seen": "yes"}
		answer(map[string]any{"accepted": true, "mutated_object": asked.Request.Object})
	case "asks":
		reply, ok := ask("kubernetes", "get_resource", `{"api_version":"v1","kind":"Namespace","name":"x"}`)
		answer(map[string]any{"accepted": ok, "message": reply})
	case "traces":
		reply, ok := ask("tracing", "log", `{"level":"info","message":"traced from Go"}`)
		answer(map[string]any{"accepted": ok && reply == ""})
	case "exits":
		fmt.Fprintln(os.Stderr, "  cannot decide  ")
		os.Exit(3)
	case "panics":
		panic("lost")
	case "spins":
		for {
		}
	case "chatters":
		fmt.Println("a word before the answer")
		answer(map[string]any{"accepted": true})
	case "warns":
		fmt.Fprintln(os.Stderr, "a word beside the answer")
		answer(map[string]any{"accepted": true, "warnings": []string{"careful"}})
	case "silent":
	default:
		answer(map[string]any{"accepted": len(os.Environ()) == 0})
	}
}

func main() {
	document, err := io.ReadAll(os.Stdin)
	if err != nil {
		panic(err)
	}
	switch os.Args[1] {
	case "validate":
		validate(document)
	case "validate-settings":
		var settings map[string]any
		if err := json.Unmarshal(document, &settings); err != nil {
			panic(err)
		}
		_, bad := settings["bad"]
		answer(map[string]any{"valid": !bad, "message": "bad is set"})
	default:
		os.Exit(64)
	}
}
