// Writes edged/sandbox/kinds/internal_types.json: the fields of kube-apiserver's own types, in their order, as its
// messages show them, each with the name that the field has in the API. Run by hand when the Kubernetes version changes:
// see README.md in this folder.
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
	"unicode"
)

// groups: internal package -> version of the API whose field names are taken.
var groups = map[string]string{
	"core": "core/v1", "apps": "apps/v1", "batch": "batch/v1", "autoscaling": "autoscaling/v2", "policy": "policy/v1",
	"networking": "networking/v1", "rbac": "rbac/v1", "storage": "storage/v1", "discovery": "discovery/v1",
	"scheduling": "scheduling/v1", "node": "node/v1", "certificates": "certificates/v1", "resource": "resource/v1",
}

// scalars are types whose JSON is that of the API.
var scalars = map[string]string{
	"resource.Quantity": "Quantity", "metav1.Time": "Time", "metav1.MicroTime": "Time", "metav1.Duration": "string",
	"intstr.IntOrString": "IntOrString", "types.UID": "string", "types.NodeName": "string", "runtime.Object": "any",
	"runtime.RawExtension": "any", "apiresource.Quantity": "Quantity",
}

type row [3]string

var types = map[string]map[string]ast.Expr{}

func load(dir, pkg string) {
	types[pkg] = map[string]ast.Expr{}
	files, _ := filepath.Glob(filepath.Join(dir, "*types*.go"))
	more, _ := filepath.Glob(filepath.Join(dir, "annotation_key_constants.go"))
	for _, name := range append(files, more...) {
		tree, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			panic(err)
		}
		for _, decl := range tree.Decls {
			if gen, ok := decl.(*ast.GenDecl); ok {
				for _, spec := range gen.Specs {
					if t, ok := spec.(*ast.TypeSpec); ok {
						types[pkg][t.Name.Name] = t.Type
					}
				}
			}
		}
	}
}

// spelled: "*string", "[]core.Container", "{}Quantity"; "meta/v1.ObjectMeta" for types of the API itself.
func spelled(pkg string, e ast.Expr) string {
	switch t := e.(type) {
	case *ast.StarExpr:
		return "*" + spelled(pkg, t.X)
	case *ast.ArrayType:
		element := spelled(pkg, t.Elt)
		if element == "byte" {
			return "bytes"
		}
		return "[]" + element
	case *ast.MapType:
		return "{}" + spelled(pkg, t.Value)
	case *ast.InterfaceType:
		return "any"
	case *ast.Ident:
		definition, ok := types[pkg][t.Name]
		if !ok {
			return t.Name
		}
		if _, ok := definition.(*ast.StructType); ok {
			return pkg + "." + t.Name
		}
		return spelled(pkg, definition)
	case *ast.SelectorExpr:
		full := t.X.(*ast.Ident).Name + "." + t.Sel.Name
		if scalar, ok := scalars[full]; ok {
			return scalar
		}
		other := t.X.(*ast.Ident).Name
		if other == "api" {
			other = "core"
		}
		if definition, ok := types[other][t.Sel.Name]; ok && groups[other] != "" {
			if _, ok := definition.(*ast.StructType); ok {
				return other + "." + t.Sel.Name
			}
			return spelled(other, definition)
		}
		return "meta/v1." + t.Sel.Name
	}
	return "any"
}

// apiNames: Go name -> JSON name of the fields of the API's type.
func apiNames(pkg, name string) map[string]string {
	found := map[string]string{}
	structure, ok := types[groups[pkg]][name].(*ast.StructType)
	if !ok {
		return found
	}
	for _, f := range structure.Fields.List {
		if f.Tag == nil || len(f.Names) == 0 {
			continue
		}
		tag := reflect.StructTag(strings.Trim(f.Tag.Value, "`")).Get("json")
		found[f.Names[0].Name] = strings.Split(tag, ",")[0]
	}
	return found
}

func rows(pkg, name string) []row {
	known := apiNames(pkg, name)
	var out []row
	for _, f := range types[pkg][name].(*ast.StructType).Fields.List {
		kind := spelled(pkg, f.Type)
		if len(f.Names) == 0 {
			if kind != "meta/v1.TypeMeta" {
				out = append(out, row{"", "", kind})
			}
			continue
		}
		for _, field := range f.Names {
			jsonName, ok := known[field.Name]
			if !ok {
				jsonName = string(unicode.ToLower(rune(field.Name[0]))) + field.Name[1:]
			}
			out = append(out, row{field.Name, jsonName, kind})
		}
	}
	return out
}

func main() {
	roots := map[string]string{}
	for _, pair := range os.Args[1:] {
		key, value, _ := strings.Cut(pair, "=")
		roots[key] = value
	}
	for pkg, version := range groups {
		load(filepath.Join(roots["kubernetes"], "pkg/apis", pkg), pkg)
		load(filepath.Join(roots["api"], version), version)
	}
	var names []string
	table := map[string][]row{}
	for pkg := range groups {
		for name, definition := range types[pkg] {
			if _, ok := definition.(*ast.StructType); ok && !strings.HasSuffix(name, "List") {
				names = append(names, pkg+"."+name)
				table[pkg+"."+name] = rows(pkg, name)
			}
		}
	}
	sort.Strings(names)
	fmt.Println("{")
	for i, name := range names {
		body, _ := json.Marshal(table[name])
		comma := ","
		if i == len(names)-1 {
			comma = ""
		}
		fmt.Printf("%q:%s%s\n", name, body, comma)
	}
	fmt.Println("}")
}
