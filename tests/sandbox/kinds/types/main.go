// Writes edged/sandbox/kinds/types.json: the wire shape of every built-in Kubernetes type that the sandbox serves, read
// from the Go sources that define it (field tags for JSON and protobuf, markers for merging). Run by hand when
// the Kubernetes version changes: see README.md in this folder.
package main

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"sort"
	"strings"
)

// field is [JSON name, protobuf number (0: none), type, flags, merge key, list map keys].
type field []any

type source struct{ dir, pkg string }

var (
	types   = map[string]map[string]ast.Expr{} // package -> type name -> definition
	imports = map[string]map[string]string{}   // package + file -> alias -> package
	owner   = map[string]string{}              // package.type -> file
	atomic  = map[string]bool{}                // types that are one field, wherever they stand
)

// scalars are types with a wire form of their own; the sandbox knows them by name.
var scalars = map[string]string{
	"resource.Quantity": "Quantity", "meta/v1.Time": "Time", "meta/v1.MicroTime": "MicroTime",
	"meta/v1.Duration": "Duration", "meta/v1.FieldsV1": "RawJSON", "runtime.RawExtension": "RawExtension",
	"runtime.Object": "RawExtension", "intstr.IntOrString": "IntOrString", "meta/v1.Verbs": "[]string",
	"apiextensions/v1.JSON": "JSON", "meta/v1.Timestamp": "Time", "types.UID": "string", "types.NodeName": "string",
}

func load(s source) {
	files, _ := filepath.Glob(filepath.Join(s.dir, "*types*.go"))
	more, _ := filepath.Glob(filepath.Join(s.dir, "group_version.go"))
	set := token.NewFileSet()
	if types[s.pkg] == nil {
		types[s.pkg] = map[string]ast.Expr{}
	}
	for _, name := range append(files, more...) {
		if strings.HasSuffix(name, "_test.go") || strings.Contains(name, "swagger_doc") {
			continue
		}
		tree, err := parser.ParseFile(set, name, nil, parser.ParseComments)
		if err != nil {
			panic(err)
		}
		aliases := map[string]string{}
		for _, spec := range tree.Imports {
			path := strings.Trim(spec.Path.Value, `"`)
			alias := filepath.Base(path)
			if spec.Name != nil {
				alias = spec.Name.Name
			}
			aliases[alias] = packageName(path)
		}
		imports[s.pkg+name] = aliases
		for _, decl := range tree.Decls {
			gen, ok := decl.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range gen.Specs {
				if t, ok := spec.(*ast.TypeSpec); ok {
					types[s.pkg][t.Name.Name] = t.Type
					owner[s.pkg+"."+t.Name.Name] = name
					if isAtomic(gen.Doc) || isAtomic(t.Doc) {
						atomic[s.pkg+"."+t.Name.Name] = true
					}
				}
			}
		}
	}
}

// packageName shortens an import path to "core/v1"; packages of scalars keep their last element.
func packageName(path string) string {
	switch {
	case strings.HasPrefix(path, "k8s.io/api/"):
		return strings.TrimPrefix(path, "k8s.io/api/")
	case path == "k8s.io/apimachinery/pkg/apis/meta/v1":
		return "meta/v1"
	case strings.HasPrefix(path, "k8s.io/apiextensions-apiserver/pkg/apis/"):
		return strings.TrimPrefix(path, "k8s.io/apiextensions-apiserver/pkg/apis/")
	}
	return filepath.Base(path)
}

// resolve spells a Go type: "string", "int32", "[]core/v1.Container", "{}Quantity" for a map of quantities.
func resolve(pkg, file string, e ast.Expr) string {
	switch t := e.(type) {
	case *ast.StarExpr:
		return resolve(pkg, file, t.X)
	case *ast.ArrayType:
		element := resolve(pkg, file, t.Elt)
		if element == "byte" || element == "uint8" {
			return "bytes"
		}
		return "[]" + element
	case *ast.MapType:
		return "{}" + resolve(pkg, file, t.Value)
	case *ast.InterfaceType:
		return "JSON"
	case *ast.Ident:
		if definition, ok := types[pkg][t.Name]; ok {
			return named(pkg, t.Name, definition)
		}
		return t.Name
	case *ast.SelectorExpr:
		other := imports[pkg+file][t.X.(*ast.Ident).Name]
		name := t.Sel.Name
		if scalar, ok := scalars[other+"."+name]; ok {
			return scalar
		}
		if definition, ok := types[other][name]; ok {
			return named(other, name, definition)
		}
		panic("unknown type " + other + "." + name + " in " + file)
	}
	panic(fmt.Sprintf("%T in %s", e, file))
}

func named(pkg, name string, definition ast.Expr) string {
	full := pkg + "." + name
	if scalar, ok := scalars[full]; ok {
		return scalar
	}
	if _, ok := definition.(*ast.StructType); ok {
		return full
	}
	return resolve(pkg, owner[full], definition)
}

func isAtomic(doc *ast.CommentGroup) bool {
	found := append(markers(doc, "structType"), markers(doc, "mapType")...)
	return len(found) > 0 && found[0] == "atomic"
}

