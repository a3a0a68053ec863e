package judge

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"unicode"
)

// node is a pointer to one of the types of the grammar, or nil.
type node any

// position holds the fields of every node that say where it stood or how it prints.
func position(field string) bool {
	switch field {
	case "location", "name_location", "typemod", "typmod", "argnumber":
		return true
	}
	return false
}

// raw is a statement before it is known whether it can be judged.
type raw struct {
	Stmt     map[string]any `json:"stmt"`
	Location int            `json:"stmt_location"`
	Len      int            `json:"stmt_len"`
}

// split takes the parser's answer apart.
func split(text string) ([]raw, error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	d.DisallowUnknownFields()
	var all struct {
		Version int   `json:"version"`
		Stmts   []raw `json:"stmts"`
	}
	if err := d.Decode(&all); err != nil {
		return nil, err
	}
	return all.Stmts, nil
}

// build makes the tree of a statement and fails at the first thing that the grammar lacks.
func build(v any) (node, error) {
	m, ok := v.(map[string]any)
	if !ok || len(m) > 1 {
		return nil, fmt.Errorf("a node that is none")
	}
	for name, fields := range m {
		t, ok := grammar()[name]
		if !ok {
			return nil, unknownNode(name)
		}
		p := reflect.New(t)
		return p.Interface(), fill(p.Elem(), name, fields)
	}
	return nil, nil // an absent element of a list
}

// unknownNode is a part of SQL that the grammar lacks.
type unknownNode string

func (u unknownNode) Error() string { return spaced(string(u)) }

func fill(v reflect.Value, name string, fields any) error {
	m, ok := fields.(map[string]any)
	if !ok {
		return unknownNode(name)
	}
	for key, value := range m {
		if _, number := value.(json.Number); number && position(key) {
			continue
		}
		f := v.FieldByName(goName(key))
		if !f.IsValid() {
			return unknownNode(name + " " + key)
		}
		if err := set(f, name+" "+key, value); err != nil {
			return err
		}
	}
	return nil
}

func set(f reflect.Value, what string, value any) error {
	switch f.Kind() {
	case reflect.Interface:
		return setNode(f, value)
	case reflect.Slice:
		list, ok := value.([]any)
		if !ok {
			return unknownNode(what)
		}
		f.Set(reflect.MakeSlice(f.Type(), len(list), len(list)))
		for i, e := range list {
			if err := setNode(f.Index(i), e); err != nil {
				return err
			}
		}
		return nil
	case reflect.Pointer:
		f.Set(reflect.New(f.Type().Elem()))
		return fill(f.Elem(), what, value)
	}
	return setScalar(f, what, value)
}

func setNode(f reflect.Value, value any) error {
	n, err := build(value)
	if n != nil {
		f.Set(reflect.ValueOf(n))
	}
	return err
}

func setScalar(f reflect.Value, what string, value any) error {
	switch x := value.(type) {
	case string:
		if f.Kind() == reflect.String {
			f.SetString(x)
			return nil
		}
	case bool:
		if f.Kind() == reflect.Bool {
			f.SetBool(x)
			return nil
		}
	case json.Number:
		if n, err := x.Int64(); err == nil && f.Kind() == reflect.Int {
			f.SetInt(n)
			return nil
		}
	}
	return unknownNode(what)
}

// goName turns agg_filter and withClause into AggFilter and WithClause.
func goName(key string) string {
	b := make([]byte, 0, len(key))
	up := true
	for i := range len(key) {
		c := key[i]
		if c == '_' {
			up = true
			continue
		}
		if up && c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
		}
		up = false
		b = append(b, c)
	}
	return string(b)
}

// spaced says CreateTableAsStmt as "create table as".
func spaced(name string) string {
	var b bytes.Buffer
	for i, r := range strings.TrimSuffix(name, "Stmt") {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return strings.ReplaceAll(b.String(), "_", " ")
}
