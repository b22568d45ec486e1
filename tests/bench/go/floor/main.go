// Command floor is the least that a webhook costs: over TLS, on kept connections, it reads a review, takes its uid and
// answers `allowed`. It decides nothing. tests/bench/floor.py runs it.
//
// GET /calls says how many reviews it has answered.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"sync/atomic"
)

type review struct {
	Request struct {
		UID string `json:"uid"`
	} `json:"request"`
}

const answer = `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":%q,"allowed":true}}`

var calls atomic.Int64

func main() {
	listen := flag.String("listen", "127.0.0.1:8443", "host:port")
	certificate := flag.String("cert", "", "the server's certificate, PEM")
	key := flag.String("key", "", "its key")
	flag.Parse()
	http.HandleFunc("POST /", allow)
	http.HandleFunc("GET /calls", func(writer http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(writer, calls.Load())
	})
	log.Fatal(http.ListenAndServeTLS(*listen, *certificate, *key, nil))
}

func allow(writer http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	var asked review
	if err == nil {
		err = json.Unmarshal(body, &asked)
	}
	if err != nil {
		http.Error(writer, err.Error(), http.StatusBadRequest)
		return
	}
	calls.Add(1)
	writer.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(writer, answer, asked.Request.UID)
}
