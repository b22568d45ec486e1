// protobuf-oracle answers, with the Go types of Kubernetes themselves, what tests/scheduling/guests/test_protobuf.py asks.
//
//	protobuf-oracle fields    the field table reachable from Pod and NodeList, as JSON
//	protobuf-oracle convert   one request per line on stdin: {"kind", "json"} gives {"protobuf"} (base64),
//	                          {"kind", "protobuf"} gives {"json"}; a failure gives {"error"}
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

type field struct {
	Number int    `json:"number"`
	Name   string `json:"name"` // JSON name; "" for a struct that JSON inlines
	Kind   string `json:"kind"` // "string", "int32", a message, with "[]" or "map:" before it
	Always bool   `json:"always"`
}

// Types whose JSON form is not the JSON form of their fields.
var leaves = map[reflect.Type]string{
	reflect.TypeOf(resource.Quantity{}):  "Quantity",
	reflect.TypeOf(metav1.Time{}):        "Time",
	reflect.TypeOf(metav1.MicroTime{}):   "MicroTime",
	reflect.TypeOf(intstr.IntOrString{}): "IntOrString",
	reflect.TypeOf(metav1.FieldsV1{}):    "FieldsV1",
}

func kindOf(t reflect.Type, seen map[string][]field) string {
	if leaf, ok := leaves[t]; ok {
		return leaf
	}
	switch t.Kind() {
	case reflect.Ptr:
		return kindOf(t.Elem(), seen)
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "bytes"
		}
		return "[]" + kindOf(t.Elem(), seen)
	case reflect.Map:
		return "map:" + kindOf(t.Elem(), seen)
	case reflect.Struct:
		describe(t, seen)
		return t.Name()
	}
	return t.Kind().String()
}

func describe(t reflect.Type, seen map[string][]field) {
	if _, ok := seen[t.Name()]; ok {
		return
	}
	seen[t.Name()] = nil
	var fields []field
	for i := 0; i < t.NumField(); i++ {
		f := t.Field(i)
		tag := f.Tag.Get("protobuf")
		if tag == "" || tag == "-" {
			continue
		}
		var number int
		if _, err := fmt.Sscanf(strings.Split(tag, ",")[1], "%d", &number); err != nil {
			panic(t.Name() + "." + f.Name)
		}
		kind := f.Type.Kind()
		always := kind != reflect.Ptr && kind != reflect.Slice && kind != reflect.Map
		name := strings.Split(f.Tag.Get("json"), ",")[0]
		fields = append(fields, field{number, name, kindOf(f.Type, seen), always})
	}
	seen[t.Name()] = fields
}

type message interface {
	Marshal() ([]byte, error)
	Unmarshal([]byte) error
}

type line struct {
	Kind     string          `json:"kind,omitempty"`
	JSON     json.RawMessage `json:"json,omitempty"`
	Protobuf []byte          `json:"protobuf,omitempty"`
	Error    string          `json:"error,omitempty"`
}

func convert(in line) (line, error) {
	kinds := map[string]message{"Pod": &v1.Pod{}, "Node": &v1.Node{}, "NodeList": &v1.NodeList{}}
	m, ok := kinds[in.Kind]
	if !ok {
		return line{}, fmt.Errorf("unknown kind %q", in.Kind)
	}
	if in.JSON != nil {
		if err := json.Unmarshal(in.JSON, m); err != nil {
			return line{}, err
		}
		data, err := m.Marshal()
		return line{Protobuf: data}, err
	}
	if err := m.Unmarshal(in.Protobuf); err != nil {
		return line{}, err
	}
	text, err := json.Marshal(m)
	return line{JSON: text}, err
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == "fields" {
		seen := map[string][]field{}
		describe(reflect.TypeOf(v1.Pod{}), seen)
		describe(reflect.TypeOf(v1.NodeList{}), seen)
		json.NewEncoder(os.Stdout).Encode(seen)
		return
	}
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := json.NewEncoder(os.Stdout)
	for {
		text, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		var request, answer line
		if err = json.Unmarshal(text, &request); err == nil {
			answer, err = convert(request)
		}
		if err != nil {
			answer = line{Error: err.Error()}
		}
		out.Encode(answer)
	}
}
