package config

import (
	"encoding/json"
	"slices"
)

// Schema is the JSON Schema (2020-12) of the file, made from the table of keys
// that the parser uses, so that editors complete and explain every key.
func Schema() []byte {
	top := schemaOf(file())
	top["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	top["$id"] = "https://curfew.example/schema/v1.json"
	top["title"] = "Curfew configuration"
	b, _ := json.MarshalIndent(top, "", "  ") // maps of strings encode
	return append(b, '\n')
}

func schemaOf(s *shape) map[string]any {
	m := map[string]any{}
	switch s.form {
	case listOf:
		m["type"], m["items"] = "array", schemaOf(s.of)
	case oneOrAll:
		one := schemaOf(s.of)
		m["anyOf"] = []any{one, map[string]any{"type": "array", "items": one}}
	case keyed:
		m = keyedSchema(s)
	case named:
		m["type"], m["additionalProperties"] = []string{"object", "null"}, schemaOf(s.of)
		m["propertyNames"] = map[string]any{"pattern": s.pattern}
	case either:
		var all []any
		for _, option := range s.options {
			all = append(all, schemaOf(option))
		}
		m["anyOf"] = all
	case free:
	case word:
		m["enum"] = s.words
	case whole:
		m["type"], m["minimum"], m["maximum"] = "integer", 1, 100
	case amount:
		m["type"], m["minimum"], m["maximum"] = "integer", 1, mostAmount
	case span:
		m["type"], m["pattern"] = "string", `^(?=.)([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$`
	case term:
		m["type"], m["pattern"] = "string", `^[1-9][0-9]{0,4}d$`
	case instant:
		m["type"], m["format"] = "string", "date-time"
	default:
		m["type"] = []string{"string", "number", "boolean"}
		if s.pattern != "" {
			m["type"], m["pattern"] = "string", s.pattern
		}
	}
	if s.about != "" {
		m["description"] = s.about
	}
	return m
}

func keyedSchema(s *shape) map[string]any {
	properties := map[string]any{}
	var must []string
	for _, k := range s.keys {
		p := schemaOf(&k.shape)
		p["description"] = k.about
		p["examples"] = []json.RawMessage{json.RawMessage(k.example)}
		properties[k.name] = p
		if k.must {
			must = append(must, k.name)
		}
	}
	m := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	if len(must) > 0 {
		slices.Sort(must)
		m["required"] = must
		return m
	}
	m["type"] = []string{"object", "null"}
	return m
}
