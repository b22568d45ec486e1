// Command webhookload asks an admission webhook as kube-apiserver does: all policies of an object in parallel, a
// connection each, HTTP/1.1 over TLS, with the settings of client-go.
//
// The last line of stdout is a JSON object: what the answers were, how long they took, and how many connections and
// handshakes that took. tests/cluster/test_bursts.py runs it.
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

type answer struct {
	Response struct {
		Allowed bool `json:"allowed"`
		Status  struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
		} `json:"status"`
	} `json:"response"`
}

type load struct {
	address  string
	policy   string
	timeout  time.Duration
	bodies   [][]byte
	client   *http.Client
	mutex    sync.Mutex
	outcomes map[string]int
	took     []float64

	handshakes, resumed atomic.Int64
}

func main() {
	address := flag.String("address", "", "host:port of the webhook")
	ca := flag.String("ca", "", "PEM file that the server's certificate is checked with")
	certificate := flag.String("cert", "", "client certificate, PEM")
	key := flag.String("key", "", "its key")
	policy := flag.String("policy", "p%d", "name of a policy, with its number")
	objects := flag.Int("objects", 1, "how many objects are reviewed at once")
	policies := flag.Int("policies", 1, "how many policies are asked about each")
	timeout := flag.Duration("timeout", 3*time.Second, "timeoutSeconds of the webhooks")
	body := flag.String("body", "", "file with the AdmissionReview")
	resume := flag.Bool("resume", false, "keep TLS sessions, which client-go does not")
	flag.Parse()
	review, err := os.ReadFile(*body)
	exitOn(err)
	l := &load{address: *address, policy: *policy, timeout: *timeout, bodies: [][]byte{review}, outcomes: map[string]int{}}
	l.client = &http.Client{Transport: transport(*ca, *certificate, *key, *resume)}
	began := time.Now()
	l.run(*objects, *policies)
	l.report(time.Since(began))
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "webhookload:", err)
		os.Exit(2)
	}
}

// transport is that of client-go's transport cache for a webhook client (k8s.io/client-go/transport/cache.go and
// k8s.io/apiserver/pkg/util/webhook/client.go, which also offers http/1.1 alone).
func transport(ca, certificate, key string, resume bool) *http.Transport {
	config := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
	pool := x509.NewCertPool()
	pem, err := os.ReadFile(ca)
	exitOn(err)
	pool.AppendCertsFromPEM(pem)
	config.RootCAs = pool
	if certificate != "" {
		pair, err := tls.LoadX509KeyPair(certificate, key)
		exitOn(err)
		config.Certificates = []tls.Certificate{pair}
	}
	if resume {
		config.ClientSessionCache = tls.NewLRUClientSessionCache(0)
	}
	return &http.Transport{
		TLSHandshakeTimeout: 10 * time.Second,
		TLSClientConfig:     config,
		MaxIdleConnsPerHost: 25,
		DialContext:         (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		DisableCompression:  true,
	}
}

func (l *load) run(objects, policies int) {
	var group sync.WaitGroup
	for object := 0; object < objects; object++ {
		for policy := 0; policy < policies; policy++ {
			group.Add(1)
			go func(policy int, body []byte) {
				defer group.Done()
				began := time.Now()
				outcome := l.ask(fmt.Sprintf(l.policy, policy), body)
				l.note(outcome, time.Since(began))
			}(policy, l.bodies[object%len(l.bodies)])
		}
	}
	group.Wait()
}

func (l *load) ask(policy string, body []byte) string {
	ctx, cancel := context.WithTimeout(context.Background(), l.timeout)
	defer cancel()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		TLSHandshakeDone: func(state tls.ConnectionState, err error) {
			if err == nil {
				l.handshakes.Add(1)
				if state.DidResume {
					l.resumed.Add(1)
				}
			}
		},
	})
	name := policy
	if strings.Contains(policy, "%!") {
		name = l.policy
	}
	url := fmt.Sprintf("https://%s/validate/%s?timeout=%s", l.address, name, l.timeout)
	request, err := http.NewRequestWithContext(ctx, "POST", url, bytes.NewReader(body))
	exitOn(err)
	request.Header.Set("Content-Type", "application/json")
	response, err := l.client.Do(request)
	if err != nil {
		return "error: " + reason(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return "error: " + reason(err)
	}
	if response.StatusCode != 200 {
		return fmt.Sprintf("http %d", response.StatusCode)
	}
	var got answer
	if err := json.Unmarshal(text, &got); err != nil {
		return "error: not a review: " + err.Error()
	}
	if got.Response.Allowed {
		return "allowed"
	}
	if got.Response.Status.Code == 500 {
		return "verdict 500: " + got.Response.Status.Message
	}
	return "denied"
}

// reason is an error without its URL and ports, so that equal ones are counted together.
func reason(err error) string {
	text := err.Error()
	for _, known := range []string{"EOF", "connection reset by peer", "broken pipe", "TLS handshake timeout",
		"context deadline exceeded", "Client.Timeout", "i/o timeout", "connection refused"} {
		if strings.Contains(text, known) {
			return known
		}
	}
	return text
}

func (l *load) note(outcome string, took time.Duration) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.outcomes[outcome]++
	l.took = append(l.took, took.Seconds())
}

func (l *load) report(took time.Duration) {
	sort.Float64s(l.took)
	at := func(share float64) float64 { return l.took[int(share*float64(len(l.took)-1))] }
	out, err := json.Marshal(map[string]any{
		"outcomes":   l.outcomes,
		"seconds":    took.Seconds(),
		"p50":        at(0.5),
		"p99":        at(0.99),
		"max":        at(1),
		"handshakes": l.handshakes.Load(),
		"resumed":    l.resumed.Load(),
	})
	exitOn(err)
	fmt.Println(string(out))
}
