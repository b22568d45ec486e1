// Command yamlread reads YAML as the programs of Kubernetes do, for the tests that compare edged's reader with theirs.
//
// Each line of stdin is a question: {"how": "one" | "strict" | "files" | "configuration", "text": base64}. "one" and
// "strict" are sigs.k8s.io/yaml's YAMLToJSON and YAMLToJSONStrict, "files" is the decoder that kubectl reads files with,
// "configuration" what the strict codecs of configuration files take before they look at fields. Each line of stdout is
// the answer: {"documents": [JSON as text, ...]} or {"error": text}.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

type question struct {
	How  string `json:"how"`
	Text []byte `json:"text"`
}

type answer struct {
	Documents []string `json:"documents"`
	Error     string   `json:"error,omitempty"`
}

func read(asked question) (documents []string, err error) {
	defer func() {
		if problem := recover(); problem != nil {
			err = fmt.Errorf("panic: %v", problem)
		}
	}()
	switch asked.How {
	case "one":
		found, err := yaml.YAMLToJSON(asked.Text)
		return []string{string(found)}, err
	case "strict":
		found, err := yaml.YAMLToJSONStrict(asked.Text)
		return []string{string(found)}, err
	case "files":
		return files(asked.Text)
	case "configuration":
		return configuration(asked.Text)
	}
	return nil, fmt.Errorf("unknown way of reading: %s", asked.How)
}

// configuration is what the codecs do with a configuration file: the first sign decides between JSON and YAML.
func configuration(text []byte) ([]string, error) {
	if !utilyaml.IsJSONBuffer(text) {
		found, err := yaml.YAMLToJSONStrict(text)
		return []string{string(found)}, err
	}
	found := map[string]any{}
	strict, err := kjson.UnmarshalStrict(text, &found)
	if err == nil && len(strict) > 0 {
		err = errors.Join(strict...)
	}
	return []string{string(text)}, err
}

// files is what k8s.io/cli-runtime's FileVisitor does with a file.
func files(text []byte) ([]string, error) {
	documents := []string{}
	decoded := transform.NewReader(bytes.NewReader(text), unicode.BOMOverride(unicode.UTF8.NewDecoder()))
	decoder := utilyaml.NewYAMLOrJSONDecoder(decoded, 4096)
	for {
		found := runtime.RawExtension{}
		if err := decoder.Decode(&found); errors.Is(err, io.EOF) {
			return documents, nil
		} else if err != nil {
			return nil, err
		}
		found.Raw = bytes.TrimSpace(found.Raw)
		if len(found.Raw) != 0 && !bytes.Equal(found.Raw, []byte("null")) {
			documents = append(documents, string(found.Raw))
		}
	}
}

func main() {
	questions := bufio.NewScanner(os.Stdin)
	questions.Buffer(nil, 1<<30)
	answers := bufio.NewWriter(os.Stdout)
	defer answers.Flush()
	for questions.Scan() {
		var asked question
		if err := json.Unmarshal(questions.Bytes(), &asked); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		var said answer
		var err error
		if said.Documents, err = read(asked); err != nil {
			said = answer{Error: err.Error()}
		}
		line, err := json.Marshal(said)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		answers.Write(append(line, '\n'))
		answers.Flush()
	}
}