func marker(f *ast.Field, name string) []string {
	return markers(f.Doc, name)
}

func markers(doc *ast.CommentGroup, name string) []string {
	var found []string
	if doc == nil {
		return nil
	}
	for _, line := range doc.List {
		text := strings.TrimSpace(strings.TrimPrefix(line.Text, "//"))
		if rest, ok := strings.CutPrefix(text, "+"+name+"="); ok {
			found = append(found, rest)
		}
	}
	return found
}

// fields lists a struct's fields; embedded "inline" structs are flattened for JSON and kept as one message for
// protobuf (flag "i", JSON name "").
func fields(pkg, name string) []field {
	file := owner[pkg+"."+name]
	var out []field
	for _, f := range types[pkg][name].(*ast.StructType).Fields.List {
		if f.Tag == nil {
			continue
		}
		tag := reflect.StructTag(strings.Trim(f.Tag.Value, "`"))
		parts := strings.Split(tag.Get("json"), ",")
		jsonName, options := parts[0], strings.Join(parts[1:], ",")
		number := 0
		if p := strings.Split(tag.Get("protobuf"), ","); len(p) > 1 {
			fmt.Sscan(p[1], &number)
		}
		kind := resolve(pkg, file, f.Type)
		if jsonName == "-" || kind == "meta/v1.TypeMeta" {
			continue
		}
		flags := ""
		if strings.Contains(options, "inline") || jsonName == "" {
			flags, jsonName = "i", ""
		}
		if _, pointer := f.Type.(*ast.StarExpr); pointer {
			flags += "p"
		}
		if strings.Contains(options, "omitempty") {
			flags += "o"
		}
		if strings.Contains(options, "omitzero") {
			flags += "z"
		}
		if strings.Contains(tag.Get("patchStrategy"), "merge") {
			flags += "m"
		}
		if strings.Contains(tag.Get("patchStrategy"), "retainKeys") {
			flags += "r"
		}
		for _, list := range marker(f, "listType") {
			flags += map[string]string{"map": "M", "set": "S", "atomic": "A"}[list]
		}
		for _, m := range append(marker(f, "mapType"), marker(f, "structType")...) {
			flags += map[string]string{"atomic": "A", "granular": "G"}[m]
		}
		entry := field{jsonName, number, kind, flags}
		keys := marker(f, "listMapKey")
		if merge := tag.Get("patchMergeKey"); merge != "" || len(keys) > 0 {
			entry = append(entry, merge)
			if len(keys) > 0 {
				entry = append(entry, keys)
			}
		}
		out = append(out, entry)
	}
	return out
}

func main() {
	roots := map[string]string{}
	for _, pair := range os.Args[1:] {
		key, value, _ := strings.Cut(pair, "=")
		roots[key] = value
	}
	load(source{filepath.Join(roots["apimachinery"], "pkg/apis/meta/v1"), "meta/v1"})
	load(source{filepath.Join(roots["apiextensions-apiserver"], "pkg/apis/apiextensions/v1"), "apiextensions/v1"})
	var served []string
	for _, gv := range strings.Fields("core/v1 apps/v1 batch/v1 autoscaling/v1 autoscaling/v2 policy/v1 rbac/v1 storage/v1 " +
		"networking/v1 discovery/v1 events/v1 coordination/v1 scheduling/v1 node/v1 admissionregistration/v1 " +
		"authentication/v1 authorization/v1 certificates/v1 resource/v1 scheduling/v1alpha3") {
		load(source{filepath.Join(roots["api"], gv), gv})
		served = append(served, gv)
	}
	reached := map[string][]field{}
	var queue []string
	for _, gv := range append(served, "meta/v1", "apiextensions/v1") {
		for name, definition := range types[gv] {
			if _, ok := definition.(*ast.StructType); ok {
				queue = append(queue, gv+"."+name)
			}
		}
	}
	sort.Strings(queue)
	for _, full := range queue {
		if _, scalar := scalars[full]; scalar || strings.HasSuffix(full, "List") {
			continue
		}
		dot := strings.LastIndex(full, ".")
		if strings.Contains(full, "alpha") && !strings.Contains(full, "Workload") {
			continue
		}
		reached[full] = fields(full[:dot], full[dot+1:])
	}
	write(reached)
}

// write prints one type per line, so that a new Kubernetes version shows up as a readable difference.
func write(reached map[string][]field) {
	var names []string
	for name := range reached {
		names = append(names, name)
	}
	sort.Strings(names)
	var alone []field
	for _, name := range names {
		if atomic[name] {
			alone = append(alone, field{name, 0, "", "A"})
		}
	}
	body, err := json.Marshal(alone)
	if err != nil {
		panic(err)
	}
	fmt.Printf("{\n\"\":%s,\n", body)
	for i, name := range names {
		body, err := json.Marshal(reached[name])
		if err != nil {
			panic(err)
		}
		comma := ","
		if i == len(names)-1 {
			comma = ""
		}
		fmt.Printf("%q:%s%s\n", name, body, comma)
	}
	fmt.Println("}")
}
